"""Adding an image to the catalogue from a list that a user has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from envctl.diagnostics import Diagnostic
from envctl.errors import InvalidInputError, UsageError
from envctl.image_versions import image_order, is_alias, is_image_name, version_numbers
from envctl.resolution.dependency import parse_requirement
from envctl.resolution.image import AIRFLOW, Image, ImageRecord
from envctl.resolution.image_assembly import assemble_image, own_violations
from envctl.resolution.image_files import load_index, write_image, write_index
from envctl.resolution.image_target import default_pip, interpreter_of
from envctl.resolution.images.metadata import PackageMetadata
from envctl.resolution.names import package_name
from envctl.resolution.protocol import PackageName, PackageSource

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date
    from pathlib import Path

    from envctl.resolution.parsed_list import ParsedList


_FEWEST = 200
"""A list with fewer packages is a part: the smallest whole one that is known, of composer-1.17.7, has 236."""
_MOST_UNREAD = 0.1
"""Share of packages whose requirements may be unknown in a list that still counts as whole."""
_HIDDEN_BY_FREEZE = frozenset({"pip", "setuptools", "wheel", "distribute"})
"""`pip freeze` leaves these out (documentation of pip 23.2: "Do not skip these packages in the output: --all")."""


@dataclass(frozen=True, slots=True)
class AddedImage:
    """An image that was added; `without_requirements` names packages whose requirements nobody knows."""

    record: ImageRecord
    without_requirements: tuple[str, ...]


class MadeImage(NamedTuple):
    """An image from a list, what its packages' extras require, and those whose requirements nobody knows."""

    image: Image
    extras: Mapping[str, Mapping[str, list[str]]]
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
    partial: str = "",
) -> AddedImage:
    """Writes an image into a folder of the catalogue: as a whole list, or as a part with the reason in its record.

    Requirements come from the list where it has them, else from the shipped catalogue, else from the index.

    Args:
        name: image version.
        parsed: its packages.
        folder: of the project or the user.
        source: index for packages that the catalogue does not know; None asks none.
        python: full version; that of Google's table of versions when None.
        today: day of the addition.
        origin: what the list was read from, for the record.
        partial: why the list is a part whatever it holds, as a sentence; empty where nothing says so.

    Raises:
        UsageError: the name is no full image version.
        InvalidInputError: the list is that of another Airflow.
    """
    metadata = PackageMetadata(source)
    made = made_image(name, parsed, metadata, python=python, today=today, origin=origin, partial=partial)
    store_images([made], folder)
    return AddedImage(made.image.record, made.without_requirements)


def made_image(
    name: str,
    parsed: ParsedList,
    metadata: PackageMetadata,
    *,
    python: str | None = None,
    today: date,
    origin: str,
    partial: str = "",
) -> MadeImage:
    """The image that a list makes, as `add_image` writes it; raises what that raises."""
    check_image_name(name)
    airflow = image_order(name)[1]
    versions = {package_name(spelling): version for spelling, version in parsed.pins}
    _refuse_other_airflow(name, airflow, parsed)
    likely = interpreter_of(name)
    stated = python or parsed.python
    interpreter = stated or likely.python
    record = ImageRecord(
        name=name,
        airflow=".".join(map(str, airflow)),
        python=interpreter,
        python_stated=bool(stated) or likely.stated,
        pip=versions.get(PackageName("pip"), parsed.pip or default_pip(interpreter)),
        pip_stated="pip" in versions or bool(parsed.pip),
        complete=True,
        packages=len(versions),
        source=origin,
        date=today.isoformat(),
        added=True,
    )
    declared = metadata.of_list(parsed, record.target)
    image, extras = assemble_image(record, parsed.pins, declared)
    unknown = tuple(sorted(key for key, one in image.packages.items() if one.requires is None))
    reasons = _why_part(image, parsed, unknown) + ((partial,) if partial else ())
    if reasons:
        image, extras = assemble_image(record._replace(complete=False), parsed.pins, declared)
    else:
        reasons = own_violations(image)
        reasons += (f"What {_listed(unknown)} require is not known and left out of the verdict.",) if unknown else ()
    return MadeImage(image._replace(record=image.record._replace(doubt=" ".join(reasons))), extras, unknown)


def check_image_name(name: str) -> None:
    """Raises UsageError for what is no full image version."""
    if not is_image_name(name) or is_alias(name):
        raise UsageError(
            "This is no image version",
            detail=f"`{name}` does not look like `composer-3-airflow-2.10.5-build.4`.",
            code="image-version-unknown",
        )


def store_images(made: Sequence[MadeImage], folder: Path) -> None:
    """Writes images into a folder of the catalogue, in place of those of their names."""
    for one in made:
        write_image(one.image, one.extras, folder)
    names = {one.image.name for one in made}
    others = [one for one in load_index(folder) if one.name not in names]
    write_index(sorted([*others, *(one.image.record for one in made)], key=lambda one: image_order(one.name)), folder)


def _refuse_other_airflow(name: str, airflow: tuple[int, ...], parsed: ParsedList) -> None:
    for (spelling, version), span in zip(parsed.pins, parsed.spans, strict=True):
        if package_name(spelling) == AIRFLOW and version_numbers(version.partition("+")[0]) != airflow:
            raise InvalidInputError(
                (
                    Diagnostic(
                        "image-list-other",
                        "This is not the list of that image",
                        f"The list holds {spelling} {version}, and {name} has Airflow {'.'.join(map(str, airflow))}.",
                        span,
                    ),
                )
            )


def _why_part(image: Image, parsed: ParsedList, unknown: Sequence[str]) -> tuple[str, ...]:
    """Why the list cannot be the whole image, one sentence each; nothing where it can."""
    reasons: list[str] = []
    count = len(image.packages)
    if AIRFLOW not in image.packages:
        reasons.append("The list does not hold apache-airflow.")
    if count < _FEWEST:
        reasons.append(f"It holds {count} packages; the smallest image known has more than {_FEWEST}.")
    if parsed.without_version:
        reasons.append(f"It gives no version of {_listed(parsed.without_version)}.")
    missing = _missing(image)
    if missing:
        reasons.append(f"It lacks what its own packages require: {_listed(missing)}.")
    if len(unknown) > count * _MOST_UNREAD:
        reasons.append(f"What {len(unknown)} of its packages require is not known, so it may lack some.")
    return tuple(reasons)


def _missing(image: Image) -> list[str]:
    """Packages that others of the list require and that it does not hold, with who requires them."""
    found: dict[str, str] = {}
    for text in image.left_out:
        by, _, requirement = text.partition(": ")
        name = parse_requirement(requirement)[0].name
        if name not in image.packages and name not in _HIDDEN_BY_FREEZE:
            found.setdefault(name, f"{name} (for {by})")
    return list(found.values())


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:5])
    return f"{shown} and {len(names) - 5} more" if len(names) > 5 else shown
