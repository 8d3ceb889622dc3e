from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from embedded_bench import STACK, Bench
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_cloud import THING
from programs import Thing

from envctl.engine.embedded.checkpoint import Pending
from envctl.engine.embedded.resource import Resource
from envctl.engine.embedded.store import Change, StateStore
from envctl.engine.embedded.values import Reference, Secret
from envctl.errors import OutsideError, RefusedError

PREFIX = "urn:pulumi:dev::shop::shop:index:Group::"


def row(name: str, **fields: Any) -> Resource:
    return Resource(urn=PREFIX + name, type="shop:index:Group", custom=False, **fields)


def open_store(directory: Path, *, writable: bool = True) -> StateStore:
    environment = {"PULUMI_CONFIG_PASSPHRASE": "open sesame"}
    return StateStore(STACK, directory, environment, writable=writable, now=lambda: datetime(2026, 3, 1, tzinfo=UTC))


def names(store: StateStore) -> list[str]:
    return [entry.urn.removeprefix(PREFIX) for _, entry in store.rows()]


def test_a_state_comes_back_as_it_was(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    assert store.serial == 0
    full = row(
        "a",
        inputs={"x": [1, {"y": Secret({"deep": [True, None, 1.5]})}], "ref": Reference(PREFIX + "b", "id")},
        outputs={"z": "ü"},
        protect=True,
        ignore_changes=("x[0]",),
        custom_timeouts={"create": 90.0},
        extra={"sourcePosition": "project:///a.py#1,1"},
    )
    store.commit(Change(put={store.number(): full}))
    assert store.close()
    again = open_store(tmp_path, writable=False)
    assert [entry for _, entry in again.rows()] == [full]
    assert again.serial == store.serial == 1


def test_what_was_committed_is_there_without_a_close(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    first, second = store.number(), store.number()
    store.commit(Change(put={first: row("a"), second: row("b", dependencies=(PREFIX + "a",))}))
    store.commit(Change(open={9: Pending("creating", row("c"), "operations/1")}))
    store.commit(Change(settle=(second,)))
    store.commit(Change(drop=(first,)))
    store.commit(Change(put={second: row("b")}))
    store.close(keep_journal=True)
    again = open_store(tmp_path, writable=False)
    assert names(again) == ["b"]
    assert [(entry.kind, entry.operation) for _, entry in again.pending()] == [("creating", "operations/1")]
    assert again.serial == store.serial == 4


@given(cut=st.integers(min_value=0, max_value=2000))
@settings(max_examples=60, deadline=None)
def test_a_journal_cut_short_anywhere_gives_a_state_that_was(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    directory = tmp_path_factory.mktemp("cut")
    store = open_store(directory)
    for name in "abcde":
        store.commit(Change(put={store.number(): row(name)}))
    store.close(keep_journal=True)
    journal = store.paths.journal
    content = journal.read_bytes()
    journal.write_bytes(content[: min(cut, len(content))])
    found = names(open_store(directory, writable=False))
    assert found == list("abcde")[: len(found)]
    recovered = open_store(directory)
    assert names(recovered) == found


def test_changes_after_a_recovery_can_be_recovered_in_turn(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    first, second = store.number(), store.number()
    store.commit(Change(put={first: row("a"), second: row("b")}, open={9: Pending("creating", row("c"))}))
    store.commit(Change(drop=(first,)))
    store.close(keep_journal=True)
    again = open_store(tmp_path)
    ((number, entry),) = again.pending()
    again.commit(Change(put={again.number(): entry.row}, close=(number,)))
    again.close(keep_journal=True)
    last = open_store(tmp_path, writable=False)
    assert names(last) == ["b", "c"]
    assert last.pending() == []


def test_a_journal_that_was_folded_in_already_is_passed_over(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.commit(Change(put={store.number(): row("a")}))
    journal = store.paths.journal.read_bytes()
    store.close()
    store.paths.journal.write_bytes(journal)  # a crash between the rename and the unlink
    again = open_store(tmp_path)
    assert names(again) == ["a"]
    assert again.serial == 1
    again.commit(Change(put={again.number(): row("b")}))
    again.close(keep_journal=True)
    assert names(open_store(tmp_path, writable=False)) == ["a", "b"]


def test_reading_a_state_writes_nothing(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.commit(Change(put={store.number(): row("a")}))
    store.close(keep_journal=True)
    before = sorted((path, path.read_bytes()) for path in tmp_path.rglob("*") if path.is_file())
    reader = open_store(tmp_path, writable=False)
    reader.commit(Change(put={reader.number(): row("b")}))
    reader.close()
    assert names(reader) == ["a", "b"]
    assert sorted((path, path.read_bytes()) for path in tmp_path.rglob("*") if path.is_file()) == before


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "not JSON"),
        ("[]", "envctl"),
        ('{"version": 3, "deployment": {}}', "envctl"),
        ('{"version": 4, "envctl": {"serial": 1}, "deployment": {}}', "version is 4"),
        ('{"version": 3, "envctl": {"serial": 1}, "deployment": {"resources": [{"urn": 1}]}}', "lacks"),
        (
            '{"version": 3, "envctl": {"serial": 1}, "deployment": {"resources": [{"urn": "urn:pulumi:prod::shop::t:m:T::a", "type": "t:m:T"}]}}',
            "does not belong to stack dev",
        ),
        (
            '{"version": 3, "envctl": {"serial": 1}, "deployment": {"resources": [{"urn": "urn:pulumi:dev::shop::t:m:T::a", "type": "t:m:T", "dependencies": ["urn:pulumi:dev::shop::t:m:T::b"]}]}}',
            "depends on",
        ),
        ('{"version": 3, "envctl": {"serial": 1}, "deployment": {"secrets_providers": {"type": "gcpkms"}}}', "gcpkms"),
    ],
)
def test_a_state_that_is_none_is_refused_and_left_alone(bench: Bench, content: str, said: str) -> None:
    path = bench.directory / "stacks" / "dev.json"
    path.parent.mkdir(parents=True)
    path.write_text(content)
    for run in (bench.up, bench.preview):
        with pytest.raises(RefusedError) as refused:
            run(lambda: Thing("a") and None)
        assert said in refused.value.detail
        assert path.name in refused.value.detail or "gcpkms" in said
    assert path.read_text() == content
    assert bench.names() == set()


def test_an_import_keeps_a_broken_state_aside(bench: Bench) -> None:
    assert bench.up(lambda: Thing("a", name="a") and None).ok
    document = bench.engine.export_state()
    path = bench.directory / "stacks" / "dev.json"
    path.write_text("broken")
    bench.engine.import_state(document)
    aside = [p for p in path.parent.iterdir() if ".aside-" in p.name]
    assert [p.read_text() for p in aside] == ["broken"]
    assert bench.up(lambda: Thing("a", name="a") and None).ok
    assert bench.ops() == []


def test_an_exported_state_can_be_imported_into_an_empty_directory(bench: Bench, tmp_path: Path) -> None:
    assert bench.up(lambda: Thing("a", name="a", login=True) and None).ok
    document = json.loads(json.dumps(bench.engine.export_state()))
    assert document.keys() == {"version", "deployment"}
    other = Bench(tmp_path / "other", bench.cloud)
    other.engine.import_state(document)
    assert other.preview(lambda: Thing("a", name="a", login=True) and None).ok
    assert other.ops() == []
    wrong = Bench(tmp_path / "wrong", bench.cloud)
    wrong.environment = {"PULUMI_CONFIG_PASSPHRASE": "guess"}
    with pytest.raises(RefusedError, match="passphrase does not open"):
        wrong.engine.import_state(document)
    assert not (tmp_path / "wrong" / "stacks").exists()


def test_a_state_of_another_stack_is_not_imported(bench: Bench) -> None:
    assert bench.up(lambda: Thing("a", name="a") and None).ok
    document = json.loads(json.dumps(bench.engine.export_state()).replace("pulumi:dev::", "pulumi:prod::"))
    before = (bench.directory / "stacks" / "dev.json").read_bytes()
    with pytest.raises(RefusedError, match="inconsistent"):
        bench.engine.import_state(document)
    assert (bench.directory / "stacks" / "dev.json").read_bytes() == before


def test_every_run_leaves_an_entry_and_its_state(bench: Bench) -> None:
    assert bench.up(lambda: Thing("a", name="a") and None, message="first").ok
    assert bench.up(lambda: Thing("a", name="a") and None, message="nothing").ok
    assert bench.destroy().ok
    first, nothing, last = bench.engine.history()
    assert (first.kind, first.outcome, first.message, first.git_commit) == ("update", "succeeded", "first", "abc1234")
    assert first.changes == {"create": 2}
    assert first.resources == 3
    assert nothing.state == ""
    assert nothing.serial == first.serial
    assert (last.kind, last.resources) == ("destroy", 0)
    kept = json.loads((bench.directory / "history" / "dev" / first.state).read_text())
    assert any(entry["type"] == THING for entry in kept["deployment"]["resources"])


def test_a_full_disk_ends_the_run_with_the_file_named(bench: Bench) -> None:
    assert bench.up(lambda: Thing("a", name="a") and None).ok
    before = (bench.directory / "stacks" / "dev.json").read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, hard))
    try:
        with pytest.raises(OutsideError, match="cannot be written"):
            bench.up(lambda: Thing("b", name="b") and None)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert bench.cloud.called("create") == []
    assert (bench.directory / "stacks" / "dev.json").read_bytes() == before


CHILD = """
import os, sys
sys.path[:0] = [{tests!r}, {root!r}]
from pathlib import Path
from embedded_bench import Bench
from memory_cloud import Cloud
from programs import Thing

bench = Bench(Path({directory!r}))
bench.options = type(bench.options)(refresh=False, parallel=1)
seen = 0
def before(method, name):
    global seen
    if method in ("create", "update", "delete"):
        seen += 1
        open({log!r}, "a").write(name + chr(10))
        if seen == {count}:
            os._exit(9)
bench.cloud.before = before
def program():
    previous = None
    for index in range(6):
        previous = Thing(f"t{{index}}", name=f"t{{index}}", source=previous.link if previous else "none")
print(bench.up(program))
"""


@pytest.mark.parametrize("count", [1, 4])
def test_a_process_that_dies_leaves_a_state_that_says_so(tmp_path: Path, count: int) -> None:
    tests, root = str(Path(__file__).parent), str(Path(__file__).parents[2])
    log = tmp_path / "log"
    script = CHILD.format(tests=tests, root=root, directory=str(tmp_path / "state"), log=str(log), count=count)
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False, timeout=60)
    assert ended.returncode == 9, ended.stderr
    bench = Bench(tmp_path / "state")
    rows = [r.urn.rsplit("::", 1)[1] for r in bench.engine.checkpoint().resources if r.type == THING]
    assert rows == [f"t{index}" for index in range(count - 1)]
    assert [(kind, urn.rsplit("::", 1)[1]) for kind, urn, _ in bench.engine.pending()] == [
        ("creating", f"t{count - 1}")
    ]
    assert bench.engine.holder() is not None
    assert bench.refresh().ok  # takes the dead process's lock over; the cloud of that process died with it
    assert bench.engine.holder() is None
    assert bench.engine.pending() == []


WRITER = """
import sys
sys.path[:0] = [{tests!r}, {root!r}]
from pathlib import Path
from test_embedded_store import open_store, row
from envctl.engine.embedded.store import Change
store = open_store(Path({directory!r}))
index = 0
while True:
    store.commit(Change(put={{store.number(): row(f"r{{index}}", inputs={{"filler": "x" * 500}})}}))
    print(index, flush=True)
    index += 1
    if index % 20 == 0:
        store.close()
        store = open_store(Path({directory!r}))
"""


@pytest.mark.parametrize("lines", [7, 25])
def test_a_kill_while_writing_loses_nothing_that_was_reported(tmp_path: Path, lines: int) -> None:
    tests, root = str(Path(__file__).parent), str(Path(__file__).parents[2])
    script = WRITER.format(tests=tests, root=root, directory=str(tmp_path))
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    begun = [process.stdout.readline() for _ in range(lines)]
    os.kill(process.pid, signal.SIGKILL)
    rest = "".join([*begun, process.stdout.read()]).split("\n")
    process.stdout.close()
    process.wait()
    reported = max(int(line) for line in rest[:-1])
    found = names(open_store(tmp_path))
    assert found == [f"r{index}" for index in range(len(found))]
    assert len(found) >= reported + 1
