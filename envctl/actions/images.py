"""`envctl images`: the catalogue of preinstalled packages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from envctl.errors import InvalidInputError, UsageError
from envctl.image_versions import project_folder, read_versions_beside, user_folder
from envctl.resolution.catalogue import Catalogue, ImageChoice

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    import httpx

    from envctl.resolution.image import ImageRecord
    from envctl.resolution.image_adding import AddedImage
    from envctl.resolution.image_changes import ImageChanges
    from envctl.resolution.images.lock import ImagesLock
    from envctl.resolution.images.registry.reading import LayerProgress, RegistryImage
    from envctl.resolution.images.updating import ImagesUpdate
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
    from envctl.resolution.images.page_source import read_page_file

    text = read_page_file(request.file).text
    parsed = parse_image_list(text, SourceSpan(request.file, 1), request.name)
    return add(
        request.name,
        parsed,
        _folder(request.root),
        source,
        python=request.python,
        today=request.today,
        origin=f"added from {request.file.name}",
    )


@dataclass(frozen=True, slots=True)
class UpdateImagesRequest:
    """What to read: addresses and files, or Google's own pages where there are none.

    `root` is the project; with `user` its images are kept for all projects of the user. `offline` lets requirements
    stay unknown that the cache of the index does not hold.
    """

    places: tuple[str, ...]
    root: Path
    today: date
    user: bool = False
    offline: bool = False


def update_images(
    request: UpdateImagesRequest, source: PackageSource | None, transport: httpx.BaseTransport | None = None
) -> ImagesUpdate:
    """Reads Google's pages and adds what they hold.

    Raises:
        InvalidInputError: a page has another layout, is cut, or holds two lists of one image.
        OutsideError: a page cannot be fetched, or the index gave no answer.
        UsageError: a file cannot be read.
    """
    from envctl.resolution.images.page_source import (
        PACKAGE_PAGE,
        VERSION_PAGE,
        fetch_page,
        is_address,
        page_cache,
        read_page_file,
    )
    from envctl.resolution.images.updating import update_images as update

    places = request.places or (PACKAGE_PAGE, VERSION_PAGE)
    pages = [
        fetch_page(place, page_cache(), transport) if is_address(place) else read_page_file(Path(place))
        for place in places
    ]
    catalogue = Catalogue.of_project(request.root, locked=False)
    folder = _folder(None if request.user else request.root)
    done = update(pages, folder, catalogue, source, today=request.today, offline=request.offline)
    read_versions_beside(user_folder(), project_folder(request.root))
    return done


@dataclass(frozen=True, slots=True)
class LockedImages:
    """What `images.lock` would pin now, and how that differs from what it pins: names of images."""

    path: Path
    lock: ImagesLock
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether every list that is pinned is the one that would be."""
        return not (self.added or self.removed or self.changed)


def lock_images(root: Path, *, write: bool = True) -> LockedImages:
    """Pins the catalogue as it is.

    Raises:
        InvalidInputError: the lock that is there is damaged, and is not to be written anew.
    """
    from envctl.image_versions import image_versions
    from envctl.resolution.catalogue import LOCK_FILE
    from envctl.resolution.images.lock import load_lock, lock_of, lock_text

    catalogue = Catalogue.of_project(root, locked=False)
    images = list(catalogue.images())
    names = {*image_versions().releases, *(one.name for one in images)}
    pairs = {pair for one in images for pair in one.record.pairs}
    lock = lock_of(images, names | pairs)
    path = root / LOCK_FILE
    try:
        known = load_lock(root)
    except InvalidInputError:
        if not write:
            raise
        known = None
    before = known.images if known is not None else {}
    if write:
        path.write_text(lock_text(lock), encoding="utf-8")
    return LockedImages(
        path,
        lock,
        tuple(name for name in lock.images if name not in before),
        tuple(name for name in before if name not in lock.images),
        tuple(name for name, digest in lock.images.items() if before.get(name, digest) != digest),
    )


@dataclass(frozen=True, slots=True)
class ReadImageRequest:
    """Which image of a registry to add under an image version's name.

    `reference` is empty for the one that Google publishes of that version. `root` is the project whose folder gets the
    image; None adds it for the user.
    """

    name: str
    reference: str
    root: Path | None
    today: date


@dataclass(frozen=True, slots=True)
class ReadImage:
    """An image that was read from a registry and added; `read` says what of it was taken."""

    added: AddedImage
    read: RegistryImage


def add_registry_image(
    request: ReadImageRequest,
    *,
    progress: Callable[[LayerProgress], None] | None = None,
    transport: httpx.BaseTransport | None = None,
) -> ReadImage:
    """Reads an image's packages and what they require out of its layers, and adds it.

    Raises:
        InvalidInputError: the image holds another Airflow than the name says.
        OutsideError: the registry refuses, does not answer or sends something else than it says; the image cannot be
            read, or no Airflow is in it.
        UsageError: the name or the reference is none.
    """
    import os

    from envctl.diagnostics import SourceSpan
    from envctl.resolution.image_adding import add_image as add
    from envctl.resolution.image_adding import check_image_name
    from envctl.resolution.images.registry.reading import read_registry_image
    from envctl.resolution.images.registry.reference import parse_reference, worker_image
    from envctl.resolution.index.cache import default_cache_directory
    from envctl.resolution.parsed_list import ParsedList

    check_image_name(request.name)
    reference = parse_reference(request.reference) if request.reference else worker_image(request.name)
    cache = Path(default_cache_directory(os.environ)) / "image-layers-v1"
    read = read_registry_image(reference, cache, google_token=_google_token, progress=progress, transport=transport)
    here = SourceSpan(Path(reference.repository.rpartition("/")[2]), 1)
    packages = read.installation.packages
    parsed = ParsedList(
        tuple((one.name, one.version) for one in packages),
        tuple((one.name, one.metadata) for one in packages),
        tuple(read.installation.unreadable),
        tuple(here for _ in packages),
    )
    python = read.installation.python
    added = add(
        request.name,
        parsed,
        _folder(request.root),
        None,
        python=python if python.count(".") == 2 else None,
        today=request.today,
        origin=f"registry {reference._replace(digest=read.digest)}",
    )
    return ReadImage(added, read)


def _google_token() -> str | None:
    """An access token of whoever runs envctl; None where nobody is logged in."""
    import google.auth
    from google.auth.exceptions import GoogleAuthError
    from google.auth.transport.requests import Request

    try:
        credentials, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
        credentials.refresh(Request())
    except GoogleAuthError:
        return None
    return str(credentials.token)


def _folder(root: Path | None) -> Path:
    """Where images of a project are kept, or those of the user."""
    return user_folder() if root is None else project_folder(root)
