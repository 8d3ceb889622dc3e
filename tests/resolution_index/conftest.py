"""Fixtures: index servers on loopback, and sources that ask them with a cache of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import pytest
from fake_index import FakeIndex

from envctl.resolution.index.cache import DiskCache
from envctl.resolution.index.settings import IndexSettings
from envctl.resolution.index.source import IndexSource
from envctl.resolution.protocol import Target

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class OpenSource(Protocol):
    """Makes sources that share one cache; keyword arguments are those of `IndexSettings` and `IndexSource`."""

    def __call__(self, *indexes: FakeIndex | str, **options: Any) -> IndexSource: ...


@pytest.fixture
def target() -> Target:
    """Python and pip of a Composer 2 image."""
    return Target(python="3.11.8", pip="24.0", glibc=(2, 35))


@pytest.fixture
def index() -> Iterator[FakeIndex]:
    """An empty index on loopback."""
    server = FakeIndex()
    yield server
    server.close()


@pytest.fixture
def second_index() -> Iterator[FakeIndex]:
    """Another one."""
    server = FakeIndex()
    yield server
    server.close()


@pytest.fixture
def open_source(tmp_path: Path) -> Iterator[OpenSource]:
    """Opens sources on indexes; all share the cache below `tmp_path / "cache"` and are closed at the end."""
    opened: list[IndexSource] = []

    def open_source(*indexes: FakeIndex | str, **options: Any) -> IndexSource:
        own = {key: options.pop(key) for key in ("offline", "as_of", "environment") if key in options}
        settings = IndexSettings(
            indexes=tuple(one if isinstance(one, str) else one.url for one in indexes),
            **{"retries": 0, "timeout_seconds": 5.0, **options},
        )
        source = IndexSource(settings, DiskCache(str(tmp_path / "cache")), **own)
        opened.append(source)
        return source

    yield open_source
    for source in opened:
        source.close()
