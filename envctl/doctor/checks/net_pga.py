"""Private nodes reach Google's APIs: Private Google Access is on.

Nodes without public addresses pull images and call APIs through Private Google Access of their subnetwork. Without it
the environment hangs until its creation times out. In generation 3 the nodes live in Google's project.
"""

from __future__ import annotations

from collections.abc import Iterator

from envctl.diagnostics import Severity
from envctl.doctor.case import Case
from envctl.doctor.check import Check, Voice, by_up, command
from envctl.doctor.facts import Absent, Known, Subject, Unreadable, field_of
from envctl.doctor.model import Finding
from envctl.iam_targets import subnetwork_name

_VOICE = Voice("net.pga", Severity.ERROR)


def _run(case: Case) -> Iterator[Finding]:
    name = (subnetwork_name(case.setting) or "").removeprefix("//compute.googleapis.com/")
    if case.setting.generation >= 3 or not case.setting.private:
        yield _VOICE.skipped("Only private environments of generation 2 depend on it.")
    elif not name:
        yield _VOICE.skipped("The subnetwork is made by envctl, with Private Google Access.")
    else:
        match case.facts.ask(Subject.SUBNETWORK, name):
            case Unreadable() as answer:
                yield _VOICE.unknown(answer, "whether Private Google Access is on", resource=name)
            case Absent():
                yield _VOICE.failed("The subnetwork does not exist.", resource=name)
            case Known(value) if field_of(value, "privateIpGoogleAccess") is True:
                yield _VOICE.ok("Private Google Access is on", resource=name)
            case Known():
                _, project, _, region, _, subnetwork = name.split("/")
                enable = command(
                    f"gcloud compute networks subnets update {subnetwork} --region={region} --project={project} "
                    "--enable-private-ip-google-access"
                )
                fixes = (
                    (enable,)
                    if case.setting.host_project
                    else (by_up(f"~ privateIpGoogleAccess   (envctl up {case.name})"), enable)
                )
                yield _VOICE.failed(
                    "Private Google Access is off: private nodes cannot pull images.", resource=name, fixes=fixes
                )


CHECK = Check(("net.pga",), _run, operations=("create", "update", "upgrade", "packages"))
