"""`--certify`: a result compared with what the image's real pip says."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from envctl.errors import OutsideError
from envctl.resolution.certify import PipAnswer, PipTooSlowError, ask_pip, build_environment
from envctl.resolution.findings import Change, Conflict, Install, Notice, Result, Verdict
from envctl.resolution.image import ResolverKind
from envctl.resolution.protocol import PackageName
from envctl.resolution.requirements import requested
from envctl.resolution.resolver import airflow_pin

if TYPE_CHECKING:
    from collections.abc import Callable

    from envctl.resolution.catalogue import ImageChoice
    from envctl.resolution.image import Image
    from envctl.resolution.requirements import RequirementsInput

CERTIFY_SECONDS = 120.0
"""Time limit of asking the image's pip: for lists that it would search through for hours."""


def certified(
    result: Result,
    given: RequirementsInput,
    choice: ImageChoice,
    index_url: str | None,
    *,
    progress: Callable[[str], None] | None = None,
    seconds: float = CERTIFY_SECONDS,
) -> Result:
    """The result as the image's pip decides it, with a notice that says whether envctl agreed. Strict images only.

    Args:
        result: what envctl says.
        given: the list.
        choice: the image.
        index_url: index that pip asks; its own when None.
        progress: gets one line before pip is asked.
        seconds: time limit; a pip that needs longer leaves the result uncertified, with a notice.

    Raises:
        OutsideError: pip, or the image's Python, is not to be had.
    """
    image = choice.image
    if image is None or result.verdict is Verdict.INVALID:
        return result
    if not image.record.complete:
        text = f"Only {image.record.packages} packages of this image are known; pip was not asked."
        return _with(result, Notice("certify-impossible", text))
    if image.record.resolver is not ResolverKind.STRICT:
        text = f"pip {image.record.pip} of this image cannot plan without installing; nothing was certified."
        return _with(result, Notice("certify-impossible", text))
    if result.as_of is not None:
        text = f"pip {image.record.pip} of this image cannot ask as of {result.as_of}; nothing was certified."
        return _with(result, Notice("certify-impossible", text))
    python = find_python(image.record.target.python_minor)
    if progress is not None:
        progress(f"Asking pip {image.record.pip} about {result.subject}, for at most {seconds:.0f} s.")
    end = time.monotonic() + seconds
    folder = Path(tempfile.mkdtemp(prefix="envctl-certify-"))
    try:
        pip = fetch_pip(image.record.pip, folder, index_url, seconds)
        environment = build_environment(image, folder / "environment", python)
        pin = airflow_pin(image)
        wanted = [one.text for one in requested(given, image.record.target).packages]
        options = ("--index-url", index_url) if index_url else ()
        answer = ask_pip(pip, environment, [*([str(pin)] if pin else []), *wanted], options, end - time.monotonic())
    except PipTooSlowError:
        text = f"pip {image.record.pip} gave no answer within {seconds:.0f} s; nothing was certified."
        return _with(result, Notice("certify-impossible", text))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    said = _compare(result, answer, image.record.pip)
    if choice.name != image.name:
        said = said._replace(text=f"{said.text} It was asked on the packages of {image.name}.")
    return _with(_decided(result, answer, image), said)


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


def fetch_pip(version: str, folder: Path, index_url: str | None, seconds: float = CERTIFY_SECONDS) -> Path:
    """That very version of pip, unpacked below `folder`; returns what Python runs.

    Raises:
        PipTooSlowError: the download took longer than `seconds`.
        OutsideError: it could not be downloaded.
    """
    target = folder / "pip"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target)]
    command += ["--disable-pip-version-check", *(["--index-url", index_url] if index_url else []), f"pip=={version}"]
    try:
        answer = subprocess.run(  # noqa: S603  (our own command line, no shell)
            command, capture_output=True, text=True, timeout=max(seconds, 0.0), check=False
        )
    except subprocess.TimeoutExpired as error:
        raise PipTooSlowError(f"pip {version} could not be downloaded within {seconds:.0f} s") from error
    if answer.returncode:
        raise OutsideError(
            f"pip {version} could not be downloaded", detail=answer.stderr.strip()[-500:], code="certify-pip-missing"
        )
    return target / "pip"


def _compare(result: Result, answer: PipAnswer, pip: str) -> Notice:
    if result.verdict is Verdict.UNKNOWN:
        return Notice("certify-decided", f"pip {pip} says that the list {_said(answer)}; envctl itself had no verdict.")
    works = result.verdict in (Verdict.OK, Verdict.OVERRIDE)
    if answer.works != works:
        text = f"pip {pip} says that the list {_said(answer)}. That counts; envctl had said {result.verdict}."
        return Notice("certify-disagrees", text)
    planned = {(one.name, one.version) for one in result.installs}
    planned |= {(one.name, one.after) for one in result.changes}
    if works and planned != set(answer.installs):
        listed = ", ".join(f"{name} {version}" for name, version in sorted(set(answer.installs) ^ planned)[:6])
        return Notice(
            "certify-disagrees", f"pip {pip} agrees on the verdict and differs about {listed}; its list counts."
        )
    return Notice("certified", f"pip {pip} says the same.")


def _decided(result: Result, answer: PipAnswer, image: Image) -> Result:
    """The result with the verdict and the packages of pip's answer; causes stay only where both say that it fails."""
    if not answer.works:
        if result.verdict in (Verdict.CONFLICT, Verdict.TIMEOUT_RISK):
            return result
        reason = f"pip says that the list {_said(answer)}."
        conflicts = (Conflict("", reason, ()),)
        return result._replace(
            verdict=Verdict.CONFLICT, conflicts=conflicts, fix=None, installs=(), changes=(), unneeded=()
        )
    reasons = {(one.name, one.after): one.because for one in result.changes}
    installs: list[Install] = []
    changes: list[Change] = []
    for name, version in answer.installs:
        present = image.packages.get(PackageName(name))
        if present is None:
            installs.append(Install(name, version))
        else:
            changes.append(Change(name, present.version, version, reasons.get((name, version), ())))
    verdict = Verdict.OVERRIDE if changes else Verdict.OK
    return result._replace(
        verdict=verdict, installs=tuple(installs), changes=tuple(changes), conflicts=(), fix=None, order_matters=False
    )


def _said(answer: PipAnswer) -> str:
    if answer.works:
        return "works"
    reason = answer.message.splitlines()[-1:] or list(answer.broken[:1])
    return f"fails: {' '.join(reason)}".rstrip(" .:")


def _with(result: Result, notice: Notice) -> Result:
    return result._replace(warnings=(*result.warnings, notice))
