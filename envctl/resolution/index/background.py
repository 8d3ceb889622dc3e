"""Work done ahead by a few threads, and done at once by whoever cannot wait.

A job that nobody started yet when its result is asked for runs in the asking thread: what is needed now never
queues behind what was only guessed. (`concurrent.futures` has no such claim and imports `logging`.)
"""

from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING, Generic, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")


class Job(Generic[Result]):
    """One call, run once, by a worker or by the first thread that asks for the result."""

    __slots__ = ("_call", "_claim", "_done", "_error", "_result")

    def __init__(self, call: Callable[[], Result]) -> None:
        self._call: Callable[[], Result] | None = call
        self._claim = threading.Lock()
        self._done = threading.Event()
        self._result: Result | None = None
        self._error: BaseException | None = None

    def result(self) -> Result:
        """What the call returned; raises what it raised. Runs it here when no worker has begun."""
        self.run()
        self._done.wait()
        if self._error is not None:
            raise self._error
        return cast("Result", self._result)

    def run(self) -> None:
        """Runs the call unless another thread has begun it."""
        if not self._claim.acquire(blocking=False):
            return
        call, self._call = self._call, None
        assert call is not None
        try:
            self._result = call()
        except BaseException as error:  # noqa: BLE001  (raised again in the thread that asks)
            self._error = error
        finally:
            self._done.set()


class Workers:
    """Daemon threads that take jobs in the order of submission; started when there is work for them."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._queue: SimpleQueue[Job[object] | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._free = 0  # threads without a job, less the jobs in the queue
        self._lock = threading.Lock()
        self._closed = False

    def submit(self, call: Callable[[], Result]) -> Job[Result]:
        """The job of a call, queued."""
        job = Job(call)
        with self._lock:
            if self._closed:
                return job
            self._free -= 1
            if self._free < 0 and len(self._threads) < self._size:
                thread = threading.Thread(target=self._work, daemon=True, name="envctl-index")
                self._threads.append(thread)
                self._free += 1
                thread.start()
        self._queue.put(cast("Job[object]", job))
        return job

    def close(self) -> None:
        """Lets the threads end after their current job; jobs still queued run only when asked for."""
        with self._lock:
            self._closed = True
            threads = len(self._threads)
        while not self._queue.empty():
            self._queue.get()
        for _ in range(threads):
            self._queue.put(None)

    def _work(self) -> None:
        while True:
            job = self._queue.get()
            if job is None:
                return
            job.run()
            with self._lock:
                self._free += 1
