"""Small images and lists for tests: everything in memory, nothing from the network."""

from __future__ import annotations

from pathlib import Path

from envctl.resolution.catalogue import ImageChoice
from envctl.resolution.check import CheckOptions, check_list
from envctl.resolution.dependency import parse_requirement
from envctl.resolution.findings import Result
from envctl.resolution.image import Basis, Image, ImageRecord
from envctl.resolution.image_assembly import assemble_image
from envctl.resolution.judgement import Judge, Judgement
from envctl.resolution.memory import MemorySource
from envctl.resolution.names import package_name
from envctl.resolution.protocol import RequirementMetadata
from envctl.resolution.requirements_file import parse_requirements
from envctl.resolution.universe import Universe


def metadata(declared) -> RequirementMetadata | None:
    """`[texts]`, `{requires, python, extras}`, or None for requirements nobody knows."""
    if declared is None or isinstance(declared, RequirementMetadata):
        return declared
    if isinstance(declared, dict):
        return RequirementMetadata(
            tuple(declared.get("requires", ())), declared.get("python"), tuple(declared.get("extras", ()))
        )
    return RequirementMetadata(tuple(declared))


def image_of(packages, python="3.11.8", pip="23.2.1", complete=True) -> Image:
    """An image from `{name: [version, requirement, ...]}`; Airflow is added when it is not named."""
    listed = {"apache-airflow": ["2.10.5+composer"], **packages}
    record = ImageRecord(
        "composer-2.99.0-airflow-2.10.5", "2.10.5", python, True, pip, True, complete, 0, "made up", "2026-01-01"
    )
    known = {}
    for name, entry in listed.items():
        texts = [one for one in entry[1:] if isinstance(one, str)]
        extras = [one for one in entry[1:] if isinstance(one, list)]
        known[package_name(name)] = RequirementMetadata(tuple(texts), None, tuple(extras[0]) if extras else ())
    image, extras = assemble_image(
        record, [(name, entry[0]) for name, entry in listed.items()], lambda name, _: known[name]
    )
    return Image(image.record, image.packages, image.left_out, lambda: extras)


def source_of(universe, yanked=(), dead=()) -> MemorySource:
    """An index from `{name: {version: declared}}`."""
    return MemorySource(
        {name: {version: metadata(one) for version, one in versions.items()} for name, versions in universe.items()},
        yanked,
        dead,
    )


def choice_of(image: Image, basis: Basis = Basis.EXACT) -> ImageChoice:
    """The image as the catalogue would hand it over."""
    return ImageChoice(image.name, image.name, image, basis)


def judged(image: Image, universe, *wanted: str) -> Judgement:
    """The bare verdict on a list."""
    return Judge(Universe(image, source_of(universe))).judge([parse_requirement(text)[0] for text in wanted])


def checked(image: Image, universe, text: str, options: CheckOptions | None = None, **source) -> Result:
    """The whole answer for a requirements text named `requirements.txt`."""
    given = parse_requirements(text, Path("requirements.txt"), {})
    return check_list(
        "requirements.txt", given, choice_of(image), source_of(universe, **source), options or CheckOptions()
    )


def installs(judgement: Judgement) -> dict[str, str]:
    """What would be installed, by name."""
    return {node.name: node.version for node in (*judgement.moved, *judgement.added)}
