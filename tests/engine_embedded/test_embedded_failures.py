from __future__ import annotations

import os
import signal
import threading
from typing import Any

import pulumi
import pytest
from embedded_bench import Bench
from memory_cloud import THING
from programs import Thing

from envctl.engine.digests import inputs_digest
from envctl.engine.events import MessageEvent, Op, Phase
from envctl.engine.protocol import ExpectedStep
from envctl.errors import DetachedError, OutsideError, RefusedError
from envctl.plan.values import Opaque
from envctl.provider.protocol import ProviderError

Options = pulumi.ResourceOptions


class Crash(BaseException):
    """Nobody foresaw this."""


def urn(name: str) -> str:
    return f"urn:pulumi:dev::shop::{THING}::{name}"


def chain(**inputs: dict[str, Any]) -> Any:
    """a <- b <- c, each with the inputs given under its name."""

    def program() -> None:
        a = Thing("a", name="a", **inputs.get("a", {}))
        b = Thing("b", name="b", source=a.link, **inputs.get("b", {}))
        Thing("c", name="c", source=b.link, **inputs.get("c", {}))

    return program


def fail_once(bench: Bench, method: str, name: str, error: BaseException) -> None:
    fired = threading.Event()

    def before(called: str, thing: str) -> None:
        if (called, thing) == (method, name) and not fired.is_set():
            fired.set()
            raise error

    bench.cloud.before = before


def test_a_failed_resource_keeps_its_dependents_from_starting(bench: Bench) -> None:
    fail_once(bench, "create", "b", ProviderError("quota exceeded", status="RESOURCE_EXHAUSTED"))
    result = bench.up(chain())
    assert not result.ok
    assert result.failed == (urn("b"),)
    assert bench.messages() == ["quota exceeded"]
    assert [s.urn for s in bench.steps(Phase.FAILED)] == [urn("b")]
    assert bench.names() == {"a"}
    assert bench.engine.pending() == []
    assert bench.up(chain()).ok
    assert bench.names() == {"a", "b", "c"}


def test_running_steps_finish_after_a_failure(bench: Bench) -> None:
    failing, finishing = threading.Event(), threading.Event()

    def before(method: str, name: str) -> None:
        if (method, name) == ("create", "slow"):
            failing.wait(10)
            finishing.set()
        if (method, name) == ("create", "bad"):
            raise ProviderError("no", status="INVALID_ARGUMENT")

    def watch(event: object) -> None:
        if isinstance(event, MessageEvent) and event.severity == "error":
            failing.set()

    def program() -> None:
        Thing("slow", name="slow")
        Thing("bad", name="bad")

    bench.cloud.before = before
    result = bench.engine.up(program, bench.options, watch)
    assert result.failed == (urn("bad"),)
    assert finishing.is_set()
    assert bench.names() == {"slow"}
    assert any(row.urn == urn("slow") for row in bench.engine.checkpoint().resources)


def test_a_resource_created_in_a_bad_shape_is_kept_and_mended(bench: Bench) -> None:
    result = bench.up(chain(b={"flawed": True}))
    assert result.failed == (urn("b"),)
    row = next(r for r in bench.engine.checkpoint().resources if r.urn == urn("b"))
    assert row.id == "things/b"
    assert row.init_errors == ("it was created in a bad shape",)
    assert bench.up(chain()).ok, bench.messages()
    assert (Op.UPDATE, "b") in bench.ops()
    assert bench.cloud.called("create") == ["c"]


def test_a_resource_updated_into_a_bad_shape_is_mended(bench: Bench) -> None:
    assert bench.up(chain()).ok
    result = bench.up(chain(b={"flawed": True, "size": 2}))
    assert result.failed == (urn("b"),)
    row = next(r for r in bench.engine.checkpoint().resources if r.urn == urn("b"))
    assert row.init_errors == ("it was updated into a bad shape",)
    assert row.inputs["size"] == 1  # it was not updated with the new inputs
    assert row.outputs["size"] == 2
    assert bench.up(chain(b={"size": 2})).ok
    assert bench.ops() == [(Op.UPDATE, "b")]
    assert bench.up(chain(b={"size": 2})).ok
    assert bench.ops() == []


