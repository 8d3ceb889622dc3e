"""Jobs: done once, by a worker or by who waits."""

from __future__ import annotations

import threading

import pytest

from envctl.resolution.index.background import Job, Workers


def test_who_waits_runs_a_job_that_nobody_began() -> None:
    workers = Workers(1)
    gate = threading.Event()
    blocked = workers.submit(gate.wait)
    ran_in: list[str] = []
    waiting = workers.submit(lambda: ran_in.append(threading.current_thread().name))
    waiting.result()
    gate.set()
    blocked.result()
    workers.close()
    assert ran_in == [threading.current_thread().name]


def test_a_job_runs_once_and_gives_its_result_to_all() -> None:
    calls: list[int] = []
    job = Job(lambda: calls.append(1) or "done")
    threads = [threading.Thread(target=job.result) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (job.result(), calls) == ("done", [1])


def test_errors_reach_who_asks() -> None:
    workers = Workers(1)

    def fail() -> None:
        raise LookupError("no")

    job = workers.submit(fail)
    for _ in range(2):
        with pytest.raises(LookupError, match="no"):
            job.result()
    workers.close()


def test_threads_come_as_needed_and_go_when_closed() -> None:
    workers = Workers(3)
    barrier = threading.Barrier(3, timeout=5)
    before = threading.active_count()
    jobs = [workers.submit(barrier.wait) for _ in range(3)]
    for job in jobs:
        job.result()
    assert threading.active_count() <= before + 3
    late_before_close = workers.submit(lambda: 1)
    assert late_before_close.result() == 1
    workers.close()
    late = workers.submit(lambda: 2)
    assert late.result() == 2
    for thread in threading.enumerate():
        if thread.name == "envctl-index" and thread.daemon:
            thread.join(5)
            assert not thread.is_alive()
