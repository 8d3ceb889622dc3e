"""Other lists that a reconstructed image may have: how each differs from the list that answers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from envctl.errors import InvalidInputError
from envctl.resolution.image import Image, Preinstalled
from envctl.resolution.protocol import PackageName

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path


class Alternative(NamedTuple):
    """One other list.

    Attributes:
        assumed: under what it would be the list: `built 10 days earlier`.
        packages: those that differ, by name; None for one that it lacks.
    """

    assumed: str
    packages: Mapping[PackageName, Preinstalled | None]

    def image(self, base: Image, only: Iterable[PackageName] | None = None) -> Image:
        """The image with this list; with `only`, the base with just those packages taken from it."""
        packages = dict(base.packages)
        for name in self.packages if only is None else only:
            other = self.packages[name]
            if other is None:
                packages.pop(name, None)
            else:
                packages[name] = other
        return base._replace(packages=packages)


def difference(base: Image, other: Image) -> dict[PackageName, Preinstalled | None]:
    """What `Alternative.packages` holds of another list."""
    return {
        name: other.packages.get(name)
        for name in sorted({*base.packages, *other.packages})
        if base.packages.get(name) != other.packages.get(name)
    }


def write_alternatives(folder: Path, name: str, alternatives: Sequence[Alternative]) -> None:
    """Writes them beside the image's own file, one package per line."""
    parts: list[str] = []
    for one in alternatives:
        rows = ",\n".join(
            f"{_compact(key)}:{_compact(None if value is None else value[1:])}" for key, value in one.packages.items()
        )
        parts.append(f"{_compact(one.assumed)}: {{\n{rows}\n}}")
    (folder / f"{name}.alternatives.json").write_text("{" + ",\n".join(parts) + "}\n", encoding="utf-8")


def load_alternatives(folder: Path, name: str) -> tuple[Alternative, ...]:
    """The other lists of an image.

    Raises:
        InvalidInputError: the file is missing or damaged: without it no verdict could be given the right doubt.
    """
    path = folder / f"{name}.alternatives.json"
    try:
        document = json.loads(path.read_bytes())
        return tuple(
            Alternative(assumed, {PackageName(key): _package(key, value) for key, value in packages.items()})
            for assumed, packages in document.items()
        )
    except (OSError, ValueError, TypeError, IndexError, AttributeError) as error:
        raise InvalidInputError((), f"{path} is missing or damaged: {error}") from error


def _package(name: str, value: Sequence[object] | None) -> Preinstalled | None:
    if value is None:
        return None
    spelling, version, requires = value
    wanted = tuple(str(one) for one in requires) if isinstance(requires, list) else None
    return Preinstalled(PackageName(name), str(spelling), str(version), wanted)


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
