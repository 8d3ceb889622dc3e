from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from envctl.private_files import private, private_folder, write_private

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="rights of files are others there")


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.fixture(autouse=True)
def open_handed():
    old = os.umask(0)
    yield
    os.umask(old)


def test_new_folders_and_files_are_their_owners_alone(tmp_path: Path) -> None:
    folder = private_folder(tmp_path / ".envctl" / "sandbox" / "stacks")
    write_private(folder / "dev.json", b"{}")
    with open(folder / "dev.journal", "a", opener=private) as stream:
        stream.write("x")
    assert [mode(path) for path in (folder, folder.parent, folder.parent.parent)] == [0o700] * 3
    assert [mode(path) for path in folder.iterdir()] == [0o600] * 2


def test_what_is_there_is_narrowed_at_the_first_write(tmp_path: Path) -> None:
    top = tmp_path / ".envctl"
    (top / "gcp" / "history").mkdir(parents=True)
    (top / "gcp" / "history" / "000001.state.json").write_text("{}")
    tool = top / "tool"
    tool.write_text("#!/bin/sh")
    tool.chmod(0o755)
    outside = tmp_path / "outside.txt"
    outside.write_text("x")
    (top / "link").symlink_to(outside)
    private_folder(top / "sandbox")
    assert {path.name: mode(path) for path in (top, *top.rglob("*")) if not path.is_symlink()} == {
        ".envctl": 0o700, "gcp": 0o700, "history": 0o700, "000001.state.json": 0o600, "tool": 0o700, "sandbox": 0o700,
    }  # fmt: skip
    assert mode(outside) == 0o666


def test_a_file_that_is_open_to_others_is_closed_when_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_text("old\n")
    with open(path, "a", opener=private) as stream:
        stream.write("new\n")
    assert (mode(path), path.read_text()) == (0o600, "old\nnew\n")


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        write_private(tmp_path / "missing" / "x", b"")
    assert list(tmp_path.iterdir()) == []