@pytest.mark.parametrize("late", [False, True])
def test_an_update_of_which_nothing_is_known_is_read_again(bench: Bench, late: bool) -> None:
    assert bench.up(chain()).ok

    def hook(method: str, name: str) -> None:
        if method == "update":
            raise ProviderError("bad gateway", status="502")

    if late:
        bench.cloud.after = hook
    else:
        bench.cloud.before = hook
    assert not bench.up(chain(b={"size": 2})).ok
    assert [kind for kind, _, _ in bench.engine.pending()] == ["updating"]
    bench.cloud.before = bench.cloud.after = lambda *_: None
    assert bench.up(chain(b={"size": 2})).ok
    assert bench.ops() == ([] if late else [(Op.UPDATE, "b")])
    assert bench.engine.pending() == []


@pytest.mark.parametrize("late", [False, True])
def test_a_deletion_of_which_nothing_is_known_is_looked_into(bench: Bench, late: bool) -> None:
    assert bench.up(chain()).ok

    def hook(method: str, name: str) -> None:
        if (method, name) == ("delete", "c"):
            raise ProviderError("bad gateway", status="503")

    if late:
        bench.cloud.after = hook
    else:
        bench.cloud.before = hook
    assert not bench.destroy().ok
    assert bench.engine.pending() == [("deleting", urn("c"), "")]
    bench.cloud.before = bench.cloud.after = lambda *_: None
    assert bench.destroy().ok
    assert bench.cloud.called("delete") == (["b", "a"] if late else ["c", "b", "a"])


def test_a_pending_operation_of_an_unknown_kind_is_refused(bench: Bench) -> None:
    assert bench.up(chain()).ok
    document = bench.engine.export_state()
    resource = next(row for row in document["deployment"]["resources"] if row["urn"] == urn("a"))
    document["deployment"]["pending_operations"] = [{"resource": resource, "type": "dreaming"}]
    bench.engine.import_state(document)
    with pytest.raises(RefusedError, match="not known") as refused:
        bench.up(chain())
    assert "dreaming" in refused.value.detail


def test_a_failed_deletion_keeps_what_it_depends_on(bench: Bench) -> None:
    assert bench.up(chain(b={"undeletable": True})).ok
    result = bench.destroy()
    assert result.failed == (urn("b"),)
    assert bench.names() == {"a", "b"}
    bench.cloud.things["things/b"]["undeletable"] = False
    assert bench.refresh().ok
    assert bench.destroy().ok
    assert bench.names() == set()


def test_after_an_answer_that_says_nothing_the_next_run_looks(bench: Bench) -> None:
    def after(method: str, name: str) -> None:
        bench.cloud.after = lambda *_: None
        raise ProviderError("connection reset", status="UNAVAILABLE")

    bench.cloud.after = after
    result = bench.up(lambda: Thing("a", name="a") and None)
    assert not result.ok
    assert bench.engine.pending() == [("creating", urn("a"), "operations/create-a")]
    assert bench.up(lambda: Thing("a", name="a") and None).ok, bench.messages()
    assert bench.cloud.called("create") == []
    assert bench.cloud.called("locate") == ["a"]
    assert bench.engine.pending() == []


def test_a_lost_connection_ends_the_run_and_the_next_one_looks(bench: Bench) -> None:
    def after(method: str, name: str) -> None:
        if name == "b":
            raise OutsideError("The connection was dropped", code="connection-dropped")

    bench.cloud.after = after
    with pytest.raises(OutsideError, match="connection was dropped"):
        bench.up(chain())
    assert [s.urn for s in bench.steps(Phase.FAILED)] == [urn("b")]
    assert bench.engine.pending() == [("creating", urn("b"), "operations/create-b")]
    assert bench.engine.history()[-1].outcome == "failed"
    bench.cloud.after = lambda *_: None
    assert bench.up(chain()).ok
    assert bench.cloud.called("create") == ["c"]


def test_a_detached_creation_is_pending_and_adopted_by_the_next_run(bench: Bench) -> None:
    result = bench.up(chain(b={"slow": True}))
    assert not result.ok
    assert result.detached == {urn("b"): "operations/create-b"}
    assert bench.engine.pending() == [("creating", urn("b"), "operations/create-b")]
    assert bench.names() == {"a", "b"}
    assert bench.up(chain()).ok, bench.messages()
    assert bench.cloud.called("create") == ["c"]
    assert bench.engine.pending() == []


