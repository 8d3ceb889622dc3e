"""The end of a run: what the program no longer declares is deleted, dependents first."""

from __future__ import annotations

from collections.abc import Collection
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from envctl.engine.embedded.executor import Executor, StepFailedError
from envctl.engine.embedded.graph import Deletions
from envctl.engine.embedded.resource import Resource
from envctl.engine.embedded.run import Run, StoppedError
from envctl.engine.embedded.steps import Row, Step
from envctl.engine.events import Op


def delete_undeclared(run: Run, declared: Collection[str]) -> None:
    """Deletes every row that was replaced or that is not among the declared URNs.

    Protected resources are found before the first deletion; then nothing is deleted at all. A failed deletion
    keeps what it depends on, and no further deletion begins.
    """
    condemned = [(number, row) for number, row in run.store.rows() if row.delete or row.urn not in declared]
    protected = [row for _, row in condemned if row.protect and not row.delete and row.custom]
    for row in protected:
        run.say(
            row.urn,
            "error",
            "it is protected and would be deleted; take the protection away first, in a run of its own",
        )
    if protected and not run.preview:
        return
    dying = {row.urn for _, row in condemned}
    _delete_all(run, condemned, dying)


def _delete_all(run: Run, condemned: list[tuple[int, Resource]], dying: set[str]) -> None:
    executor = Executor(run)
    order = Deletions(condemned)
    if run.preview:  # nothing waits for anything: one after the other reads best
        while batch := order.take():
            for number, row in batch:
                executor.execute(_step(Row(number, row), dying))
                order.done(number)
        return
    with ThreadPoolExecutor(max_workers=max(1, run.options.parallel), thread_name_prefix="envctl-delete") as workers:
        running: dict[Future[Row], int] = {}
        while True:
            if not run.stopping:
                for number, row in order.take():
                    running[workers.submit(executor.execute, _step(Row(number, row), dying))] = number
            if not running:
                return
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                number = running.pop(future)
                try:
                    future.result()
                except (StepFailedError, StoppedError):
                    continue
                except BaseException as error:  # noqa: BLE001  raised again when the running ones have ended
                    run.mark_fatal(error)
                    continue
                order.done(number)


def _step(row: Row, dying: set[str]) -> Step:
    resource = row.resource
    if resource.pending_replacement:
        op = Op.REMOVE_PENDING_REPLACE
    elif resource.external:
        op = Op.DISCARD_REPLACED if resource.delete else Op.READ_DISCARD
    else:
        op = Op.DELETE_REPLACED if resource.delete else Op.DELETE
    return Step(op, row, abandon=resource.deleted_with in dying)
