"""Secrets that stand in a file: found by the look of the key or of the value, and never repeated."""

from __future__ import annotations

from collections.abc import Iterator

from envctl.diagnostics import Hint
from envctl.masking import is_secret, learn, secret_kind
from envctl.spec.rules.subject import Subject, Violation, leaves
from envctl.spec.tree import KeyPath, show

# Where people put values of their own; everywhere else the keys are ours and hold no secrets.
_PLACES = (("airflow", "env"), ("airflow", "config"), ("airflow", "variables"), ("userWorkloads", "configMaps"))


def check_literal_secrets(subject: Subject) -> Iterator[Violation]:
    """Literal secrets among the values that people choose freely."""
    for path, leaf in leaves(subject.tree):
        if isinstance(leaf.value, str) and (what := secret_at(path, leaf.value)):
            learn(leaf.value)
            yield Violation(
                "literal-secret",
                path,
                f"The value of `{show(path)}` looks like {what}. It is not shown here.",
                (_cure(path), Hint("if the file was ever shared or committed, change the secret too")),
            )


def secret_at(path: KeyPath, value: str) -> str | None:
    """What a value of an environment file looks like, in words, when it looks like a secret."""
    if (kind := secret_kind(value)) is not None:
        return kind
    free = any(path[: len(place)] == place for place in _PLACES)
    key = next((segment for segment in reversed(path) if isinstance(segment, str)), "")
    return "a secret, by its key" if free and path[-1] != "secret" and is_secret(value, key) else None


def _cure(path: KeyPath) -> Hint:
    match path[:2]:
        case ("airflow", "variables"):
            return Hint("put it into Secret Manager and refer to it", replacement="{secret: NAME}")
        case ("airflow", "config"):
            return Hint("Airflow reads most such options from a secret: `section-option_secret: NAME`")
        case _:
            return Hint("put it into Secret Manager and read it as an Airflow variable or connection: `{secret: NAME}`")