def test_what_a_detached_creation_has_made_so_far_is_in_the_state(bench: Bench) -> None:
    bench.up(chain(b={"slow": "partial"}))
    assert any(row.id == "things/b" for row in bench.engine.checkpoint().resources)
    assert bench.up(chain()).ok, bench.messages()
    assert bench.cloud.called("create") == ["c"]
    assert bench.destroy().ok
    assert bench.names() == set()


def test_a_preview_does_not_wait_for_an_operation_of_an_earlier_run(bench: Bench) -> None:
    bench.up(chain(b={"slow": True}))
    assert bench.preview(chain()).ok
    assert bench.messages("warning") == ["an earlier run's operations/create-b still goes on; `up` waits for it"]
    assert bench.engine.pending() == [("creating", urn("b"), "operations/create-b")]
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(DetachedError):
        bench.up(chain(), cancel=cancelled)
    assert bench.engine.pending() == [("creating", urn("b"), "operations/create-b")]
    assert bench.up(chain()).ok


def test_an_operation_that_came_to_nothing_is_forgotten(bench: Bench) -> None:
    bench.up(chain(b={"slow": True}))
    del bench.cloud.things["things/b"]
    assert bench.up(chain()).ok
    assert bench.cloud.called("create") == ["b", "c"]


def test_an_operation_that_cannot_be_looked_into_is_refused(bench: Bench) -> None:
    bench.up(chain(b={"slow": True}))
    fail_once(bench, "locate", "b", ProviderError("permission denied", status="PERMISSION_DENIED"))
    with pytest.raises(RefusedError, match="not known what became") as refused:
        bench.up(chain())
    assert "permission denied" in refused.value.detail
    assert bench.cloud.called("create") == []
    assert bench.engine.pending() == [("creating", urn("b"), "operations/create-b")]
    assert bench.engine.repair(drop_pending=True) == (f"gave up creating {urn('b')}",)
    assert bench.engine.pending() == []


def test_an_interrupt_lets_running_steps_end_and_begins_none(bench: Bench) -> None:
    options = bench.options

    def before(method: str, name: str) -> None:
        if (method, name) == ("create", "a"):
            options.cancel.set()

    bench.cloud.before = before
    result = bench.up(chain(), cancel=options.cancel)
    assert result.interrupted
    assert not result.ok
    assert bench.names() == {"a"}
    assert [row.urn for row in bench.engine.checkpoint().resources if row.type == THING] == [urn("a")]
    assert bench.engine.history()[-1].outcome == "interrupted"
    bench.cloud.before = lambda *_: None
    assert bench.up(chain()).ok


def test_a_second_interrupt_leaves_at_once_and_the_state_is_true(bench: Bench) -> None:
    hanging, released = threading.Event(), threading.Event()

    def after(method: str, name: str) -> None:
        if (method, name) == ("create", "a"):
            hanging.set()
            os.kill(os.getpid(), signal.SIGINT)
            released.wait(30)

    bench.cloud.after = after
    # a shell lets what it runs in the background ignore SIGINT, and Python keeps that
    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            bench.up(chain())
    finally:
        signal.signal(signal.SIGINT, inherited)
    assert hanging.is_set()
    assert bench.engine.pending() == [("creating", urn("a"), "operations/create-a")]
    released.set()  # the call ends after all; nobody listens any more
    bench.cloud.after = lambda *_: None
    assert bench.up(chain()).ok
    assert bench.cloud.called("create") == ["b", "c"]


def test_what_the_program_logs_is_told_and_an_error_fails_the_run(bench: Bench) -> None:
    def program() -> None:
        pulumi.log.debug("never")
        pulumi.log.warn("careful")
        pulumi.log.error("stop")

    result = bench.up(program)
    assert not result.ok
    assert result.failed == ()
    assert bench.messages("warning") == ["careful"]
    assert bench.messages() == ["stop"]
    assert bench.messages("debug") == []


def test_an_error_of_the_program_reaches_the_caller_and_deletes_nothing(bench: Bench) -> None:
    assert bench.up(chain()).ok

    def broken() -> None:
        Thing("a", name="a")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        bench.up(broken)
    assert bench.names() == {"a", "b", "c"}
    assert bench.up(chain()).ok
    assert bench.ops() == []


