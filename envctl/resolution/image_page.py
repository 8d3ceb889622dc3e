"""Texts that may hold the lists of several images: Google's pages as Markdown, as HTML, or saved from a browser.

Form of the page "Preinstalled packages changelog" (docs.cloud.google.com/composer/docs/versions-packages, seen
2026-11-20): a heading with the image version, `Packages in NAME`, a preformatted block of `name==version` lines, then
tables of three columns that compare with earlier images. The page of versions holds older lists in cells beside the
image version. A browser separates the tokens of the block: `apache - airflow == 2.11.1 + composer`.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, NamedTuple

from envctl.image_versions import is_alias, is_image_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_HEADING = re.compile(r"(?:#{1,6}\s*)?(?:Packages in\s+)?(composer-[A-Za-z0-9.-]+)\s*(?:\{[^}]*\})?")
_FENCE = re.compile(r"\s*(?:```|~~~)")
_CELL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_CELL_VERSION = re.compile(r"\d[A-Za-z0-9.!+_-]*")
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_BREAK = re.compile(r"<br\s*/?>|[\s,;]+")
_CELL_PIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*===?[0-9][A-Za-z0-9.!+_-]*")
_BLOCKS = frozenset({"br", "p", "li", "div", "tr", "td", "th", "pre", "h1", "h2", "h3", "h4", "h5", "h6", "table"})


class PageLine(NamedTuple):
    """One line of text: its 1-based number in the file, and which preformatted block it stands in (0: none)."""

    number: int
    text: str
    block: int = 0


def text_lines(text: str) -> list[PageLine]:
    """The lines of plain text or Markdown; the marks of fenced blocks are left out.

    A row of a Markdown table that begins with an image version comes cell by cell, and a list on the one line of such a
    cell pin by pin.
    """
    lines: list[PageLine] = []
    block, opened = 0, False
    for number, line in enumerate(text.splitlines(), 1):
        if _FENCE.match(line):
            opened = not opened
            block += opened
        elif not opened and (cells := _image_row(line)):
            block += 1
            lines.extend(PageLine(number, *cell) for cell in _row_lines(cells, block))
        else:
            lines.append(PageLine(number, line, block if opened else 0))
    return lines


def _image_row(line: str) -> list[str]:
    """The cells of a row of a Markdown table whose first one is an image version; none of any other line."""
    if not line.lstrip().startswith("|"):
        return []
    cells = [
        _LINK.sub(r"\1", cell).replace("*", "").replace("`", "").strip() for cell in line.strip().strip("|").split("|")
    ]
    return cells if is_image_name(cells[0]) and not is_alias(cells[0]) else []


def _row_lines(cells: Sequence[str], block: int) -> Iterator[tuple[str, int]]:
    """Text and block of each line that a row stands for; what in a list is no pin is kept, so that it is told."""
    for cell in cells:
        words = [word for word in _BREAK.split(cell) if word]
        if sum("==" in word for word in words) < 2:
            yield cell, 0
            continue
        listed = False
        for word in words:
            listed = listed or _CELL_PIN.fullmatch(word) is not None
            yield word, block if listed else 0


def html_lines(text: str) -> list[PageLine]:
    """The lines of a page of HTML.

    A table row of exactly a name and a version comes as `name==version`, one of a name and two versions as one line.
    """
    page = _Page()
    page.feed(text)
    page.close()
    return page.finished()


def unclosed_block(text: str) -> int | None:
    """The line in which a preformatted block begins that the text does not end; None where every one ends."""
    opened: int | None = None
    if re.search(r"<pre\b", text) is None:
        for number, line in enumerate(text.splitlines(), 1):
            if _FENCE.match(line):
                opened = number if opened is None else None
        return opened
    last = max(text.rfind("<pre>"), text.rfind("<pre "))
    return None if "</pre" in text[last:] else text.count("\n", 0, last) + 1


def image_sections(lines: Iterable[PageLine]) -> Iterator[tuple[str, list[PageLine]]]:
    """Each image that has a heading, with the lines up to the next heading."""
    name, held = "", list[PageLine]()
    for line in lines:
        found = _HEADING.fullmatch(line.text.strip())
        if found is None or not is_image_name(found[1]) or is_alias(found[1]):
            held.append(line)
        elif found[1] != name or any("==" in one.text for one in held):
            if name:
                yield name, held
            name, held = found[1], []
    if name:
        yield name, held


class _Page(HTMLParser):
    """Collects the text of a page line by line, whatever is bold, linked or coloured in it."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[PageLine] = []
        self._row: list[list[PageLine]] = []
        self._line: list[str] = []
        self._start = 1
        self._pre = 0
        self._block = 0
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        """Blocks begin lines; scripts and styles are no text."""
        if tag in _BLOCKS:
            self._end_line()
        if tag == "tr":
            self._end_row()
        elif tag in ("td", "th"):
            self._row.append([])
        elif tag == "pre":
            self._pre += 1
            self._block += 1
        elif tag in ("script", "style"):
            self._hidden += 1

    def handle_endtag(self, tag: str) -> None:
        """Blocks end lines."""
        if tag in _BLOCKS:
            self._end_line()
        if tag in ("tr", "table"):
            self._end_row()
        elif tag == "pre":
            self._pre = max(0, self._pre - 1)
        elif tag in ("script", "style"):
            self._hidden = max(0, self._hidden - 1)

    def handle_data(self, data: str) -> None:
        """Text, which may hold lines of its own."""
        if self._hidden:
            return
        number = self.getpos()[0]
        for at, part in enumerate(data.split("\n")):
            if at:
                self._end_line()
            if not self._line:
                self._start = number + at
            self._line.append(part)

    def finished(self) -> list[PageLine]:
        """Every line of the page."""
        self._end_line()
        self._end_row()
        return self._lines

    def _end_line(self) -> None:
        text = "".join(self._line)
        self._line = []
        if text.strip():
            line = PageLine(self._start, text, self._block if self._pre else 0)
            (self._row[-1] if self._row else self._lines).append(line)

    def _end_row(self) -> None:
        cells, self._row = self._row, []
        if (row := _pin_of_row(cells) or _comparison_of_row(cells)) is not None:
            self._lines.append(row)
        else:
            self._lines.extend(line for cell in cells for line in cell)


def _pin_of_row(cells: Sequence[Sequence[PageLine]]) -> PageLine | None:
    """The pin that a row of two cells is; longer rows compare images or list their properties."""
    if len(cells) != 2 or any(len(cell) != 1 for cell in cells):
        return None
    name, version = (cell[0].text.strip() for cell in cells)
    if _CELL_NAME.fullmatch(name) and _CELL_VERSION.fullmatch(version):
        return PageLine(cells[0][0].number, f"{name}=={version}")
    return None


def _comparison_of_row(cells: Sequence[Sequence[PageLine]]) -> PageLine | None:
    """The line that a row of a table of differences is in Markdown: package, version before, version now."""
    if len(cells) != 3 or any(len(cell) != 1 for cell in cells):
        return None
    texts = [cell[0].text.strip() for cell in cells]
    if all(text == "---" or text[:1].isdigit() for text in texts[1:]):
        return PageLine(cells[0][0].number, " ".join(texts))
    return None
