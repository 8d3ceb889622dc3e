"""Organization policies in facts: the rules of a constraint, in the forms of both versions of the API.

Effective policies cost one call each. What is set on the project, its folders and its organization costs one call per
level, and decides most constraints: nothing set anywhere, or the nearest policy stands alone. Where policies merge, or
depend on tags, only the effective policy tells ("Understanding hierarchy evaluation", Organization Policy, 2026-08).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from envctl.doctor.facts import (
    NOT_ASKED,
    READERS,
    Absent,
    Answer,
    Facts,
    Known,
    Subject,
    Unreadable,
    field_of,
    objects,
    off_api,
    texts,
)
from envctl.doctor.resources import project_resource


def constraint_rules(facts: Facts, project: str, constraint: str) -> tuple[Mapping[str, Any], ...] | None:
    """The rules of an effective organization policy; None when it is not known, empty when nothing is set."""
    match constraint_answer(facts, project, constraint):
        case Absent():
            return ()
        case Known(value):
            if isinstance(value, Mapping) and "spec" not in value:  # the older v1 form
                return tuple(_rules_of_v1(value))
            return tuple(objects(field_of(value, "spec", "rules")))
        case Unreadable():
            return None


def constraint_answer(facts: Facts, project: str, constraint: str) -> Answer:
    """The effective policy: asked for itself, else as the lists of the levels decide it."""
    asked = facts.ask(Subject.CONSTRAINT, f"{project}/constraints/{constraint}")
    if isinstance(asked, Unreadable) and asked.cause == NOT_ASKED:
        return listed_policy(facts, project, constraint) or _switched_off(facts, project) or asked
    return asked


def _switched_off(facts: Facts, project: str) -> Unreadable | None:
    """What a list said of the API being off, which is said of every other question as well."""
    listed = facts.ask(Subject.SET_CONSTRAINTS, project_resource(project))
    if isinstance(listed, Unreadable) and off_api(listed.cause):
        return Unreadable(READERS[Subject.CONSTRAINT], listed.cause)
    return None


def levels_of(facts: Facts, project: str) -> tuple[str, ...]:
    """Full names of the project and of what stands above it, nearest first; empty when that is not known."""
    above = field_of(facts.value(Subject.PROJECT, project), "ancestors")
    return (project_resource(project), *texts(above)) if isinstance(above, list) else ()


def listed_policy(facts: Facts, project: str, constraint: str) -> Known | Absent | None:
    """The policy that the lists of the levels show to be in effect; None where they do not decide it."""
    levels = levels_of(facts, project)
    for level in levels:
        policies = _set_on(facts, level)
        if policies is None:
            return None
        if constraint in policies:
            return Known(policies[constraint]) if stands_alone(policies[constraint].get("spec")) else None
    return Absent() if levels else None


def _set_on(facts: Facts, level: str) -> Mapping[str, Mapping[str, Any]] | None:
    """The policies that are set on a level, by constraint; None when they are not known, or one makes no sense.

    A policy that is only tried out (`dryRunSpec` alone) is not in effect and left out.
    """
    listed = facts.value(Subject.SET_CONSTRAINTS, level)
    if not isinstance(listed, list):
        return None
    found: dict[str, Mapping[str, Any]] = {}
    for policy in listed:
        name = field_of(policy, "name")
        if not isinstance(name, str) or not (field_of(policy, "spec") or field_of(policy, "dryRunSpec")):
            return None
        if field_of(policy, "spec"):
            found[name.rpartition("/")[2]] = policy
    return found


def undecided(facts: Facts, project: str, constraint: str) -> bool:
    """Whether a call for the effective policy can say more than the lists of the levels did."""
    return listed_policy(facts, project, constraint) is None and _switched_off(facts, project) is None


def custom_undecided(facts: Facts, project: str) -> bool:
    """Whether a call for the organization's custom constraints can say more than the lists of the levels did."""
    return _custom_names(facts, project) != frozenset() and _switched_off(facts, project) is None


def stands_alone(spec: Any) -> bool:
    """Whether nothing from above and no default has a part in a policy."""
    rules = field_of(spec, "rules")
    return (
        isinstance(rules, list)
        and not field_of(spec, "inheritFromParent")
        and not field_of(spec, "reset")
        and not any(field_of(rule, "condition") for rule in rules)
    )


def custom_constraints(facts: Facts, project: str) -> Answer:
    """The custom constraints that may be in effect; those that no policy enforces are left out where lists tell."""
    set_somewhere = _custom_names(facts, project)
    if set_somewhere is not None and not set_somewhere:
        return Known([])
    answer = facts.ask(Subject.CUSTOM_CONSTRAINTS, project)
    if isinstance(answer, Unreadable) and answer.cause == NOT_ASKED and (off := _switched_off(facts, project)):
        return Unreadable(READERS[Subject.CUSTOM_CONSTRAINTS], off.cause)
    if not isinstance(answer, Known) or set_somewhere is None:
        return answer
    return Known(
        [
            item
            for item in objects(answer.value)
            if (name := str(item.get("name")).rpartition("/")[2]) in set_somewhere
            and enforced(facts, project, name) is not False
        ]
    )


def _custom_names(facts: Facts, project: str) -> frozenset[str] | None:
    """Custom constraints that have a policy on some level; None when a level could not be listed."""
    names: set[str] = set()
    levels = levels_of(facts, project)
    for level in levels:
        policies = _set_on(facts, level)
        if policies is None:
            return None
        names |= policies.keys()
    return frozenset(name for name in names if name.startswith("custom.")) if levels else None


def _rules_of_v1(value: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    boolean = value.get("booleanPolicy")
    if isinstance(boolean, Mapping):
        yield {"enforce": bool(boolean.get("enforced"))}
    listed = value.get("listPolicy")
    if isinstance(listed, Mapping):
        if str(listed.get("allValues")) in {"ALLOW", "DENY"}:
            yield {"allowAll": listed["allValues"] == "ALLOW", "denyAll": listed["allValues"] == "DENY"}
        else:
            yield {
                "values": {
                    "allowedValues": list(texts(listed.get("allowedValues"))),
                    "deniedValues": list(texts(listed.get("deniedValues"))),
                }
            }


def enforced(facts: Facts, project: str, constraint: str) -> bool | None:
    """Whether a boolean constraint is enforced; None when it is not known."""
    rules = constraint_rules(facts, project, constraint)
    if rules is None:
        return None
    return any(rule.get("enforce") is True and not rule.get("condition") for rule in rules)
