from __future__ import annotations

import json
from typing import Any

import pulumi
import pytest
from embedded_bench import STACK, Bench
from hypothesis import given
from hypothesis import strategies as st
from memory_cloud import THING
from programs import Group, Thing

from envctl.engine.embedded import state_edit
from envctl.engine.embedded.checkpoint import Checkpoint, Pending, problems_of
from envctl.engine.embedded.resource import Resource
from envctl.engine.protocol import StackRef
from envctl.errors import RefusedError

PREFIX = "urn:pulumi:dev::shop::"


def urn(name: str) -> str:
    return f"{PREFIX}{THING}::{name}"


def program() -> None:
    a = Thing("a", name="a")
    Thing("b", name="b", source=a.link)


def test_forgetting_leaves_the_cloud_alone_and_needs_no_dependents(bench: Bench) -> None:
    assert bench.up(program).ok
    with pytest.raises(RefusedError, match="needed by others") as refused:
        bench.engine.forget(urn("a"))
    assert urn("b") in refused.value.detail
    bench.engine.forget(urn("b"))
    assert bench.names() == {"a", "b"}
    assert [row.urn for row in bench.engine.checkpoint().resources if row.type == THING] == [urn("a")]
    assert bench.engine.history()[-1].kind == "forget"
    with pytest.raises(RefusedError, match="not in the state"):
        bench.engine.forget(urn("b"))


def test_moving_renames_every_mention(bench: Bench) -> None:
    assert bench.up(program).ok

    def renamed() -> None:
        a = Thing("first", name="a")
        Thing("b", name="b", source=a.link)

    bench.engine.move(urn("a"), urn("first"))
    assert bench.preview(renamed).ok
    assert bench.ops() == []


def test_moving_a_component_takes_its_children_along(bench: Bench) -> None:
    def grouped(outer: bool) -> Any:
        def run() -> None:
            parent = Group("out") if outer else None
            inner = Group("in", opts=pulumi.ResourceOptions(parent=parent))
            Thing("a", name="a", opts=pulumi.ResourceOptions(parent=inner))

        return run

    assert bench.up(grouped(outer=True)).ok
    old = next(r.urn for r in bench.engine.checkpoint().resources if r.urn.endswith("::in"))
    checkpoint = state_edit.move(bench.engine.checkpoint(), old, f"{PREFIX}shop:index:Group::in")
    names = {row.urn for row in checkpoint.resources}
    assert f"{PREFIX}shop:index:Group$" + f"{THING}::a" in names


@pytest.mark.parametrize("target", ["urn:pulumi:prod::shop::" + THING + "::x", f"{PREFIX}other:m:T::x", "x"])
def test_a_urn_of_another_kind_is_refused(bench: Bench, target: str) -> None:
    assert bench.up(program).ok
    with pytest.raises(RefusedError, match="cannot get this URN"):
        bench.engine.move(urn("a"), target)
    with pytest.raises(RefusedError, match="taken"):
        bench.engine.move(urn("a"), urn("b"))
    with pytest.raises(RefusedError, match="not in the state"):
        bench.engine.move(urn("z"), urn("y"))


def test_protection_can_be_taken_away_in_the_state(bench: Bench) -> None:
    assert bench.up(lambda: Thing("a", name="a", opts=pulumi.ResourceOptions(protect=True)) and None).ok
    bench.engine.unprotect(urn("a"))
    assert bench.destroy().ok


def test_a_damaged_state_is_mended_and_says_how(bench: Bench) -> None:
    assert bench.up(program).ok
    path = bench.directory / "stacks" / "dev.json"
    document = json.loads(path.read_text())
    rows = document["deployment"]["resources"]
    rows.insert(0, rows.pop())  # b before what it needs
    rows[:] = [row for row in rows if not row["urn"].endswith("::a")]
    path.write_text(json.dumps(document))
    with pytest.raises(RefusedError, match="inconsistent") as refused:
        bench.up(program)
    assert "envctl state repair" in refused.value.hints[0]
    actions = bench.engine.repair()
    assert f"{urn('b')} no longer depends on {urn('a')}, which is gone" in actions
    assert bench.preview(program).ok
    assert bench.engine.repair() == ()


@given(st.data())
def test_a_repaired_state_has_no_problems(data: st.DataObject) -> None:
    names = data.draw(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=8))
    target = st.sampled_from("abcdefx").map(lambda name: f"{PREFIX}t:m:T::{name}")
    rows = [
        Resource(
            urn=f"{PREFIX}t:m:T::{name}",
            type="t:m:T",
            custom=False,
            dependencies=tuple(sorted(data.draw(st.sets(target, max_size=2)) - {f"{PREFIX}t:m:T::{name}"})),
        )
        for name in names
    ]
    order = {name: index for index, name in enumerate("abcdefx")}
    rows = [
        Resource(
            r.urn, r.type, r.custom, dependencies=tuple(d for d in r.dependencies if order[d[-1]] > order[r.urn[-1]])
        )
        for r in rows
    ]  # no cycles: those no order can mend
    repaired = state_edit.repair(Checkpoint(rows))
    assert problems_of(repaired.checkpoint.resources, STACK) == []
    again = state_edit.repair(repaired.checkpoint)
    assert again.actions == ()


def test_a_stack_can_be_renamed_as_a_whole() -> None:
    row = Resource(f"{PREFIX}t:m:T::a", "t:m:T", custom=False, parent=f"{PREFIX}pulumi:pulumi:Stack::shop-dev")
    checkpoint = Checkpoint([row], [Pending("creating", row)])
    moved = state_edit.rename_stack(checkpoint, STACK, StackRef("shop", "prod"))
    assert moved.resources[0].urn == "urn:pulumi:prod::shop::t:m:T::a"
    assert moved.resources[0].parent == "urn:pulumi:prod::shop::pulumi:pulumi:Stack::shop-prod"
    assert moved.pending[0].row.urn == "urn:pulumi:prod::shop::t:m:T::a"
