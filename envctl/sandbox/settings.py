"""The switches of an emulated cloud; they live in its store, so that every process sees the same."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from envctl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envctl.sandbox.store import Store

DEFAULT_CALLER = "user:developer@example.com"


@dataclass(frozen=True, slots=True)
class Settings:
    """How the cloud behaves where real clouds differ from each other.

    Args:
        strict_projects: a project that was not seeded does not exist; otherwise first use creates it.
        apis_on: every API of a new project is on, not only those that Google switches on.
        enforce: answers to `testIamPermissions` and refusals follow from policies, not only from denials.
        flapping_reads: how many of the first reads of a new service account may miss it (every second one does).
        polls: polls of an operation that it takes to finish, if each poll waits the usual time.
        caller: principal of a token that is not listed.
        checks_packages: custom packages that cannot be installed together end an update with an error
            (the packages are those named by the seed under `conflictingPackages`).
        default_image: image of an environment that names none; the newest known default when empty.
    """

    strict_projects: bool = False
    apis_on: bool = False
    enforce: bool = False
    flapping_reads: int = 0
    polls: int = 4
    caller: str = DEFAULT_CALLER
    checks_packages: bool = True
    default_image: str = ""

    def as_json(self) -> dict[str, Any]:
        """The switches under the names that the seed uses."""
        return {_camel(name): value for name, value in asdict(self).items()}


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(word.capitalize() for word in tail)


def load_settings(store: Store) -> Settings:
    """The switches as they are now."""
    return parse_settings(store.get("control", "settings") or {})


def save_settings(store: Store, changes: Mapping[str, Any]) -> Settings:
    """Change some switches, given under the names of the seed.

    Raises:
        UsageError: a switch is unknown or has the wrong type.
    """
    merged = parse_settings({**load_settings(store).as_json(), **changes})
    store.put("control", "settings", merged.as_json())
    return merged


def parse_settings(document: Mapping[str, Any]) -> Settings:
    """Switches from a JSON object; what is left out has its default.

    Raises:
        UsageError: a switch is unknown or has the wrong type.
    """
    known = {_camel(field.name): field for field in fields(Settings)}
    values: dict[str, Any] = {}
    for key, value in document.items():
        if key not in known:
            raise UsageError(f"The sandbox has no setting {key!r}", hints=(f"Settings: {', '.join(known)}.",))
        default = known[key].default
        if type(value) is not type(default):
            raise UsageError(
                f"Setting {key!r} of the sandbox takes a {type(default).__name__}",
                detail=f"Given: {value!r}.",
            )
        values[known[key].name] = value
    return Settings(**values)
