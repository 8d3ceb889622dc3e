"""The `id` of a project: where it comes from, and that the file around it stays."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from envctl.errors import InvalidInputError, OutsideError
from envctl.spec.project import load_project
from envctl.spec.project_id import new_project_id, write_project_id


def test_ids_differ_and_fit_into_labels() -> None:
    ids = {new_project_id() for _ in range(200)}
    assert len(ids) == 200
    assert all(re.fullmatch(r"[a-z][a-z0-9]{11}", each) for each in ids)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"name: acme\n", b"name: acme\nid: @\n"),
        (b"name: acme", b"name: acme\nid: @\n"),
        (
            b"# ours\r\nname: acme # short\r\nenvctl: '>=0'\r\n",
            b"# ours\r\nname: acme # short\r\nid: @\r\nenvctl: '>=0'\r\n",
        ),
        (
            b"\xef\xbb\xbfenvctl: '>=0'\n\nname: \"acme\"\n\n# end\n",
            b"\xef\xbb\xbfenvctl: '>=0'\n\nname: \"acme\"\nid: @\n\n# end\n",
        ),
    ],
)
def test_the_rest_of_the_file_stays_byte_for_byte(tmp_path: Path, before: bytes, after: bytes) -> None:
    path = tmp_path / "envctl.yaml"
    path.write_bytes(before)
    path.chmod(0o640)
    project = write_project_id(load_project(tmp_path))
    assert project.id is not None
    assert path.read_bytes() == after.replace(b"@", project.id.encode())
    assert path.stat().st_mode & 0o777 == 0o640
    assert load_project(tmp_path).id == project.id
    assert [each.name for each in tmp_path.iterdir()] == ["envctl.yaml"]


def test_an_id_that_is_there_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "envctl.yaml"
    path.write_text("name: acme\n")
    stale = load_project(tmp_path)
    path.write_text("name: acme\nid: k3v9x0q2m7aa\n")
    assert write_project_id(stale).id == "k3v9x0q2m7aa"
    assert path.read_text() == "name: acme\nid: k3v9x0q2m7aa\n"


def test_of_several_that_come_at_once_all_get_the_id_of_one(tmp_path: Path) -> None:
    (tmp_path / "envctl.yaml").write_text("name: acme\n")
    project = load_project(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        ids = {each.id for each in pool.map(lambda _: write_project_id(project), range(24))}
    assert ids == {load_project(tmp_path).id}
    assert (tmp_path / "envctl.yaml").read_text().count("id:") == 1


@pytest.mark.parametrize("text", ["{name: acme}\n", "name: >-\n  acme\n"])
def test_a_file_without_room_for_a_line_is_left_and_the_line_offered(tmp_path: Path, text: str) -> None:
    path = tmp_path / "envctl.yaml"
    path.write_text(text)
    with pytest.raises(OutsideError) as caught:
        write_project_id(load_project(tmp_path))
    assert re.fullmatch(r"add this line to envctl.yaml yourself\n    id: [a-z][a-z0-9]{11}", caught.value.hints[0])
    assert path.read_text() == text


@pytest.mark.parametrize("value", ["short", "UPPERCASE123", "1k3v9x0q2m7a", "k3v9x0q2m7aab", "12"])
def test_an_id_of_another_form_is_refused(tmp_path: Path, value: str) -> None:
    (tmp_path / "envctl.yaml").write_text(f"name: acme\nid: {value}\n")
    with pytest.raises(InvalidInputError):
        load_project(tmp_path)
