"""Running a Pulumi program against the embedded monitor, in this process."""

from __future__ import annotations

import asyncio
import contextvars
import gc
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from envctl.engine.embedded.monitor import EngineService, Monitor
from envctl.engine.embedded.registrar import Registrar
from envctl.engine.embedded.run import Run
from envctl.engine.protocol import Program


class Outstanding:
    """The set of outputs that the SDK waits for at the end of a program, giving out one at a time.

    The SDK asks for all of them, waits for the first, puts the others back and asks again, which takes time with
    the square of their number (8 s of 10 for a thousand resources). All must be done in any case, so it is enough to wait
    for one after the other: what iteration gives, and `clear` then takes, is the oldest.
    Source: `wait_for_rpcs` in `pulumi/runtime/stack.py` of the SDK 3.272.
    """

    def __init__(self) -> None:
        self._tasks: dict[asyncio.Future[Any], None] = {}

    def __len__(self) -> int:
        return len(self._tasks)

    def __iter__(self) -> Iterator[asyncio.Future[Any]]:
        return iter([next(iter(self._tasks))] if self._tasks else [])

    def add(self, task: asyncio.Future[Any]) -> None:
        """Waits for the task, too."""
        self._tasks[task] = None

    def remove(self, task: asyncio.Future[Any]) -> None:
        """Forgets the task; raises `KeyError` when it is not known."""
        del self._tasks[task]

    def discard(self, task: asyncio.Future[Any]) -> None:
        """Forgets the task, if it is known."""
        self._tasks.pop(task, None)

    def clear(self) -> None:
        """Takes out what iteration gives."""
        for task in self:
            del self._tasks[task]


def run_program(program: Program, run: Run, registrar: Registrar) -> None:
    """Runs the program to its end, or until the run stops it.

    The SDK keeps its settings in context variables, so that each run gets a context of its own.

    Raises:
        Exception: whatever the program raised by itself.
    """
    with _no_garbage_collection():
        contextvars.copy_context().run(_run_program, program, run, registrar)


@contextmanager
def _no_garbage_collection() -> Generator[None]:
    """Python's cyclic collector rests: what a program makes lives to its end.

    The collector would walk through all of it again and again, which is the one part of a run that does not grow in
    step with the number of resources.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _run_program(program: Program, run: Run, registrar: Registrar) -> None:
    from pulumi.runtime import settings
    from pulumi.runtime.stack import run_in_stack

    settings.ROOT.set(None)
    settings.configure(
        settings.Settings(
            project=run.stack.project,
            stack=run.stack.stack,
            organization="organization",
            monitor=Monitor(run, registrar),
            engine=EngineService(run),
            parallel=run.options.parallel,
            dry_run=run.preview,
        )
    )
    settings.SETTINGS.outputs = Outstanding()  # pyright: ignore[reportAttributeAccessIssue]
    loop = asyncio.new_event_loop()
    workers = ThreadPoolExecutor(max_workers=max(1, run.options.parallel), thread_name_prefix="envctl-engine")
    loop.set_default_executor(workers)
    loop.set_exception_handler(_ignore)
    orderly = True
    try:
        loop.run_until_complete(run_in_stack(program))
    except Exception:
        if not run.stopping and not run.errors:
            raise
    except BaseException:
        orderly = False  # the second interrupt: out at once, running calls are left behind
        raise
    finally:
        workers.shutdown(wait=orderly, cancel_futures=True)
        _cancel_all(loop)
        loop.close()


def _ignore(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What the SDK's tasks end with is reported by the SDK itself; unawaited copies of it are not news."""


def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
