"""The file format of the catalogue: one JSON file per image, one beside it for extras, one index.

Checks start with such a file, so it holds requirements that are already decided for the image's Python, and the
bulk, what extras require, stands apart and is read only when an extra of a preinstalled package is asked for.
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

from envctl.errors import InvalidInputError
from envctl.private_files import STATE_FOLDER, private_folder, write_private
from envctl.resolution.image import Image, ImageRecord, Preinstalled
from envctl.resolution.protocol import PackageName

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from envctl.resolution.alternatives import Alternative

FORMAT = "envctl.image/v1"


def image_document(image: Image) -> dict[str, Any]:
    """The image as its file holds it."""
    return {
        "format": FORMAT,
        **record_document(image.record),
        "left_out": list(image.left_out),
        "packages": {
            name: [one.spelling, one.version, None if one.requires is None else list(one.requires)]
            for name, one in sorted(image.packages.items())
        },
    }


def record_document(record: ImageRecord) -> dict[str, Any]:
    """The record as the index and the image file hold it."""
    return {
        "name": record.name,
        "airflow": record.airflow,
        "python": record.python,
        "python_stated": record.python_stated,
        "pip": record.pip,
        "pip_stated": record.pip_stated,
        "complete": record.complete,
        "count": record.packages,
        "source": record.source,
        "date": record.date,
        "pairs": list(record.pairs),
        "added": record.added,
        **({"doubt": record.doubt} if record.doubt else {}),
        **({"reconstructed": True} if record.reconstructed else {}),
    }


def record_from(document: Mapping[str, Any]) -> ImageRecord:
    """The record of an index entry or an image file."""
    return ImageRecord(
        name=document["name"],
        airflow=document["airflow"],
        python=document["python"],
        python_stated=document["python_stated"],
        pip=document["pip"],
        pip_stated=document["pip_stated"],
        complete=document["complete"],
        packages=document["count"],
        source=document["source"],
        date=document["date"],
        pairs=tuple(document["pairs"]),
        added=document["added"],
        doubt=document.get("doubt", ""),
        reconstructed=document.get("reconstructed", False),
    )


def write_image(image: Image, extras: Mapping[str, Mapping[str, list[str]]], folder: Path) -> None:
    """Writes the image's two files, one package per line so that a change can be reviewed."""
    private_folder(folder)
    document = image_document(image)
    packages = document.pop("packages")
    head = json.dumps(document, ensure_ascii=False)[:-1]
    lines = ",\n".join(f"{_compact(name)}:{_compact(value)}" for name, value in packages.items())
    write_folder_file(_path(folder, image.name), f'{head}, "packages": {{\n{lines}\n}}}}\n')
    rows = ",\n".join(f"{_compact(name)}:{_compact(value)}" for name, value in sorted(extras.items()) if value)
    write_folder_file(_extras_path(folder, image.name), f"{{\n{rows}\n}}\n")


def load_image(folder: Path, name: str) -> Image:
    """The image of that name from a folder of image files.

    Raises:
        InvalidInputError: the file is not one of ours or is damaged.
    """
    path = _path(folder, name)
    try:
        document = json.loads(path.read_bytes())
        if document["format"] != FORMAT:
            raise InvalidInputError((), f"{path} has the format {document['format']!r}, expected {FORMAT!r}")
        packages = {
            PackageName(key): Preinstalled(
                PackageName(key), value[0], value[1], None if value[2] is None else tuple(value[2])
            )
            for key, value in document["packages"].items()
        }
        record = record_from(document)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise InvalidInputError((), f"{path} is damaged: {error}") from error

    @cache
    def load_extras() -> Mapping[str, Mapping[str, list[str]]]:
        extras: Mapping[str, Mapping[str, list[str]]] = json.loads(_extras_path(folder, name).read_bytes())
        return extras

    def load_others() -> tuple[Alternative, ...]:
        from envctl.resolution.alternatives import load_alternatives

        return load_alternatives(folder, name) if record.reconstructed else ()

    return Image(record, packages, tuple(document["left_out"]), load_extras, load_others)


def has_image(folder: Path, name: str) -> bool:
    """Whether the folder holds the image's file."""
    return _path(folder, name).is_file()


def write_index(records: list[ImageRecord], folder: Path) -> None:
    """Writes the index: one record per line."""
    rows = ",\n".join(json.dumps(record_document(one), ensure_ascii=False) for one in records)
    write_folder_file(folder / "index.json", f'{{"format": "{FORMAT}", "images": [\n{rows}\n]}}\n')


def write_folder_file(path: Path, text: str) -> None:
    """Writes a file of a folder of images; one of a project lies with its states, and is as private as these."""
    if STATE_FOLDER in path.parts:
        private_folder(path.parent)
        write_private(path, text.encode())
    else:
        private_folder(path.parent)
        path.write_text(text, encoding="utf-8")


def load_index(folder: Path) -> tuple[ImageRecord, ...]:
    """The records of an index; none when the folder has none.

    Raises:
        InvalidInputError: the index is damaged.
    """
    path = folder / "index.json"
    if not path.is_file():
        return ()
    try:
        return tuple(record_from(one) for one in json.loads(path.read_bytes())["images"])
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidInputError((), f"{path} is damaged: {error}") from error


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _path(folder: Path, name: str) -> Path:
    return folder / f"{name}.json"


def _extras_path(folder: Path, name: str) -> Path:
    return folder / f"{name}.extras.json"
