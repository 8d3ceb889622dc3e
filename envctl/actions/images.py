"""`envctl images`: the catalogue of preinstalled packages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from envctl.errors import InvalidInputError, UsageError
from envctl.resolution.catalogue import Catalogue, ImageChoice, user_folder

if TYPE_CHECKING:
    from datetime import date

    from envctl.resolution.image import ImageRecord
    from envctl.resolution.image_adding import AddedImage
    from envctl.resolution.image_changes import ImageChanges
    from envctl.resolution.protocol import PackageSource


@dataclass(frozen=True, slots=True)
class AddImageRequest:
    """What to add: a list for an image version.

    `root` is the project whose folder gets the image; None adds it for the user. `python` is the image's full
    Python version where it is known.
    """

    name: str
    file: Path
    root: Path | None
    today: date
    python: str | None = None


def list_images(root: Path) -> tuple[ImageRecord, ...]:
    """Every image of the catalogue, oldest first."""
    return Catalogue.of_project(root).records()


def show_image(root: Path, name: str, *, nearest: bool = False) -> ImageChoice:
    """One image with its packages.

    Raises:
        UsageError: the name is no image version, or nothing is known of the image.
    """
    choice = Catalogue.of_project(root).choose(name, nearest=nearest)
    if choice.image is None:
        raise UsageError(
            "This image is not in the catalogue",
            detail=choice.note,
            hints=("`envctl images add NAME FILE` adds it from a list; `--nearest` takes the list most like it",),
            code="image-version-unknown",
        )
    return choice


def diff_images(root: Path, before: str, after: str) -> ImageChanges:
    """What differs between two images; of one that is known in part, only what is certain.

    Raises:
        UsageError: one of them is not in the catalogue.
    """
    from envctl.resolution.image_changes import image_changes

    return image_changes(show_image(root, before), show_image(root, after))


def add_image(request: AddImageRequest, source: PackageSource | None) -> AddedImage:
    """Adds an image to the catalogue of the project or of the user.

    Raises:
        InvalidInputError: the file is no list of packages, has lines that cannot be read, or is of another image.
        UsageError: the name is no image version, or the file cannot be read.
    """
    from envctl.diagnostics import SourceSpan
    from envctl.resolution.image_adding import add_image as add
    from envctl.resolution.image_parsers import parse_image_list

    try:
        text = request.file.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError("The list cannot be read", detail=f"{request.file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidInputError((), f"{request.file} is not UTF-8 text") from error
    parsed = parse_image_list(text, SourceSpan(request.file, 1), request.name)
    folder = user_folder() if request.root is None else request.root / ".envctl" / "images"
    return add(
        request.name,
        parsed,
        folder,
        source,
        python=request.python,
        today=request.today,
        origin=f"added from {request.file.name}",
    )
