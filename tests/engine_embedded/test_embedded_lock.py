from __future__ import annotations

import json
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from embedded_bench import Bench
from programs import Thing

from envctl.engine.embedded.lock import StackLockedError, read_holder, stack_lock, unlock

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_a_lock_excludes_and_names_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "locks" / "dev.json"
    with stack_lock(path, "dev", lambda: START) as holder:
        assert read_holder(path) == holder
        with (
            pytest.raises(StackLockedError) as refused,
            stack_lock(path, "dev", lambda: START + timedelta(minutes=12)),
        ):
            pass
        assert f"process {holder.pid}" in refused.value.detail
        assert "12 minutes" in refused.value.detail
        assert "envctl state unlock dev" in refused.value.hints[0]
        assert read_holder(path) == holder
    assert not path.exists()


def held_by(path: Path, **changes: object) -> None:
    holder = {
        "user": "ada",
        "host": socket.gethostname(),
        "pid": 1,
        "command": "envctl up dev",
        "since": START.isoformat(),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**holder, **changes}))


def dead_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_the_lock_of_a_dead_process_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "dev.json"
    held_by(path, pid=dead_process())
    with stack_lock(path, "dev", lambda: START) as holder:
        assert read_holder(path) == holder
    assert list(tmp_path.iterdir()) == []


def test_the_lock_of_a_process_whose_number_was_given_again_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "dev.json"
    held_by(path, pid=1, started="1")
    with stack_lock(path, "dev", lambda: START):
        pass


def test_the_lock_of_another_machine_stands(tmp_path: Path) -> None:
    path = tmp_path / "dev.json"
    held_by(path, host="elsewhere", pid=dead_process())
    with pytest.raises(StackLockedError, match="locked"), stack_lock(path, "dev", lambda: START):
        pass
    holder = unlock(path)
    assert holder is not None
    assert holder.host == "elsewhere"
    with stack_lock(path, "dev", lambda: START):
        pass


def test_a_lock_that_cannot_be_read_stands(tmp_path: Path) -> None:
    path = tmp_path / "dev.json"
    path.write_text("?")
    with pytest.raises(StackLockedError, match="locked"), stack_lock(path, "dev", lambda: START):
        pass
    assert unlock(path) is None
    assert not path.exists()


def test_an_apply_is_refused_while_another_runs_and_a_preview_is_not(bench: Bench) -> None:
    held_by(bench.directory / "locks" / "dev.json", host="elsewhere")
    with pytest.raises(StackLockedError, match="locked"):
        bench.up(lambda: Thing("a", name="a") and None)
    assert bench.names() == set()
    assert bench.preview(lambda: Thing("a", name="a") and None).ok


def test_a_lock_of_a_process_that_ended_and_was_not_asked_for_is_taken_over(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", "pass"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.read()  # at its end the process has ended; nobody has waited for it
    while Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
        pass
    path = tmp_path / "lock.json"
    held_by(path, pid=process.pid)
    with stack_lock(path, "dev", lambda: START):
        pass
    process.stdout.close()
    process.wait()
