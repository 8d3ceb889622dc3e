"""The page about the sandbox names everything that can be switched, seeded, broken and called."""

from __future__ import annotations

from pathlib import Path

import pytest
from sandbox_page import rows

from envctl.sandbox.cloud import Cloud
from envctl.sandbox.control import _SEED_KEYS, ENDPOINTS
from envctl.sandbox.faults import _KEYS, FaultKind
from envctl.sandbox.settings import Settings

PAGE = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text()
CLOUD = Cloud()


@pytest.mark.parametrize(
    "word",
    [
        *Settings().as_json(),
        *_SEED_KEYS,
        *FaultKind,
        *sorted({field for fields in _KEYS.values() for field in fields}),
        *(service.name for service in CLOUD.router.services),
    ],
)
def test_a_word_of_the_sandbox_is_documented(word: str) -> None:
    assert f"`{word}`" in PAGE


@pytest.mark.parametrize("name", sorted({name for _, name in ENDPOINTS}))
def test_a_control_endpoint_is_documented(name: str) -> None:
    assert f"/_control/{name}" in PAGE


def test_every_kind_of_operation_is_documented() -> None:
    for service in CLOUD.router.services:
        for kind in service.operations:
            if service.name != "container":
                assert f"`{kind.name}`" in PAGE or f"`{kind.name.rpartition('.')[2]}`" in PAGE, kind.name


@pytest.mark.parametrize("service", sorted(rows()))
def test_the_table_of_services_says_what_there_is_and_who_judges_it(service: str) -> None:
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{service}` |"))
    _, versions, methods, judges, differences = (cell.strip() for cell in row.strip("|").split("|"))
    assert (methods, judges) == rows()[service]
    assert versions
    assert differences
