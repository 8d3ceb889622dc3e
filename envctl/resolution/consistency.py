"""`pip check` over the whole image as it would be after the installation.

Composer runs it after every build, so a preinstalled package that nobody asked about (a bystander) can fail a
list. Only requirements that an installation changes are looked at: what the image itself does not satisfy is
not the list's fault.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from envctl.resolution.dependency import Dependency, InvalidRequirementError, parse_requirement
from envctl.resolution.protocol import PackageName

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from envctl.resolution.graph import IndexNode
    from envctl.resolution.image import Image
    from envctl.resolution.universe import Universe

_NAME = re.compile(r"[a-z0-9-]+")


class Broken(NamedTuple):
    """A requirement that the result does not satisfy.

    `found` is the version in the result, None when the package is missing; `preinstalled` tells a bystander of
    the image from a package that the list brought in.
    """

    package: PackageName
    version: str
    preinstalled: bool
    dependency: Dependency
    found: str | None


class Dependents:
    """Who of the image requires what; made once per image."""

    def __init__(self, image: Image) -> None:
        self._texts: dict[str, list[tuple[PackageName, str]]] = {}
        for name, package in image.packages.items():
            for text in package.requires or ():
                match = _NAME.match(text)
                if match is not None:
                    self._texts.setdefault(match[0], []).append((name, text))
        self._image = image

    def of(self, name: PackageName) -> list[tuple[PackageName, str, Dependency]]:
        """The preinstalled packages that require a package: name, version, requirement."""
        found: list[tuple[PackageName, str, Dependency]] = []
        for package, text in self._texts.get(name, ()):
            try:
                dependency = parse_requirement(text)[0]
            except InvalidRequirementError:
                continue
            found.append((package, self._image.packages[package].version, dependency))
        return found


def find_broken(universe: Universe, dependents: Dependents, installs: Iterable[IndexNode]) -> tuple[Broken, ...]:
    """Every requirement that the installation breaks, bystanders first, then in order of names."""
    changed = {node.name: node for node in installs}
    versions: Mapping[PackageName, str] = {name: node.version for name, node in changed.items()}
    broken: list[Broken] = []
    for name, version in versions.items():
        broken.extend(
            Broken(package, held, preinstalled=True, dependency=dependency, found=version)
            for package, held, dependency in dependents.of(name)
            if package not in versions and not dependency.specifiers.contains(version)
        )
    for name, node in changed.items():
        declared = universe.declared(node)
        for dependency in declared.base if declared else ():
            found = versions.get(dependency.name)
            if found is None:
                present = universe.image.packages.get(dependency.name)
                found = present.version if present else None
            if found is None or not dependency.specifiers.contains(found):
                broken.append(Broken(name, node.version, preinstalled=False, dependency=dependency, found=found))
    return tuple(sorted(broken, key=lambda one: (not one.preinstalled, one.package, str(one.dependency))))
