"""Registrations of a running program: each is planned under one lock and done in the thread that brought it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace

from envctl.engine.embedded.executor import Executor, StepFailedError
from envctl.engine.embedded.goal import Goal
from envctl.engine.embedded.graph import renaming
from envctl.engine.embedded.planner import GoalError, Planner
from envctl.engine.embedded.resource import Resource
from envctl.engine.embedded.run import Run
from envctl.engine.embedded.steps import Row, Step
from envctl.engine.embedded.store import Change
from envctl.engine.embedded.values import Value, learn_secrets
from envctl.engine.events import Op
from envctl.engine.urns import PROVIDER_PREFIX, UNKNOWN_ID, default_provider_name, is_provider, package_of
from envctl.provider.protocol import ProviderError


@dataclass(frozen=True, slots=True)
class Registered:
    """What a program gets back; `failed` in a preview whose resource has a problem: everything of it is unknown."""

    urn: str
    row: Resource | None
    failed: bool = False


class Registrar:
    """Takes goals and leads each to its end.

    What the SDK sends has no open dependencies: it waits for every URN and output before it registers, so a
    registration can be done at once, in its own thread.
    """

    def __init__(self, run: Run, planner: Planner) -> None:
        self._run = run
        self._planner = planner
        self._executor = Executor(run)
        self._lock = threading.RLock()
        self._providers: dict[tuple[str, str], str] = {}
        self._rows: dict[str, Row] = {}
        self._removals: dict[int, threading.Event] = {}

    def register(self, goal: Goal) -> Registered:
        """Leads a goal to its end.

        Raises:
            StoppedError: the run is ending.
            StepFailedError: the resource failed, and everybody was told.
        """
        run = self._run
        run.require_going()
        learn_secrets(goal.inputs)
        urn = ""
        try:
            with self._lock:
                urn, goal = self._planner.announce(goal)
                self._follow_alias(urn, goal)
                goal = self._with_provider(urn, goal)
                steps = [] if self._planner.is_import(urn, goal) else self._plan(urn, goal)
            if not steps:
                return self._adopt(urn, goal)
            return Registered(urn, self._do(urn, steps).resource)
        except (GoalError, ProviderError) as error:
            return self._refused(urn or f"{goal.type} {goal.name}", str(error))
        except StepFailedError:
            if run.preview:
                return Registered(urn, None, failed=True)
            raise

    def _follow_alias(self, urn: str, goal: Goal) -> None:
        """Gives the row that an alias led to its new URN, and every mention of it, before anything else is done."""
        if earlier := self._planner.find_moved(urn, goal):
            self._run.store.commit(Change(rename={earlier: urn}))
            self._planner.rename(renaming({earlier: urn}))

    def refuse(self, type_: str, name: str, parent: str, why: str) -> Registered:
        """Tells that a registration cannot be served."""
        with self._lock:
            try:
                urn, _ = self._planner.announce(Goal(type=type_, name=name, custom=False, parent=parent))
            except GoalError:
                urn = f"{type_} {name}"
        return self._refused(urn, why)

    def _refused(self, urn: str, why: str) -> Registered:
        self._run.say(urn, "error", why)
        if self._run.preview:
            return Registered(urn, None, failed=True)
        raise StepFailedError(why)

    def _with_provider(self, urn: str, goal: Goal) -> Goal:
        if not goal.custom or is_provider(goal.type):
            return goal
        if package_of(goal.type) == "pulumi":
            raise GoalError(f"{goal.type} is not supported by the embedded engine; `--engine pulumi` has it")
        if not goal.provider:
            inherited = self._planner.parent_provider(goal)
            goal = replace(goal, provider=inherited or self._default_provider(package_of(goal.type), goal.version))
            self._planner.goals[urn] = goal
        self._planner.check_provider(goal)
        return goal

    def _default_provider(self, package: str, version: str) -> str:
        """The reference of the package's default provider, registered when it is first needed."""
        known = self._providers.get((package, version))
        if known is None:
            goal = Goal(
                type=PROVIDER_PREFIX + package, name=default_provider_name(version), custom=True, version=version
            )
            urn, goal = self._planner.announce(goal)
            row = self._do(urn, self._plan(urn, goal))
            known = self._providers[package, version] = f"{urn}::{row.resource.id or UNKNOWN_ID}"
        return known

    def _plan(self, urn: str, goal: Goal) -> list[Step]:
        steps = self._planner.plan(urn, goal)
        for step in steps:
            if step.op is Op.DELETE_REPLACED and step.old is not None:
                self._removals[step.old.number] = threading.Event()
        return steps

    def _do(self, urn: str, steps: list[Step]) -> Row:
        """Does the steps in order and gives the row that the resource ends with."""
        row: Row | None = None
        mine = {step.old.number for step in steps if step.op is Op.DELETE_REPLACED and step.old is not None}
        try:
            for step in steps:
                if step.op is Op.CREATE_REPLACEMENT and step.old is not None and step.old.number not in mine:
                    self._await_removal(step.old.number)
                done = self._executor.execute(step)
                if step.op is Op.DELETE_REPLACED:
                    self._removals[done.number].set()
                elif step.op is not Op.REPLACE:
                    row = done
        finally:
            for number in mine:
                self._removals[number].set()
        assert row is not None
        with self._lock:
            self._rows[urn] = row
        return row

    def _await_removal(self, number: int) -> None:
        """Waits until another registration has deleted what this one creates again."""
        removal = self._removals.get(number)
        while removal is not None and not removal.wait(0.1):
            self._run.require_going()

    def _adopt(self, urn: str, goal: Goal) -> Registered:
        """Imports by id, then compares what was found with what is wanted."""
        old = self._planner.olds.get(urn)
        if old is not None and not old.resource.external:
            raise GoalError(
                f"it exists already with the id {old.resource.id}; forget that one first, then import {goal.import_id}"
            )
        wanted = self._planner.wanted(urn, goal, None)
        found = self._executor.execute(Step(Op.IMPORT, old, wanted))
        with self._lock:
            self._planner.olds[urn] = found
            self._planner.prior.append(found)
            steps = self._planner.plan(urn, goal)
        if [step.op for step in steps] == [Op.SAME]:
            self._run.store.commit(Change(settle=(found.number,)))
            with self._lock:
                self._rows[urn] = found
            return Registered(urn, found.resource)
        return Registered(urn, self._do(urn, steps).resource)

    def read(self, goal: Goal, id_: str, inputs: dict[str, Value]) -> Registered:
        """Looks at a resource that this stack does not own."""
        run = self._run
        run.require_going()
        urn = ""
        try:
            with self._lock:
                urn, goal = self._planner.announce(goal)
                goal = self._with_provider(urn, goal)
                old = self._planner.olds.get(urn)
                _require_not_owned(old, id_)
                self._planner.planned[urn] = Op.READ
            new = replace(self._planner.wanted(urn, goal, None), id=id_, inputs=inputs, external=True)
            row = self._executor.execute(Step(Op.READ, old, new))
        except GoalError as error:
            return self._refused(urn or f"{goal.type} {goal.name}", str(error))
        except StepFailedError:
            if run.preview:
                return Registered(urn, None, failed=True)
            raise
        with self._lock:
            self._rows[urn] = row
        return Registered(urn, row.resource)

    def finish(self, urn: str, outputs: dict[str, Value]) -> None:
        """Takes the outputs of a component or of the stack."""
        with self._lock:
            row = self._rows.get(urn)
            if row is None or self._run.stopping:
                return
            changed = replace(row.resource, outputs=outputs)
            self._rows[urn] = Row(row.number, changed)
        if changed != row.resource:
            self._run.store.commit(Change(put={row.number: changed}))

    def row(self, urn: str) -> Resource | None:
        """A resource of this program as it is now."""
        with self._lock:
            row = self._rows.get(urn)
            return row.resource if row else None


def _require_not_owned(old: Row | None, id_: str) -> None:
    if old is not None and not old.resource.external and old.resource.id != id_:
        raise GoalError(
            f"it is managed with the id {old.resource.id} and cannot become a mere look at {id_} at once; "
            "remove it first, in a run of its own"
        )
