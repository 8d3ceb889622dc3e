"""Organization policies in facts: the rules of a constraint, in the forms of both versions of the API."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from envctl.doctor.facts import Absent, Facts, Known, Subject, Unreadable, field_of, objects, texts


def constraint_rules(facts: Facts, project: str, constraint: str) -> tuple[Mapping[str, Any], ...] | None:
    """The rules of an effective organization policy; None when it is not known, empty when nothing is set."""
    match facts.ask(Subject.CONSTRAINT, f"{project}/constraints/{constraint}"):
        case Absent():
            return ()
        case Known(value):
            if isinstance(value, Mapping) and "spec" not in value:  # the older v1 form
                return tuple(_rules_of_v1(value))
            return tuple(objects(field_of(value, "spec", "rules")))
        case Unreadable():
            return None


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
