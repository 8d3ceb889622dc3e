"""The journal: what survives a kill, what damage is named, and what a stack left in the cloud."""

from __future__ import annotations

from pathlib import Path

import pytest

from envctl.operations.journal import Journal, Outcome
from envctl.operations.records import LocalRecords

BUCKET = {"type": "gcp:storage/bucket:Bucket", "name": "bucket-lake", "id": "acme-lake"}
SECRET = {"type": "gcp:secretmanager/secret:Secret", "name": "secret-key", "id": "projects/p/secrets/key"}


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(LocalRecords(tmp_path).journal("dev"))


def test_a_run_is_read_back_as_it_was_told(journal: Journal) -> None:
    run = journal.open("up dev", commit="abc", changes={"create": 2})
    run.operation("urn", "operations/1", "RUNNING")
    run.close(Outcome.SUCCEEDED, "fine", {"create": 2})

    (told,) = journal.runs()
    assert (told.id, told.command, told.commit, told.outcome) == (run.run, "up dev", "abc", Outcome.SUCCEEDED)
    assert (told.message, told.planned, told.changes) == ("fine", {"create": 2}, {"create": 2})
    assert told.operations == ("operations/1",)
    assert journal.damage() == ()


def test_a_journal_is_its_owners_alone_even_one_of_an_older_envctl(journal: Journal) -> None:
    path = Path(journal.where)
    path.parent.mkdir()
    path.touch(mode=0o644)
    journal.open("up dev", commit=None, changes={})
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_line_that_a_kill_cut_short_is_no_damage_and_spoils_no_later_line(journal: Journal) -> None:
    journal.open("up dev", commit=None, changes={})
    with Path(journal.where).open("a") as stream:
        stream.write('{"run": "torn", "at": "2026-')

    assert len(journal.runs()) == 1
    assert journal.damage() == ()

    journal.open("destroy dev", commit=None, changes={})
    assert [run.command for run in journal.runs()] == ["up dev", "destroy dev"]
    assert journal.damage() == ()


@pytest.mark.parametrize(
    "garbage",
    [
        "\0\0\0\0",
        "[]",
        "{}",
        '{"run": "a", "event": "closed", "at": "2026-11-30T00:00:00+00:00", "outcome": "never heard of"}',
        '{"run": "a", "event": "kept", "at": "2026-11-30T00:00:00+00:00", "resources": [{"type": "t"}]}',
        '{"run": "a", "event": "opened", "at": "yesterday", "command": "up", "who": "me"}',
    ],
)
def test_garbage_between_lines_is_named_by_its_place(journal: Journal, garbage: str) -> None:
    journal.open("up dev", commit=None, changes={})
    with Path(journal.where).open("a") as stream:
        stream.write(garbage + "\n")
    journal.open("destroy dev", commit=None, changes={})

    assert journal.damage() == (f"{journal.where}:2",)
    assert [run.command for run in journal.runs()] == ["up dev", "destroy dev"]


def test_what_a_run_left_is_kept_until_a_run_takes_it_back(journal: Journal) -> None:
    first = journal.open("destroy dev", commit=None, changes={})
    first.write("kept", resources=[BUCKET, SECRET])
    assert [(kept.type, kept.name, kept.id, kept.run) for kept in journal.kept()] == [
        (*BUCKET.values(), first.run),
        (*SECRET.values(), first.run),
    ]

    journal.open("up dev", commit=None, changes={}).write("taken", resources=[{**BUCKET, "name": "bucket-raw"}])
    assert [kept.id for kept in journal.kept()] == [SECRET["id"]]

    again = journal.open("destroy dev", commit=None, changes={})
    again.write("kept", resources=[BUCKET])
    assert [(kept.id, kept.run) for kept in journal.kept()] == [(SECRET["id"], first.run), (BUCKET["id"], again.run)]


def test_no_journal_is_an_empty_one(journal: Journal) -> None:
    assert (journal.runs(), journal.kept(), journal.damage()) == ((), (), ())
