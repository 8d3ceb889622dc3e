"""Adding an image to the catalogue from a list that a user has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from envctl.errors import UsageError
from envctl.resolution.catalogue import SHIPPED, image_order
from envctl.resolution.image import Image, ImageRecord
from envctl.resolution.image_assembly import assemble_image
from envctl.resolution.image_files import load_image, load_index, write_image, write_index
from envctl.resolution.names import package_name
from envctl.resolution.protocol import (
    Listing,
    PackageName,
    PackageSource,
    RequirementMetadata,
    Target,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date
    from pathlib import Path

    from envctl.resolution.image_parsers import ParsedList


@dataclass(frozen=True, slots=True)
class AddedImage:
    """An image that was added; `without_requirements` names packages whose requirements nobody knows."""

    record: ImageRecord
    without_requirements: tuple[str, ...]


def add_image(
    name: str,
    parsed: ParsedList,
    folder: Path,
    source: PackageSource | None,
    *,
    python: str | None = None,
    today: date,
    origin: str,
) -> AddedImage:
    """Writes an image into a folder of the catalogue.

    Requirements come from the list where it has them, else from the shipped catalogue, else from the index.

    Args:
        name: image version.
        parsed: its packages.
        folder: of the project or the user.
        source: index for packages that the catalogue does not know; None asks none.
        python: full version; taken from the Airflow generation when None.
        today: day of the addition.
        origin: what the list was read from, for the record.

    Raises:
        UsageError: the name is no image version.
    """
    composer, airflow, _ = image_order(name)
    if not composer or len(airflow) != 3:
        raise UsageError(
            "This is no image version",
            detail=f"`{name}` does not look like `composer-3-airflow-2.10.5-build.4`.",
            code="image-version-unknown",
        )
    versions = {package_name(spelling): version for spelling, version in parsed.pins}
    interpreter = python or ("3.8.12" if airflow < (2, 6) else "3.11.8")
    default_pip = "20.2.4" if airflow < (2, 6) else "23.2.1"
    record = ImageRecord(
        name=name,
        airflow=".".join(map(str, airflow)),
        python=interpreter,
        python_stated=python is not None,
        pip=versions.get(PackageName("pip"), default_pip),
        pip_stated="pip" in versions,
        complete=True,
        packages=len(versions),
        source=origin,
        date=today.isoformat(),
        added=True,
    )
    metadata = _Metadata(parsed, source, record.target)
    image, extras = assemble_image(record, parsed.pins, metadata.of)
    write_image(image, extras, folder)
    others = [one for one in load_index(folder) if one.name != name]
    write_index(sorted([*others, image.record], key=lambda one: image_order(one.name)), folder)
    unknown = tuple(sorted(key for key, one in image.packages.items() if one.requires is None))
    return AddedImage(image.record, unknown)


class _Metadata:
    """What a package of the list requires, from the first place that knows."""

    def __init__(self, parsed: ParsedList, source: PackageSource | None, target: Target) -> None:
        self._given = {package_name(name): texts for name, texts in parsed.requires}
        self._source = source
        self._target = target
        self._shipped: Mapping[tuple[PackageName, str], RequirementMetadata] | None = None

    def of(self, name: PackageName, version: str) -> RequirementMetadata | None:
        """The requirements; None when nobody knows."""
        given = self._given.get(name)
        if given is not None:
            return RequirementMetadata(given)
        if self._shipped is None:
            self._shipped = _shipped_metadata(self._target)
        known = self._shipped.get((name, version))
        if known is not None or self._source is None:
            return known
        listing = self._source.listing(name, self._target)
        if not isinstance(listing, Listing):
            return None
        public = version.partition("+")[0]
        candidate = next((one for one in listing.candidates if one.version in (version, public)), None)
        answer = None if candidate is None else self._source.metadata(candidate)
        return answer if isinstance(answer, RequirementMetadata) else None


def _shipped_metadata(target: Target) -> Mapping[tuple[PackageName, str], RequirementMetadata]:
    """Requirements of every shipped package, from images with the same minor version of Python."""
    known: dict[tuple[PackageName, str], RequirementMetadata] = {}
    for record in load_index(SHIPPED):
        if record.target.python_minor != target.python_minor:
            continue
        image: Image = load_image(SHIPPED, record.name)
        extras = image.load_extras()
        for name, package in image.packages.items():
            if package.requires is None or (name, package.version) in known:
                continue
            texts = list(package.requires)
            for extra, many in extras.get(name, {}).items():
                texts.extend(f'{text} ; extra == "{extra}"' for text in many)
            known[name, package.version] = RequirementMetadata(tuple(texts), None, tuple(extras.get(name, {})))
    return known
