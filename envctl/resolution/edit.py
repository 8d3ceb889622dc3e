"""Edits of requirements files as text: comments, order, blank lines and line ends stay as they are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from envctl.resolution.dependency import InvalidRequirementError, parse_requirement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envctl.resolution.findings import Edit

_COMMENT = re.compile(r"(?:^|\s+)#.*$")
_OPTIONS = re.compile(r"\s+--[a-z-]+(?:[=\s]|$)")


def edit_requirements(text: str, edits: Sequence[Edit]) -> str:
    """The text of a requirements file after the edits.

    A replaced requirement keeps its marker and comment and loses its hashes, which belong to the old version.
    A requirement to add comes last. An edit whose requirement the text does not hold changes nothing.
    """
    lines = text.split("\n")
    for edit in edits:
        if edit.remove is None:
            _append(lines, edit.add)
            continue
        found = _find(lines, edit.remove, _line_number(edit.source))
        if found is None:
            continue
        start, end = found
        if edit.add is None:
            del lines[start:end]
        else:
            lines[start:end] = [_replaced(lines[start:end], edit.remove, edit.add)]
    return "\n".join(lines)


def edit_pyproject(text: str, edits: Sequence[Edit]) -> str:
    """The text of a `pyproject.toml` after the edits; a requirement to add without one to remove is left out."""
    for edit in edits:
        if edit.remove is None:
            continue
        pattern = re.compile(rf"""(["'])({re.escape(edit.remove)})(\s*;[^\n]*?)?\1""")
        match = pattern.search(text)
        if match is None:
            continue
        if edit.add is not None:
            start, end = match.span(2)
            text = text[:start] + edit.add + text[end:]
            continue
        start, end = match.span()
        end += len(re.match(r"[ \t]*,?", text[end:])[0])  # type: ignore[index]
        line_start, line_end = text.rfind("\n", 0, start) + 1, text.find("\n", end)
        line_end = len(text) if line_end < 0 else line_end
        rest = text[end:line_end].strip()
        if not text[line_start:start].strip() and (not rest or rest.startswith("#")):
            start, end = line_start, min(line_end + 1, len(text))
        text = text[:start] + text[end:]
    return text


def _line_number(source: str | None) -> int | None:
    number = (source or "").rpartition(":")[2]
    return int(number) if number.isdigit() else None


def _find(lines: Sequence[str], wanted: str, number: int | None) -> tuple[int, int] | None:
    """First and past-the-end index of the logical line that holds the requirement."""
    found: list[tuple[int, int]] = []
    at = 0
    while at < len(lines):
        end = at + 1
        while end < len(lines) and lines[end - 1].rstrip("\r").endswith("\\"):
            end += 1
        if _requirement(lines[at:end]) == wanted.strip():
            if number == at + 1:
                return at, end
            found.append((at, end))
        at = end
    return found[0] if found else None


def _requirement(lines: Sequence[str]) -> str:
    joined = " ".join(line.rstrip("\r").removesuffix("\\") for line in lines)
    text = _COMMENT.sub("", joined)
    text = text.partition(";")[0]
    options = _OPTIONS.search(text)
    return (text[: options.start()] if options else text).strip()


def _replaced(lines: Sequence[str], remove: str, add: str) -> str:
    if len(lines) == 1 and _OPTIONS.search(_COMMENT.sub("", lines[0])) is None:
        return lines[0].replace(remove.strip(), add, 1)
    last = lines[-1]
    ending = "\r" if last.endswith("\r") else ""
    comment = _COMMENT.search(last.rstrip("\r"))
    joined = " ".join(line.rstrip("\r").removesuffix("\\") for line in lines)
    indent = joined[: len(joined) - len(joined.lstrip())]
    body = _COMMENT.sub("", joined)
    options = _OPTIONS.search(body)
    body = body[: options.start()] if options else body
    marker = body.partition(";")[2].strip()
    kept = f"{add}; {marker}" if marker and ";" not in add else add
    return indent + kept + (comment[0] if comment else "") + ending


def _append(lines: list[str], add: str | None) -> None:
    if add is None:
        return
    try:
        name = parse_requirement(add)[0].name
    except InvalidRequirementError:
        return
    for line in lines:
        try:
            if parse_requirement(_requirement([line]))[0].name == name and _requirement([line]) == add:
                return
        except InvalidRequirementError:
            continue
    ending = "\r" if any(line.endswith("\r") for line in lines) else ""
    at = len(lines)
    while at and not lines[at - 1].strip():
        at -= 1
    lines.insert(at, add + ending)
    if at == len(lines) - 1:
        lines.append("")
