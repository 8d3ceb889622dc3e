"""Taking what Google's pages say into a folder of the catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from envctl.errors import InvalidInputError
from envctl.image_versions import (
    VERSIONS_FILE,
    ImageEnd,
    ImageRelease,
    ImageVersions,
    image_order,
    image_versions,
    parse_versions,
    versions_text,
    with_newer,
)
from envctl.resolution.image_adding import MadeImage, made_image, store_images
from envctl.resolution.image_files import load_index, write_folder_file
from envctl.resolution.image_target import interpreter_of
from envctl.resolution.images.metadata import PackageMetadata
from envctl.resolution.images.package_page import PageImage, pins_of, read_package_page, two_lists, wrong_differences
from envctl.resolution.images.version_page import VersionRow, read_version_page
from envctl.resolution.protocol import PackageName, Target

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import date
    from pathlib import Path

    from envctl.diagnostics import Diagnostic
    from envctl.resolution.catalogue import Catalogue
    from envctl.resolution.image import ImageRecord
    from envctl.resolution.images.package_page import Difference
    from envctl.resolution.images.page_source import SavedPage
    from envctl.resolution.protocol import PackageSource

PAGE_ORIGIN = "Google's page"
"""How the source of a record begins whose list was read from one of Google's pages (CC BY 4.0: Google is named)."""


class OtherList(NamedTuple):
    """An image whose list on the page is another than the one that was known.

    Attributes:
        name: of the image.
        known: where the known list is from.
        differences: `package VERSION, on the page VERSION`, sorted.
        taken: whether the list of the page answers from now on; a list that somebody added stays.
    """

    name: str
    known: str
    differences: tuple[str, ...]
    taken: bool


class Contradiction(NamedTuple):
    """A table of differences of the page that its own lists contradict."""

    image: str
    older: str
    differences: tuple[str, ...]


class ChangedEnd(NamedTuple):
    """An end of support that the page says and that was not known so."""

    name: str
    before: ImageEnd | None
    now: ImageEnd


class ImagesUpdate(NamedTuple):
    """What the pages brought.

    Attributes:
        pages: as they were read.
        added: records of images whose list was not known whole before, oldest first.
        same: images whose list on the page is the known one.
        other: images with another list than the known one.
        contradictions: tables that the lists of the page do not bear out; the images are doubted for it.
        new: image versions that nobody knew of before.
        ends: ends of support that changed.
        ended: images of the pages whose support ended since the table before was made, by today.
        gone: images that a page had before and has no more; their lists stay.
    """

    pages: tuple[SavedPage, ...]
    added: tuple[ImageRecord, ...]
    same: int
    other: tuple[OtherList, ...]
    contradictions: tuple[Contradiction, ...]
    new: tuple[str, ...]
    ends: tuple[ChangedEnd, ...]
    ended: tuple[tuple[str, ImageEnd], ...]
    gone: tuple[str, ...]


def update_images(
    pages: Sequence[SavedPage],
    folder: Path,
    catalogue: Catalogue,
    source: PackageSource | None,
    *,
    today: date,
    offline: bool = False,
) -> ImagesUpdate:
    """Adds every image of the pages to a folder, and what they say of releases and ends of support to its table.

    Nothing is written unless all of it can be.

    Args:
        pages: package pages and version pages; a page of either kind is recognised by its text.
        folder: of the project or the user.
        catalogue: what is known so far.
        source: index for packages that the catalogue does not know.
        today: ISO days are told by it.
        offline: whether requirements may stay unknown where the index does not answer.

    Raises:
        InvalidInputError: a page has another layout, is cut, or contradicts another; with every such place.
        OutsideError: the index gave no answer.
    """
    before = image_versions()
    lists, rows, places = _read(pages)
    versions = _table(lists.values(), rows, before, today)
    known = {name: pins for name in {*lists, *_older(lists.values())} if (pins := catalogue.pins(name)) is not None}
    on_page = {name: pins_of(one.parsed) for name, one in lists.items()}
    wrong = {name: wrong_differences(one, {**known, **on_page}) for name, one in lists.items()}
    metadata = PackageMetadata(source)
    made: list[MadeImage] = []
    other: list[OtherList] = []
    same = 0
    wanted: list[PageImage] = []
    for name, one in sorted(lists.items(), key=lambda item: image_order(item[0])):
        if name in known and known[name] == on_page[name]:
            same += 1
            continue
        if name in known:
            record = catalogue.record(name)
            taken = record is None or not record.added or record.source.startswith(PAGE_ORIGIN)
            origin = record.source if record is not None else ""
            other.append(OtherList(name, origin, _differences(known[name], on_page[name]), taken))
            if not taken:
                continue
        wanted.append(one)
    for one in wanted:
        metadata.ask_ahead(one.parsed.pins, _target(one.name, versions))
    for one in wanted:
        image = made_image(
            one.name,
            one.parsed,
            metadata,
            python=_python(one.name, versions),
            today=today,
            origin=f"{PAGE_ORIGIN} {places[one.name]}",
        )
        made.append(_doubted(image, wrong[one.name]))
    if metadata.failure is not None and not offline:
        from envctl.resolution.index.source import outside_error

        raise outside_error(metadata.failure)
    gone = _gone(folder, lists)
    ends = tuple(_changed_ends(rows, before))
    store_images(made, folder)
    _store_versions(versions, folder, pages)
    taken_names = {one.name for one in other}
    return ImagesUpdate(
        tuple(pages),
        tuple(one.image.record for one in made if one.image.name not in taken_names),
        same,
        tuple(other),
        tuple(Contradiction(name, table.older, said) for name, many in wrong.items() for table, said in many),
        tuple(name for name in versions.releases if name not in before.releases),
        ends,
        tuple(_ended([*lists, *rows], before, versions, today)),
        gone,
    )


