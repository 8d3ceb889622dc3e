"""Ground truth: the image's own pip on an environment of empty distributions.

An environment that holds only the metadata of the preinstalled packages behaves for pip exactly like the image:
`pip install --dry-run` plans the same installation, and after writing the metadata of what it planned,
`pip check` says the same. Nothing is executed but pip, and nothing of any package is installed.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envctl.errors import OutsideError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from envctl.resolution.image import Image


class PipTooSlowError(OutsideError):
    """pip gave no answer within its time."""


@dataclass(frozen=True, slots=True)
class PipAnswer:
    """What pip said.

    Attributes:
        works: whether pip found an installation and `pip check` found nothing new to object to.
        installs: `name` to version of what it would install, names as pip normalises them.
        broken: the lines of `pip check` that the bare image does not give.
        message: pip's error when it found none.
    """

    works: bool
    installs: tuple[tuple[str, str], ...] = ()
    broken: tuple[str, ...] = ()
    message: str = ""


def build_environment(image: Image, folder: Path, python: Path | None = None) -> Path:
    """An environment at `folder` with an empty distribution for every preinstalled package; returns `folder`.

    Args:
        image: whose packages.
        folder: must not exist.
        python: interpreter of the image's minor version; the running one when None.
    """
    interpreter = Path(sys.executable) if python is None else python
    answer = _run([str(interpreter), "-m", "venv", "--without-pip", str(folder)], 120.0)
    if answer.returncode:
        raise OutsideError("No environment could be made", detail=answer.stderr.strip())
    packages = site_packages(folder)
    extras = image.load_extras()
    violated = image.violated()
    for name, package in image.packages.items():
        lines = [*(package.requires or ()), *(str(one) for one in violated.get(name, ()))]
        write_distribution(packages, package.spelling, package.version, lines, extras.get(name, {}))
    return folder


def site_packages(folder: Path) -> Path:
    """Where an environment keeps its distributions."""
    return next(iter(sorted(folder.glob("lib/python3*/site-packages"))))


def write_distribution(
    packages: Path,
    name: str,
    version: str,
    requires: Iterable[str],
    extras: Mapping[str, Iterable[str]],
) -> None:
    """Writes METADATA, WHEEL, INSTALLER and RECORD of an empty distribution."""
    stem = f"{name.replace('-', '_')}-{version}.dist-info"
    folder = packages / stem
    folder.mkdir()
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines.extend(f"Requires-Dist: {text}" for text in requires)
    for extra, texts in extras.items():
        lines.append(f"Provides-Extra: {extra}")
        lines.extend(f'Requires-Dist: {text} ; extra == "{extra}"' for text in texts)
    (folder / "METADATA").write_text("\n".join(lines) + "\n\n", encoding="utf-8")
    (folder / "WHEEL").write_text(
        "Wheel-Version: 1.0\nGenerator: envctl\nRoot-Is-Purelib: true\nTag: py3-none-any\n", encoding="utf-8"
    )
    (folder / "INSTALLER").write_text("pip\n", encoding="utf-8")
    (folder / "RECORD").write_text(
        "".join(f"{stem}/{file},,\n" for file in ("METADATA", "WHEEL", "INSTALLER", "RECORD")), encoding="utf-8"
    )


def ask_pip(
    pip: Path,
    environment: Path,
    requirements: Sequence[str],
    options: Sequence[str] = (),
    seconds: float = 300.0,
) -> PipAnswer:
    """What a pip says to a list in an environment.

    Args:
        pip: the folder `pip` of an unpacked pip; the environment's own interpreter runs it.
        environment: of `build_environment`.
        requirements: the list, Composer's pin of Airflow first.
        options: index options.
        seconds: time limit of everything that pip is asked.

    Raises:
        PipTooSlowError: pip took longer.
        OutsideError: pip could not be run.
    """
    end = time.monotonic() + seconds
    list_file = environment / "envctl-requirements.txt"
    list_file.write_text("\n".join(requirements) + "\n", encoding="utf-8")
    command = [str(environment / "bin" / "python"), str(pip), "install", "--dry-run", "--report", "-", "--quiet"]
    command += ["--no-input", "--disable-pip-version-check", *options, "-r", str(list_file)]
    answer = _run(command, seconds)
    if answer.returncode:
        return PipAnswer(works=False, message=answer.stderr.strip())
    try:
        report = json.loads(answer.stdout)
    except ValueError as error:
        raise OutsideError("pip's report cannot be read", detail=answer.stdout[:500]) from error
    planned = [one["metadata"] for one in report["install"]]
    installs = tuple(sorted((_normal(one["name"]), one["version"]) for one in planned))
    broken = _check(pip, environment, planned, end) if planned else ()
    return PipAnswer(not broken, installs, broken)


def _check(pip: Path, environment: Path, planned: list[dict[str, Any]], end: float) -> tuple[str, ...]:
    """What `pip check` objects to after the planned metadata is in place, and not before."""
    after = environment.with_name(environment.name + "-after")
    shutil.rmtree(after, ignore_errors=True)
    shutil.copytree(environment, after, symlinks=True)
    try:
        packages = site_packages(after)
        present = {_normal(one.name.split("-")[0]): one for one in packages.glob("*.dist-info")}
        for metadata in planned:
            old = present.get(_normal(metadata["name"]))
            if old is not None:
                shutil.rmtree(old)
            folder = packages / f"{metadata['name'].replace('-', '_')}-{metadata['version']}.dist-info"
            folder.mkdir()
            lines = ["Metadata-Version: 2.1", f"Name: {metadata['name']}", f"Version: {metadata['version']}"]
            lines.extend(f"Provides-Extra: {text}" for text in metadata.get("provides_extra", ()))
            lines.extend(f"Requires-Dist: {text}" for text in metadata.get("requires_dist", ()))
            (folder / "METADATA").write_text("\n".join(lines) + "\n\n", encoding="utf-8")
        objections = _objections(pip, after, end)
        before: set[str] = set(_objections(pip, environment, end)) if objections else set()
        old = {_objection(line) for line in before}
        return tuple(line for line in objections if _objection(line) not in old)
    finally:
        shutil.rmtree(after, ignore_errors=True)


def _objection(line: str) -> str:
    """The requirement that is not met, whatever is found in its place."""
    return line.partition(", but you have ")[0].partition(", which is not installed")[0]


def _objections(pip: Path, environment: Path, end: float) -> list[str]:
    command = [str(environment / "bin" / "python"), str(pip), "check", "--disable-pip-version-check"]
    answer = _run(command, end - time.monotonic())
    lines = answer.stdout.strip().splitlines()
    return [line for line in lines if " requires " in line or " has requirement " in line]


def _normal(name: str) -> str:
    from envctl.resolution.names import package_name

    return package_name(name)


def _run(command: list[str], seconds: float) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(  # noqa: S603  (our own command line, no shell)
            command, capture_output=True, text=True, timeout=max(seconds, 0.0), check=False
        )
    except subprocess.TimeoutExpired as error:
        raise PipTooSlowError(f"pip took longer than {seconds:.0f} s", detail=" ".join(command[:3])) from error
    except OSError as error:
        raise OutsideError("pip could not be run", detail=str(error)) from error
