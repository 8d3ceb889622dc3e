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


@pytest.mark.parametrize("text", ["", "  \n"])
@pytest.mark.parametrize("names", [[], ["dev"]])
def test_an_empty_error_text_is_a_usage_error(tmp_path, capsys, text, names):
    root = write_project(tmp_path)
    assert run(["-C", str(root), "doctor", *names, "--offline", "--error", text]) == 2
    assert "error text is empty" in capsys.readouterr().err
