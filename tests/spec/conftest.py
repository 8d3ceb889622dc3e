"""What the tests of files share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from spec_projects import MakeProject


@pytest.fixture
def make_project(tmp_path: Path) -> MakeProject:
    """Writes files into a folder and returns it; `envctl.yaml` is there unless given."""

    def make(files: Mapping[str, str]) -> Path:
        for place, text in ({"envctl.yaml": "name: acme\nid: k3v9x0q2m7aa\n"} | dict(files)).items():
            path = tmp_path / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return tmp_path

    return make
