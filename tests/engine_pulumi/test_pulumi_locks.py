"""What a killed CLI leaves running."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime

import pytest

from envctl.engine.pulumi_cli.locks import PulumiLock

LEADER = "import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', 'input()'], stdout=2).pid)"
"""Starts a process that waits for input, and ends."""


@pytest.mark.skipif(sys.platform != "linux", reason="sessions are read from /proc")
def test_what_a_dead_process_left_running_is_ended() -> None:
    # The leader's stdin and stderr stay with the process that it leaves: their end shows that it is gone.
    with subprocess.Popen(
        [sys.executable, "-c", LEADER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as leader:
        assert leader.stdout is not None
        assert int(leader.stdout.read())
        assert leader.wait() == 0
        PulumiLock(leader.pid, "ann", "here", datetime.now(UTC)).end_leftovers()
        assert leader.stderr is not None
        assert leader.stderr.read() == b""  # returns when nobody holds it any more


def test_a_process_that_leads_no_session_loses_nothing() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        PulumiLock(process.pid, "ann", "here", datetime.now(UTC)).end_leftovers()
        process.communicate(b"\n", timeout=30)
    assert process.returncode == 0