def _read(
    pages: Sequence[SavedPage],
) -> tuple[dict[str, PageImage], dict[str, VersionRow], dict[str, str]]:
    lists: dict[str, PageImage] = {}
    rows: dict[str, VersionRow] = {}
    places: dict[str, str] = {}
    problems: list[Diagnostic] = []
    for page in pages:
        found = read_version_page(page.text)
        rows.update((row.name, row) for row in found)
        try:
            images = read_package_page(page.text, page.place)
        except InvalidInputError as error:
            if not (found and all(one.code == "image-page-layout" for one in error.diagnostics)):
                problems.extend(error.diagnostics)
            continue
        for image in images:
            earlier = lists.setdefault(image.name, image)
            places.setdefault(image.name, page.place)
            if pins_of(earlier.parsed) != pins_of(image.parsed):
                problems.append(two_lists(earlier, image))
    if problems:
        raise InvalidInputError(tuple(problems))
    return lists, rows, places


def _table(
    images: Iterable[PageImage], rows: Mapping[str, VersionRow], before: ImageVersions, today: date
) -> ImageVersions:
    """What the pages say of each image, where a page of lists alone tells of it by the 12-month rule."""
    releases: dict[str, ImageRelease] = {}
    for row in rows.values():
        airflow = ".".join(map(str, image_order(row.name)[1]))
        releases[row.name] = ImageRelease(
            row.name, row.released, True, row.ends, False, airflow, row.python, row.withdrawn
        )
    for image in images:
        if image.name not in releases and (image.released or image.name not in before.releases):
            airflow = ".".join(map(str, image_order(image.name)[1]))
            ends = _a_year_later(image.released)
            releases[image.name] = ImageRelease(
                image.name, image.released, bool(image.released), ends, bool(ends), airflow, "", False
            )
    ordered = dict(sorted(releases.items(), key=lambda one: (one[1].released, image_order(one[0]))))
    return ImageVersions(today.isoformat(), ordered)


def _a_year_later(day: str) -> str:
    """The end of support by Google's rule; the first of March for the day that the next year does not have."""
    if not day:
        return ""
    rest = day[4:] if day[4:] != "-02-29" else "-03-01"
    return f"{int(day[:4]) + 1}{rest}"


def _older(images: Iterable[PageImage]) -> set[str]:
    return {table.older for image in images for table in image.differences}


def _python(name: str, versions: ImageVersions) -> str | None:
    """The full Python version that a page states."""
    release = versions.releases.get(name)
    return release.python if release is not None and release.python.count(".") == 2 else None


def _target(name: str, versions: ImageVersions) -> Target:
    likely = interpreter_of(name)
    return Target(_python(name, versions) or likely.python, likely.pip)


def _doubted(made: MadeImage, wrong: Sequence[tuple[Difference, tuple[str, ...]]]) -> MadeImage:
    if not wrong:
        return made
    table, said = next(iter(wrong))
    first, *others = said
    more = f" and {len(others)} more" if others else ""
    text = f"The page's own table of differences with {table.older} does not fit its lists: it says {first}{more}."
    record = made.image.record
    doubt = f"{record.doubt} {text}".strip()
    return made._replace(image=made.image._replace(record=record._replace(doubt=doubt)))


def _differences(known: Mapping[PackageName, str], page: Mapping[PackageName, str]) -> tuple[str, ...]:
    return tuple(
        f"{name} {known.get(name, 'absent')}, on the page {page.get(name, 'absent')}"
        for name in sorted({*known, *page})
        if known.get(name) != page.get(name)
    )


def _gone(folder: Path, lists: Mapping[str, PageImage]) -> tuple[str, ...]:
    if not lists:
        return ()
    return tuple(
        record.name
        for record in load_index(folder)
        if record.source.startswith(PAGE_ORIGIN) and record.name not in lists
    )


def _changed_ends(rows: Mapping[str, VersionRow], before: ImageVersions) -> Iterator[ChangedEnd]:
    for name, row in rows.items():
        known = before.releases.get(name)
        was = ImageEnd(known.ends, known.computed) if known is not None and known.ends else None
        if row.ends and known is not None and (was is None or was.day != row.ends):
            yield ChangedEnd(name, was, ImageEnd(row.ends))


def _ended(
    names: Iterable[str], before: ImageVersions, versions: ImageVersions, today: date
) -> Iterator[tuple[str, ImageEnd]]:
    table = with_newer(before, versions)
    for name in dict.fromkeys(names):
        release = table.releases.get(name)
        end = ImageEnd(release.ends, release.computed) if release is not None and release.ends else None
        if end is not None and not end.past(before.as_of) and end.past(today.isoformat()):
            yield name, end


def _store_versions(versions: ImageVersions, folder: Path, pages: Sequence[SavedPage]) -> None:
    path = folder / VERSIONS_FILE
    if path.is_file():
        versions = with_newer(parse_versions(path.read_text(encoding="utf-8")), versions)
    write_folder_file(path, versions_text(versions, ", ".join(page.place for page in pages)))
