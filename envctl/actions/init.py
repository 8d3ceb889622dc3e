"""`init`: a project to start from. Nothing that exists is ever touched."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from envctl.errors import OutsideError, UsageError
from envctl.spec.project_id import new_project_id

_FILES = {
    "envctl.yaml": "envctl.yaml",
    "environments/base.yaml": "environments/base.yaml",
    "environments/dev.yaml": "environments/dev.yaml",
    "environments/requirements/dev.txt": "environments/requirements/dev.txt",
    "gitignore": ".gitignore",
}
"""Shipped template -> where it goes."""

_IMAGE = "composer-3-airflow-2.10.5-build.33"
_PROJECT_ID = re.compile(r"[a-z][-a-z0-9]{4,28}[a-z0-9]")
_REGION = re.compile(r"[a-z]+-[a-z]+[0-9]+")


@dataclass(frozen=True, slots=True)
class InitRequest:
    """Where a project starts, and what is known already.

    `name` is the folder's name when not given; `project_id` is a Google Cloud project.
    """

    directory: Path
    name: str | None = None
    project_id: str = "my-project-id"
    region: str = "europe-west1"


@dataclass(frozen=True, slots=True)
class Initialized:
    """What was written, and what was there before and kept; paths relative to the directory."""

    directory: Path
    written: tuple[Path, ...]
    kept: tuple[Path, ...]


def init(request: InitRequest) -> Initialized:
    """The files of a new project, written where none exist.

    Raises:
        UsageError: a name, project id or region that cannot be one, or the directory is a file.
        OutsideError: a file cannot be written; those written before stay.
    """
    values = {
        "@NAME@": _project_name(request),
        "@PROJECT@": _checked(request.project_id, _PROJECT_ID, "project id"),
        "@REGION@": _checked(request.region, _REGION, "region"),
        "@IMAGE@": _IMAGE,
        "@ID@": new_project_id(),
    }
    if request.directory.exists() and not request.directory.is_dir():
        raise UsageError(f"{request.directory} is a file, not a folder", code="init-directory")
    written: list[Path] = []
    kept: list[Path] = []
    for template, place in _FILES.items():
        text = files("envctl.data").joinpath("init", template).read_text("utf-8")
        for token, value in values.items():
            text = text.replace(token, value)
        (written if _write_new(request.directory / place, text) else kept).append(Path(place))
    return Initialized(request.directory, tuple(written), tuple(kept))


def _project_name(request: InitRequest) -> str:
    if request.name is not None:
        return _checked(request.name, re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?"), "project name")
    derived = re.sub(r"[^a-z0-9]+", "-", request.directory.resolve().name.lower()).strip("-")
    return re.sub(r"^[^a-z]+", "", derived)[:63].strip("-") or "airflow"


def _checked(value: str, form: re.Pattern[str], what: str) -> str:
    if not form.fullmatch(value):
        raise UsageError(f"{value!r} is not a {what}", detail=f"It must match {form.pattern}.", code="init-value")
    return value


def _write_new(path: Path, text: str) -> bool:
    """Whether the file was written; False when something is there already."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutsideError(f"{path.parent} cannot be made", detail=str(error), code="init-write") from error
    try:
        with path.open("x", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
    except FileExistsError:
        return False
    except OSError as error:
        raise OutsideError(f"{path} cannot be written", detail=str(error), code="init-write") from error
    return True
