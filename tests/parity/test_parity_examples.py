"""The example environments and edits of them, whole: file, program, plan and apply on both engines."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from projects import plan, run, tear_down
from pulumi_twins import ROOT, collect_quietly, needs_cli, normal_state, same, use_cli

from envctl.actions.clouds import CloudName
from envctl.actions.workspace import EngineName, Workspace, open_workspace
from envctl.operations.journal import Outcome
from envctl.plan.model import Plan

pytestmark = [*needs_cli]


class Pair:
    """The example project twice."""

    def __init__(self, directory: Path) -> None:
        self.roots = [directory / name.value for name in EngineName]
        for root in self.roots:
            shutil.copytree(ROOT / "environments", root / "environments")
            shutil.copy(ROOT / "envctl.yaml", root)

    def workspaces(self) -> list[Workspace]:
        return [
            open_workspace(root, CloudName.SANDBOX, engine) for root, engine in zip(self.roots, EngineName, strict=True)
        ]

    def edit(self, name: str, *edits: tuple[str, str]) -> None:
        for root in self.roots:
            path = root / "environments" / f"{name}.yaml"
            text = path.read_text()
            for old, new in edits:
                assert old in text, old
                text = text.replace(old, new)
            path.write_text(text)

    def apply(self, name: str) -> Plan:
        """Plans and applies on both; plans, results and states are equal, and nothing is left to do."""
        prepared = [plan(workspace, name, gates=False) for workspace in self.workspaces()]
        same(rows(prepared[0].plan), rows(prepared[1].plan))
        for each in prepared:
            applied = run(each)
            assert applied.outcome is Outcome.SUCCEEDED, (applied.failures, applied.error)
            assert not applied.not_done
        self.compare(name)
        return prepared[1].plan

    def compare(self, name: str) -> None:
        ours, theirs = (normal_state(workspace.engine(name).export_state()) for workspace in self.workspaces())
        same(sorted(ours), sorted(theirs))
        for urn in ours:
            for key in {*ours[urn], *theirs[urn]}:
                assert ours[urn].get(key) == theirs[urn].get(key), (urn, key)


def rows(made: Plan) -> list[Any]:
    """A plan as comparable rows."""
    assert made.incomplete == ()
    return [
        (c.urn, c.action.value, c.reason.value, sorted((p.path, repr(p.before), repr(p.after)) for p in c.properties))
        for c in made.changes
    ]


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    use_cli(monkeypatch, tmp_path / "home")
    yield Pair(tmp_path)
    collect_quietly()


def actions(made: Plan) -> set[tuple[str, str]]:
    return {(c.action.value, c.name) for c in made.pending}


def test_dev_through_its_life(pair: Pair) -> None:
    created = pair.apply("dev")
    assert len(created.pending) > 20
    pair.edit(
        "dev",
        ("profile: trial\n", "profile: trial\nlabels: {tier: gold}\n"),
        ("worker: {minCount: 1, maxCount: 2", "worker: {minCount: 1, maxCount: 3"),
        ("access:\n", "buckets:\n  extra: {location: EU}\n\naccess:\n"),
    )
    edited = pair.apply("dev")
    assert ("update", "environment") in actions(edited)
    assert ("create", "bucket-extra") in actions(edited)
    # another account is another environment: shown alike, and not applied here
    pair.edit("dev", ("profile: trial\n", "profile: trial\nserviceAccount: {name: composer-other}\n"))
    pair.edit("dev", ("  extra: {location: EU}\n", "  other: {location: EU}\n"))
    replacing = [plan(workspace, "dev", gates=False).plan for workspace in pair.workspaces()]
    same(rows(replacing[0]), rows(replacing[1]))
    assert any(c.action.replaces and c.name == "environment" for c in replacing[1].pending)
    assert ("delete", "bucket-extra") in actions(replacing[1])
    for workspace in pair.workspaces():
        assert tear_down(workspace, "dev").outcome is Outcome.SUCCEEDED


def test_prod_on_its_foundation(pair: Pair) -> None:
    seed = json.loads((ROOT / "docs" / "demo-seed.json").read_text())
    for workspace in pair.workspaces():
        workspace.cloud.control("POST", "seed", seed)  # type: ignore[attr-defined]
    pair.apply("acme-data-prod")
    pair.apply("prod")
    again = [plan(workspace, "prod", gates=False).plan for workspace in pair.workspaces()]
    for each in again:
        assert each.empty
        assert each.drift == ()
