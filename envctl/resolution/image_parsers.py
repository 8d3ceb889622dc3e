"""Lists of preinstalled packages as people have them: what pip and pipdeptree print, Google's pages."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from envctl.diagnostics import Diagnostic, Hint, SourceSpan
from envctl.errors import InvalidInputError
from envctl.resolution.image_page import PageLine, html_lines, image_sections, text_lines
from envctl.resolution.image_reports import parse_inspection, parse_tree
from envctl.resolution.parsed_list import ParsedList, distinct, is_version, line_problem
from envctl.resolution.protocol import RequirementMetadata

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_PIN = re.compile(r"([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)(?:\[[^\]]*\])?===?(\d[A-Za-z0-9.!+_-]*)")
_DIRECT = re.compile(r"\s*(?:-e\s.*[#&]egg=([A-Za-z0-9._-]+)|([A-Za-z0-9][A-Za-z0-9._-]*)\s*@\s*\S).*")
_OPTION = re.compile(r"\s*(?:-i|-f|--(?!editable)[a-z-]+)\b")
_TABLE_HEAD = re.compile(r"\s*Package\s+Version\b.*")
_TABLE_ROW = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s+(\d[A-Za-z0-9.!+_-]*)(?:\s+\S.*)?")


def parse_image_list(text: str, file: SourceSpan, image: str = "") -> ParsedList:
    """The packages of a list in any of the known forms; the form is recognised by the text.

    Args:
        text: `pip freeze`, `pip list` as columns or JSON, `pip inspect`, pipdeptree as text, `--json` or `--json-tree`,
            or one of Google's pages as HTML or Markdown.
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
        if (tree := parse_tree(text, file)) is not None:
            return tree
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
    return ParsedList(distinct(tuple(pins.values()), spans), (), tuple(without), spans)


def _pin_of(text: str) -> tuple[str, str] | None:
    """Name and version of `name==version`, also where a browser put blanks between the tokens."""
    bare = text.partition(";")[0].partition(" #")[0].partition(" --hash")[0].rstrip("\\ ")
    match = _PIN.fullmatch("".join(bare.split()))
    return (match[1], match[2]) if match and is_version(match[2]) else None


def _row_of(text: str) -> tuple[str, str] | None:
    match = _TABLE_ROW.fullmatch(text)
    return (match[1], match[2]) if match and is_version(match[2]) else None


def _of_the_list(unread: Iterable[PageLine], pins: Sequence[PageLine]) -> list[PageLine]:
    if not pins:
        return []
    first, last = pins[0].number, pins[-1].number
    blocks = {line.block for line in pins} - {0}
    return [line for line in unread if first < line.number < last or line.block in blocks or "==" in line.text]


def _span(line: PageLine, file: SourceSpan) -> SourceSpan:
    column = len(line.text) - len(line.text.lstrip()) + 1
    return SourceSpan(file.file, line.number, column, len(line.text.rstrip()) + 1, line.text)


def _unread(line: PageLine, file: SourceSpan) -> Diagnostic:
    return line_problem(f"`{line.text.strip()[:80]}` is no `name==version`.", _span(line, file))


def _other_image(detail: str, span: SourceSpan) -> Diagnostic:
    return Diagnostic("image-list-other", "This is not the list of that image", detail, span)


def _not_a_list(reason: str, file: SourceSpan) -> Diagnostic:
    return Diagnostic(
        "image-list-invalid",
        "This is no list of preinstalled packages",
        f"{file.file}: {reason}.",
        file,
        (Hint("use `pip freeze`, `pip inspect`, `pip list --format json`, `pipdeptree`, or one of Google's pages"),),
    )


def _parse_json(text: str, file: SourceSpan) -> ParsedList:
    try:
        document: Any = json.loads(text)
    except ValueError as error:
        raise InvalidInputError((_not_a_list(f"the JSON is damaged: {error}", file),)) from error
    if isinstance(document, dict) and "installed" in document:
        return parse_inspection(document, file)
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
        if not (isinstance(name, str) and isinstance(version, str) and is_version(version)):
            if place:  # a dependency that is not installed has no version, and is not in the image
                problems.append(line_problem(f"{file.file}, {place}: `{json.dumps(entry)[:80]}` is no package.", file))
            continue
        if pins.setdefault(name, version) != version:
            problems.append(line_problem(f"{file.file}: {name} has the versions {pins[name]} and {version}.", file))
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
