"""`validate`, `show ENV` and `schema` as the command line calls them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from envctl.actions.schema import SchemaKind, schema
from envctl.actions.show_spec import ShowSpecRequest, show_spec
from envctl.actions.validate import ValidateRequest, validate
from envctl.errors import ExitCode, InvalidInputError, UsageError

ENVCTL = "name: acme\nid: k3v9x0q2m7aa\n"
ROOT = Path(__file__).parents[2]
TODAY = "2026-11-20"


def test_the_example_has_no_problems() -> None:
    found = validate(ValidateRequest(ROOT, today=TODAY))
    assert (found.diagnostics, found.valid, found.exit_code) == ((), True, ExitCode.DONE)
    assert set(found.checked) == {"acme-data-prod", "dev", "prod", "staging"}


def test_only_what_was_asked_for_is_checked(tmp_path: Path) -> None:
    write(tmp_path, {"envctl.yaml": ENVCTL, "environments/a.yaml": "x: 1\n", "environments/b.yaml": "y: 1\n"})
    found = validate(ValidateRequest(tmp_path, ("b",)))
    assert {each.span.file.name for each in found.diagnostics if each.span} == {"b.yaml"}
    assert (found.checked, found.exit_code) == (("b",), ExitCode.INVALID)


def test_warnings_leave_a_file_valid(tmp_path: Path) -> None:
    text = "project: acme-data\nregion: europe-west1\nimageVersion: composer-3-airflow-2.10.5\nserviceAccount: {name: composer}\n"
    write(tmp_path, {"envctl.yaml": ENVCTL, "environments/a.yaml": text})
    found = validate(ValidateRequest(tmp_path))
    assert [each.code for each in found.diagnostics] == ["image-version-moves"]
    assert (found.valid, found.exit_code) == (True, ExitCode.DONE)


def test_a_project_without_an_id_is_offered_a_new_one_each_time(tmp_path: Path) -> None:
    write(tmp_path, {"envctl.yaml": "name: acme\n", "environments/a.yaml": "x: 1\n"})
    found = [validate(ValidateRequest(tmp_path)).diagnostics[-1] for _ in range(2)]
    assert [each.code for each in found] == ["project-id-missing"] * 2
    lines = {each.hints[0].command for each in found}
    assert len(lines) == 2
    assert all(line and re.fullmatch(r"id: [a-z][a-z0-9]{11}", line) for line in lines)


def test_problems_of_the_project_file_are_problems(tmp_path: Path) -> None:
    write(tmp_path, {"envctl.yaml": "nam: acme\n"})
    found = validate(ValidateRequest(tmp_path))
    assert [each.code for each in found.diagnostics] == ["missing-key", "unknown-key"]
    assert found.checked == ()


def test_a_project_without_environments_is_valid(tmp_path: Path) -> None:
    write(tmp_path, {"envctl.yaml": ENVCTL})
    assert validate(ValidateRequest(tmp_path)).checked == ()


def test_unknown_names_are_a_usage_error() -> None:
    with pytest.raises(UsageError):
        validate(ValidateRequest(ROOT, ("prdo",)))


def test_show_refuses_files_with_problems(tmp_path: Path) -> None:
    write(tmp_path, {"envctl.yaml": ENVCTL, "environments/a.yaml": "x: 1\n"})
    with pytest.raises(InvalidInputError):
        show_spec(ShowSpecRequest(tmp_path, "a"))


def test_show_gives_every_value_once() -> None:
    shown = show_spec(ShowSpecRequest(ROOT, "prod"))
    assert len({row.path for row in shown.rows}) == len(shown.rows)
    assert {row.kind.value for row in shown.rows} == {"file", "profile", "default"}


@pytest.mark.parametrize("kind", SchemaKind)
def test_schemas_have_a_title(kind: SchemaKind) -> None:
    assert schema(kind)["title"]


def test_validate_imports_nothing_of_the_cloud() -> None:
    script = """
import sys
from pathlib import Path
from envctl.actions.validate import ValidateRequest, validate
assert validate(ValidateRequest(Path("."))).valid
heavy = {"pulumi", "pulumi_gcp", "google", "grpc", "httpx", "jinja2", "starlette", "rich", "cryptography", "resolvelib"}
print(sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def write(folder: Path, files: dict[str, str]) -> None:
    for place, text in files.items():
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
