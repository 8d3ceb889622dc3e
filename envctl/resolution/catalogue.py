"""The catalogue of images: shipped with envctl, and added by users; names, aliases, and how well each is known."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from envctl.errors import UsageError
from envctl.resolution.image import Basis, Image, ImageRecord, release_numbers
from envctl.resolution.image_files import has_image, load_image, load_index

if TYPE_CHECKING:
    from collections.abc import Sequence

SHIPPED = Path(__file__).parent.parent / "data" / "images"
_IMAGE = (  # as text: an image that is named in full needs no pattern
    r"composer-(?P<composer>latest|\d+(?:\.\d+){0,2})-airflow-(?P<airflow>latest|\d+(?:[.-]\d+){0,2})"
    r"(?:-build\.(?P<build>\d+))?"
)


class ImageChoice(NamedTuple):
    """The image that answers for a name.

    Attributes:
        asked: what was asked for; `name` is the image version it stands for.
        image: the loaded list; None when no list answers for it.
        basis: how well the list answers; None without an image.
        note: what to say about it; empty for an exact list.
    """

    asked: str
    name: str
    image: Image | None
    basis: Basis | None
    note: str = ""


class Catalogue:
    """Image lists from several folders; the first folder that has an image wins."""

    def __init__(self, folders: Sequence[Path] = (SHIPPED,)) -> None:
        self._folders = tuple(folders)

    @staticmethod
    def of_project(root: Path) -> Catalogue:
        """The shipped lists, those of the project's `.envctl/images`, and those of the user."""
        return Catalogue((root / ".envctl" / "images", user_folder(), SHIPPED))

    def records(self) -> tuple[ImageRecord, ...]:
        """Everything known, oldest first; images that are known by their pair come as records of the pair."""
        found: dict[str, ImageRecord] = {}
        for folder in self._folders:
            for record in load_index(folder):
                found.setdefault(record.name, record)
        return tuple(sorted(found.values(), key=lambda one: image_order(one.name)))

    def choose(self, asked: str, *, nearest: bool = False) -> ImageChoice:
        """The list that answers for an image version or alias.

        Args:
            asked: `composer-2.13.8-airflow-2.10.5`, `composer-3-airflow-2.10.5`, `latest`, ...
            nearest: take the list most like it when there is none.

        Raises:
            UsageError: the text is no image version.
        """
        folder = self._folder_of(asked)
        if folder is not None:
            image = load_image(folder, asked)
            if image.record.complete:
                return ImageChoice(asked, asked, image, Basis.EXACT)
        if asked != "latest" and re.fullmatch(_IMAGE, asked) is None:
            raise UsageError(
                "This is no image version",
                detail=f"`{asked}` is neither an image version nor an alias of one.",
                hints=("image versions look like `composer-3-airflow-2.10.5-build.4`; `envctl images list` shows all",),
                code="image-version-unknown",
            )
        records = self.records()
        name, note = _resolve_alias(asked, records)
        pair = next((one for one in records if name in one.pairs and one.complete), None)
        if pair is not None:
            note += f"Its list is that of {pair.name}, which was released together with it. "
            return ImageChoice(asked, name, self._load(pair.name), Basis.PAIRED, note.strip())
        record = next((one for one in records if one.name == name), None)
        if record is not None and record.complete:
            return ImageChoice(asked, name, self._load(name), Basis.EXACT, note.strip())
        if nearest:
            return self._nearest(asked, name, records, note)
        if record is not None:
            note += f"Only {record.packages} of its packages are known: no verdict can be `ok`. "
            return ImageChoice(asked, name, self._load(name), Basis.PARTIAL, note.strip())
        note += (
            "Its preinstalled packages are not in the catalogue. Let the list most like it answer (`--nearest`), "
            "or add its own (`envctl images add NAME FILE`); `envctl images list` shows what is known. "
        )
        return ImageChoice(asked, name, None, None, note.strip())

    def _nearest(self, asked: str, name: str, records: Sequence[ImageRecord], note: str) -> ImageChoice:
        complete = [one for one in records if one.complete]
        best = min(complete, key=lambda one: _distance(name, one), default=None)
        if best is None:
            return ImageChoice(asked, name, None, None, note.strip())
        image = self._load(best.name)
        likeness = self._likeness(name, image, records)
        note += f"No list of {name} is known; {best.name} answers for it ({likeness}). "
        return ImageChoice(asked, name, image, Basis.NEAREST, note.strip())

    def _likeness(self, name: str, image: Image, records: Sequence[ImageRecord]) -> str:
        partial = next((one for one in records if one.name == name), None)
        if partial is not None:
            known = self._load(name).packages
            equal = sum(
                1 for key, one in known.items() if key in image.packages and image.packages[key].version == one.version
            )
            return f"{equal} of the {len(known)} packages known of it have the same version"
        match = re.fullmatch(_IMAGE, name)
        wanted = match["airflow"] if match else "?"
        return (
            f"Airflow {image.record.airflow} instead of {wanted}"
            if wanted != image.record.airflow
            else (f"the same Airflow {wanted}, another release of Composer")
        )

    def _load(self, name: str) -> Image:
        folder = self._folder_of(name)
        if folder is None:
            raise UsageError("This image is not in the catalogue", detail=name, code="image-version-unknown")
        return load_image(folder, name)

    def _folder_of(self, name: str) -> Path | None:
        if "/" in name or "\\" in name or "\0" in name or len(name) > 200:
            return None
        return next((folder for folder in self._folders if has_image(folder, name)), None)


