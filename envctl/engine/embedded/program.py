"""Running a Pulumi program against the embedded monitor, in this process."""

from __future__ import annotations

import asyncio
import contextvars
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from envctl.engine.embedded.monitor import EngineService, Monitor
from envctl.engine.embedded.registrar import Registrar
from envctl.engine.embedded.run import Run
from envctl.engine.protocol import Program


def run_program(program: Program, run: Run, registrar: Registrar) -> None:
    """Runs the program to its end, or until the run stops it.

    The SDK keeps its settings in context variables, so that each run gets a context of its own.

    Raises:
        Exception: whatever the program raised by itself.
    """
    contextvars.copy_context().run(_run_program, program, run, registrar)


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
    loop = asyncio.new_event_loop()
    workers = ThreadPoolExecutor(max_workers=max(1, run.options.parallel), thread_name_prefix="envctl-engine")
    loop.set_default_executor(workers)
    loop.set_exception_handler(_ignore)
    orderly = True
    try:
        loop.run_until_complete(run_in_stack(program))
    except Exception:
        if not run.stopping and not run.failed:
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
