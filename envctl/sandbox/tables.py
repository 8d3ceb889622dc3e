"""The data files of the emulator."""

from __future__ import annotations

from pathlib import Path

# Not importlib.resources: it takes longer to import than everything else here together.
_DATA = Path(__file__).parent.parent / "data"


def read_table(name: str) -> bytes:
    """The content of a file below `envctl/data`."""
    return (_DATA / name).read_bytes()
