"""`validate`: every problem of the files at once. Reads files only; asks neither cloud nor index."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from envctl.actions.policy_names import unknown_policies_as_read
from envctl.diagnostics import Diagnostic, Severity
from envctl.errors import ExitCode, InvalidInputError
from envctl.spec.loader import Loaded, concrete_names, load_all
from envctl.spec.model import Environment
from envctl.spec.project import load_project
from envctl.spec.project_id import check_project_id


@dataclass(frozen=True, slots=True)
class ValidateRequest:
    """What to look at: a project, and names of environments; all of them when none is named.

    `today` is the ISO date that last days are held against, `offered_id` what a project without an id is offered; the
    day of the call and a new id when not given.
    """

    root: Path
    names: tuple[str, ...] = ()
    today: str | None = None
    offered_id: str | None = None


@dataclass(frozen=True, slots=True)
class Validation:
    """What was found.

    `checked` holds the names that were looked at; it is empty when `envctl.yaml` itself is wrong.
    """

    checked: tuple[str, ...]
    diagnostics: tuple[Diagnostic, ...]

    @property
    def valid(self) -> bool:
        """Whether nothing but warnings was found."""
        return all(each.severity is not Severity.ERROR for each in self.diagnostics)

    @property
    def exit_code(self) -> ExitCode:
        """What the process says."""
        return ExitCode.DONE if self.valid else ExitCode.INVALID


def validate(request: ValidateRequest) -> Validation:
    """The problems of all files that were asked for.

    Raises:
        UsageError: there is no project, or no such environment.
    """
    try:
        project = load_project(request.root)
    except InvalidInputError as error:
        return Validation((), error.diagnostics)
    of_project = check_project_id(project, request.offered_id)
    try:
        loaded = load_all(project, request.names, request.today)
    except InvalidInputError as error:
        return Validation(request.names or concrete_names(project), (*error.diagnostics, *of_project))
    found: dict[Diagnostic, None] = {}
    for each in loaded:
        found |= dict.fromkeys((*(each.foundation.warnings if each.foundation else ()), *each.warnings))
        found |= dict.fromkeys(_of_packages(each))
    found |= dict.fromkeys(unknown_policies_as_read(project, loaded))
    return Validation(tuple(each.name for each in loaded), (*found, *of_project))


def _of_packages(loaded: Loaded) -> tuple[Diagnostic, ...]:
    """What is wrong in the requirements files, which are files of the environment as well."""
    if not isinstance(loaded.spec, Environment):
        return ()
    from envctl.actions.deps import sent_by

    try:
        sent_by(loaded)
    except InvalidInputError as error:
        return error.diagnostics
    return ()
