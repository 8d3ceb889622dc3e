"""The catalogue of images: shipped with envctl, and added by users; names, aliases, and how well each is known."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from envctl.errors import RefusedError, UsageError
from envctl.image_versions import (
    end_of,
    image_order,
    image_versions,
    is_alias,
    is_image_name,
    newest_image,
    project_folder,
    read_versions_beside,
    release_beside,
    user_folder,
    version_numbers,
)
from envctl.resolution.image import Basis, Image, ImageRecord, resolver_of_pip
from envctl.resolution.image_files import has_image, load_image, load_index
from envctl.resolution.image_target import interpreter_of
from envctl.resolution.protocol import PackageName, Target

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from envctl.resolution.images.lock import ImagesLock

LOCK_FILE = "images.lock"
"""The file of a project that pins what answers for it; `envctl.resolution.images.lock` reads it."""
SHIPPED = Path(__file__).parent.parent / "data" / "images"
RECONSTRUCTED = Path(__file__).parent.parent / "data" / "reconstructed"
"""Lists that nobody read: Google's build was repeated (`tools/reconstruct_images.py`)."""


class ImageChoice(NamedTuple):
    """The image that answers for a name.

    Attributes:
        asked: what was asked for; `name` is the image version it stands for.
        image: the loaded list; None when no list answers for it.
        basis: how well the list answers; None without an image.
        note: why the answer may be another on the image itself, or why there is none; empty when nothing speaks
            against the list.
    """

    asked: str
    name: str
    image: Image | None
    basis: Basis | None
    note: str = ""