def user_folder() -> Path:
    """Where images that a user added are kept."""
    import os
    import sys

    # the common case without platformdirs, whose import would be a tenth of a check from the cache
    base = os.environ.get("XDG_DATA_HOME")
    if base or sys.platform == "linux":
        return (Path(base) if base else Path.home() / ".local" / "share") / "envctl" / "images"
    import platformdirs

    return platformdirs.user_data_path("envctl") / "images"


def image_order(name: str) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    """A sort key: Composer version, Airflow version, build."""
    match = re.fullmatch(_IMAGE, name)
    if match is None:
        return (), (), 0
    return (
        release_numbers(match["composer"]),
        release_numbers(match["airflow"].replace("-", ".")),
        int(match["build"] or 0),
    )


def _resolve_alias(asked: str, records: Sequence[ImageRecord]) -> tuple[str, str]:
    """The newest known image that an alias covers, and what to say; the name itself when it is no alias."""
    usable: dict[str, bool] = {}
    for one in records:
        usable[one.name] = usable.get(one.name, False) or one.complete
        for pair in one.pairs:
            usable[pair] = usable.get(pair, False) or one.complete
    names = list(usable)
    if asked in names:
        return asked, ""
    match = re.fullmatch(_IMAGE, asked)
    if match is not None and match["build"] is None and match["composer"].count(".") == 2:
        return asked, ""
    if match is not None and match["build"] is not None:
        return asked, ""
    covered = [name for name in names if match is None or _covers(match, name)]
    best = max(covered, key=lambda name: (usable[name], _newness(name)), default=None)
    if best is None:
        return asked, ""
    return best, f"`{asked}` is taken as {best}, the newest one in the catalogue with a list. "


def _covers(alias: re.Match[str], name: str) -> bool:
    match = re.fullmatch(_IMAGE, name)
    if match is None:
        return False
    return _prefix(alias["composer"], match["composer"]) and _prefix(alias["airflow"], match["airflow"])


def _prefix(wanted: str, version: str) -> bool:
    if wanted == "latest":
        return True
    parts, numbers = release_numbers(wanted.replace("-", ".")), release_numbers(version)
    return numbers[: len(parts)] == parts


def _newness(name: str) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    composer, airflow, build = image_order(name)
    return airflow, composer, build


def _distance(name: str, record: ImageRecord) -> tuple[int, tuple[int, ...]]:
    """Small for the same Airflow, then the nearest one; among equals the newest Composer release."""
    wanted = image_order(name)[1]
    have = release_numbers(record.airflow)
    filled = tuple((*wanted, 0, 0, 0)[:3])
    weights = (10_000, 100, 1)
    gap = sum(weight * abs(a - b) for weight, a, b in zip(weights, filled, (*have, 0, 0, 0), strict=False))
    return gap, tuple(-number for number in image_order(record.name)[0])
