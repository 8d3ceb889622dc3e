from __future__ import annotations

import pytest
from projects import write_project

from envctl.cli import run


@pytest.mark.parametrize("member", ["ann@example.com", "ann"])
def test_a_caller_without_its_kind_is_refused(tmp_path, capsys, member):
    root = write_project(tmp_path)
    assert run(["-C", str(root), "doctor", "dev", "--offline", "--as", member]) == 2
    assert f"user:{member}" in capsys.readouterr().err


def test_a_caller_with_its_kind_is_taken(tmp_path):
    root = write_project(tmp_path)
    assert run(["-C", str(root), "doctor", "dev", "--offline", "--as", "user:ann@example.com"]) == 0
