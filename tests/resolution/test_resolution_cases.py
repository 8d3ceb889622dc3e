"""Cases as files: the universe, the list, the verdict, the causes, and the screen a person reads."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import jsonschema
import pytest
from worlds import checked, image_of

from envctl.report.deps_text import render_result
from envctl.resolution.check import CheckOptions
from envctl.resolution.findings import Report
from envctl.resolution.resolver import Limits
from envctl.resolution.wire import report_document

CASES = Path(__file__).parent.parent / "cases" / "resolution"
SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schemas/deps-v1.json").read_text(encoding="utf-8"))


def load(path: Path):
    return tomllib.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", sorted(CASES.glob("*.toml")), ids=lambda path: path.stem)
def test_case(path):
    case = load(path)
    image = image_of(case.get("image", {}), python=case.get("python", "3.11.8"), pip=case.get("pip", "23.2.1"))
    options = CheckOptions(limits=Limits(clock=lambda: 0.0))
    index = {
        name: {version: None if declared == "unknown" else declared for version, declared in versions.items()}
        for name, versions in case.get("index", {}).items()
    }
    result = checked(image, index, case["list"], options, yanked=case.get("yanked", ()), dead=case.get("dead", ()))
    document = report_document(Report((result,)))
    jsonschema.validate(document, SCHEMA)
    assert result.verdict == case["verdict"]
    causes = [[one.requirement, one.by] for conflict in result.conflicts for one in conflict.causes]
    assert causes == case.get("causes", [])
    assert [list(conflict.lines) for conflict in result.conflicts] == case.get("lines", [])
    assert render_result(result) == case["screen"].lstrip("\n")
