"""The Python and the pip of an image whose package list does not tell them."""

from __future__ import annotations

from typing import NamedTuple

from envctl.image_versions import python_of, version_numbers

# The patch versions that lists of preinstalled packages of that time name, and the pip beside them
# (envctl/data/images/index.json, 2026-11-30).
_PATCHES = {"3.6": "3.6.10", "3.8": "3.8.12", "3.11": "3.11.8"}
_PIPS = {"3.6": "19.0.3", "3.8": "20.2.4"}
_PIP = "23.2.1"
_NEWEST_PYTHON = "3.11.8"


class Interpreter(NamedTuple):
    """Python and pip of an image; `stated` is false where its Python was taken from its neighbours."""

    python: str
    pip: str
    stated: bool


def interpreter_of(image: str) -> Interpreter:
    """What an image most likely runs, by Google's table of versions."""
    python, stated = python_of(image)
    full = full_python(python)
    return Interpreter(full, default_pip(full), stated and full == python)


def full_python(stated: str) -> str:
    """The full version where only the minor one is stated; that of the newest images where nothing is."""
    return _PATCHES.get(stated, stated) or _NEWEST_PYTHON


def default_pip(python: str) -> str:
    """The pip of images with that Python."""
    return _PIPS.get(".".join(map(str, version_numbers(python)[:2])), _PIP)
