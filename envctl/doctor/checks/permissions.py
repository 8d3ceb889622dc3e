"""Every right that the operation at hand needs, principal by principal.

One family for all operations: `operations.json` says which permissions an operation needs from whom, and the row of
`bindings.json` that gives them lends the finding its id and its page. Permissions are tested, never role names, so
any role that holds them counts.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from envctl.diagnostics import Severity
from envctl.doctor.case import Case
from envctl.doctor.check import Check, command
from envctl.doctor.evaluate import Access, Reason, State, Verdict, policy_reader
from envctl.doctor.facts import Absent, Known, Subject, field_of, objects, texts
from envctl.doctor.model import Finding, Fix, FixKind, Status
from envctl.doctor.observed import absent_resources
from envctl.doctor.principals import normal_member
from envctl.doctor.repair import fixes_for
from envctl.doctor.resources import project_resource, split_name
from envctl.iam_conditions import applies
from envctl.iam_roles import DECLARING, STANDING, Binding, Requirement, load_operations, load_table, required_apis
from envctl.iam_steps import VERBS, Verb, step_permissions
from envctl.iam_targets import CALLER

PROPAGATION: Final = timedelta(minutes=7)
"""How long a change of a policy may take to spread (IAM documentation, "Access change propagation", 2026-08)."""

OWN_CHECKS: Final = frozenset({"wi.auto"})
"""Rows that a check of their own decides, because their member is not known by name."""

DEPLOYING: Final = frozenset({"deployer", "bootstrapper"})
"""Principals of the table that stand for whoever runs envctl."""

_MEMBERSHIPS: Final = {
    "cloudresourcemanager.googleapis.com": "projects/iAMMember:IAMMember",
    "iam.googleapis.com": "serviceaccount/iAMMember:IAMMember",
    "cloudkms.googleapis.com": "kms/cryptoKeyIAMMember:CryptoKeyIAMMember",
    "storage.googleapis.com": "storage/bucketIAMMember:BucketIAMMember",
    "secretmanager.googleapis.com": "secretmanager/secretIamMember:SecretIamMember",
    "artifactregistry.googleapis.com": "artifactregistry/repositoryIamMember:RepositoryIamMember",
}
"""The type of a membership by the service of the object whose policy holds it."""

PEOPLE: Final = DEPLOYING | {"airflow_user", "dag_author", "operator", "doctor", "named"}
"""Principals of the table without which the environment runs on."""

STATE_KINDS: Final = frozenset({"pulumi_state_bucket", "pulumi_secrets_key"})
"""What the Pulumi CLI opens itself, with the credentials of the machine, whatever account the rest acts as."""


def _run(case: Case) -> Iterator[Finding]:
    wanted = wanted_permissions(case)
    bindings = [item for item in bindings_of(case) if not OWN_CHECKS.intersection(item.ids)]
    lost: list[Binding] = []
    for binding in (item for item in bindings if item.principal not in DEPLOYING):
        if permissions := _permissions(binding, wanted):
            finding = _judge(case, binding, permissions)
            if finding.status is Status.FAILED and binding.managed:
                lost.append(binding)
            yield finding
    for row, names in repairing(case, lost).items():
        wanted[row] = (*wanted.get(row, ()), *names)
    for binding in (item for item in bindings if item.principal in DEPLOYING):
        if permissions := _permissions(binding, wanted):
            yield _judge(case, binding, permissions)
    yield from _not_needed(case, wanted)


def _permissions(binding: Binding, wanted: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for row in binding.ids for name in wanted.get(row, ())))


def repairing(case: Case, lost: Iterable[Binding]) -> dict[str, tuple[str, ...]]:
    """What bringing lost memberships and APIs back takes beside the operation itself, by row of the bindings table.

    To change an environment nobody has to be able to write policies, unless `up` finds something to write.
    """
    if not DECLARING.intersection(case.operations):
        return {}
    services = {split_name(binding.resource)[0] for binding in lost if binding.resource}
    kinds = [kind for service, kind in _MEMBERSHIPS.items() if service in services]
    enabled = case.facts.value(Subject.SERVICES, case.project)
    if isinstance(enabled, list) and not set(required_apis(case.spec, case.foundation)) <= set(texts(enabled)):
        kinds.append("projects/service:Service")
    return step_permissions(case.setting, (Verb.CREATE,), kinds=kinds)


def wanted_permissions(case: Case) -> dict[str, tuple[str, ...]]:
    """Permissions that the operations at hand need, by row of the bindings table."""
    wanted: dict[str, tuple[str, ...]] = {}
    for name in _with_standing(case):
        for check in load_operations()[name]["checks"]:
            if "left_out" in check or not applies(check["generations"], check["when"], case.setting):
                continue
            before = wanted.get(check["binding"], ())
            wanted[check["binding"]] = (*before, *check["permissions"])
    for row, permissions in step_permissions(case.setting, _verbs(case)).items():
        wanted[row] = (*wanted.get(row, ()), *permissions)
    return wanted


def possible_permissions(case: Case) -> dict[str, tuple[str, ...]]:
    """What the operations may turn out to need: also what writing lost memberships and APIs again would take."""
    wanted = wanted_permissions(case)
    kinds = (*_MEMBERSHIPS.values(), "projects/service:Service") if DECLARING.intersection(case.operations) else ()
    for row, names in step_permissions(case.setting, (Verb.CREATE,), kinds=kinds).items():
        wanted[row] = (*wanted.get(row, ()), *names)
    return wanted


def _verbs(case: Case) -> tuple[Verb, ...]:
    """What the operations at hand do to the resources of the stack."""
    return tuple(dict.fromkeys(verb for name in case.operations for verb in VERBS.get(name, ())))


def _not_needed(case: Case, wanted: dict[str, tuple[str, ...]]) -> Iterator[Finding]:
    """Rows that the operation can need in another environment, once each."""
    rows = {row["id"]: row for row in load_table("bindings")["rows"]}
    seen: set[str] = set()
    for name in _with_standing(case):
        for check in load_operations()[name]["checks"]:
            row = check["binding"]
            if "left_out" in check or row in wanted or row in seen or row in OWN_CHECKS:
                continue
            seen.add(row)
            why = f"Not needed here: {rows[row]['condition']}."
            yield Finding(row, Status.SKIPPED, Severity.ERROR, why, role=rows[row]["role"])


def _with_standing(case: Case) -> tuple[str, ...]:
    standing = STANDING if DECLARING.intersection(case.operations) else ()
    return tuple(dict.fromkeys((*case.operations, *standing)))


def bindings_of(case: Case) -> Iterator[Binding]:
    """The needed bindings, those of the person or account at the keyboard included."""
    caller = case.caller
    deployers = {normal_member(member) for member in case.spec.access.deployers}
    seen: set[str] = set()
    for binding in case.bindings:
        if not binding.needed and binding.principal != "doctor":
            continue
        runner, idle = caller, None
        if binding.resource_kind in STATE_KINDS and case.deployment.signed_in is not None:
            runner, idle = case.deployment.signed_in, caller  # the account that is acted as opens neither
        if binding.member == CALLER:
            yield binding if runner is None else replace(binding, member=runner)
        elif idle is None or normal_member(binding.member) != normal_member(idle):
            yield binding
        if binding.principal in DEPLOYING and runner is not None and normal_member(runner) not in deployers:
            key = f"{binding.id} {binding.resource}"
            if binding.member != CALLER and key not in seen:  # the file names others; whoever runs envctl needs it too
                seen.add(key)
                yield replace(binding, member=runner, managed=False)


def _judge(case: Case, binding: Binding, permissions: tuple[str, ...]) -> Finding:
    base = Finding(
        id=binding.id,
        status=Status.OK,
        severity=_severity(case, binding),
        why=binding.why,
        principal=binding.member,
        resource=binding.resource or binding.target,
        role=binding.role,
    )
    if binding.member == CALLER:
        return replace(
            base, status=Status.SKIPPED, why="The facts do not say who runs envctl; collect them with your own sign-in."
        )
    if binding.resource is None:
        if binding.target == "buckets.environment" and case.environment_bucket:
            bucket = f"//storage.googleapis.com/projects/_/buckets/{case.environment_bucket}"
            return _judge(case, replace(binding, resource=bucket), permissions)
        if binding.resource_kind in {"subnet", "subnet_or_host_project", "host_project_or_subnet"}:
            return replace(base, status=Status.UNKNOWN, evidence=("the file names no subnetwork",))
        return replace(
            base,
            status=Status.SKIPPED,
            why=f"{binding.target or binding.resource_kind} does not exist yet or has no name in the file.",
        )
    bucket = binding.resource.removeprefix("//storage.googleapis.com/projects/_/buckets/")
    if binding.resource_kind in STATE_KINDS and _is_gone(case, binding.resource):
        return replace(base, status=Status.FAILED, why=f"{base.why}: it does not exist, and nothing makes it")
    if isinstance(case.facts.ask(Subject.BUCKET, bucket), Absent):
        return replace(base, status=Status.SKIPPED, why=f"The bucket {bucket} does not exist.")
    if binding.target == "encryption.key" and case.setting.creates_key and not case.exists:
        key = case.facts.ask(Subject.KEY, case.setting.key_name or "")
        if not isinstance(key, Known):
            return replace(base, status=Status.SKIPPED, why="envctl makes the key, and this binding with it.")
    if "${" in binding.member:
        number = "the project number is not in the facts; reading it needs resourcemanager.projects.get"
        return replace(base, status=Status.UNKNOWN, evidence=(number,))
    if binding.requirement is Requirement.GOOGLE and (off := _switched_off(case, binding)):
        return replace(base, status=Status.SKIPPED, why=f"Google grants it when {off} is switched on.")
    access = case.evaluator.access(binding.member, _places(case, binding)[0])
    verdicts = [
        verdict
        for place in _places(case, binding)
        for permission in permissions
        for verdict in [_verdict(case, binding, place, permission)]
    ]
    missing = tuple(dict.fromkeys(item.permission for item in verdicts if item.state is State.MISSING))
    if missing and _runs_up(case, binding):
        # `up` declares it for whoever runs it only if that member may write the policy.
        writer = access.verdict(policy_reader(binding.resource).replace("getIamPolicy", "setIamPolicy"))
        if writer.state is State.UNKNOWN:
            return replace(
                base,
                status=Status.UNKNOWN,
                severity=Severity.ERROR,
                missing=missing,
                evidence=_evidence([writer], State.UNKNOWN),
            )
        if writer.state is State.MISSING or _too_late(case, binding, missing):
            binding = replace(binding, managed=False)
            base = replace(base, severity=_severity(case, binding))
    if missing:
        if spreading := _spreading(case, binding, missing, verdicts):
            return replace(base, status=Status.UNKNOWN, missing=missing, evidence=spreading)
        evidence = _evidence(verdicts, State.MISSING)
        if not binding.managed and (made := _made_by_up(case, binding)):
            base = replace(base, severity=Severity.WARNING)
            return replace(base, status=Status.FAILED, missing=missing, evidence=(made, *evidence))
        fixes = () if _denied(verdicts) else tuple(_fixes(case, binding))
        return replace(base, status=Status.FAILED, missing=missing, evidence=evidence, fixes=fixes)
    undecided = tuple(dict.fromkeys(item.permission for item in verdicts if item.state is State.UNKNOWN))
    if undecided:
        return replace(base, status=Status.UNKNOWN, missing=undecided, evidence=_evidence(verdicts, State.UNKNOWN))
    return replace(base, evidence=_evidence(verdicts, State.GRANTED)[:1])


def _runs_up(case: Case, binding: Binding) -> bool:
    """Whether a right that `up` declares is one of the member that is to run `up`."""
    return binding.managed and case.caller is not None and normal_member(binding.member) == normal_member(case.caller)


def _too_late(case: Case, binding: Binding, missing: tuple[str, ...]) -> bool:
    """Whether a right of whoever runs `up` is needed before `up` comes to grant it: every plan begins with reads."""
    reads = step_permissions(case.setting, (Verb.READ,))
    early = {name for row in binding.ids for name in reads.get(row, ())}
    return binding.principal == "bootstrapper" or not early.isdisjoint(missing)


def _is_gone(case: Case, resource: str) -> bool:
    """Whether the cloud said that an object is not there, when it was read or when rights on it were tested."""
    return resource in absent_resources(case.facts) or case.facts.ask(Subject.TEST, resource) == Absent()


def _severity(case: Case, binding: Binding) -> Severity:
    """What `up` will grant is no obstacle before it runs.

    Later, what keeps the environment alive is an error, whoever may repair it and whatever is about to be done; what
    people need is drift that the next `up` repairs.
    """
    if not binding.managed:
        return Severity.WARNING if binding.principal == "doctor" else Severity.ERROR
    if not case.exists:
        return Severity.NOTE
    return Severity.WARNING if binding.principal in PEOPLE else Severity.ERROR


_AGENT_APIS: Final = {
    "composer_agent": "composer.googleapis.com",
    "gke_agent": "container.googleapis.com",
    "gke_node_agent": "container.googleapis.com",
    "compute_agent": "compute.googleapis.com",
    "google_apis": "compute.googleapis.com",
    "cloudbuild_agent": "cloudbuild.googleapis.com",
    "ar_agent": "artifactregistry.googleapis.com",
    "pubsub_agent": "pubsub.googleapis.com",
    "dataflow_agent": "dataflow.googleapis.com",
}


def _switched_off(case: Case, binding: Binding) -> str | None:
    """The API whose first use makes Google write this binding, when it is known to be off."""
    api = _AGENT_APIS.get(binding.principal)
    enabled = case.facts.value(Subject.SERVICES, case.project)
    return api if api and isinstance(enabled, list) and api not in enabled else None


def _places(case: Case, binding: Binding) -> tuple[str, ...]:
    """Where to ask: a binding with a condition on names is asked about names that the condition is for."""
    return case.any_secrets if binding.condition is not None else (binding.resource or "",)


def _made_by_up(case: Case, binding: Binding) -> str | None:
    """Why nothing can be granted yet: the member is the account that `up` makes, and it is not there."""
    setting = case.setting
    made = setting.spec.service_account.email is None and isinstance(
        case.facts.ask(Subject.ACCOUNT, setting.account_email), Absent
    )
    if made and binding.member == f"serviceAccount:{setting.account_email}":
        return f"nothing can be granted to {setting.account_email} before `envctl up {case.name}` has made it"
    return None


def _fixes(case: Case, binding: Binding) -> Iterator[Fix]:
    """Repairs of a missing right: nothing is granted on what is not there, nor to an agent that is not there yet."""
    if not binding.managed and (off := _switched_off(case, binding)):
        project = shlex.quote(case.project)
        yield command(f"gcloud services enable {off} --project={project}")
        yield command(f"gcloud beta services identity create --service={off} --project={project}")
    if not binding.managed and binding.target == "service-account" and binding.resource in absent_resources(case.facts):
        binding = replace(binding, resource=project_resource(case.setting.account_project))
    later = _made_by_up(case, binding) is not None
    for fix in fixes_for(binding, binding.member, case.name, case.project):
        if fix.kind is not FixKind.COMMAND or not later:
            yield fix


def _verdict(case: Case, binding: Binding, place: str, permission: str) -> Verdict:
    """The answer to one question; who makes a bucket holds on it what its first policy gives."""
    found = case.evaluator.access(binding.member, place).verdict(permission)
    if found.state is State.GRANTED or binding.principal != "bootstrapper":
        return found
    if permission.startswith("storage.") and permission not in {"storage.buckets.create", "storage.buckets.list"}:
        made = case.evaluator.access(binding.member, case.new_bucket).verdict(permission)
        return made if made.state is State.GRANTED else found
    return found


def _spreading(case: Case, binding: Binding, missing: tuple[str, ...], verdicts: list[Verdict]) -> tuple[str, ...]:
    """Signs that the right was granted a moment ago: absent for the caller's own test, present in the policy."""
    by_policy: Access = case.evaluator_of_policies.access(binding.member, _places(case, binding)[0])
    tested = [item for item in verdicts if item.state is State.MISSING and item.reason is Reason.TESTED]
    recent = tuple(_recent(case, binding, missing))
    if tested and all(by_policy.verdict(permission).state is State.GRANTED for permission in missing):
        text = (
            "the policy grants it, yet testIamPermissions does not see it: the grant is younger than 7 minutes, "
            "or something that was not read (a deny policy, a boundary) takes it away"
        )
        return (text, *recent)
    return recent


