"""The doctor: who lacks what before the operation fails, and which error text means which cause."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from envctl.doctor.facts import Facts
    from envctl.doctor.model import Finding
    from envctl.spec.loader import Loaded


def gate(
    loaded: Loaded,
    operation: str | Iterable[str] = (),
    facts: Facts | None = None,
    now: datetime | None = None,
) -> tuple[Finding, ...]:
    """What stands in the way of an operation, worst first.

    Failed findings of severity `error` refuse; unknown ones of that severity are DESIGN's `unknown`. Without facts only
    the checks run that the environment file alone can decide.

    Args:
        loaded: the environment.
        operation: `create`, `update`, `packages`, `upgrade`, `delete`, ... or several; what `preview` would do for none.
        facts: recorded or live answers.
        now: the time of the imagined requests; the present for None.

    Raises:
        UsageError: the file is a foundation, or no operation has that name.
    """
    from envctl.doctor.examine import examine
    from envctl.doctor.intake import case_of

    operations = (operation,) if isinstance(operation, str) and operation else operation
    return examine(case_of(loaded, operations or (), facts, now))
