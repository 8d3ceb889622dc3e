"""Dependencies of a `pyproject.toml`: `project.dependencies`, an extra, or a PEP 735 group."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from envctl.diagnostics import Diagnostic, Hint, SourceSpan
from envctl.resolution.dependency import InvalidRequirementError, parse_requirement
from envctl.resolution.names import package_name
from envctl.resolution.requirements import RequirementLine, RequirementsInput

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    lines: list[str]
    document: dict[str, Any]

    def span(self, text: str) -> SourceSpan:
        """The first line that holds the text as a TOML string; the first line of all when none does."""
        for number, line in enumerate(self.lines, start=1):
            for quote in ('"', "'"):
                column = line.find(f"{quote}{text}{quote}")
                if column >= 0:
                    return SourceSpan(self.path, number, column + 2, column + 2 + len(text), line)
        return SourceSpan(self.path, 1)


def load_pyproject(path: Path) -> RequirementsInput:
    """The dependencies of a project file; `pyproject.toml#GROUP` names a dependency group or an extra."""
    filename, _, group = path.name.partition("#")
    real = path.with_name(filename)
    try:
        text = real.read_text(encoding="utf-8")
        document = tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        return RequirementsInput(
            diagnostics=(
                Diagnostic(
                    "requirements-unreadable",
                    "A requirements file cannot be read",
                    f"{real}: {reason}",
                    SourceSpan(real, 1),
                ),
            )
        )
    file = _File(real, text.splitlines(), document)
    lines: list[RequirementLine] = []
    diagnostics: list[Diagnostic] = []
    for found in _texts(file, group):
        if isinstance(found, Diagnostic):
            diagnostics.append(found)
            continue
        try:
            dependency, marker = parse_requirement(found)
        except InvalidRequirementError as error:
            diagnostics.append(
                Diagnostic(
                    "requirement-invalid", "A line is not a requirement", f"`{found}`: {error}.", file.span(found)
                )
            )
            continue
        if dependency.url is not None:
            diagnostics.append(
                Diagnostic(
                    "requirement-not-expressible",
                    "Composer's package map takes names with versions from an index only",
                    f"`{found}` is a URL.",
                    file.span(found),
                )
            )
            continue
        shown = found.partition(";")[0].strip()
        lines.append(RequirementLine(shown, dependency, marker, file.span(found)))
    return RequirementsInput(tuple(lines), diagnostics=tuple(diagnostics))


def _texts(file: _File, group: str) -> Iterator[str | Diagnostic]:
    project = file.document.get("project", {})
    if not group:
        yield from project.get("dependencies", ())
        return
    groups = {package_name(key): value for key, value in file.document.get("dependency-groups", {}).items()}
    extras = {package_name(key): value for key, value in project.get("optional-dependencies", {}).items()}
    wanted = package_name(group)
    if wanted in groups:
        yield from _group(file, groups, wanted, ())
    elif wanted in extras:
        yield from project.get("dependencies", ())
        yield from extras[wanted]
    else:
        known = ", ".join(sorted({*groups, *extras})) or "none"
        yield Diagnostic(
            "requirements-group-unknown",
            "The project file has no such dependency group",
            f"`{group}` is neither a dependency group nor an extra; known: {known}.",
            SourceSpan(file.path, 1),
        )


def _group(file: _File, groups: dict[Any, Any], name: str, above: tuple[str, ...]) -> Iterator[str | Diagnostic]:
    if name in above:
        yield Diagnostic(
            "requirements-cycle",
            "Requirements files include each other in a circle",
            " -> ".join((*above, name)),
            file.span(name),
            (Hint("remove one of the `include-group` entries"),),
        )
        return
    for entry in groups.get(name, ()):
        if isinstance(entry, str):
            yield entry
        else:
            yield from _group(file, groups, package_name(str(entry.get("include-group", ""))), (*above, name))