def _recent(case: Case, binding: Binding, missing: tuple[str, ...]) -> Iterable[str]:
    """Grants of the last minutes that hold everything that is missing."""
    roles = case.world.roles
    wanted = roles.bits(missing)
    for resource in case.facts.names(Subject.CHANGES):
        for change in objects(case.facts.value(Subject.CHANGES, resource)):
            role, moment = str(field_of(change, "role")), _moment(field_of(change, "time"))
            if change.get("action") != "ADD" or moment is None or case.now - moment > PROPAGATION:
                continue
            same = normal_member(str(field_of(change, "member"))) == normal_member(binding.member)
            if same and (roles.role_bits(role) or 0) & wanted == wanted:
                yield f"{role} was granted on {resource} at {moment.isoformat()}; a change may take 7 minutes to spread"


def _moment(text: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def _denied(verdicts: list[Verdict]) -> bool:
    return any(item.reason in {Reason.DENIED, Reason.BOUNDARY} for item in verdicts if item.state is State.MISSING)


def _evidence(verdicts: list[Verdict], state: State) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for item in verdicts if item.state is state for text in item.evidence))[:6]


def _ids() -> tuple[str, ...]:
    """Rows that some operation tests, in the order of the table."""
    tested = {
        check["binding"]
        for operation in load_operations().values()
        for check in operation["checks"]
        if "left_out" not in check
    }
    return tuple(row["id"] for row in load_table("bindings")["rows"] if row["id"] in tested - OWN_CHECKS)


CHECK = Check(ids=_ids(), run=_run, rights=True)
