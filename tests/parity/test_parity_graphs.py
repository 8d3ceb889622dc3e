"""Random small graphs and changes of them: both engines plan and do the same, and end in the same state."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pulumi
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pulumi_resources import Group, account, bucket
from pulumi_twins import Twins, collect_quietly, needs_cli, use_cli

pytestmark = [*needs_cli]


@dataclass(frozen=True)
class Node:
    """A bucket: `place` and `suffix` replace it, `team` changes it in place."""

    place: str
    suffix: str
    team: str
    reads: int | None  # an earlier bucket whose address becomes a label
    after: int | None  # an earlier bucket, needed without being read
    grouped: bool
    retained: bool
    delete_first: bool
    ignored: bool


def nodes() -> st.SearchStrategy[Node]:
    return st.builds(
        Node,
        place=st.sampled_from(["EU", "US"]),
        suffix=st.sampled_from(["a", "b"]),
        team=st.sampled_from(["data", "ml"]),
        reads=st.none() | st.integers(0, 3),
        after=st.none() | st.integers(0, 3),
        grouped=st.booleans(),
        retained=st.integers(0, 5).map(lambda number: number == 0),
        delete_first=st.booleans(),
        ignored=st.integers(0, 3).map(lambda number: number == 0),
    )


Graph = tuple[Node | None, ...]


def graphs() -> st.SearchStrategy[Graph]:
    return st.lists(st.none() | nodes(), min_size=1, max_size=4).map(tuple)


def program_of(graph: Graph) -> Callable[[], None]:
    def program() -> None:
        group = Group("group")
        owner = account("owner")
        made: dict[int, pulumi.CustomResource] = {}
        for index, node in enumerate(graph):
            if node is None:
                continue
            read = made.get(node.reads) if node.reads is not None else None
            before = made.get(node.after) if node.after is not None else None
            labels = {"team": node.team}
            if read is not None:
                labels["of"] = read.url.apply(lambda url: url.removeprefix("gs://"))  # type: ignore[attr-defined]
            # the name follows everything that replaces, so that old and new can stand side by side
            name = f"acme-{index}-{node.suffix}-{node.place}-{'g' if node.grouped else 'r'}".lower()
            made[index] = bucket(
                f"node-{index}",
                name=name,
                location=node.place,
                labels=labels,
                parent=group if node.grouped else None,
                depends_on=[owner] if before is None else [owner, before],
                retain_on_delete=node.retained,
                delete_before_replace=node.delete_first or None,
                ignore_changes=["labels"] if node.ignored else None,
            )
        pulumi.export("names", {str(index): each.id for index, each in made.items()})

    return program


def check(before: Graph, after: Graph) -> None:
    """From nothing to one graph, to another, and back to nothing."""
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        use_cli(patch, Path(folder) / "home")
        twins = Twins(Path(folder))
        try:
            twins.up(program_of(before))
            twins.preview(program_of(after))
            twins.up(program_of(after))
            assert twins.is_empty(program_of(after))
            twins.destroy()
        finally:
            collect_quietly()


def from_settings(examples: int) -> settings:
    return settings(max_examples=examples, suppress_health_check=list(HealthCheck), database=None)


@given(before=graphs(), after=graphs())
@from_settings(3)
def test_both_engines_agree_on_changes_of_a_graph(before: Graph, after: Graph) -> None:
    check(before, after)


@pytest.mark.slow
@given(before=graphs(), after=graphs())
@from_settings(40)
def test_both_engines_agree_on_many_changes(before: Graph, after: Graph) -> None:
    check(before, after)
