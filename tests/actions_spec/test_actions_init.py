"""`init` starts a project and never touches what is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from envctl.actions.init import InitRequest, init
from envctl.actions.validate import ValidateRequest, validate
from envctl.errors import OutsideError, UsageError
from envctl.spec.loader import load
from envctl.spec.project import load_project
from envctl.spec.tables import images


def files(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text("utf-8") for path in folder.rglob("*") if path.is_file()}


def test_a_new_project_is_valid(tmp_path: Path) -> None:
    folder = tmp_path / "Acme Data"
    done = init(InitRequest(folder))
    assert set(map(str, done.written)) == set(files(folder))
    assert done.kept == ()
    assert validate(ValidateRequest(folder)).diagnostics == ()
    project = load_project(folder)
    assert project.name == "acme-data"
    spec = load(project, "dev").environment
    assert spec.project == "my-project-id"
    assert spec.image_version in images().names


def test_what_is_known_goes_into_the_files(tmp_path: Path) -> None:
    init(InitRequest(tmp_path, name="reports", project_id="acme-reports-dev", region="us-central1"))
    project = load_project(tmp_path)
    spec = load(project, "dev").environment
    assert (project.name, spec.project, spec.region) == ("reports", "acme-reports-dev", "us-central1")
    assert not any("@" in text for text in files(tmp_path).values())


def test_each_new_project_gets_an_id_of_its_own(tmp_path: Path) -> None:
    folders = (tmp_path / "one", tmp_path / "two")
    for folder in folders:
        init(InitRequest(folder, name="acme"))
    ids = [load_project(folder).id for folder in folders]
    assert None not in ids
    assert ids[0] != ids[1]


def test_what_is_there_is_kept(tmp_path: Path) -> None:
    (tmp_path / "environments").mkdir()
    (tmp_path / "environments" / "dev.yaml").write_text("mine\n")
    done = init(InitRequest(tmp_path))
    assert done.kept == (Path("environments/dev.yaml"),)
    assert files(tmp_path)["environments/dev.yaml"] == "mine\n"
    before = files(tmp_path)
    again = init(InitRequest(tmp_path, name="other"))
    assert again.written == ()
    assert files(tmp_path) == before


def test_a_link_to_nowhere_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "envctl.yaml").symlink_to(tmp_path / "elsewhere")
    assert Path("envctl.yaml") in init(InitRequest(tmp_path)).kept
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    "change", [{"name": "No Name"}, {"project_id": "x"}, {"region": "europe"}], ids=lambda change: next(iter(change))
)
def test_values_that_cannot_be(tmp_path: Path, change: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        init(InitRequest(tmp_path / "new", **change))
    assert not (tmp_path / "new").exists()


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="is a file"):
        init(InitRequest(tmp_path / "file"))
    (tmp_path / "environments").touch()
    with pytest.raises(OutsideError, match="cannot be made"):
        init(InitRequest(tmp_path))


@pytest.mark.parametrize(
    ("folder", "name"), [("9lives", "lives"), ("---", "airflow"), ("Größe", "gr-e"), ("a" * 80, "a" * 63)]
)
def test_the_folder_gives_the_project_its_name(tmp_path: Path, folder: str, name: str) -> None:
    init(InitRequest(tmp_path / folder))
    assert load_project(tmp_path / folder).name == name
