"""Ways from Airflow to the other packages of an image."""

from __future__ import annotations

import re
from collections import deque
from functools import cached_property
from typing import TYPE_CHECKING

from envctl.resolution.image import AIRFLOW
from envctl.resolution.protocol import PackageName

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envctl.resolution.image import Preinstalled

_NAME = re.compile(r"[a-z0-9-]+")


class ImagePaths:
    """The shortest way to each preinstalled package; looked for once, when the first is asked for."""

    def __init__(self, packages: Mapping[PackageName, Preinstalled]) -> None:
        self._packages = packages

    def to(self, package: PackageName) -> tuple[str, ...]:
        """The packages from Airflow down to this one as `name==version`; it alone when nothing leads to it."""
        path: list[PackageName] = []
        at: PackageName | None = package
        while at is not None:
            path.append(at)
            at = self._previous.get(at)
        return tuple(f"{one}=={self._packages[one].version}" for one in reversed(path) if one in self._packages)

    def lead_to(self, package: PackageName) -> bool:
        """Whether Airflow needs the package."""
        return package in self._previous

    @cached_property
    def _previous(self) -> Mapping[PackageName, PackageName | None]:
        previous: dict[PackageName, PackageName | None] = {AIRFLOW: None}
        waiting: deque[PackageName] = deque([AIRFLOW])
        while waiting:
            name = waiting.popleft()
            one = self._packages.get(name)
            for text in (one.requires or ()) if one else ():
                match = _NAME.match(text)
                if match is not None and PackageName(match[0]) not in previous:
                    previous[PackageName(match[0])] = name
                    waiting.append(PackageName(match[0]))
        return previous
