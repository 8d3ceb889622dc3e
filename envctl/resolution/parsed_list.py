"""A list of preinstalled packages as it was read, whatever its form, and what can be wrong with one."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from packaging.version import InvalidVersion

from envctl.diagnostics import Diagnostic, Hint, SourceSpan
from envctl.errors import InvalidInputError
from envctl.resolution.names import package_name
from envctl.resolution.protocol import RequirementMetadata
from envctl.resolution.specifiers import version_of

if TYPE_CHECKING:
    from collections.abc import Sequence


class ParsedList(NamedTuple):
    """Names and versions in the order of the source; requirements of each where the source has them.

    Attributes:
        pins: names as spelled, with versions.
        requires: what each requires, for sources that say so.
        without_version: packages that the source names without a version, such as those installed from a file.
        spans: where each pin stands, in the order of `pins`.
        python: full version, where the source says it.
        pip: version of the pip that made the list, where the source says it.
    """

    pins: tuple[tuple[str, str], ...]
    requires: tuple[tuple[str, RequirementMetadata], ...] = ()
    without_version: tuple[str, ...] = ()
    spans: tuple[SourceSpan, ...] = ()
    python: str = ""
    pip: str = ""


def is_version(text: str) -> bool:
    """Whether PEP 440 takes it."""
    try:
        version_of(text)
    except InvalidVersion:
        return False
    return True


def distinct(pins: tuple[tuple[str, str], ...], spans: Sequence[SourceSpan]) -> tuple[tuple[str, str], ...]:
    """The pins as they are.

    Raises:
        InvalidInputError: a package has two versions.
    """
    first: dict[str, tuple[str, SourceSpan]] = {}
    twice: list[Diagnostic] = []
    for (name, version), span in zip(pins, spans, strict=True):
        known, place = first.setdefault(package_name(name), (version, span))
        if known != version:
            detail = (
                f"{name} has the version {version} here and {known} in line {place.line}: which one is in the image?"
            )
            twice.append(line_problem(detail, span))
    if twice:
        raise InvalidInputError(tuple(twice))
    return pins


def line_problem(detail: str, span: SourceSpan) -> Diagnostic:
    """That something at a place of a list cannot be taken."""
    return Diagnostic(
        "image-list-line",
        "A line of the list cannot be taken",
        detail,
        span,
        (Hint("mend the line; take it out only where it is no package of the image"),),
    )
