"""The steps that a shown plan allows: everything else is refused before it happens."""

from __future__ import annotations

from collections.abc import Sequence

from envctl.engine.digests import inputs_digest
from envctl.engine.embedded.steps import Step
from envctl.engine.events import Op
from envctl.engine.protocol import ExpectedStep
from envctl.engine.urns import is_provider
from envctl.errors import RefusedError

_REPLACEMENT = frozenset(
    {
        Op.REPLACE,
        Op.CREATE_REPLACEMENT,
        Op.DELETE_REPLACED,
        Op.IMPORT_REPLACEMENT,
        Op.READ_REPLACEMENT,
        Op.DISCARD_REPLACED,
    }
)
_HARMLESS = frozenset({Op.SAME, Op.REFRESH, Op.READ, Op.READ_DISCARD, Op.REMOVE_PENDING_REPLACE})


class LeavesPlanError(RefusedError):
    """The apply would take a step that the plan did not show."""

    code = "plan-left"


class Expectations:
    """Checks steps against a plan; without one, everything is allowed."""

    def __init__(self, steps: Sequence[ExpectedStep] | None) -> None:
        self._steps: dict[str, list[ExpectedStep]] | None = None
        if steps is not None:
            self._steps = {}
            for step in steps:
                self._steps.setdefault(step.urn, []).append(step)

    def check(self, step: Step) -> None:
        """Raises `LeavesPlanError` when the plan does not have the step, or has it with other inputs.

        Components and providers change nothing in the cloud and are free.
        """
        if self._steps is None or step.op in _HARMLESS or not step.resource.custom or is_provider(step.resource.type):
            return
        allowed = [e for e in self._steps.get(step.urn, ()) if _same_kind(e.op, step.op)]
        if not allowed:
            raise _leaves(step, f"The plan has no {step.op.value} for it.")
        if step.new is None:
            return
        inputs = step.new.as_event().inputs
        digest = inputs_digest(inputs)
        if any(e.inputs_digest is not None for e in allowed):
            if digest not in {e.inputs_digest for e in allowed}:
                raise _leaves(step, "Its inputs are not those that the plan showed.")
            return
        shown = {key for e in allowed for key in e.changed_keys}
        others = sorted(set(step.diffs) - shown)
        if shown and others:
            raise _leaves(step, f"The plan did not show a change of {', '.join(others)}.")


def _same_kind(planned: Op, actual: Op) -> bool:
    """Whether a step is what the plan meant; a resource that has vanished since and is created is not an update."""
    return planned is actual or (planned in _REPLACEMENT and actual in _REPLACEMENT)


def _leaves(step: Step, why: str) -> LeavesPlanError:
    return LeavesPlanError(
        "The apply would leave the plan that was shown",
        detail=f"{step.op.value} {step.urn}\n{why}",
        hints=["nothing of this step was done; preview again"],
    )
