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
from envctl.errors import RefusedError

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
    told = unlock(path, "dev", lambda: START)
    assert told is not None
    assert "@elsewhere" in told
    assert told.endswith("which this machine cannot look at: it may still run")
    with stack_lock(path, "dev", lambda: START):
        pass


def test_a_lock_that_cannot_be_read_stands(tmp_path: Path) -> None:
    path = tmp_path / "dev.json"
    path.write_text("?")
    with pytest.raises(StackLockedError, match="locked"), stack_lock(path, "dev", lambda: START):
        pass
    assert (
        unlock(path, "dev", lambda: START) == "an unreadable lock, which this machine cannot look at: it may still run"
    )
    assert not path.exists()
    assert unlock(path, "dev", lambda: START) is None


def test_a_lock_is_not_taken_from_a_process_that_lives_unless_it_is_forced(tmp_path: Path) -> None:
    path = tmp_path / "dev.json"
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        held_by(path, pid=process.pid)
        with pytest.raises(RefusedError, match="alive") as refused:
            unlock(path, "dev", lambda: START + timedelta(minutes=5))
        assert refused.value.exit_code == 5
        assert refused.value.code == "stack-locked"
        holder = read_holder(path)
        assert holder is not None
        assert f"process {process.pid}: {holder.command}" in refused.value.detail
        assert f"since {holder.since} (" in refused.value.detail
        assert "envctl state unlock dev --force" in refused.value.hints[-1]
        assert path.exists()
        told = unlock(path, "dev", lambda: START, force=True)
        assert told is not None
        assert "still runs" in told
        assert not path.exists()
        process.communicate(b"\n", timeout=30)


def test_the_lock_of_a_dead_process_is_taken_away_and_said_to_be_one(tmp_path: Path) -> None:
    path = tmp_path / "dev.json"
    held_by(path, pid=dead_process())
    told = unlock(path, "dev", lambda: START)
    assert told is not None
    assert told.endswith("which is dead")
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
