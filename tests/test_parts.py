"""A light install: the base alone serves deps, images and validate, and the rest says what it lacks."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import pytest

from envctl.parts import DOCTOR, PULUMI, part_missing

ROOT = Path(__file__).parents[1]
MOST_BYTES = 60_000_000


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def names(requirements) -> set[str]:
    return {re.match(r"[A-Za-z0-9-]+", one)[0].lower() for one in requirements}


@pytest.mark.parametrize(
    ("module", "words", "extra"),
    [
        ("pulumi_gcp", ["preview", "dev"], "pulumi"),
        ("pulumi-gcp", ["setup"], "pulumi"),
        ("google.auth", ["-C", "up"], "pulumi"),
        ("google.auth", ["doctor", "dev"], "doctor"),
        ("cel_expr_python", ["iam", "dev"], "doctor"),
        ("cel_expr_python", ["up", "dev"], "doctor"),
    ],
)
def test_a_missing_part_names_the_one_command_that_brings_it(module, words, extra):
    error = part_missing(ModuleNotFoundError(name=module), words)
    assert error is not None
    assert error.hints == (f'install it with\n    pip install "envctl[{extra}]"',)


def test_a_module_of_no_part_is_a_bug():
    assert part_missing(ModuleNotFoundError(name="envctl.nothing"), ["deps"]) is None


def test_every_foreign_module_is_of_the_base_or_of_a_part():
    base = {"packaging", "platformdirs", "pydantic", "pydantic_core", "yaml", "rich", "typer", "keyring"}
    found: set[str] = set()
    for path in (ROOT / "envctl").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found.update(one.name.partition(".")[0] for one in node.names)
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add((node.module or "").partition(".")[0])
    foreign = found - set(sys.stdlib_module_names) - {"envctl", "tomllib"}
    assert foreign - base - DOCTOR - PULUMI == set()


def test_the_extras_hold_what_the_base_does_not():
    told = project()
    base = names(told["dependencies"])
    assert not base & {
        "pulumi",
        "pulumi-gcp",
        "grpcio-status",
        "cel-expr-python",
        "google-auth",
        "httpx",
        "cryptography",
    }
    assert {"cel-expr-python"} <= names(told["optional-dependencies"]["doctor"])
    assert {"pulumi", "pulumi-gcp", "grpcio-status"} <= names(told["optional-dependencies"]["pulumi"])
    assert told["optional-dependencies"]["all"] == ["envctl[doctor,pulumi]"]


@pytest.mark.online
@pytest.mark.slow
def test_the_base_install_is_light_and_serves_its_verbs(tmp_path):
    built = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(tmp_path),
        str(ROOT),
    ]
    subprocess.run(built, check=True, timeout=300)
    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv" / "bin" / "python"
    wheel = next(tmp_path.glob("envctl-*.whl"))
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", str(wheel)]
    subprocess.run(install, check=True, timeout=300)
    packages = next((tmp_path / "venv").glob("lib/python3*/site-packages"))
    assert sum(one.stat().st_size for one in packages.rglob("*") if one.is_file()) <= MOST_BYTES

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [str(tmp_path / "venv" / "bin" / "envctl"), *words]
        return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120, check=False)

    (tmp_path / "list.txt").write_text("pandas\n")
    image = "composer-2.13.8-airflow-2.10.5"
    assert run("deps", "check", "-r", str(tmp_path / "list.txt"), "--image", image).returncode == 0
    for form in ("json", "markdown", "sarif", "junit", "github"):
        assert (
            run("deps", "check", "-r", str(tmp_path / "list.txt"), "--image", image, "--format", form).returncode == 0
        )
    assert run("images", "list").returncode == 0
    assert run("images", "show", image).returncode == 0
    assert run("validate").returncode == 0
    for words, extra in ((("preview", "dev"), "pulumi"), (("doctor", "dev"), "doctor"), (("setup",), "pulumi")):
        told = run(*words)
        assert told.returncode == 4, told.stderr
        assert f'pip install "envctl[{extra}]"' in told.stderr
