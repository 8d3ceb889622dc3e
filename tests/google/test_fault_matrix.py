"""The table of `docs/reliability.md` is what happens."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest
from fault_matrix import FAULTS, Cell, Result, Row, Stage, cells, disturb, documented, live_through

SAMPLE = {
    Row.PREVIEW: ("change dev", "composer.projects.locations.environments.get"),
    Row.READ: ("make dev", "storage.buckets.get"),
    Row.WRITE: ("change dev", "composer.projects.locations.environments.patch"),
    Row.CREATE: ("make dev", "composer.projects.locations.environments.create"),
    Row.POLL: ("change dev", "composer.projects.locations.operations.get"),
}
"""By row: the call that stands for it in a short run; `--slow` meets all."""

CREATES = ("monitoring.projects.alertPolicies.create", "compute.networks.insert")


@pytest.fixture(scope="session")
def stages(tmp_path_factory: pytest.TempPathFactory) -> list[Stage]:
    return live_through(tmp_path_factory.mktemp("life"))


def cell_of(stages: list[Stage], row: Row, name: str, method: str, fault: str) -> Cell:
    stage = next(stage for stage in stages if stage.name == name)
    assert (row, method) in stage.calls
    return Cell(stage, row, method, next(each for each in FAULTS if each.name == fault))


@pytest.mark.parametrize(
    ("row", "fault"), [(row, fault.name) for row in Row for fault in FAULTS if row in fault.rows], ids=str
)
def test_a_call_that_stands_for_its_kind_does_what_the_page_says(stages: list[Stage], row: Row, fault: str) -> None:
    name, method = SAMPLE[row]
    assert disturb(cell_of(stages, row, name, method, fault)) in documented()[fault, row]


@pytest.mark.parametrize("method", CREATES)
@pytest.mark.parametrize("fault", ["503 before the effect", "503 after the effect", "reset", "answer cut off"])
def test_what_was_made_is_neither_made_twice_nor_stuck(stages: list[Stage], method: str, fault: str) -> None:
    stage = next(stage for stage in stages if (Row.CREATE, method) in stage.calls)
    assert disturb(cell_of(stages, Row.CREATE, stage.name, method, fault)) is Result.GOES_ON


def test_what_cannot_be_read_back_after_its_create_is_not_lost(stages: list[Stage]) -> None:
    method = "cloudkms.projects.locations.keyRings.get"
    assert disturb(cell_of(stages, Row.READ, "make base", method, "403 in the middle")) is Result.STOPS


def test_the_life_calls_every_kind(stages: list[Stage]) -> None:
    assert {row for stage in stages for row, _ in stage.calls} == set(Row)
    assert len({method for stage in stages for _, method in stage.calls}) > 50


@pytest.mark.slow
def test_the_page_is_what_every_call_does(stages: list[Stage]) -> None:
    seen: dict[tuple[str, Row], set[Result]] = defaultdict(set)
    for cell in cells(stages):
        seen[cell.fault.name, cell.row].add(disturb(cell))
    said = {place: results for place, results in documented().items() if results}
    assert dict(seen) == said, Path("docs/reliability.md")
