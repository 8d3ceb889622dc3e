"""One edit at a time, on both engines: same steps, same order constraints, same state."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pulumi
import pytest
from pulumi_resources import Group, account, bucket, member, secret
from pulumi_twins import Twins, collect_quietly, names, needs_cli, use_cli

from envctl.plan.model import Action

pytestmark = [*needs_cli]


@pytest.fixture
def twins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Twins]:
    use_cli(monkeypatch, tmp_path / "home")
    yield Twins(tmp_path)
    collect_quietly()


def test_labels_outputs_secrets_and_components(twins: Twins) -> None:
    def program(team: str = "data", runner: str = "runner", title: str = "Runner", extra: bool = False) -> None:
        group = Group("group")
        who = account("runner", account_id=f"acme-{runner}", title=title, parent=group)
        first = bucket("files", labels={"team": team, "owner": runner}, parent=group)
        bucket("copies", labels={"of": "files"}, depends_on=[first], parent=group)
        member("worker", who.member)
        secret("crm", pulumi.Output.secret(f"hunter-{team}"))
        if extra:
            bucket("extra", depends_on=[who])
        pulumi.export("email", who.email)
        pulumi.export("token", pulumi.Output.secret("sesame"))
        pulumi.export("url", first.url)

    twins.preview(program)
    twins.up(program)
    assert len(twins.real.steps) == 7
    assert twins.embedded.engine.outputs() == twins.real.engine.outputs()
    assert twins.is_empty(program)

    edited = lambda: program(team="ml", extra=True)  # noqa: E731
    twins.preview(edited)
    twins.up(edited)
    # an immutable account: replaced, and with it the binding that names it
    replaced = lambda: program(team="ml", runner="robot", title="Robot")  # noqa: E731
    twins.preview(replaced)
    assert ("replace", "runner") in names(twins.real.steps)
    assert ("delete", "extra") in names(twins.real.steps)
    twins.up(replaced)
    assert twins.is_empty(replaced)
    twins.destroy()
    assert len(twins.real.steps) == 7


def test_replacement_order_protection_retention_and_ignored_changes(twins: Twins) -> None:
    def program(
        place: str = "EU", protect: bool = True, retained: bool = True, team: str = "data", keep: bool = True
    ) -> None:
        # its name stays, so the old one must go first; what reads its output is rebuilt around it
        first = bucket("first", location=place, delete_before_replace=True)
        bucket("second", labels={"of": first.name}, name=f"acme-second-{place.lower()}", location=place)
        if keep:
            bucket("kept", retain_on_delete=retained)
        bucket("safe", protect=protect)
        bucket("quiet", labels={"team": team}, ignore_changes=["labels"])

    twins.up(program)
    moved = lambda: program(place="US", team="nobody")  # noqa: E731
    twins.preview(moved)
    ops = names(twins.real.steps)
    assert ops.index(("delete-replaced", "first")) < ops.index(("create-replacement", "first"))
    twins.up(moved)
    # what is retained goes from the state and stays in the cloud
    without = lambda: program(place="US", keep=False, protect=False)  # noqa: E731
    twins.up(without)
    assert ("delete", "kept") in names(twins.real.steps)
    for side in twins.sides:
        assert any("acme-kept" in str(key) for key in _live_buckets(side.cloud))
    twins.destroy()


def _live_buckets(cloud: object) -> list[str]:
    import json

    from envctl.sandbox.messages import Request

    answer = cloud.handle(Request.to("GET", "http://localhost/storage/storage/v1/b?project=acme-data-dev"))  # type: ignore[attr-defined]
    return [item["name"] for item in json.loads(answer.body).get("items", [])]


def test_protected_resources_are_refused_alike(twins: Twins) -> None:
    def program(place: str = "EU", present: bool = True) -> None:
        if present:
            bucket("safe", location=place, protect=True)
        bucket("other")

    twins.up(program)
    twins.up(lambda: program(place="US"), fails=True)
    twins.up(lambda: program(present=False), fails=True)


def test_what_moves_into_another_component_is_made_again(twins: Twins) -> None:
    def program(grouped: bool) -> None:
        group = Group("group")
        bucket("files", name=f"acme-files-{grouped}".lower(), parent=group if grouped else None)

    twins.up(lambda: program(grouped=False))
    twins.preview(lambda: program(grouped=True))
    twins.up(lambda: program(grouped=True))
    assert sorted(names(twins.real.steps)) == [("create", "files"), ("delete", "files")]


def test_a_move_by_alias_is_the_same_on_both(twins: Twins) -> None:
    def program(name: str, alias: str | None = None, team: str = "data", group: str = "group") -> None:
        earlier = [pulumi.Alias(name=alias)] if alias else None
        parent = Group(group, aliases=[pulumi.Alias(name="group")] if group != "group" else None)
        first = bucket(name, name="acme-files", labels={"team": team}, aliases=earlier, parent=parent)
        bucket("copies", labels={"of": first.name}, parent=parent)
        bucket("waits", depends_on=[first])

    twins.up(lambda: program("lake"))
    moved = lambda: program("raw", "lake")  # noqa: E731
    twins.preview(moved)
    assert twins.real.steps == []
    assert [(c.name, c.moved_from) for c in twins.real.folded().changes if c.action is Action.MOVE] == [("raw", "lake")]
    twins.up(moved)
    assert twins.is_empty(moved)
    assert twins.is_empty(lambda: program("raw"))
    changed = lambda: program("clean", "raw", team="ml", group="other")  # noqa: E731
    twins.preview(changed)
    twins.up(changed)
    assert names(twins.real.steps) == [("update", "clean")]
    twins.up(lambda: program("first", "clean", group="other"))


def test_two_claims_on_one_resource_are_refused_alike(twins: Twins) -> None:
    def swapped() -> None:
        first = bucket("a", aliases=[pulumi.Alias(name="b")])
        bucket("z", name="acme-a", aliases=[pulumi.Alias(name="a")], depends_on=[first])

    def both() -> None:
        first = bucket("c", name="acme-a", aliases=[pulumi.Alias(name="a")])
        bucket("d", name="acme-d", aliases=[pulumi.Alias(name="a")], depends_on=[first])

    def before() -> None:
        bucket("a")
        bucket("b")

    twins.up(before)
    twins.up(swapped, fails=True)
    twins.up(both, fails=True)
