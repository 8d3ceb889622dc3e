"""Google's page of versions: when each image came, until when it is supported, its Python.

Form (docs.cloud.google.com/composer/docs/composer-versions, seen 2026-04-10): tables with the columns Version, Python
version, PyPI packages, Release date, Support end date, Notes. Of images before 2025-05-14 the cell of packages holds the
whole list. A browser's text has each cell on a line of its own. An end of support may be "To be announced".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from envctl.image_versions import is_alias, is_image_name
from envctl.resolution.images.package_page import is_html, iso_day, page_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_BREAK = re.compile(r"<br\s*/?>|\t|(?<!\\)\|")
_PYTHON = re.compile(r"(\d\.\d+(?:\.\d+)?)(?: \(.*\))?")


class VersionRow(NamedTuple):
    """An image of the page: ISO days, `ends` empty where none is announced; its Python; whether it was taken back."""

    name: str
    released: str
    ends: str
    python: str
    withdrawn: bool


def read_version_page(text: str) -> tuple[VersionRow, ...]:
    """Every image of the page that has a Python and a day of release; none where the text is another page."""
    rows: dict[str, VersionRow] = {}
    name, python, days, withdrawn = "", "", list[str](), False

    def row() -> None:
        if name and python and days and name not in rows:
            rows[name] = VersionRow(name, days[0], days[1] if len(days) > 1 else "", python, withdrawn)

    for cell in _cells(text):
        if is_image_name(cell) and not is_alias(cell):
            row()
            name, python, days, withdrawn = cell, "", [], False
        elif name:
            match = _PYTHON.fullmatch(cell)
            python = python or (match[1] if match else "")
            day = iso_day(cell)
            days += [day] if day else []
            withdrawn = withdrawn or "rolled back" in cell.lower()
    row()
    return tuple(rows.values())


def _cells(text: str) -> Iterator[str]:
    html = is_html(text)
    for line in page_lines(text):
        plain = line.text if html else _LINK.sub(r"\1", line.text)
        for cell in _BREAK.split(plain):
            bare = cell.replace("*", "").replace("`", "").replace("\\", "").strip()
            if bare:
                yield bare