def crash_at(bench: Bench, count: int, *, late: bool) -> None:
    """Makes the n-th changing call of the cloud blow up: before it takes effect, or (`late`) after it did."""
    seen = 0
    lock = threading.Lock()

    def hook(method: str, name: str) -> None:
        nonlocal seen
        if method not in ("create", "update", "delete"):
            return
        with lock:
            seen += 1
            if seen == count:
                raise Crash(f"{method} {name}")

    if late:
        bench.cloud.after = hook
    else:
        bench.cloud.before = hook


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("count", range(1, 9))
def test_the_same_command_converges_after_a_crash_at_any_step(bench: Bench, count: int, late: bool) -> None:
    def first() -> None:
        base = Thing("base", name="base", kind="one", exclusive=True)
        Thing("bound", name="bound", kind=base.uid, exclusive=True)
        Thing("gone", name="gone", source=base.link)
        Thing("same", name="same")

    def second() -> None:
        base = Thing("base", name="base", kind="two", exclusive=True)
        Thing("bound", name="bound", kind=base.uid, exclusive=True)
        Thing("same", name="same", size=2)
        Thing("new", name="new", source=base.link)

    assert bench.up(first).ok
    crash_at(bench, count, late=late)
    crashed = False
    try:
        assert bench.up(second).ok
    except Crash:
        crashed = True
    assert crashed == (count <= 7)
    bench.cloud.before = bench.cloud.after = lambda *_: None
    result = bench.up(second)
    assert result.ok, bench.messages()
    assert bench.names() == {"base", "bound", "same", "new"}
    assert bench.cloud.things["things/bound"]["kind"] == bench.cloud.things["things/base"]["uid"]
    assert bench.cloud.things["things/new"]["source"] == "mem://things/base"
    assert bench.engine.pending() == []
    assert bench.preview(second, refresh=True).ok
    assert bench.ops() == []
    assert bench.destroy().ok
    assert bench.names() == set()


def test_an_apply_stops_before_a_step_that_the_plan_does_not_have(bench: Bench) -> None:
    digest = inputs_digest({"name": "a", "size": 1})
    expected = [ExpectedStep(urn("a"), Op.CREATE, digest)]
    with pytest.raises(RefusedError, match="leave the plan") as refused:
        bench.up(chain(), expected=expected)
    assert urn("b") in refused.value.detail
    assert bench.names() == {"a"}
    assert bench.engine.history()[-1].outcome == "refused"


def test_an_apply_stops_before_a_step_with_other_inputs(bench: Bench) -> None:
    expected = [ExpectedStep(urn("a"), Op.CREATE, inputs_digest({"name": "a", "size": 2}))]
    with pytest.raises(RefusedError, match="leave the plan"):
        bench.up(lambda: Thing("a", name="a") and None, expected=expected)
    assert bench.names() == set()


def test_an_apply_of_a_plan_may_leave_steps_out(bench: Bench) -> None:
    expected = [
        ExpectedStep(urn("a"), Op.CREATE, inputs_digest({"name": "a", "size": 1})),
        ExpectedStep(urn("z"), Op.DELETE),
    ]
    assert bench.up(lambda: Thing("a", name="a") and None, expected=expected).ok


def test_what_was_known_only_after_apply_is_held_to_the_keys_that_were_shown(bench: Bench) -> None:
    assert bench.up(chain()).ok
    unknown = ExpectedStep(urn("b"), Op.UPDATE, None, ("source",))
    with pytest.raises(RefusedError, match="leave the plan") as refused:
        bench.up(chain(b={"size": 3}), expected=[unknown])
    assert "size" in refused.value.detail
    assert bench.up(chain(b={"size": 3}), expected=[ExpectedStep(urn("b"), Op.UPDATE, None, ("size",))]).ok


def test_digests_cover_what_events_show() -> None:
    assert inputs_digest({"a": 1, "b": [Opaque.SECRET]}) == inputs_digest({"b": [Opaque.SECRET], "a": 1})
    assert inputs_digest({"a": 1}) != inputs_digest({"a": Opaque.SECRET})
    assert inputs_digest({"a": {"b": [Opaque.UNKNOWN]}}) is None
