"""Google's page "Preinstalled packages changelog", whole: every image, its list, and how it differs from earlier ones.

Form (docs.cloud.google.com/composer/docs/versions-packages.md.txt, seen 2026-11-20): a heading per generation, a
heading with the day of the release, a heading with the image version, `Packages in NAME`, a fenced block of
`name==version`, then for each earlier image either `No difference with OLDER` or `Difference with OLDER` and rows of
`PACKAGE PREVIOUS CURRENT`, where `---` stands for a package that is not there. What a browser saves of the page has
blanks between the tokens of names and versions: `google - ads 29.2.0 30.0.0`, `pytz == 2026.1 . post1`.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from envctl.diagnostics import Diagnostic, Hint, SourceSpan
from envctl.errors import InvalidInputError
from envctl.image_versions import is_image_name
from envctl.resolution.image_page import PageLine, html_lines, image_sections, text_lines, unclosed_block
from envctl.resolution.image_parsers import parse_page_lines
from envctl.resolution.images.page_text import page_file
from envctl.resolution.names import package_name
from envctl.resolution.parsed_list import ParsedList

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from envctl.resolution.protocol import PackageName

_IMAGE = re.compile(r"composer-[0-9][A-Za-z0-9.-]*[A-Za-z0-9]")
_DAY = re.compile(r"(?:#{1,6}\s*)?([A-Z][a-z]+ \d{1,2}, \d{4})\s*(?:\{[^}]*\})?")
_JOINED = re.compile(r"(?<=\S)\s+([-.+])\s+(?=\S)")
_SUFFIX = re.compile(r"(?<=[0-9])\s+((?:a|b|rc|post|dev)[0-9]+)(?=\s|$)")
_ABSENT = "---"


class Difference(NamedTuple):
    """What the page says of an image beside an earlier one.

    Attributes:
        older: the earlier image.
        moved: (version before, version now) by package; None where it is not in that image. Empty when the page
            says that they do not differ.
        line: where it stands.
    """

    older: str
    moved: Mapping[PackageName, tuple[str | None, str | None]]
    line: int


class PageImage(NamedTuple):
    """An image of the page: its list, the ISO day of its release where the page tells it, and its differences."""

    name: str
    parsed: ParsedList
    released: str
    differences: tuple[Difference, ...]


def read_package_page(text: str, place: str) -> tuple[PageImage, ...]:
    """Every image of the page, in its order.

    Raises:
        InvalidInputError: the page has another layout, ends in the middle of a list, holds two lists of one image
            that differ, or a line that cannot be read; with every such place.
    """
    lines = page_lines(text)
    days = _days(lines)
    images: dict[str, PageImage] = {}
    problems: list[Diagnostic] = []
    for name, section in image_sections(lines):
        start, end = _list_and_rest(name, section)
        try:
            parsed = parse_page_lines(start, SourceSpan(page_file(place), 1))
        except InvalidInputError as error:
            problems.extend(error.diagnostics)
            continue
        if not parsed.pins:
            continue  # a heading that only links to the list
        released = next((day for number, day in reversed(days) if number < section[0].number), "")
        image = PageImage(name, parsed, released, tuple(_differences(name, end)))
        known = images.setdefault(name, image)
        if pins_of(known.parsed) != pins_of(parsed):
            problems.append(two_lists(known, image))
    if not images and not problems:
        problems.append(_other_layout(place))
    cut = unclosed_block(text)
    if cut is not None:
        problems.append(_half(cut, list(images), place))
    if problems:
        raise InvalidInputError(tuple(problems))
    return tuple(images.values())


def page_lines(text: str) -> list[PageLine]:
    """The lines of a page in any of its forms."""
    return html_lines(text) if is_html(text) else text_lines(text.removeprefix("\ufeff"))


def is_html(text: str) -> bool:
    """Whether a page came as HTML."""
    stripped = text.lstrip("\ufeff \t\r\n")
    return stripped.startswith("<") or "<table" in stripped or "<pre" in stripped


def pins_of(parsed: ParsedList) -> dict[PackageName, str]:
    """Versions by normalised name."""
    return {package_name(name): version for name, version in parsed.pins}


def wrong_differences(
    image: PageImage, lists: Mapping[str, Mapping[PackageName, str]]
) -> tuple[tuple[Difference, tuple[str, ...]], ...]:
    """The tables of an image that its list and that of the earlier image contradict, with what differs in each.

    Args:
        image: with its tables.
        lists: versions by name of every image that is known; a table about an image without a list proves nothing.
    """
    current = lists[image.name]
    wrong: list[tuple[Difference, tuple[str, ...]]] = []
    for table in image.differences:
        older = lists.get(table.older)
        if older is None:
            continue
        real = {
            name: (older.get(name), current.get(name))
            for name in {**older, **current}
            if older.get(name) != current.get(name)
        }
        said = [
            f"{name} {_pair(table.moved.get(name))}, and the lists {_pair(real.get(name))}"
            for name in sorted({*real, *table.moved})
            if real.get(name) != table.moved.get(name)
        ]
        if said:
            wrong.append((table, tuple(said)))
    return tuple(wrong)


def _pair(pair: tuple[str | None, str | None] | None) -> str:
    return "the same" if pair is None else f"{pair[0] or 'absent'} to {pair[1] or 'absent'}"


def _list_and_rest(image: str, section: Sequence[PageLine]) -> tuple[list[PageLine], list[PageLine]]:
    """The lines up to the first table of differences, and those from there on."""
    for at, line in enumerate(section):
        if _compared(image, line.text):
            return list(section[:at]), list(section[at:])
    return list(section), []


def _compared(image: str, text: str) -> str:
    """The earlier image that a title of differences names, in whatever language the rest of it is; else empty."""
    match = _IMAGE.search(text)
    return match[0] if match is not None and match[0] != image and is_image_name(match[0]) else ""


def _differences(image: str, lines: Iterable[PageLine]) -> list[Difference]:
    found: list[Difference] = []
    moved: dict[PackageName, tuple[str | None, str | None]] = {}
    for line in lines:
        if older := _compared(image, line.text):
            moved = {}
            found.append(Difference(older, moved, line.number))
        elif (row := _row(line.text)) is not None and found:
            moved[row[0]] = row[1:]
    return found


def _row(text: str) -> tuple[PackageName, str | None, str | None] | None:
    """A row of a table of differences; None for any other line."""
    bare = text.replace("|", " ").replace("`", " ").replace("\\", "")
    while (joined := _JOINED.sub(r"\1", bare)) != bare:
        bare = joined
    cells = _SUFFIX.sub(r"\1", bare).split()
    if len(cells) != 3 or not all(cell == _ABSENT or cell[0].isdigit() for cell in cells[1:]):
        return None
    before, now = (None if cell == _ABSENT else cell for cell in cells[1:])
    return package_name(cells[0]), before, now


def _days(lines: Iterable[PageLine]) -> list[tuple[int, str]]:
    days: list[tuple[int, str]] = []
    for line in lines:
        match = _DAY.fullmatch(line.text.strip())
        day = iso_day(match[1]) if match else ""
        if day:
            days.append((line.number, day))
    return days


def iso_day(text: str) -> str:
    """`November 20, 2026` as an ISO day; empty for any other text."""
    try:
        return datetime.strptime(text.strip(), "%B %d, %Y").date().isoformat()  # noqa: DTZ007
    except ValueError:
        return ""


def two_lists(first: PageImage, second: PageImage) -> Diagnostic:
    """That a page, or two of them, hold two lists of one image that differ."""
    here = second.parsed.spans[0]
    detail = f"{here.file} holds lists of {first.name} that differ, from lines {first.parsed.spans[0].line} and {here.line} on."
    return Diagnostic("image-list-other", "This is not the list of that image", detail, here)


def _other_layout(place: str) -> Diagnostic:
    return Diagnostic(
        "image-page-layout",
        "The page has another layout",
        f"{place}: looked for headings that are an image version, such as `composer-3-airflow-3.1.7-build.4`, each with a "
        "list of `name==version` below it, or for a table with the columns Version, Python version, Release date and "
        "Support end date; found neither.",
        SourceSpan(page_file(place), 1),
        (Hint("save the page itself, in its Markdown form (`.md.txt`) where a browser shows it in parts"),),
    )


def _half(cut: int, images: Sequence[str], place: str) -> Diagnostic:
    where = f"in the list of {images[-1]}" if images else "in its first list"
    return Diagnostic(
        "image-page-cut",
        "The page ends in the middle",
        f"{place}: the block that begins in line {cut} is not closed; the page ends {where}.",
        SourceSpan(page_file(place), cut),
        (Hint("save or fetch it again; nothing was taken from it"),),
    )
