"""A plain command line means to `read_plain` what it means to typer, and every other one is left to typer."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.exceptions import TyperException

from envctl.commands import deps
from envctl.commands.line import for_typer
from envctl.commands.parameters import Argument, Option
from envctl.commands.plain import read_plain

VERBS = {verb.__name__: verb for verb in deps.verbs()}


def read_by_typer(name: str, words: list[str]) -> dict[str, Any] | str:
    """The arguments that typer gives to a verb, or what it says instead."""
    verb = VERBS[name]

    @wraps(verb)
    def recorder(**given: Any) -> dict[str, Any]:
        return given

    app = typer.Typer(rich_markup_mode=None)
    app.callback()(lambda: None)
    app.command()(for_typer(recorder))
    try:
        return typer.main.get_command(app).main([name, *words], prog_name="envctl", standalone_mode=False)
    except TyperException as error:
        return error.format_message()


def with_defaults(name: str, read: dict[str, Any]) -> dict[str, Any]:
    code, defaults = VERBS[name].__code__, VERBS[name].__defaults__ or ()
    names = code.co_varnames[: code.co_argcount]
    return {**dict(zip(names[len(names) - len(defaults) :], defaults, strict=True)), **read}


WORDS = st.sampled_from(
    [
        *(
            "-r",
            "--requirement",
            "--image",
            "--bundle",
            "--as-of",
            "--index-url",
            "--offline",
            "--nearest",
            "--certify",
        ),
        *("--allow-unknown", "--format", "--output", "-o", "--to", "--write", "--no-such", "--help", "--", "-", ""),
        *(
            "text",
            "json",
            "TEXT",
            "a.txt",
            "one",
            "a=b",
            "2026-01-02",
            "--image=x",
            "--image=",
            "--image=-x",
            "--offline=x",
            "-r=a",
            "--format=json",
            "-rx",
            "--imag",
            "-ro",
            "ä",
            ".",
        ),
    ]
)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(sorted(VERBS)), st.lists(WORDS, max_size=7))
def test_what_is_read_without_typer_is_what_typer_reads(name, words):
    read = read_plain(VERBS[name], words)
    if read is not None:
        assert with_defaults(name, read) == read_by_typer(name, words)


TEXT = ("a", "b.c", "a=b", "=", "two words", "ä", "2026-01-02", "json")
FLAGS = ("--offline", "--nearest", "--allow-unknown", "--certify", "--write")
REPEATABLE = (("-r", "--requirement"), ("--bundle",))
COMMON = (("-r", "--requirement"), ("--index-url",), ("--offline",))
OUTPUT = ("-o", "--output")
OPTIONS: dict[str, tuple[tuple[str, ...], ...]] = {
    "check": (
        *(*COMMON, ("--image",), ("--nearest",), ("--bundle",), ("--certify",), ("--allow-unknown",)),
        *(("--format",), OUTPUT),
    ),
    "fix": (*COMMON, ("--image",), ("--nearest",), ("--write",)),
    "lock": (*COMMON, ("--image",), ("--nearest",), OUTPUT),
    "matrix": (*COMMON, ("--format",), OUTPUT),
    "upgrade": (*COMMON, ("--image",), ("--format",), OUTPUT),
}
"""What each verb that is read plainly takes, each option by all its names."""


@st.composite
def valid_lines(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A verb and a line that it takes: options in both forms, arguments by place, in any order."""
    name = draw(st.sampled_from(sorted(OPTIONS)))
    options = draw(st.lists(st.sampled_from(OPTIONS[name]), unique=True))
    options += draw(st.lists(st.sampled_from([each for each in OPTIONS[name] if each in REPEATABLE]), max_size=2))
    options += [("--to",)] if name == "upgrade" else []
    pieces = [[word] for word in draw(st.lists(st.sampled_from(TEXT), max_size=3))]
    for names in options:
        option = draw(st.sampled_from(names))
        value = draw(st.sampled_from(("text", "json") if option == "--format" else TEXT))
        joined = option.startswith("--") and draw(st.booleans())
        pieces.append([option] if option in FLAGS else [f"{option}={value}"] if joined else [option, value])
    return name, [word for piece in draw(st.permutations(pieces)) for word in piece]


@settings(max_examples=400, deadline=None)
@given(valid_lines())
def test_every_valid_line_is_read_without_typer(line):
    name, words = line
    read = read_plain(VERBS[name], words)
    assert read is not None
    assert with_defaults(name, read) == read_by_typer(name, words)


def test_a_usual_check_is_read_without_typer():
    words = ["dev", "-r", "a.txt", "-r", "b.txt", "--image=latest", "--offline", "--format", "json", "prod"]
    assert read_plain(deps.check, words) == {
        "environments": ["dev", "prod"],
        "files": [Path("a.txt"), Path("b.txt")],
        "image": "latest",
        "offline": True,
        "format_": deps.DepsFormat.JSON,
    }


@pytest.mark.parametrize(
    "words",
    [["--help"], ["--image"], ["--image", "--offline"], ["-rx"], ["--format", "x"], ["--"], [""]],
)
def test_what_needs_a_word_of_typer_is_left_to_it(words):
    assert read_plain(deps.check, words) is None


def test_a_missing_needed_option_is_left_to_typer():
    assert read_plain(deps.upgrade, ["dev"]) is None
    assert read_plain(deps.upgrade, ["dev", "--to", "latest"]) == {"environments": ["dev"], "to": "latest"}


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_cannot_be_read_is_left_to_typer(tmp_path):
    (tmp_path / "list.txt").touch(mode=0)
    assert read_plain(deps.check, ["-r", str(tmp_path / "list.txt")]) is None


def test_a_command_whose_options_look_at_the_environment_is_left_to_typer():
    def verb(cloud: object = None) -> int:
        return 0

    verb.__annotations__ = {"cloud": Annotated[str | None, Option("--cloud", envvar="CLOUD")]}
    assert read_plain(verb, []) is None


def test_an_argument_has_no_names():
    """Typer would take the first one for its default."""
    named: Any = Argument
    with pytest.raises(TypeError):
        named("--environment", metavar="ENV")


def test_an_argument_that_has_to_be_given_is_one_for_typer_too():
    def verb(environments: Annotated[list[str], Argument(metavar="ENV", help="Which.")]) -> int:
        return len(environments)

    app = typer.Typer(rich_markup_mode=None)
    app.command()(for_typer(verb))
    command = typer.main.get_command(app)
    assert command.main(["a", "b"], standalone_mode=False) == 2
    with pytest.raises(TyperException) as caught:
        command.main([], standalone_mode=False)
    assert "'ENV'" in caught.value.format_message()


def test_a_check_of_a_file_starts_without_what_takes_long_to_import(tmp_path):
    (tmp_path / "list.txt").write_text("six\n")
    code = (
        "import sys; from envctl.cli import run; "
        "run(['deps', 'check', '-r', 'list.txt', '--image', 'composer-2.13.8-airflow-2.10.5', '--offline']); "
        "print(sorted({'typer', 'dataclasses', 'inspect', 'pydantic', 'httpx', 'pulumi'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"
    assert "ok: " in done.stdout


@pytest.mark.parametrize(
    "words",
    [("deps", "check", "-r", "list.txt", "--image", "latest", "--offline"), ("images", "list")],
    ids=["without typer", "through typer"],
)
def test_a_reader_that_went_away_is_no_failure(tmp_path, words):
    (tmp_path / "list.txt").write_text("six\n")
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "envctl", *words], cwd=tmp_path, stdout=writing, stderr=subprocess.PIPE, check=False
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")
