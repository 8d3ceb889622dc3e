"""Lists of preinstalled packages as people have them: `pip freeze`, `pip list`, `pipdeptree`, Google's pages."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from packaging.version import InvalidVersion

from envctl.diagnostics import Diagnostic, Hint, SourceSpan
from envctl.errors import InvalidInputError
from envctl.resolution.image_page import PageLine, html_lines, image_sections, text_lines
from envctl.resolution.names import package_name
from envctl.resolution.protocol import RequirementMetadata
from envctl.resolution.specifiers import version_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_PIN = re.compile(r"([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)(?:\[[^\]]*\])?===?(\d[A-Za-z0-9.!+_-]*)")
_DIRECT = re.compile(r"\s*(?:-e\s.*[#&]egg=([A-Za-z0-9._-]+)|([A-Za-z0-9][A-Za-z0-9._-]*)\s*@\s*\S).*")
_OPTION = re.compile(r"\s*(?:-i|-f|--(?!editable)[a-z-]+)\b")
_TABLE_HEAD = re.compile(r"\s*Package\s+Version\b.*")
_TABLE_ROW = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s+(\d[A-Za-z0-9.!+_-]*)(?:\s+\S.*)?")


class ParsedList(NamedTuple):
    """Names and versions in the order of the source; requirements of each where the source has them.

    Attributes:
        pins: names as spelled, with versions.
        requires: what each requires, for sources that say so.
        without_version: packages that the source names without a version, such as those installed from a file.
        spans: where each pin stands, in the order of `pins`.
    """

    pins: tuple[tuple[str, str], ...]
    requires: tuple[tuple[str, RequirementMetadata], ...] = ()
    without_version: tuple[str, ...] = ()
    spans: tuple[SourceSpan, ...] = ()


def parse_image_list(text: str, file: SourceSpan, image: str = "") -> ParsedList:
    """The packages of a list in any of the known forms; the form is recognised by the text.

    Args:
        text: `pip freeze`, `pip list` as columns or JSON, `pipdeptree --json` or `--json-tree`, or one of Google's
            pages as HTML or Markdown.
        file: where the text comes from, for diagnostics.
        image: whose list to take from a text that holds those of several images.

    Raises:
        InvalidInputError: none of these, no package in it, a line that cannot be read, two versions of a package, or
            no list of `image` among those of the text; with every such line.
    """
    stripped = text.lstrip("\ufeff \t\r\n")
    if stripped.startswith(("[", "{")):
        parsed = _parse_json(stripped, file)
    else:
        html = stripped.startswith("<") or "<table" in stripped or "<pre" in stripped
        lines = html_lines(text) if html else text_lines(text.removeprefix("\ufeff"))
        sections = list(image_sections(lines))
        parsed = _section(sections, image, file) if sections else _parse_lines(lines, file, prose=html)
    if not parsed.pins:
        raise InvalidInputError((_not_a_list("it holds no package with a version", file),))
    return parsed


def parse_page_lines(lines: Sequence[PageLine], file: SourceSpan) -> ParsedList:
    """The list of one section of a page; empty where the section holds none.

    Raises:
        InvalidInputError: a line of the list cannot be read, or a package has two versions.
    """
    return _parse_lines(lines, file, prose=True)


def _section(sections: Sequence[tuple[str, list[PageLine]]], image: str, file: SourceSpan) -> ParsedList:
    """The list of one image of a page.

    Raises:
        InvalidInputError: the page holds none of that image, or two that differ.
    """
    found = [parse_page_lines(lines, file) for name, lines in sections if name == image]
    found = [one for one in found if one.pins]
    if not found:
        names = list(dict.fromkeys(name for name, _ in sections))
        listed = ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
        detail = f"{file.file} holds {'the list' if len(names) == 1 else 'lists'} of {listed}, and none of {image}."
        raise InvalidInputError((_other_image(detail, file),))
    if any(set(one.pins) != set(found[0].pins) for one in found[1:]):
        places = " and ".join(str(one.spans[0].line) for one in found)
        detail = f"{file.file} holds lists of {image} that differ, from lines {places} on."
        raise InvalidInputError((_other_image(detail, found[1].spans[0]),))
    return found[0]


def _parse_lines(lines: Sequence[PageLine], file: SourceSpan, *, prose: bool) -> ParsedList:
    """The pins of some lines.

    Of a page (`prose`) the lines around the list are its own affair; those between two packages, and those of the
    same preformatted block, are of the list.
    """
    pins: dict[PageLine, tuple[str, str]] = {}
    without: list[str] = []
    unread: list[PageLine] = []
    table = False
    for line in lines:
        text = line.text.strip()
        if _TABLE_HEAD.fullmatch(text):
            table = not prose
        elif (pin := _pin_of(text)) is not None or (table and (pin := _row_of(text)) is not None):
            pins[line] = pin
        elif (direct := _DIRECT.fullmatch(text)) is not None:
            without.append(direct[1] or direct[2])
        elif text and not text.startswith("#") and not set(text) <= {"-", " "} and not _OPTION.match(text):
            unread.append(line)
    if prose:
        unread = _of_the_list(unread, list(pins))
    if pins and unread:
        raise InvalidInputError(tuple(_unread(line, file) for line in unread))
    spans = tuple(_span(line, file) for line in pins)
    return ParsedList(_distinct(tuple(pins.values()), spans), (), tuple(without), spans)


def _pin_of(text: str) -> tuple[str, str] | None:
    """Name and version of `name==version`, also where a browser put blanks between the tokens."""
    bare = text.partition(";")[0].partition(" #")[0].partition(" --hash")[0].rstrip("\\ ")
    match = _PIN.fullmatch("".join(bare.split()))
    return (match[1], match[2]) if match and _is_version(match[2]) else None


def _row_of(text: str) -> tuple[str, str] | None:
    match = _TABLE_ROW.fullmatch(text)
    return (match[1], match[2]) if match and _is_version(match[2]) else None


def _is_version(text: str) -> bool:
    try:
        version_of(text)
    except InvalidVersion:
        return False
    return True


def _of_the_list(unread: Iterable[PageLine], pins: Sequence[PageLine]) -> list[PageLine]:
    if not pins:
        return []
    first, last = pins[0].number, pins[-1].number
    blocks = {line.block for line in pins} - {0}
    return [line for line in unread if first < line.number < last or line.block in blocks or "==" in line.text]


def _distinct(pins: tuple[tuple[str, str], ...], spans: Sequence[SourceSpan]) -> tuple[tuple[str, str], ...]:
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
            twice.append(_line_problem(detail, span))
    if twice:
        raise InvalidInputError(tuple(twice))
    return pins


def _span(line: PageLine, file: SourceSpan) -> SourceSpan:
    column = len(line.text) - len(line.text.lstrip()) + 1
    return SourceSpan(file.file, line.number, column, len(line.text.rstrip()) + 1, line.text)


def _unread(line: PageLine, file: SourceSpan) -> Diagnostic:
    return _line_problem(f"`{line.text.strip()[:80]}` is no `name==version`.", _span(line, file))


def _line_problem(detail: str, span: SourceSpan) -> Diagnostic:
    return Diagnostic(
        "image-list-line",
        "A line of the list cannot be taken",
        detail,
        span,
        (Hint("mend the line; take it out only where it is no package of the image"),),
    )


def _other_image(detail: str, span: SourceSpan) -> Diagnostic:
    return Diagnostic("image-list-other", "This is not the list of that image", detail, span)


def _not_a_list(reason: str, file: SourceSpan) -> Diagnostic:
    return Diagnostic(
        "image-list-invalid",
        "This is no list of preinstalled packages",
        f"{file.file}: {reason}.",
        file,
        (Hint("use `pip freeze`, `pip list --format json`, `pipdeptree --json`, or the HTML of Google's page"),),
    )


def _parse_json(text: str, file: SourceSpan) -> ParsedList:
    try:
        document: Any = json.loads(text)
    except ValueError as error:
        raise InvalidInputError((_not_a_list(f"the JSON is damaged: {error}", file),)) from error
    pins: dict[str, str] = {}
    requires: dict[str, RequirementMetadata] = {}
    problems: list[Diagnostic] = []
    waiting: list[tuple[str, Any]] = [
        (f"entry {number}", entry) for number, entry in enumerate(document if isinstance(document, list) else [], 1)
    ]
    while waiting:
        place, entry = waiting.pop(0)
        package: Any = entry.get("package", entry) if isinstance(entry, dict) else {}
        name: Any = package.get("package_name") or package.get("name") or package.get("key")
        version: Any = package.get("installed_version") or package.get("version")
        if not (isinstance(name, str) and isinstance(version, str) and _is_version(version)):
            if place:  # a dependency that is not installed has no version, and is not in the image
                problems.append(_line_problem(f"{file.file}, {place}: `{json.dumps(entry)[:80]}` is no package.", file))
            continue
        if pins.setdefault(name, version) != version:
            problems.append(_line_problem(f"{file.file}: {name} has the versions {pins[name]} and {version}.", file))
        dependencies: Any = entry.get("dependencies")
        if isinstance(dependencies, list):
            known = [one for one in dependencies if isinstance(one, dict)]
            requires.setdefault(name, RequirementMetadata(tuple(_required(one) for one in known)))
            waiting.extend(("", one) for one in known if "dependencies" in one)
    if pins and problems:
        raise InvalidInputError(tuple(problems))
    return ParsedList(tuple(pins.items()), tuple(requires.items()), (), tuple(file for _ in pins))


def _required(dependency: dict[str, Any]) -> str:
    name = dependency.get("package_name") or dependency.get("key") or ""
    wanted = dependency.get("required_version")
    return f"{name}{wanted if isinstance(wanted, str) and wanted.lower() != 'any' else ''}"
