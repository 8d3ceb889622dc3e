"""What a known list teaches a repeated build."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from envctl.resolution.memory import MemorySource

TOOLS = Path(__file__).parents[2] / "tools"
MOMENT = datetime(2026, 4, 1, tzinfo=UTC)
INDEX = {
    "apache-airflow": {"2.10.5": ["core"]},
    "core": {"1.0": [], "2.0": [], "3.0": ["brought"]},
    "brought": {"1.0": []},
    "capped": {"1.0": [], "2.0": []},
    "added": {"1.0": []},
    "gone": {"1.0": []},
}
PINS = {"apache-airflow": "2.10.5+composer", "core": "3.0", "brought": "1.0", "capped": "1.0", "added": "1.0"}


@pytest.fixture
def tool(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    import reconstruction

    yield reconstruction
    sys.modules.pop("reconstruction")


def test_a_build_is_repeated_with_what_the_last_list_teaches(tool):
    index = MemorySource(INDEX)
    parent = tool.KnownList("composer-3-airflow-2.10.5-build.33", "2026-04-01", "2.10.5", PINS)
    recipe = tool.Recipe(("apache-airflow[x]==2.10.5", "capped", "gone"), {"core": "<3"})
    assert tool.build(index, recipe, MOMENT)["core"] == "2.0"
    learned, built = tool.learn(index, recipe, parent, MOMENT)
    # a root that the list lacks goes, one that the build lacks comes, a constraint that the list violates goes
    assert learned == tool.Recipe(("apache-airflow[x]==2.10.5", "capped", "added"), {})
    assert built["core"] == "3.0"
    holds = tool.holds_of(parent, built)
    assert holds == {"capped": "<=1.0"}
    final = tool.build(index, tool.with_holds(learned, holds), MOMENT)
    assert tool.equal_versions(PINS, final) == len(PINS)


def test_a_build_without_a_solution_is_none(tool):
    recipe = tool.Recipe(("apache-airflow[x]==2.10.5", "core<1"), {})
    assert tool.build(MemorySource(INDEX), recipe, MOMENT) is None


def test_a_list_learns_from_the_same_airflow_and_from_the_past_alone(tool):
    known = [
        tool.KnownList(f"composer-3-airflow-{airflow}-build.{at}", day, airflow, {})
        for at, (airflow, day) in enumerate(
            [("2.10.5", "2026-01-01"), ("2.11.1", "2026-03-01"), ("2.10.5", "2026-04-01"), ("3.1.7", "2026-03-02")]
        )
    ]
    found = tool.parents_of("composer-3-airflow-2.10.5-build.9", "2026-04-01", "2.10.5", known)
    assert [one.released for one in found] == ["2026-01-01", "2026-03-01"]
