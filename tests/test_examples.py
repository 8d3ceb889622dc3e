"""Property tests see the same examples in every run, whatever ran before them in the same process."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st


def drawn() -> list[tuple[str, int]]:
    """All examples of one property test."""
    seen: list[tuple[str, int]] = []

    @settings(settings.get_profile("envctl"), max_examples=400)
    @given(text=st.text(), number=st.integers())
    def remember(text: str, number: int) -> None:
        seen.append((text, number))

    remember()
    return seen


def test_code_that_was_loaded_meanwhile_changes_no_example(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--slow"):
        pytest.skip("--slow draws fresh examples")
    before = drawn()
    file = tmp_path / "loaded_later.py"
    file.write_text(f"WORDS = {[f'word {n}' for n in range(50)]}\nNUMBERS = {list(range(70_001, 70_051))}\n")
    spec = importlib.util.spec_from_file_location("loaded_later", file)
    assert spec is not None
    assert spec.loader is not None
    with pytest.MonkeyPatch.context() as patch:
        module = importlib.util.module_from_spec(spec)
        patch.setitem(sys.modules, "loaded_later", module)
        spec.loader.exec_module(module)
        assert drawn() == before
