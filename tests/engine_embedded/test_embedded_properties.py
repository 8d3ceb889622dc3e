"""Whatever the graph: an apply leaves nothing to do, a crash is followed by the same end, a destroy leaves nothing."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass

import pulumi
import pytest
from embedded_bench import Bench
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from programs import Group, Thing

from envctl.engine.digests import inputs_digest
from envctl.engine.events import Op, Phase, SummaryEvent
from envctl.engine.protocol import ExpectedStep
from envctl.engine.urns import name_of

NAMES = "abcdef"


@dataclass(frozen=True)
class Node:
    """One thing of a program: what it takes from earlier ones, and how."""

    name: str
    kind: str
    size: int
    source: str | None  # a mutable input from another thing
    bound: str | None  # an immutable input from another thing
    after: str | None  # a bare dependency
    exclusive: bool
    fixed_name: bool
    grouped: bool
    retained: bool


Graph = tuple[Node, ...]


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=5))
    nodes: list[Node] = []
    for index, name in enumerate(names):
        earlier = st.sampled_from(names[:index]) if index else st.nothing()
        maybe = st.none() | earlier
        exclusive = draw(st.booleans())
        fixed = exclusive and draw(st.booleans())
        nodes.append(
            Node(
                name,
                draw(st.sampled_from(["one", "two"])),
                draw(st.integers(1, 2)),
                draw(maybe),
                draw(maybe),
                draw(maybe),
                exclusive,
                fixed,
                # under another parent, or retained, a thing with a name of its own would stand in its own way
                name < "c" if fixed else draw(st.booleans()),
                not fixed and draw(st.integers(0, 9)) == 0,
            )
        )
    return tuple(nodes)


def program_of(graph: Graph) -> Callable[[], None]:
    def program() -> None:
        group = Group("group")
        made: dict[str, Thing] = {}
        for node in graph:
            inputs: dict[str, object] = {"size": node.size, "exclusive": node.exclusive, "kind": node.kind}
            if node.fixed_name:
                inputs["name"] = node.name
            if node.source:
                inputs["source"] = made[node.source].uid
            if node.bound:
                inputs["kind"] = made[node.bound].uid
            made[node.name] = Thing(
                node.name,
                opts=pulumi.ResourceOptions(
                    parent=group if node.grouped else None,
                    depends_on=[made[node.after]] if node.after else None,
                    retain_on_delete=node.retained,
                ),
                **inputs,
            )
        pulumi.export("uids", {name: thing.uid for name, thing in made.items()})

    return program


def fresh(factory: pytest.TempPathFactory) -> Bench:
    bench = Bench(factory.mktemp("bench"))
    bench.environment = {"PULUMI_CONFIG_PASSPHRASE": ""}
    return bench


def assert_reached(bench: Bench, graph: Graph) -> None:
    """The cloud has what the graph says, the state knows it, and there is nothing left to do."""
    rows = {r.urn.rsplit("::", 1)[1]: r for r in bench.engine.checkpoint().resources if r.type.endswith("Thing")}
    assert rows.keys() == {node.name for node in graph}
    for node in graph:
        row = rows[node.name]
        thing = bench.cloud.things[row.id or ""]
        assert thing["size"] == node.size
        if node.source:
            assert thing["source"] == bench.cloud.things[rows[node.source].id or ""]["uid"]
        if node.bound:
            assert thing["kind"] == bench.cloud.things[rows[node.bound].id or ""]["uid"]
    assert bench.engine.pending() == []
    result = bench.preview(program_of(graph), refresh=True)
    assert result.ok, bench.messages()
    assert bench.ops() == []


PROPERTY = settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)


@given(before=graphs(), after=graphs())
@PROPERTY
def test_changes_of_a_graph_converge_and_previews_tell_the_truth(
    tmp_path_factory: pytest.TempPathFactory, before: Graph, after: Graph
) -> None:
    bench = fresh(tmp_path_factory)
    assert bench.up(program_of(before)).ok, bench.messages()
    assert_reached(bench, before)
    assert bench.preview(program_of(after)).ok
    promised = set(bench.ops())
    named = {node.name for node in after if node.fixed_name}  # made-up names may turn out otherwise
    plan = [
        ExpectedStep(s.urn, s.op, inputs_digest(s.new.inputs) if s.new and name_of(s.urn) in named else None, s.diffs)
        for s in bench.steps()
        if s.op is not Op.REFRESH
    ]
    assert bench.up(program_of(after), expected=plan).ok, bench.messages()
    done = set(bench.ops())
    # what was known only after apply may turn out to be unchanged; nothing happens that was not shown
    assert done <= promised
    for phase in (Phase.PRE, Phase.DONE):
        counted: dict[Op, int] = {}
        for step in bench.steps(phase):
            if step.logical and not step.type.startswith("pulumi:providers"):
                counted[step.op] = counted.get(step.op, 0) + 1
        assert counted == next(e for e in bench.events if isinstance(e, SummaryEvent)).changes
    assert_reached(bench, after)


@given(graph=graphs())
@PROPERTY
def test_a_destroy_leaves_nothing_but_what_is_retained(tmp_path_factory: pytest.TempPathFactory, graph: Graph) -> None:
    bench = fresh(tmp_path_factory)
    assert bench.up(program_of(graph)).ok, bench.messages()
    rows = bench.engine.checkpoint().resources
    retained = {row.id for row in rows if row.retain_on_delete and row.id}
    assert bench.destroy(preview=True).ok
    named = {name for op, name in bench.ops() if op is Op.DELETE}
    assert named == {node.name for node in graph}
    assert bench.destroy().ok, bench.messages()
    assert set(bench.cloud.things) == retained
    assert bench.engine.checkpoint().resources == []


class Crash(BaseException):
    pass


def crash_at(count: int) -> Callable[[str, str], None]:
    """Blows up at the n-th changing call."""
    calls = itertools.count(1)

    def hook(method: str, name: str) -> None:
        if method in ("create", "update", "delete") and next(calls) == count:
            raise Crash

    return hook


@given(
    before=graphs(),
    after=graphs(),
    crashes=st.lists(st.tuples(st.integers(1, 8), st.booleans()), min_size=1, max_size=3),
)
@PROPERTY
def test_the_same_command_converges_after_crashes(
    tmp_path_factory: pytest.TempPathFactory, before: Graph, after: Graph, crashes: list[tuple[int, bool]]
) -> None:
    bench = fresh(tmp_path_factory)
    assert bench.up(program_of(before)).ok, bench.messages()
    for count, late in crashes:
        bench.cloud.before = bench.cloud.after = lambda *_: None
        if late:
            bench.cloud.after = crash_at(count)
        else:
            bench.cloud.before = crash_at(count)
        with contextlib.suppress(Crash):
            assert bench.up(program_of(after)).ok, bench.messages()
    bench.cloud.before = bench.cloud.after = lambda *_: None
    created = bench.cloud.counter
    assert bench.up(program_of(after)).ok, bench.messages()
    assert bench.cloud.counter - created <= len(after)
    assert_reached(bench, after)
    assert bench.destroy().ok, bench.messages()
    assert bench.engine.checkpoint().resources == []
