"""Secrets that stand in a file: found by the look of the key or of the value, and never repeated."""

from __future__ import annotations

import re
from collections.abc import Iterator

from envctl.diagnostics import Hint
from envctl.spec.rules.subject import Subject, Violation, leaves
from envctl.spec.tree import KeyPath, show

# Where people put values of their own; everywhere else the keys are ours and hold no secrets.
_PLACES = (("airflow", "env"), ("airflow", "config"), ("airflow", "variables"), ("userWorkloads", "configMaps"))

_KEY = re.compile(
    r"(^|[_\-.])(password|passwd|pwd|secret|token|api_?key|apikey|private_?key|access_?key|client_?secret|credentials?)$",
    re.IGNORECASE,
)
# Airflow's own way to say "the value is elsewhere" ("Setting Configuration Options", airflow.apache.org, 2.10).
_POINTER = re.compile(r"-.*_(secret|cmd)$")
_VALUES = {
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "a Google API key": re.compile(r"\bAIza[0-9A-Za-z_-]{35}"),
    "a JSON web token": re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"),
    "a Google OAuth token": re.compile(r"\bya29\.[0-9A-Za-z_-]{20,}"),
    "a GitHub token": re.compile(r"\b(gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,})"),
    "a Slack token": re.compile(r"\bxox[abprs]-[A-Za-z0-9-]{10,}"),
    "an AWS access key": re.compile(r"\b(AKIA|ASIA)[0-9A-Z]{16}\b"),
    "a key file of a service account": re.compile(r'"type"\s*:\s*"service_account"'),
    "an address with a password": re.compile(r"\b[a-z][a-z0-9+.-]*://[^/\s:@]*:[^/\s:@]+@", re.IGNORECASE),
}
_HARMLESS = re.compile(r"|true|false|none|null|[0-9]{1,4}|projects/[^/]+/secrets/\S+", re.IGNORECASE)


def check_literal_secrets(subject: Subject) -> Iterator[Violation]:
    """Literal secrets among the values that people choose freely."""
    for path, leaf in leaves(subject.tree):
        if isinstance(leaf.value, str) and (what := _looks_like(path, leaf.value)):
            yield Violation(
                "literal-secret",
                path,
                f"The value of `{show(path)}` looks like {what}. It is not shown here.",
                (_cure(path), Hint("if the file was ever shared or committed, change the secret too")),
            )


def mask(text: str) -> str:
    """The text with everything that looks like a secret replaced by stars."""
    for pattern in _VALUES.values():
        text = pattern.sub("*****", text)
    return text


def _looks_like(path: KeyPath, value: str) -> str | None:
    for what, pattern in _VALUES.items():
        if pattern.search(value):
            return what
    free = any(path[: len(place)] == place for place in _PLACES)
    key = next((str(segment) for segment in reversed(path) if isinstance(segment, str)), "")
    if (
        free
        and path[-1] != "secret"
        and not _POINTER.search(key)
        and _KEY.search(key)
        and not _HARMLESS.fullmatch(value.strip())
    ):
        return "a secret, by its key"
    return None


def _cure(path: KeyPath) -> Hint:
    match path[:2]:
        case ("airflow", "variables"):
            return Hint("put it into Secret Manager and refer to it", replacement="{secret: NAME}")
        case ("airflow", "config"):
            return Hint("Airflow reads most such options from a secret: `section-option_secret: NAME`")
        case _:
            return Hint("put it into Secret Manager and read it as an Airflow variable or connection: `{secret: NAME}`")