class Catalogue:
    """Image lists from several folders; the first folder that has an image wins, a whole list before a part."""

    def __init__(self, folders: Sequence[Path] = (SHIPPED, RECONSTRUCTED), lock: ImagesLock | None = None) -> None:
        """Takes the folders, and what of them may answer where that is pinned."""
        self._folders = tuple(folders)
        self._lock = lock

    @staticmethod
    def of_project(root: Path, *, locked: bool = True) -> Catalogue:
        """The shipped lists, those of the project's `.envctl/images`, and those of the user.

        With `locked`, only what the project's `images.lock` pins, where it has one.

        Raises:
            InvalidInputError: the lock is damaged.
        """
        own, user = project_folder(root), user_folder()
        read_versions_beside(user, own)
        lock = None
        if locked and (root / LOCK_FILE).is_file():
            from envctl.resolution.images.lock import load_lock

            lock = load_lock(root)
        return Catalogue((own, user, SHIPPED, RECONSTRUCTED), lock)

    def records(self) -> tuple[ImageRecord, ...]:
        """Everything known, oldest first; images that are known by their pair come as records of the pair."""
        found: dict[str, ImageRecord] = {}
        for folder in self._folders:
            for record in load_index(folder):
                if self._lock is not None and record.name not in self._lock.images:
                    continue
                known = found.get(record.name)
                if known is None or (record.complete and not known.complete):
                    found[record.name] = record
        return tuple(sorted(found.values(), key=lambda one: image_order(one.name)))

    def choose(self, asked: str, *, nearest: bool = False) -> ImageChoice:
        """The list that answers for an image version or alias.

        Args:
            asked: `composer-2.13.8-airflow-2.10.5`, `composer-3-airflow-2.10.5`, `latest`, ...
            nearest: where there is none, take that of the image nearest in time with the same minor version of
                Airflow, the same minor version of Python and the same resolver.

        Raises:
            UsageError: the text is no image version.
        """
        own = self._load(asked)
        if own is not None and own.record.complete:
            return ImageChoice(asked, asked, own, own.record.basis, own.record.doubt)
        if not is_image_name(asked):
            raise UsageError(
                "This is no image version",
                detail=f"`{asked}` is neither an image version nor an alias of one.",
                hints=("image versions look like `composer-3-airflow-2.10.5-build.4`; `envctl images list` shows all",),
                code="image-version-unknown",
            )
        records = self.records()
        name, meaning = _meaning(asked, records, self._lock)
        own = self._load(name)
        if own is not None and own.record.complete:
            return ImageChoice(asked, name, own, own.record.basis, _said(meaning, own.record.doubt))
        pairs = [one for one in records if name in one.pairs and one.complete]
        pair = min(pairs, key=lambda one: one.reconstructed, default=None)
        if pair is not None:
            text = f"Its list is that of {pair.name}, which was released together with it."
            basis = Basis.RECONSTRUCTED if pair.reconstructed else Basis.PAIRED
            return ImageChoice(asked, name, self._load(pair.name), basis, _said(meaning, text, pair.doubt))
        best = nearest_record(name, records)
        beside = self._load(best.name) if nearest and best is not None else None
        if beside is not None:
            text = _why_nearest(name, beside, own)
            return ImageChoice(asked, name, beside, Basis.NEAREST, _said(meaning, text, beside.record.doubt))
        way_out = _way_out(name, best)
        if own is not None:
            text = f"Only {own.record.packages} of its packages are known: no verdict can be `ok`."
            if own.record.reconstructed:
                text = "No verdict can be `ok`."
            return ImageChoice(
                asked, name, own, Basis.PARTIAL, _said(meaning, text, own.record.doubt, _none_near(nearest), way_out)
            )
        text = "Its preinstalled packages are not in the catalogue."
        if self._unpinned(name):
            text = f"Its list is known, and {LOCK_FILE} does not pin it: `envctl images lock` takes it in."
        return ImageChoice(asked, name, None, None, _said(meaning, text, _none_near(nearest), way_out))

    def record(self, name: str) -> ImageRecord | None:
        """What is known of that very image; None when nothing is."""
        own = self._load(name)
        return None if own is None else own.record

    def pins(self, name: str) -> dict[PackageName, str] | None:
        """The versions of an image whose own list is known whole; None of any other."""
        own = self._load(name)
        if own is None or not own.record.complete:
            return None
        return {key: one.version for key, one in own.packages.items()}

    def target(self, asked: str) -> Target:
        """The machine that an image version or alias runs packages on, also where its list is not known.

        Raises:
            UsageError: the text is no image version.
        """
        choice = self.choose(asked)
        if choice.image is not None:
            return choice.image.record.target
        wanted = interpreter_of(choice.name)
        return Target(wanted.python, wanted.pip)

    def images(self) -> Iterator[Image]:
        """Every image of the catalogue, loaded, oldest first."""
        for record in self.records():
            image = self._load(record.name)
            if image is not None:
                yield image

    def _pinned(self, name: str, digest: str) -> Image:
        """The list of a digest, in whatever folder it is.

        Raises:
            RefusedError: there is none.
        """
        from envctl.resolution.images.lock import image_digest

        held = [load_image(folder, name) for folder in self._folders if has_image(folder, name)]
        image = next((one for one in held if image_digest(one) == digest), None)
        if image is None:
            raise _other_list(name, held=bool(held))
        return image

    def _unpinned(self, name: str) -> bool:
        return self._lock is not None and Catalogue(self._folders).record(name) is not None

    def _load(self, name: str) -> Image | None:
        """The list of that very image, a complete one before a part; None when no folder has it."""
        if "/" in name or "\\" in name or "\0" in name or len(name) > 200:
            return None
        pinned = None if self._lock is None else self._lock.images.get(name, "")
        if pinned is not None:
            return self._pinned(name, pinned) if pinned else None
        part: Image | None = None
        for folder in self._folders:
            if has_image(folder, name):
                image = load_image(folder, name)
                if image.record.complete:
                    return image
                part = part or image
        return part


def _other_list(name: str, *, held: bool) -> RefusedError:
    what = "another list of it is here" if held else "no list of it is here"
    return RefusedError(
        f"The list that {LOCK_FILE} pins is not here",
        detail=f"{name}: {what}.",
        hints=(
            "`envctl images update` takes lists of Google's page; commit a list from elsewhere (.envctl/images).",
            "Where the list that is here is the right one, pin it:\n    envctl images lock",
        ),
        code="images-lock-differs",
    )


def nearest_record(name: str, records: Sequence[ImageRecord]) -> ImageRecord | None:
    """The complete list that may answer for an image without one; None when there is none.

    Same minor version of Airflow, same minor version of Python, same resolver; of those the one released on the
    nearest day, then the one with the same Airflow, then the one of the same generation. An image whose Python is
    stated nowhere in its generation has none: it would be taken from the very list that is to answer.
    """
    wanted, day = interpreter_of(name), _day(name)
    composer, airflow, _ = image_order(name)
    if not wanted.stated and not _generation_has(name, wanted.python, records):
        return None
    kin = [
        one
        for one in records
        if one.complete
        and not one.reconstructed
        and version_numbers(one.airflow)[:2] == airflow[:2]
        and version_numbers(one.python)[:2] == version_numbers(wanted.python)[:2]
        and one.resolver is resolver_of_pip(wanted.pip)
    ]

    def distance(one: ImageRecord) -> tuple[int, bool, bool, str]:
        other = image_order(one.name)
        days = abs((_day(one.name) - day).days)
        return days, other[1] != airflow, other[0][:1] != composer[:1], one.name

    return min(kin, key=distance, default=None)


