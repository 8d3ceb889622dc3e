"""What the user asks for: lines of files, decided for an image's Python, merged per package.

`RequirementsInput` is what the files say, whatever the image. `requested` decides markers for a target and
merges lines of one package, because Composer's API takes a map with one entry per package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from envctl.diagnostics import Diagnostic, Hint, Severity, SourceSpan
from envctl.resolution.dependency import Dependency
from envctl.resolution.markers import marker_applies
from envctl.resolution.specifiers import specifiers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from envctl.resolution.protocol import PackageName, Target


class RequirementLine(NamedTuple):
    """One requirement as it stands in a file or in a map.

    `text` is the requirement without comment and options; `span` is its place, or None for a map.
    """

    text: str
    dependency: Dependency
    marker: str
    span: SourceSpan | None
    hashes: tuple[str, ...] = ()


class IndexOptions(NamedTuple):
    """Index options of the files, in their order; credentials are kept in the URLs and must not be shown."""

    index_url: str | None = None
    extra_index_urls: tuple[str, ...] = ()


_NO_OPTIONS = IndexOptions()


class RequirementsInput(NamedTuple):
    """Everything that the given files say.

    Attributes:
        lines: requirements in order, files expanded in place.
        constraints: requirements of `-c` files.
        diagnostics: what is wrong or cannot be expressed; errors make the verdict `invalid`.
        index: index options.
    """

    lines: tuple[RequirementLine, ...] = ()
    constraints: tuple[RequirementLine, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    index: IndexOptions = _NO_OPTIONS  # type: ignore[override]  (nobody looks things up in it as in a tuple)


class Requested(NamedTuple):
    """One package of the list, with every line that asks for it, and the constraints merged with the lines."""

    dependency: Dependency
    lines: tuple[RequirementLine, ...]
    constraints: tuple[RequirementLine, ...] = ()

    @property
    def name(self) -> PackageName:
        """The package."""
        return self.dependency.name

    @property
    def text(self) -> str:
        """The merged requirement."""
        return str(self.dependency)

    @property
    def span(self) -> SourceSpan | None:
        """The place of the first line."""
        return self.lines[0].span if self.lines else None

    @property
    def source(self) -> str | None:
        """`file:line` of the first line."""
        return place(self.span)


class RequestedList(NamedTuple):
    """The list for one target: one entry per package, in the order of first mention."""

    packages: tuple[Requested, ...]
    diagnostics: tuple[Diagnostic, ...]

    @property
    def invalid(self) -> bool:
        """Whether an error stands among the diagnostics."""
        return any(one.severity is Severity.ERROR for one in self.diagnostics)


def place(span: SourceSpan | None) -> str | None:
    """`file:line`, or None."""
    return None if span is None else f"{span.file}:{span.line}"


def requested(given: RequirementsInput, target: Target) -> RequestedList:
    """The list that holds for a target; diagnostics of the input come first."""
    diagnostics = list(given.diagnostics)
    kept: dict[PackageName, list[RequirementLine]] = {}
    for line in given.lines:
        if line.marker and not _decide(line, target, diagnostics):
            continue
        kept.setdefault(line.dependency.name, []).append(line)
    constraints: dict[PackageName, list[RequirementLine]] = {}
    for line in given.constraints:
        if line.marker and not marker_applies(line.marker, target):
            continue
        if line.dependency.name in kept:
            constraints.setdefault(line.dependency.name, []).append(line)
        else:
            diagnostics.append(_constraint_lost(line))
    packages: list[Requested] = []
    for name, lines in kept.items():
        if len(lines) > 1:
            diagnostics.append(_duplicate(lines))
        bounds = tuple(constraints.get(name, ()))
        packages.append(Requested(merge(one.dependency for one in [*lines, *bounds]), tuple(lines), bounds))
    return RequestedList(tuple(packages), tuple(diagnostics))


def merge(dependencies: Iterable[Dependency]) -> Dependency:
    """One requirement that asks for everything that the given ones of one package ask for."""
    first, *others = dependencies
    if not others:
        return first
    every = [first, *others]
    extras = tuple(sorted({extra for one in every for extra in one.extras}))
    clauses = dict.fromkeys(clause for one in every for clause in one.specifiers.text.split(",") if clause)
    return Dependency(first.name, extras, specifiers(",".join(clauses)))


def _decide(line: RequirementLine, target: Target, diagnostics: list[Diagnostic]) -> bool:
    applies = marker_applies(line.marker, target)
    diagnostics.append(
        Diagnostic(
            "requirement-marker-decided",
            "Composer's package map has no environment markers",
            f"`{line.marker}` {'holds' if applies else 'does not hold'} for Python {target.python} on Linux: "
            f"the package is {'sent without the marker' if applies else 'left out'}.",
            line.span,
            severity=Severity.NOTE,
        )
    )
    return applies


def _duplicate(lines: list[RequirementLine]) -> Diagnostic:
    others = ", ".join(f"`{one.text}`" + (f" ({place(one.span)})" if one.span else "") for one in lines[:-1])
    return Diagnostic(
        "requirement-duplicate",
        "A package stands in the list more than once",
        f"`{lines[-1].text}` names the same package as {others}; they are sent as one: "
        f"`{merge(one.dependency for one in lines)}`.",
        lines[-1].span,
        severity=Severity.WARNING,
    )


def _constraint_lost(line: RequirementLine) -> Diagnostic:
    return Diagnostic(
        "constraint-not-expressible",
        "Composer's package map has no constraints",
        f"The constraint `{line.text}` is for a package that the list does not name; the build will not see it.",
        line.span,
        hints=(Hint(f"add `{line.text}` to the list to make it count"),),
        severity=Severity.WARNING,
    )
