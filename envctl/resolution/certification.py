"""`--certify`: a result compared with what the image's real pip says."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from envctl.errors import OutsideError
from envctl.resolution.certify import PipAnswer, ask_pip, build_environment
from envctl.resolution.findings import Notice, Result, Verdict
from envctl.resolution.image import ResolverKind
from envctl.resolution.requirements import requested
from envctl.resolution.resolver import airflow_pin

if TYPE_CHECKING:
    from envctl.resolution.catalogue import ImageChoice
    from envctl.resolution.requirements import RequirementsInput


def certified(result: Result, given: RequirementsInput, choice: ImageChoice, index_url: str | None) -> Result:
    """The result with a notice that says whether the image's pip agrees. Strict images only.

    Raises:
        OutsideError: pip, or the image's Python, is not to be had.
    """
    image = choice.image
    if image is None or result.verdict is Verdict.INVALID:
        return result
    if image.record.resolver is not ResolverKind.STRICT:
        text = f"pip {image.record.pip} of this image cannot plan without installing; nothing was certified."
        return _with(result, Notice("certify-impossible", text))
    python = find_python(image.record.target.python_minor)
    folder = Path(tempfile.mkdtemp(prefix="envctl-certify-"))
    try:
        pip = fetch_pip(image.record.pip, folder, index_url)
        environment = build_environment(image, folder / "environment", python)
        pin = airflow_pin(image)
        wanted = [one.text for one in requested(given, image.record.target).packages]
        options = ("--index-url", index_url) if index_url else ()
        answer = ask_pip(pip, environment, [*([str(pin)] if pin else []), *wanted], options)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return _with(result, _compare(result, answer, image.record.pip))


def find_python(minor: str) -> Path:
    """An interpreter of the minor version.

    Raises:
        OutsideError: there is none on PATH.
    """
    if sys.version_info[:2] == tuple(int(part) for part in minor.split(".")):
        return Path(sys.executable)
    found = shutil.which(f"python{minor}")
    if found is None:
        raise OutsideError(
            f"Certifying needs Python {minor}, the image's own",
            hints=(f"install Python {minor} so that `python{minor}` is on PATH",),
            code="certify-python-missing",
        )
    return Path(found)


def fetch_pip(version: str, folder: Path, index_url: str | None) -> Path:
    """That very version of pip, unpacked below `folder`; returns what Python runs.

    Raises:
        OutsideError: it could not be downloaded.
    """
    target = folder / "pip"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target)]
    command += ["--disable-pip-version-check", *(["--index-url", index_url] if index_url else []), f"pip=={version}"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  (no shell)
    if answer.returncode:
        raise OutsideError(
            f"pip {version} could not be downloaded", detail=answer.stderr.strip()[-500:], code="certify-pip-missing"
        )
    return target / "pip"


def _compare(result: Result, answer: PipAnswer, pip: str) -> Notice:
    works = result.verdict in (Verdict.OK, Verdict.OVERRIDE)
    if answer.works != works:
        said = "works" if answer.works else "fails"
        reason = answer.message.splitlines()[-1:] or list(answer.broken[:1])
        return Notice("certify-disagrees", f"pip {pip} says that the list {said}: {' '.join(reason)}".strip())
    planned = {(one.name, one.version) for one in result.installs}
    planned |= {(one.name, one.after) for one in result.changes}
    if works and planned != set(answer.installs):
        listed = ", ".join(f"{name} {version}" for name, version in sorted(set(answer.installs) ^ planned)[:6])
        return Notice("certify-disagrees", f"pip {pip} agrees on the verdict and differs about {listed}.")
    return Notice("certified", f"pip {pip} says the same.")


def _with(result: Result, notice: Notice) -> Result:
    return result._replace(warnings=(*result.warnings, notice))
