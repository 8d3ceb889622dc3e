"""Composer's image versions: which there are, what an alias means, what the server fills in for each."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from envctl.sandbox.failures import invalid
from envctl.sandbox.tables import read_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from envctl.sandbox.messages import Json

_IMAGE = re.compile(
    r"composer-(?P<composer>\d+(\.\d+){0,2}|latest)-airflow-(?P<airflow>\d+(\.\d+){0,2})(-build\.(?P<build>\d+))?"
)


@dataclass(frozen=True, slots=True)
class Image:
    """One image version.

    Args:
        identifier: full name.
        defaults: name of the set of defaults its environments get.
        ended: no new environments.
    """

    identifier: str
    defaults: str
    ended: bool

    @property
    def generation(self) -> int:
        """2 or 3."""
        return int(self.identifier.split("-")[1].split(".")[0])


@cache
def _document() -> Mapping[str, Any]:
    text = read_table("sandbox/composer-images.json")
    return json.loads(text)


@cache
def images() -> Sequence[Image]:
    """All known images, newest first."""
    return tuple(Image(entry["id"], entry["defaults"], entry.get("ended", False)) for entry in _document()["images"])


def default_image() -> str:
    """The image of an environment whose request names none."""
    return _document()["default"]


def default_config(image: Image, project: str, number: str) -> Json:
    """The configuration that the server fills in for an environment of an image."""
    text = json.dumps(_document()["defaults"][image.defaults])
    return json.loads(text.replace("{project}", project).replace("{number}", number))


def resolve(name: str) -> Image:
    """The image that a version or an alias means: the newest that fits.

    Raises:
        ApiError: 400 in Composer's words.
    """
    match = _IMAGE.fullmatch(name)
    if match is None:
        raise problems(f"Invalid image version: '{name}'.")
    known = [image for image in images() if not image.ended]
    for image in known:
        candidate = _IMAGE.fullmatch(image.identifier)
        assert candidate is not None
        fits = (
            _fits(candidate["composer"], match["composer"])
            and _fits(candidate["airflow"], match["airflow"])
            and match["build"] in {None, candidate["build"]}
        )
        if fits:
            return image
    suggested = ", ".join(image.identifier for image in known[:3])
    raise problems(
        f"Unsupported image version for new environment: '{name}'. "
        f"Currently suggested new environment image versions are: [{suggested}]."
    )


def _fits(full: str, asked: str) -> bool:
    return asked in {"latest", full} or full.startswith(asked + ".")


def problems(*texts: str) -> Exception:
    """400 with Composer's numbered list of problems.

    The form is that of real answers: "Found 1 problem:", newline, tab, "1) ...".
    """
    noun = "problem" if len(texts) == 1 else "problems"
    lines = "".join(f"\n\t{index}) {text}" for index, text in enumerate(texts, 1))
    return invalid(f"Found {len(texts)} {noun}:{lines}")


def version_key(identifier: str) -> tuple[int, ...]:
    """A key that orders images of one line by age."""
    return tuple(int(part) for part in re.findall(r"\d+", identifier))


def installed_packages(software: Mapping[str, Any]) -> Json | None:
    """What a run inside an environment sees: the image's packages as far as known, and the custom ones that are pinned.

    None where no list of the image is shipped.
    """
    try:
        document = json.loads(read_table(f"images/{software['imageVersion']}.json"))
        extras = json.loads(read_table(f"images/{software['imageVersion']}.extras.json"))
    except FileNotFoundError:
        return None
    packages = {
        name: {
            "name": spelling,
            "version": version,
            "requires": [
                *(requires or ()),
                *(f'{text} ; extra == "{extra}"' for extra, many in extras.get(name, {}).items() for text in many),
            ],
            "requires_python": None,
            "extras": list(extras.get(name, {})),
        }
        for name, (spelling, version, requires) in document["packages"].items()
    }
    for name, wanted in software.get("pypiPackages", {}).items():
        pin = re.search(r"==([0-9][A-Za-z0-9.!+]*)$", wanted)
        if pin is not None:
            one: Json = {"name": name, "version": pin[1], "requires": [], "requires_python": None, "extras": []}
            packages[re.sub(r"[-_.]+", "-", name).lower()] = one
    return {"python": document["python"], "packages": list(packages.values())}
