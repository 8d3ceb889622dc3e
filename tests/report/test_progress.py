from __future__ import annotations

import io

from plans import ENVIRONMENT, sample_plan, urn

from envctl.engine.events import MessageEvent, Op, OperationEvent, Phase, ResourceState, StepEvent
from envctl.report.progress import Progress
from envctl.report.style import PLAIN


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def step(phase, op=Op.UPDATE, name="prod", *, retained=False):
    state = ResourceState(urn(ENVIRONMENT, name), ENVIRONMENT, custom=True, retain_on_delete=retained)
    return StepEvent(phase, op, state.urn, ENVIRONMENT, state, state)


def shown(stream, *events, quiet=False):
    with Progress(stream, PLAIN, sample_plan(), quiet=quiet) as progress:
        for event in events:
            progress(event)
    return stream.getvalue()


def test_a_log_says_when_a_long_step_begins_what_it_waits_for_and_how_it_ends():
    text = shown(
        io.StringIO(),
        step(Phase.PRE),
        OperationEvent(urn(ENVIRONMENT, "prod"), "projects/p/operations/1", 1.0, "RUNNING"),
        OperationEvent(urn(ENVIRONMENT, "prod"), "projects/p/operations/1", 2.0, "RUNNING"),
        step(Phase.DONE),
    )
    assert text.splitlines() == [
        "  composer.Environment prod: changing (expected 20 to 60 minutes)",
        "  composer.Environment prod: operation projects/p/operations/1",
        "  ✓ composer.Environment prod: changed",
    ]


def test_failures_and_messages_are_told():
    text = shown(
        io.StringIO(),
        step(Phase.PRE, Op.CREATE, "new"),
        step(Phase.FAILED, Op.CREATE, "new"),
        MessageEvent("error", "no rights", urn(ENVIRONMENT, "new")),
        MessageEvent("error", "no \x1b[2Jnetwork"),
        MessageEvent("info", "nothing of interest"),
    )
    assert "✗ composer.Environment new: failed" in text
    assert "error: no \\u001b[2Jnetwork" in text
    assert "rights" not in text  # the last lines of the run say it
    assert "interest" not in text


def test_what_is_kept_is_said_to_be_kept():
    assert "left in the cloud" in shown(
        io.StringIO(), step(Phase.PRE, Op.DELETE), step(Phase.DONE, Op.DELETE, retained=True)
    )


def test_steps_through_the_api_have_a_line_too():
    text = shown(
        io.StringIO(),
        OperationEvent("packages", "projects/p/operations/2", 1.0, "RUNNING"),
        OperationEvent("packages", "projects/p/operations/2", 2.0, "SUCCEEDED"),
    )
    assert text.startswith("  ✓ install custom packages (1 in all): done")


def test_a_terminal_shows_what_is_under_way_and_keeps_what_is_done():
    stream = Terminal()
    with Progress(stream, PLAIN, sample_plan()) as progress:
        progress(step(Phase.PRE))
        assert "changing" in "".join(str(line) for line in progress._under_way().renderables)
        progress(step(Phase.DONE))
        assert progress._under_way().renderables == []
    assert "✓ composer.Environment prod: changed" in stream.getvalue()


def test_quiet_says_nothing():
    assert shown(Terminal(), step(Phase.PRE), step(Phase.FAILED), quiet=True) == ""
