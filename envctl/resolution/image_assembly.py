"""From a list of names and versions to an image: requirements decided, inconsistencies of the list set aside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envctl.resolution.dependency import Dependency, declared, parse_requirement
from envctl.resolution.image import AIRFLOW, Image, ImageRecord, Preinstalled
from envctl.resolution.names import package_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from envctl.resolution.protocol import PackageName, RequirementMetadata


def assemble_image(
    record: ImageRecord,
    pins: Iterable[tuple[str, str]],
    metadata: Callable[[PackageName, str], RequirementMetadata | None],
    airflow_requires: Iterable[str] = (),
) -> tuple[Image, Mapping[str, Mapping[str, list[str]]]]:
    """The image and what its packages' extras require.

    Args:
        record: facts about the image; the number of packages is filled in here.
        pins: (spelling, version) of each package.
        metadata: what a distribution declares, or None when nobody knows.
        airflow_requires: what `apache-airflow+composer` requires beyond the public release. A requirement that
            the list itself does not satisfy is not taken: the image was built without it.
    """
    spelled = {package_name(spelling): (spelling, version) for spelling, version in pins}
    versions = {name: version for name, (_, version) in spelled.items()}
    packages: dict[PackageName, Preinstalled] = {}
    extras: dict[str, dict[str, list[str]]] = {}
    left_out: list[str] = []
    for name, (spelling, version) in spelled.items():
        known = metadata(name, version)
        if known is None:
            packages[name] = Preinstalled(name, spelling, version, None)
            continue
        read = declared(known, record.target)
        kept: list[str] = []
        for dependency in read.base:
            if _holds(dependency, versions):
                kept.append(str(dependency))
            elif record.complete or dependency.name in versions:
                left_out.append(f"{name}: {dependency}")
            # of a partial list the missing package is there at a version nobody knows: nothing to hold anyone to
        if name == AIRFLOW:
            wanted = (parse_requirement(text)[0] for text in airflow_requires)
            kept.extend(str(one) for one in wanted if one.specifiers and _holds(one, versions))
        packages[name] = Preinstalled(name, spelling, version, tuple(kept))
        extras[name] = {extra: [str(one) for one in many] for extra, many in read.extras}
    image = Image(record._replace(packages=len(packages)), packages, tuple(left_out))
    return image, extras


def own_violations(image: Image) -> tuple[str, ...]:
    """What a list that should be whole says against itself, in a sentence; pip built the image, so the list may err."""
    if not image.left_out:
        return ()
    by, _, requirement = image.left_out[0].partition(": ")
    more = f" and {len(image.left_out) - 1} more such requirements" if len(image.left_out) > 1 else ""
    return (f"The list does not satisfy {requirement} of its own {by}{more}: it may hold an error.",)


def _holds(dependency: Dependency, versions: Mapping[PackageName, str]) -> bool:
    version = versions.get(dependency.name)
    return version is not None and dependency.specifiers.contains(version)
