"""One table says what several outcomes add up to."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from projects import write_project

from envctl.cli import run
from envctl.commands.console import CONSOLE
from envctl.errors import GRAVITY, ExitCode, gravest

CODES = st.sampled_from(ExitCode)
PAGE = Path(__file__).parents[1] / "docs" / "exit-codes.md"


def test_every_code_has_its_place():
    assert sorted(GRAVITY) == sorted(ExitCode)


@given(st.lists(CODES, min_size=1).flatmap(lambda codes: st.tuples(st.just(codes), st.permutations(codes))))
def test_the_order_of_outcomes_does_not_count(pair):
    codes, otherwise = pair
    assert gravest(codes) is gravest(otherwise)
    assert gravest(codes) in codes


@given(st.lists(CODES), st.lists(CODES))
def test_outcomes_can_be_added_up_in_parts(one, other):
    assert gravest([*one, *other]) is gravest([gravest(one), gravest(other)])


@given(st.lists(CODES, min_size=1))
def test_only_success_alone_is_a_success(codes):
    assert (gravest(codes) is ExitCode.DONE) == (set(codes) == {ExitCode.DONE})


def test_the_page_gives_the_same_order():
    text = PAGE.read_text("utf-8")
    told = re.search(r"named: ([\d,\s]+)\. ", text)
    assert told is not None
    assert [int(code) for code in told[1].split(",")] == [int(code) for code in GRAVITY]
    rows = re.findall(r"^\| ([\d, ]+) \|", text, re.MULTILINE)
    assert sorted(int(code) for row in rows for code in row.split(",")) == sorted(ExitCode)


@pytest.fixture
def envctl(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ENVCTL_CLOUD", "sandbox")
    monkeypatch.setenv("NO_COLOR", "1")
    CONSOLE.quiet = CONSOLE.verbose = False
    CONSOLE.color = None
    root = write_project(tmp_path)

    def call(*arguments: str):
        code = run(["-C", str(root), *arguments])
        captured = capsys.readouterr()
        return int(code), captured.out, captured.err

    return call


@pytest.mark.parametrize("names", [("dev", "nope"), ("nope", "dev"), ("nope", "nought")])
@pytest.mark.parametrize(
    "verb",
    [("preview",), ("preview", "--expect-no-changes"), ("drift",), ("drift", "--expect-no-changes"), ("status",)],
    ids=" ".join,
)
def test_a_name_that_stands_for_nothing_is_never_lost(envctl, verb, names):
    assert envctl("up", "dev", "--yes")[0] == 0
    code, out, err = envctl(verb[0], *names, *verb[1:])
    assert code == ExitCode.USAGE
    assert "error[unknown-environment]" in err
    assert ("dev" in out) == ("dev" in names)


@pytest.mark.parametrize("verb", [("validate",), ("doctor", "--offline"), ("deps", "check")], ids=" ".join)
def test_verbs_that_need_all_their_names_refuse_at_once(envctl, verb):
    code, _, err = envctl(*verb, "dev", "nope")
    assert code == ExitCode.USAGE
    assert "unknown-environment" in err


def test_a_usage_error_is_graver_than_pending_changes(envctl):
    assert envctl("preview", "dev", "--expect-no-changes")[0] == ExitCode.PENDING
    assert envctl("preview", "dev", "nope", "--expect-no-changes")[0] == ExitCode.USAGE


def test_several_names_give_a_list_however_many_could_be_looked_at(envctl):
    formats = [
        json.loads(envctl("preview", *names, "--format", "json")[1])["format"] for names in (["dev"], ["dev", "nope"])
    ]
    assert formats == ["envctl.plan/v1", "envctl.plans/v1"]
