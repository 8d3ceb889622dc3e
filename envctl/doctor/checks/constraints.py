"""Organization policies do not stand in the way of the environment.

One family, because every constraint is asked in the same way: the effective policy of the project, boolean or list.
What is expected of each, and what breaks otherwise, stands in `preconditions.json`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from envctl.diagnostics import Severity
from envctl.doctor.case import Case
from envctl.doctor.check import Check, Voice, command
from envctl.doctor.facts import NOT_ASKED, Unreadable, field_of, texts
from envctl.doctor.model import Finding
from envctl.doctor.org_policy import constraint_answer, constraint_rules
from envctl.google.names import is_default_account
from envctl.iam_conditions import applies
from envctl.iam_roles import load_table, required_apis

_ROWS = {
    row["id"]: row
    for row in load_table("preconditions")["rows"]
    if row["kind"] == "org_policy" and "left_out" not in row and row["id"] != "constraint.custom"
}

Rules = tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class _Values:
    """A list policy: what it allows and denies; `everything` and `nothing` for the all-forms."""

    allowed: frozenset[str]
    denied: frozenset[str]
    everything: bool
    nothing: bool


def _values(rules: Rules) -> _Values:
    def gather(kind: str) -> frozenset[str]:
        return frozenset(text for rule in rules for text in texts(field_of(rule, "values", kind)))

    return _Values(
        gather("allowedValues"),
        gather("deniedValues"),
        any(rule.get("allowAll") is True for rule in rules),
        any(rule.get("denyAll") is True for rule in rules),
    )


def _allows(rules: Rules, *candidates: str) -> bool:
    """Whether a list policy lets at least one spelling of a value through."""
    values = _values(rules)
    if values.nothing or values.denied.intersection(candidates):
        return False
    return values.everything or not values.allowed or bool(values.allowed.intersection(candidates))


def _not_enforced(_: Case, rules: Rules) -> str | None:
    return "it is enforced" if any(rule.get("enforce") is True for rule in rules) else None


def _own_account(case: Case, rules: Rules) -> str | None:
    enforced = any(rule.get("enforce") is True for rule in rules)
    return (
        "it is enforced and the environment runs as the default account, which gets no Editor"
        if enforced and _default_account(case)
        else None
    )


def _default_account(case: Case) -> bool:
    return is_default_account(case.setting.account_email)


def _known(_: Case, rules: Rules) -> str | None:
    del rules
    return None


def _nodes_public(_: Case, rules: Rules) -> str | None:
    values = _values(rules)
    return "it denies all external addresses" if values.nothing else None


def _peering(_: Case, rules: Rules) -> str | None:
    values = _values(rules)
    if values.nothing:
        return "it denies every peering"
    return (
        "it allows only named networks, and Google's tenant network has no name before creation"
        if values.allowed
        else None
    )


def _producers(_: Case, rules: Rules) -> str | None:
    values = _values(rules)
    return "it denies SERVICE_PRODUCERS" if values.nothing or "SERVICE_PRODUCERS" in values.denied else None


def _google_producer(_: Case, rules: Rules) -> str | None:
    # Google's own organization (Composer documentation, "Configure private IP").
    return None if _allows(rules, "under:organizations/433637338589") else "it does not allow Google's organization"


def _subnetwork(case: Case, rules: Rules) -> str | None:
    network = case.spec.network
    name = network.subnetwork or ""
    host = case.setting.host_project
    full = name if name.startswith("projects/") else f"projects/{host}/regions/{case.spec.region}/subnetworks/{name}"
    return None if _allows(rules, full, f"under:projects/{host}") else f"it does not allow {full}"


def _host(case: Case, rules: Rules) -> str | None:
    host = case.setting.host_project
    return (
        None if _allows(rules, f"projects/{host}", f"under:projects/{host}") else f"it does not allow projects/{host}"
    )


def _no_default_network(_: Case, rules: Rules) -> str | None:
    enforced = any(rule.get("enforce") is True for rule in rules)
    return "it is enforced, so there is no default network, and the file names no other" if enforced else None


def _locations(case: Case, rules: Rules) -> str | None:
    region = case.spec.region
    continent = region.split("-", 1)[0]
    spellings = (region, f"in:{region}-locations", f"in:{continent}-locations", f"is:{region}")
    return None if _allows(rules, *spellings) else f"it does not allow {region}"


def _services(case: Case, rules: Rules) -> str | None:
    blocked = [api for api in required_apis(case.spec, case.foundation) if not _allows(rules, api)]
    return f"it does not allow {', '.join(blocked)}" if blocked else None


def _without_key(case: Case, rules: Rules) -> str | None:
    values = _values(rules)
    named = {"composer.googleapis.com", "storage.googleapis.com"} & values.denied
    return (
        f"it asks for a customer-managed key for {', '.join(sorted(named))}"
        if named and not case.setting.uses_key
        else None
    )


def _key_project(case: Case, rules: Rules) -> str | None:
    project = case.setting.key_project
    return (
        None
        if _allows(rules, f"projects/{project}", f"under:projects/{project}")
        else f"it does not allow projects/{project}"
    )


def _domains(_: Case, rules: Rules) -> str | None:
    values = _values(rules)
    if values.everything or not (values.allowed or values.nothing):
        return None
    # Google's service agents pass on projects that carry the exception by tag, which facts do not show.
    return "it lets only named customers in; Google's agents may be refused as members on keys and host projects"


_JUDGES: Final[Mapping[str, Callable[[Case, Rules], str | None]]] = {
    "constraint.compute.disableSerialPortLogging": _not_enforced,
    "constraint.compute.vmExternalIpAccess": _nodes_public,
    "constraint.compute.restrictVpcPeering": _peering,
    "constraint.compute.disablePrivateServiceConnectCreationForConsumers": _producers,
    "constraint.compute.restrictPrivateServiceConnectProducer": _google_producer,
    "constraint.compute.restrictSharedVpcSubnetworks": _subnetwork,
    "constraint.compute.restrictSharedVpcHostProjects": _host,
    "constraint.compute.skipDefaultNetworkCreation": _no_default_network,
    "constraint.gcp.resourceLocations": _locations,
    "constraint.gcp.restrictServiceUsage": _services,
    "constraint.gcp.restrictNonCmekServices": _without_key,
    "constraint.gcp.restrictCmekCryptoKeyProjects": _key_project,
    "constraint.iam.allowedPolicyMemberDomains": _domains,
    "constraint.iam.automaticIamGrantsForDefaultServiceAccounts": _own_account,
    "constraint.iam.disableCrossProjectServiceAccountUsage": _not_enforced,
    "constraint.iam.disableServiceAccountCreation": _not_enforced,
    "constraint.cloudbuild.useComputeServiceAccount": _known,
    "constraint.cloudbuild.useBuildServiceAccount": _known,
    "constraint.cloudbuild.disableCreateDefaultServiceAccount": _known,
}


def needless(case: Case, row_id: str) -> str | None:
    """Why the value of a constraint decides nothing here, so that no call is spent on it; None where it matters."""
    match row_id:
        case "constraint.iam.automaticIamGrantsForDefaultServiceAccounts":
            return None if _default_account(case) else "The environment does not run as the default account."
        case "constraint.gcp.restrictNonCmekServices":
            return "The environment uses a customer-managed key." if case.setting.uses_key else None
        case "constraint.cloudbuild.disableCreateDefaultServiceAccount":
            return "The two other constraints on Cloud Build's accounts decide which one builds."
        case _:
            return None


_WARNS = frozenset({"constraint.iam.allowedPolicyMemberDomains", "constraint.compute.restrictVpcPeering"})
_MILD = frozenset(name for name, judge in _JUDGES.items() if judge is _known)


def _run(case: Case) -> Iterator[Finding]:
    for row_id, judge in _JUDGES.items():
        row = _ROWS[row_id]
        name = row["subject"].removeprefix("constraints/")
        voice = Voice(
            row_id, Severity.WARNING if row_id in _WARNS | _MILD or row["confidence"] == "low" else Severity.ERROR
        )
        if not applies(row["generations"], row["when"], case.setting):
            yield voice.skipped("This environment is not concerned.", resource=case.project)
            continue
        project = (
            case.setting.account_project if row_id.endswith("disableCrossProjectServiceAccountUsage") else case.project
        )
        rules = constraint_rules(case.facts, project, name)
        if rules is None:
            answer = constraint_answer(case.facts, project, name)
            assert isinstance(answer, Unreadable)
            if answer.cause == NOT_ASKED and (reason := needless(case, row_id)):
                yield voice.skipped(reason, resource=project)
                continue
            yield voice.unknown(answer, f"constraints/{name} on {project}", resource=project, severity=Severity.WARNING)
        elif any(rule.get("condition") for rule in rules):
            yield voice.unknown(
                "the policy depends on tags",
                f"constraints/{name} on {project}",
                resource=project,
                severity=Severity.WARNING,
            )
        elif problem := judge(case, rules):
            yield voice.failed(
                f"constraints/{name}: {problem}. It breaks: {row['breaks']}",
                resource=project,
                fixes=(command(f"gcloud org-policies describe {name} --project={project} --effective"),),
            )
        else:
            yield voice.ok(f"constraints/{name} lets the environment be", resource=project)


OPERATIONS: Final = ("create", "upgrade", "packages")
CHECK = Check(ids=tuple(_JUDGES), run=_run, operations=OPERATIONS)