def _generation_has(name: str, python: str, records: Sequence[ImageRecord]) -> bool:
    """Whether the image's generation is known to have that Python, with the same minor version of Airflow.

    Where nothing is known of that minor version, any image of the generation counts.
    """
    known = [(one.name, one.python) for one in image_versions().releases.values() if one.python]
    known += [(one.name, one.python) for one in records if one.complete]
    generation, minor = image_order(name)[0][:1], image_order(name)[1][:2]
    own = [(other, its) for other, its in known if image_order(other)[0][:1] == generation]
    own = [(other, its) for other, its in own if image_order(other)[1][:2] == minor] or own
    return any(version_numbers(its)[:2] == version_numbers(python)[:2] for _, its in own)


def _day(name: str) -> date:
    """The day of release, else that of the image before it."""
    beside = release_beside(name)
    return date.fromisoformat(beside.released) if beside is not None and beside.released else date.min


def _meaning(asked: str, records: Sequence[ImageRecord], lock: ImagesLock | None = None) -> tuple[str, str]:
    """The image that the text stands for today, and what to say about that; the text itself when it is no alias."""
    if not is_alias(asked):
        return asked, ""
    versions = image_versions()
    names = {*versions.releases, *(one.name for one in records), *(pair for one in records for pair in one.pairs)}
    newest = newest_image(asked, names if lock is None else names & lock.versions)
    if lock is not None and newest is not None:
        return newest, f"`{asked}` is taken as {newest}, the newest image it covers of those that {LOCK_FILE} pins."
    if newest is None:
        return asked, f"No image that `{asked}` could stand for is known as of {versions.as_of}."
    text = (
        f"`{asked}` is taken as {newest}, the newest image it covers as of {versions.as_of}; Google may have released "
        "a newer one since."
    )
    end = end_of(newest)
    if end is not None and end.past(versions.as_of):
        text += f" Support for it ended on {end}."
    return newest, text


def _why_nearest(name: str, beside: Image, part: Image | None) -> str:
    """Which list answers for an image, how far it is away, and what may differ."""
    record = beside.record
    own, other = release_beside(name), image_versions().releases.get(record.name)
    days = (_day(name) - _day(record.name)).days
    about = "" if own is not None and own.name == name and own.dated and other is not None else "about "
    when = f"released {about}{abs(days)} days {'earlier' if days >= 0 else 'later'}" if days else "released about then"
    airflow = ".".join(map(str, image_order(name)[1]))
    same = "the same" if airflow == record.airflow else f"{record.airflow} instead of {airflow}"
    text = (
        f"No list of {name} is known; that of {record.name}, {when}, answers for it (Airflow: {same}). Google moves "
        "packages between releases, so the verdict may be another on the image itself."
    )
    if part is not None:
        equal = sum(
            1
            for key, one in part.packages.items()
            if key in beside.packages and beside.packages[key].version == one.version
        )
        text += f" {equal} of the {len(part.packages)} packages known of it have the same version."
    wanted = interpreter_of(name)
    if not wanted.stated:
        text += f" Its Python is stated nowhere and taken to be {wanted.python}."
    if name not in image_versions().releases:
        text += f" It is not among the image versions known as of {image_versions().as_of}."
    return text


def _none_near(asked: bool) -> str:
    if not asked:
        return ""
    return "No list of the same minor version of Airflow, Python and resolver is known: none is near enough to answer."


def _way_out(name: str, best: ImageRecord | None) -> str:
    add = f"`envctl images add {name} FILE` adds its own list (`pip freeze` in such an environment)"
    if is_alias(name):
        return "Name a full image version; `envctl images list` shows those with a list."
    if best is None:
        return f"{add}."
    return f"{add}; with `--nearest` the list of {best.name} answers."


def _said(*parts: str) -> str:
    return " ".join(part for part in parts if part)
