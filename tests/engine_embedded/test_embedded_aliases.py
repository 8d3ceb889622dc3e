"""Aliases that lead to a resource of the state: it is the same one under another name, as in Pulumi's step generator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pulumi
import pytest
from embedded_bench import STACK, Bench
from memory_cloud import THING
from programs import Group, Thing

from envctl.engine.embedded.checkpoint import problems_of
from envctl.engine.events import Op, Phase, StepEvent
from envctl.provider.protocol import ProviderError

Options = pulumi.ResourceOptions


def urn(name: str) -> str:
    return f"urn:pulumi:dev::shop::{THING}::{name}"


def called(*names: str) -> Options:
    return Options(aliases=[pulumi.Alias(name=name) for name in names])


def chain(name: str, opts: Options | None = None, **inputs: Any) -> Callable[[], None]:
    """A thing, one that uses its output, and one that only waits for it."""

    def program() -> None:
        base = Thing(name, name="x", opts=opts, **inputs)
        Thing("user", name="user", source=base.link)
        Thing("after", name="after", opts=Options(depends_on=[base]))

    return program


def refusing(method: str, name: str, error: BaseException) -> Callable[[str, str], None]:
    def before(called: str, on: str) -> None:
        if (called, on) == (method, name):
            raise error

    return before


def rows(bench: Bench) -> dict[str, Any]:
    checkpoint = bench.engine.checkpoint()
    assert problems_of(checkpoint.resources, STACK) == []
    return {row.urn.rsplit("::", 1)[1]: row for row in checkpoint.resources if row.type == THING}


def moved(bench: Bench) -> list[tuple[Op, str, str]]:
    """Steps whose resource the state has under another name."""
    return [
        (e.op, e.old.urn.rsplit("::", 1)[1], e.urn.rsplit("::", 1)[1])
        for e in bench.events
        if isinstance(e, StepEvent) and e.phase is Phase.PRE and e.old is not None and e.old.urn != e.urn
    ]


def test_the_state_gets_the_new_name_and_so_does_every_mention_of_it(bench: Bench) -> None:
    assert bench.up(chain("a")).ok
    before = rows(bench)

    assert bench.preview(chain("b", called("a"))).ok
    assert (bench.ops(), moved(bench)) == ([], [(Op.SAME, "a", "b")])
    assert rows(bench) == before

    assert bench.up(chain("b", called("a"))).ok
    assert (bench.ops(), moved(bench), bench.cloud.calls) == ([], [(Op.SAME, "a", "b")], [])
    after = rows(bench)
    assert set(after) == {"b", "user", "after"}
    assert after["b"].id == before["a"].id
    assert after["b"].created == before["a"].created
    assert after["user"].property_dependencies == {"source": (urn("b"),)}
    assert after["after"].dependencies == (urn("b"),)

    assert bench.preview(chain("b")).ok, "the alias can go"
    assert (bench.ops(), moved(bench)) == ([], [])


def test_a_move_may_change_the_resource(bench: Bench) -> None:
    assert bench.up(chain("a", size=1)).ok
    id_ = rows(bench)["a"].id
    assert bench.up(chain("b", called("a"), size=2)).ok
    assert bench.ops() == [(Op.UPDATE, "b")]
    assert moved(bench) == [(Op.UPDATE, "a", "b")]
    assert rows(bench)["b"].id == id_


def test_an_alias_that_leads_nowhere_is_free_and_the_own_name_wins(bench: Bench) -> None:
    assert bench.up(chain("a", called("never"))).ok
    assert bench.up(chain("a", called("user"))).ok
    assert (bench.ops(), moved(bench)) == ([], [])


def test_what_vanishes_in_the_run_of_the_move_names_it_anew(bench: Bench) -> None:
    """The deletion of a dependent fails: its row stays, and the state holds together all the same."""
    assert bench.up(chain("a")).ok
    bench.cloud.before = refusing("delete", "user", ProviderError("not now"))

    def program() -> None:
        Thing("b", name="x", opts=called("a"))

    assert not bench.up(program).ok
    assert rows(bench)["user"].property_dependencies == {"source": (urn("b"),)}
    bench.cloud.before = lambda method, name: None
    assert bench.up(program).ok
    assert set(rows(bench)) == {"b"}


def test_children_follow_the_alias_of_their_component(bench: Bench) -> None:
    def program(name: str, opts: Options | None) -> Callable[[], None]:
        def run() -> None:
            group = Group(name, opts)
            Thing(f"{name}-files", name="files", opts=Options(parent=group))
            Thing("lone", name="lone", opts=Options(parent=group))

        return run

    assert bench.up(program("old", None)).ok
    assert bench.up(program("new", called("old"))).ok
    assert bench.ops() == []
    assert (Op.SAME, "old-files", "new-files") in moved(bench)
    assert {row.parent.rsplit("::", 1)[1] for row in rows(bench).values()} == {"new"}


@pytest.mark.parametrize("first", ["b", "c"])
def test_two_claims_on_one_row_are_refused(bench: Bench, first: str) -> None:
    """A chain (a becomes b, what was b becomes c) in one run: Pulumi refuses it in both orders."""

    def before() -> None:
        Thing("a", name="a")
        Thing("b", name="b")

    def program() -> None:
        of = {"b": lambda: Thing("b", name="a", opts=called("a")), "c": lambda: Thing("c", name="b", opts=called("b"))}
        of[first]()
        of["c" if first == "b" else "b"]()

    assert bench.up(before).ok
    result = bench.up(program)
    assert not result.ok
    assert any("alias" in message for message in bench.messages())
    assert bench.names() == {"a", "b"}


def test_two_aliases_to_one_row_are_refused(bench: Bench) -> None:
    def program() -> None:
        Thing("b", name="x", opts=called("a"))
        Thing("c", name="y", opts=called("a"))

    assert bench.up(chain("a")).ok
    assert not bench.up(program).ok
    assert any("which is taken by" in message for message in bench.messages())


class KilledError(BaseException):
    """Ends a process."""


def test_a_kill_after_the_move_loses_nothing(bench: Bench) -> None:
    assert bench.up(chain("a")).ok

    def program() -> None:
        base = Thing("b", name="x", opts=called("a"))
        Thing("late", name="late", source=base.link)
        Thing("user", name="user", source=base.link)
        Thing("after", name="after", opts=Options(depends_on=[base]))

    bench.cloud.before = refusing("create", "late", KilledError())
    with pytest.raises(KilledError):
        bench.up(program)
    journal = bench.engine.checkpoint()  # read from checkpoint and journal, as the next process does
    assert problems_of(journal.resources, STACK) == []
    assert set(rows(bench)) == {"b", "user", "after"}

    bench.cloud.before = lambda method, name: None
    bench.engine.repair(drop_pending=True)
    assert bench.up(program).ok
    assert bench.cloud.calls == [("create", "late")]
    assert set(rows(bench)) == {"b", "late", "user", "after"}
