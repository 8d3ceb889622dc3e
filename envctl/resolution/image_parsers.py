"""Lists of preinstalled packages as people have them: `pip freeze`, `pip list`, `pipdeptree`, Google's page."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

from envctl.diagnostics import Diagnostic, Hint, SourceSpan
from envctl.errors import InvalidInputError

_PIN = re.compile(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*===?\s*([^\s;#]+)")
_VERSION = re.compile(r"\d[A-Za-z0-9.!+_-]*")


@dataclass(frozen=True, slots=True)
class ParsedList:
    """Names and versions in the order of the source; requirements of each where the source has them."""

    pins: tuple[tuple[str, str], ...]
    requires: tuple[tuple[str, tuple[str, ...]], ...] = ()


def parse_image_list(text: str, file: SourceSpan) -> ParsedList:
    """The packages of a list in any of the known forms; the form is recognised by the text.

    Args:
        text: `pip freeze`, `pip list --format json`, `pipdeptree --json` or `--json-tree`, or the HTML of
            Google's page of preinstalled packages.
        file: where the text comes from, for diagnostics.

    Raises:
        InvalidInputError: none of these, or no package in it.
    """
    stripped = text.lstrip("\ufeff \t\r\n")
    if stripped.startswith(("[", "{")):
        parsed = _parse_json(stripped, file)
    elif stripped.startswith("<") or "<table" in stripped:
        parsed = ParsedList(_parse_html(stripped))
    else:
        parsed = ParsedList(tuple((m[1], m[2]) for line in text.splitlines() if (m := _PIN.match(line))))
    if not parsed.pins:
        raise InvalidInputError((_not_a_list("it holds no package with a version", file),))
    return parsed


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
    requires: dict[str, tuple[str, ...]] = {}
    waiting: list[Any] = list(document) if isinstance(document, list) else []
    while waiting:
        entry = waiting.pop(0)
        if not isinstance(entry, dict):
            continue
        package: Any = entry.get("package", entry)
        name: Any = package.get("package_name") or package.get("name") or package.get("key")
        version: Any = package.get("installed_version") or package.get("version")
        if isinstance(name, str) and isinstance(version, str) and _VERSION.fullmatch(version):
            pins.setdefault(name, version)
        dependencies: Any = entry.get("dependencies")
        if isinstance(dependencies, list) and isinstance(name, str):
            requires.setdefault(name, tuple(_required(one) for one in dependencies if isinstance(one, dict)))
            waiting.extend(one for one in dependencies if isinstance(one, dict) and "dependencies" in one)
    return ParsedList(tuple(pins.items()), tuple(requires.items()))


def _required(dependency: dict[str, Any]) -> str:
    name = dependency.get("package_name") or dependency.get("key") or ""
    wanted = dependency.get("required_version")
    return f"{name}{wanted if isinstance(wanted, str) and wanted.lower() != 'any' else ''}"


class _Page(HTMLParser):
    """Collects what looks like a pin: `name==version` in text, or a name and a version in neighbouring cells."""

    def __init__(self) -> None:
        super().__init__()
        self.pins: dict[str, str] = {}
        self._cells: list[str] = []
        self._text: list[str] = []
        self._in_cell = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        """A row starts with no cells, a cell with no text."""
        if tag == "tr":
            self._cells = []
        elif tag in ("td", "th"):
            self._in_cell, self._text = True, []
        elif tag in ("br", "p", "li", "div"):
            self._text.append("\n")

    def handle_endtag(self, tag: str) -> None:
        """A row that ends with exactly a name and a version is a pin."""
        if tag in ("td", "th"):
            self._in_cell = False
            self._cells.append("".join(self._text).strip())
        elif tag == "tr" and len(self._cells) >= 2:
            name, version = self._cells[0], self._cells[1]
            if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name) and _VERSION.fullmatch(version):
                self.pins.setdefault(name, version)

    def handle_data(self, data: str) -> None:
        """Text may hold pins of its own."""
        if self._in_cell:
            self._text.append(data)
        for line in data.splitlines():
            match = _PIN.fullmatch(line.strip())
            if match:
                self.pins.setdefault(match[1], match[2])


def _parse_html(text: str) -> tuple[tuple[str, str], ...]:
    page = _Page()
    page.feed(text)
    page.close()
    return tuple(page.pins.items())
