"""Whole screens: what somebody sees who wrote the files of `tests/cases/spec`."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from spec_projects import MakeProject, split_case

from envctl.actions.validate import ValidateRequest, validate
from envctl.report.diagnostics_text import render_diagnostics
from envctl.spec.codes import CODES

CASES = Path(__file__).parents[1] / "cases" / "spec"
TODAY = "2026-11-20"

ELSEWHERE = {
    "file-unreadable": "test_spec_source.py",
    "file-too-large": "test_spec_source.py",
    "file-not-utf8": "test_spec_source.py",
}
"""Codes whose files cannot be written as text, and the tests that provoke them."""


@pytest.mark.parametrize("case", sorted(CASES.glob("*.txtar")), ids=lambda path: path.stem)
def test_screen(case: Path, make_project: MakeProject) -> None:
    _, files = split_case(case.read_text("utf-8"))
    expected = files.pop("expected", "")
    request = ValidateRequest(make_project(files), today=TODAY, offered_id="x7f2c9k4w1bb")
    screen = render_diagnostics(validate(request).diagnostics)
    if "ENVCTL_UPDATE" in os.environ:
        text = case.read_text("utf-8").partition("-- expected --\n")[0]
        case.write_text(f"{text}-- expected --\n{screen}", encoding="utf-8")
    assert screen == expected


def test_every_code_has_a_case_that_provokes_it() -> None:
    shown: set[str] = set()
    for case in CASES.glob("*.txtar"):
        _, files = split_case(case.read_text("utf-8"))
        shown |= set(re.findall(r"^(?:error|warning)\[([a-z0-9-]+)\]", files["expected"], re.MULTILINE))
    assert set(CODES) - shown == set(ELSEWHERE)
