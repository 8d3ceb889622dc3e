"""What is asked before anything is applied: package clashes, the doctor's checks, policies.

One place, three questions. Each answers with `GateResult` values; the plan carries them, `check_applicable`
decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from envctl.plan.model import GateResult

if TYPE_CHECKING:
    from envctl.actions.planning import PlanOptions
    from envctl.actions.workspace import Workspace
    from envctl.engine.fold import Folded
    from envctl.spec.loader import Loaded


def run_gates(
    workspace: Workspace,
    loaded: Loaded,
    folded: Folded,
    packages: Mapping[str, str] | None,
    options: PlanOptions,
) -> tuple[GateResult, ...]:
    """Every answer, in the order packages, doctor, policies."""
    return ()
