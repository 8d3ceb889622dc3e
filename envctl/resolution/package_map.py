"""The form in which Composer's API holds a list: `pypiPackages`, a map of name to extras and clauses.

Source: Composer's API reference, `SoftwareConfig.pypiPackages`: keys are lower-case package names, values are
extras and a version specifier, such as `==1.12.0`, `[devel,gcp_api]`, `[devel]>=1.8.2, <1.9.2`, or empty.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from envctl.diagnostics import Diagnostic, Hint, SourceSpan
from envctl.resolution.dependency import Dependency, InvalidRequirementError, parse_requirement
from envctl.resolution.requirements import Requested, RequirementLine, RequirementsInput

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")


def package_map(packages: Iterable[Requested]) -> dict[str, str]:
    """The list as Composer's API takes it, sorted by name."""
    rows = {one.name: one.dependency for one in packages}
    return {
        name: (f"[{','.join(rows[name].extras)}]" if rows[name].extras else "") + rows[name].specifiers.text
        for name in sorted(rows)
    }


def parse_package_map(given: Mapping[str, str], file: Path | None = None) -> RequirementsInput:
    """The requirements of a map; `file` is where the map stands, when it stands in a file."""
    lines: list[RequirementLine] = []
    diagnostics: list[Diagnostic] = []
    span = None if file is None else SourceSpan(file, 1)
    for name, value in given.items():
        text = f"{name}{value}"
        try:
            dependency, marker = _parse_entry(name, value)
        except InvalidRequirementError as error:
            diagnostics.append(
                Diagnostic(
                    "requirement-invalid",
                    "A line is not a requirement",
                    f"`{name}: {value}`: {error}.",
                    span,
                    (Hint('the value holds extras and clauses only, such as `"[gcp]>=2.1"` or `""`'),),
                )
            )
            continue
        if dependency.url is not None or marker:
            diagnostics.append(
                Diagnostic(
                    "requirement-not-expressible",
                    "Composer's package map takes names with versions from an index only",
                    f"`{name}: {value}` holds a {'marker' if marker else 'URL'}.",
                    span,
                )
            )
            continue
        lines.append(RequirementLine(text, dependency, "", span))
    return RequirementsInput(tuple(lines), diagnostics=tuple(diagnostics))


def _parse_entry(name: str, value: str) -> tuple[Dependency, str]:
    if _NAME.fullmatch(name) is None:
        raise InvalidRequirementError(f"{name!r} is no package name")
    if value.strip() and value.strip()[0] not in "[=<>!~@;":
        raise InvalidRequirementError(f"{value!r} is neither an extra nor a version specifier")
    return parse_requirement(f"{name}{value}")
