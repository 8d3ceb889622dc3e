"""`show ENV`: the resolved environment, each value with where it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from envctl.spec.loader import Loaded, load
from envctl.spec.origins import Row, rows
from envctl.spec.project import load_project


@dataclass(frozen=True, slots=True)
class ShowSpecRequest:
    """A project, and the name of an environment or a foundation."""

    root: Path
    name: str


@dataclass(frozen=True, slots=True)
class ShownSpec:
    """The resolved file and its values one by one, in the order of the reference."""

    loaded: Loaded
    rows: tuple[Row, ...]


def show_spec(request: ShowSpecRequest) -> ShownSpec:
    """The resolved file.

    Raises:
        UsageError: there is no project, or no such file.
        InvalidInputError: the file has problems.
    """
    loaded = load(load_project(request.root), request.name)
    return ShownSpec(loaded, rows(loaded))
