"""A resolved file, value by value, with where each value comes from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from envctl.diagnostics import SourceSpan
from envctl.spec.loader import Loaded
from envctl.spec.tree import KeyPath, Scalar


class OriginKind(StrEnum):
    """Who said it."""

    FILE = "file"
    PROFILE = "profile"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Row:
    """One value of the resolved file.

    `value` is None for an empty list or mapping that was written; `span` is set for values from a file, `source` says
    it in words: `environments/base.yaml:3`, `profile critical`, `default`.
    """

    path: KeyPath
    value: Scalar
    kind: OriginKind
    source: str
    span: SourceSpan | None = None


def rows(loaded: Loaded) -> tuple[Row, ...]:
    """Every value that the environment has, those from its profile and envctl's own defaults included."""
    dumped = loaded.spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    return tuple(_row(loaded, path, value) for path, value in _leaves(dumped, ()))


def _row(loaded: Loaded, path: KeyPath, value: Scalar) -> Row:
    if (span := loaded.origins.get(path)) is not None:
        return Row(path, value, OriginKind.FILE, f"{span.file.as_posix()}:{span.line}", span)
    for depth in range(len(path), 0, -1):
        if (supplier := loaded.defaults.get(path[:depth])) is not None:
            return Row(path, value, OriginKind.PROFILE, supplier)
    return Row(path, value, OriginKind.DEFAULT, "default")


def _leaves(value: object, path: KeyPath) -> Iterator[tuple[KeyPath, Scalar]]:
    if isinstance(value, dict):
        for key, below in value.items():
            yield from _leaves(below, (*path, str(key)))
    elif isinstance(value, list):
        for index, below in enumerate(value):
            yield from _leaves(below, (*path, index))
    else:
        assert value is None or isinstance(value, str | int | float | bool)
        yield path, value
