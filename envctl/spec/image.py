"""Image versions: `composer-3-airflow-2.10.5-build.10`."""

from __future__ import annotations

import re
from dataclasses import dataclass

# Provider's composerEnvironmentVersionRegexp (resource_composer_environment.go, 2026-08-21), anchored.
_FORM = re.compile(
    r"composer-(?:(?P<composer>[0-9]+(?:\.[0-9]+\.[0-9]+)?)(?P<preview>-preview\.[0-9]+)?|(?P<latest>latest))"
    r"-airflow-(?P<airflow>[0-9]+(?:\.[0-9]+(?:\.[0-9]+)?)?)(?:-build\.(?P<build>[0-9]+))?"
)


@dataclass(frozen=True, slots=True)
class ImageVersion:
    """An image version, taken apart.

    `composer` is () for `latest`; `build` is None where the name has none.
    """

    name: str
    composer: tuple[int, ...]
    airflow: tuple[int, ...]
    build: int | None

    @property
    def generation(self) -> int | None:
        """1, 2 or 3; None for `latest`."""
        return self.composer[0] if self.composer else None

    @property
    def moving(self) -> bool:
        """Whether Google chooses the exact image, so that the same name means another image next week."""
        if self.generation == 3:
            return self.build is None
        return len(self.composer) < 3 or len(self.airflow) < 3


def parse_image(name: str) -> ImageVersion | None:
    """The image version, or None when the text is not one."""
    match = _FORM.fullmatch(name)
    if match is None:
        return None
    composer = tuple(int(part) for part in (match["composer"] or "").split(".") if part)
    airflow = tuple(int(part) for part in match["airflow"].split("."))
    return ImageVersion(name, composer, airflow, int(match["build"]) if match["build"] else None)
