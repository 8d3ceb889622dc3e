"""Journals and settings beside the states of a shared backend: one object per line, none written twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from envctl.errors import OutsideError
from envctl.google.transport import Answer, Query
from envctl.operations.airflow import SettingsRecord
from envctl.operations.journal import Journal
from envctl.operations.records import SharedRecords
from envctl.provider.folders import BucketFolder, FileFolder, Folder, open_folder
from envctl.sandbox.cloud import Cloud
from envctl.sandbox.messages import Request
from envctl.sandbox.server import serve

BUCKET = {"type": "gcp:storage/bucket:Bucket", "name": "bucket-lake", "id": "acme-lake"}


@pytest.fixture(scope="module")
def served() -> Iterator[str]:
    """Address of an emulator with a bucket, as STORAGE_EMULATOR_HOST has it."""
    cloud = Cloud()
    made = cloud.handle(
        Request.to("POST", "http://localhost/storage/storage/v1/b?project=acme-data-dev", body={"name": "acme-state"})
    )
    assert made.status == 200
    server = serve(cloud)
    yield server.address("storage").removeprefix("http://")
    server.stop()


@pytest.fixture(params=["file", "gs"])
def folder(request: pytest.FixtureRequest, served: str, tmp_path: Path) -> Folder:
    prefix = tmp_path.name
    address = f"file://{tmp_path}/states" if request.param == "file" else f"gs://acme-state/{prefix}/"
    found = open_folder(address, {"STORAGE_EMULATOR_HOST": served})
    assert isinstance(found, FileFolder if request.param == "file" else BucketFolder)
    return found


def test_things_are_listed_read_replaced_and_removed(folder: Folder) -> None:
    assert folder.names() == []
    assert folder.read("a/b.json") is None
    assert folder.write("a/b.json", b'{"one": 1}')
    assert folder.write("a/c d", b"\0\xff")
    assert folder.write("e", b"")
    assert folder.names() == ["a/b.json", "a/c d", "e"]
    assert folder.names("a/") == ["a/b.json", "a/c d"]
    assert folder.read("a/b.json") == b'{"one": 1}', "the very bytes"
    assert folder.read("a/c d") == b"\0\xff"
    assert folder.write("a/b.json", b"two")
    assert folder.read("a/b.json") == b"two"
    folder.remove("a/b.json")
    folder.remove("a/b.json")
    assert folder.names() == ["a/c d", "e"]


def test_what_must_be_new_is_never_written_over(folder: Folder) -> None:
    assert folder.write("mine", b"first", new=True)
    assert not folder.write("mine", b"second", new=True)
    assert folder.read("mine") == b"first"


def test_a_journal_lies_there_line_by_line(folder: Folder) -> None:
    records = SharedRecords(folder, "acme")
    journal = Journal(records.journal("dev"))
    assert (journal.runs(), journal.kept(), journal.damage()) == ((), (), ())
    first = journal.open("destroy dev", commit="abc", changes={})
    first.write("kept", resources=[BUCKET])
    journal.open("up dev", commit=None, changes={})
    Journal(records.journal("prod")).open("up prod", commit=None, changes={})
    Journal(SharedRecords(folder, "other").journal("dev")).open("up dev", commit=None, changes={})

    assert [run.command for run in journal.runs()] == ["destroy dev", "up dev"]
    assert [kept.id for kept in journal.kept()] == ["acme-lake"]
    assert len(folder.names(".envctl/journal/acme/dev/")) == 3

    folder.write(".envctl/journal/acme/dev/00-torn.json", b"{")
    assert [place.rpartition("/")[2] for place in journal.damage()] == ["00-torn.json"]


def test_settings_lie_there_too(folder: Folder) -> None:
    record = SettingsRecord(SharedRecords(folder, "acme").settings("dev"))
    assert record.read("uuid-1") == {}
    record.write("uuid-1", {"variables": {"a": "b"}})
    assert record.read("uuid-1") == {"variables": {"a": "b"}}


def test_a_refusal_names_the_bucket(served: str) -> None:
    folder = open_folder("gs://acme-nowhere/x", {"STORAGE_EMULATOR_HOST": served})
    assert folder is not None
    with pytest.raises(OutsideError, match="cannot be listed") as refused:
        folder.names()
    assert "gs://acme-nowhere/x: 404" in refused.value.detail


@dataclass
class Recorded:
    """A transport that remembers."""

    calls: list[tuple[str, str, Query | None]]

    def call(self, method: str, service: str, path: str, query: Query | None = None, body: Any | None = None) -> Answer:
        self.calls.append((method, f"{service}/{path}", query))
        return Answer(412 if (query or {}).get("ifGenerationMatch") else 200, None)


def test_new_things_are_asked_for_by_generation_zero() -> None:
    transport = Recorded([])
    assert not BucketFolder(transport, "acme-state", "team/").write("a/b", b"", new=True)
    assert transport.calls == [
        (
            "POST",
            "storage/upload/storage/v1/b/acme-state/o",
            {"uploadType": "media", "name": "team/a/b", "ifGenerationMatch": "0"},
        )
    ]


def test_other_backends_have_no_folder() -> None:
    assert open_folder("https://api.pulumi.com", {}) is None
    assert open_folder("s3://acme", {}) is None
