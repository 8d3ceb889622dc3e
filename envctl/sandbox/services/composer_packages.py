"""What a build of custom packages ends with: pip's refusal where a pin goes against what the image holds.

The emulator installs nothing and asks no index. It knows the packages of some images with their requirements
(`data/images`), and fails the builds that need no search to be judged: a package pinned to a version that Airflow refuses
(pip finds no solution), or that another package of the image refuses (`pip check`, which Composer runs afterwards). What
a seed calls conflicting fails besides. Everything else is built.
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

from envctl.sandbox.tables import read_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from packaging.requirements import Requirement

    from envctl.sandbox.backend import Backend

_FAILED = "Failed to install Python packages. Check the build logs for details. "


def build_failure(backend: Backend, image: str, packages: Mapping[str, str]) -> str:
    """The text that the build of custom packages fails with on an image; empty when it succeeds.

    Args:
        backend: holds what the seed calls conflicting.
        image: full name of the image version.
        packages: name -> extras and version, as in `pypiPackages`.
    """
    if not backend.settings.checks_packages:
        return ""
    for name, specifier in packages.items():
        conflict = backend.store.get("packages.conflicting", name.lower())
        if conflict is not None and conflict.get("specifier") in {None, specifier}:
            default = f"ERROR: Cannot install {name}{specifier}: ResolutionImpossible"
            return _FAILED + conflict.get("message", default)
    return clash(image, packages)


def clash(image: str, packages: Mapping[str, str]) -> str:
    """The refusal of the first pin that a package of an image does not go with; empty when there is none."""
    from packaging.utils import canonicalize_name

    known = _image(image)
    if known is None:
        return ""
    pins = {canonicalize_name(name): pin for name, line in packages.items() if (pin := _pin(name, line))}
    for name, version in pins.items():
        for holder, (holder_name, holder_version, requirements) in known["packages"].items():
            if holder in pins:
                continue
            for text in requirements or ():
                wanted = _requirement(text, known["python"])
                if (
                    wanted is None
                    or canonicalize_name(wanted.name) != name
                    or wanted.specifier.contains(version, prereleases=True)
                ):
                    continue
                own = known["packages"].get(name)
                if own and not wanted.specifier.contains(own[1], prereleases=True):
                    continue  # the image breaks this requirement by itself
                if holder == "apache-airflow":
                    pinned = f"apache-airflow=={holder_version} and {name}=={version}"
                    return (
                        f"{_FAILED}ERROR: Cannot install {pinned} because these package versions have conflicting "
                        "dependencies. ERROR: ResolutionImpossible: for help visit "
                        "https://pip.pypa.io/en/latest/topics/dependency-resolution/#dealing-with-dependency-conflicts"
                    )
                return (
                    f"{_FAILED}{holder_name} {holder_version} has requirement {wanted.name}{wanted.specifier}, "
                    f"but you have {name} {version}."
                )
    return ""


@cache
def _image(image: str) -> Mapping[str, Any] | None:
    """The complete list of an image's packages, or of the image that was released together with it; None without one."""
    for entry in json.loads(read_table("images/index.json"))["images"]:
        if entry["complete"] and (image == entry["name"] or image in entry["pairs"]):
            return json.loads(read_table(f"images/{entry['name']}.json"))
    return None


def _pin(name: str, line: str) -> str:
    """The version that a line of `pypiPackages` pins; empty when it pins none."""
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        clauses = list(Requirement(f"{name}{line}").specifier)
    except InvalidRequirement:
        return ""
    exact = [clause.version for clause in clauses if clause.operator == "==" and not clause.version.endswith(".*")]
    return exact[0] if exact else ""


@cache
def _requirement(text: str, python: str) -> Requirement | None:
    """A requirement of a distribution that holds on an image's Python without extras."""
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        found = Requirement(text)
    except InvalidRequirement:
        return None
    where = {
        "python_full_version": python,
        "python_version": ".".join(python.split(".")[:2]),
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": "x86_64",
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
        "os_name": "posix",
        "extra": "",
    }
    return found if found.marker is None or found.marker.evaluate(where) else None
