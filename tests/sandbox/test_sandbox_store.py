"""What the emulator remembers: across objects, processes, crashes."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from sandbox_client import PARENT, START, Client

from envctl.sandbox import control
from envctl.sandbox.clock import Clock
from envctl.sandbox.cloud import Cloud
from envctl.sandbox.failures import SandboxStoreError

if TYPE_CHECKING:
    from pathlib import Path

BUCKETS = "https://storage.googleapis.com/storage/v1/b"


def busy(cloud: Cloud) -> Client:
    """A cloud with something of everything, and an operation that runs."""
    client = Client(cloud)
    client.enable("composer", "cloudkms", "compute")
    client.account()
    client.ok("POST", f"{BUCKETS}?project=acme", {"name": "acme-one"})
    client.environment()
    base = "https://composer.googleapis.com/v1"
    client.ok("PATCH", f"{base}/{PARENT}/environments/dev?updateMask=labels", {"labels": {"a": "1"}})
    return client


def test_another_object_finds_everything(tmp_path: Path) -> None:
    path = tmp_path / "sandbox.json"
    first = Cloud(path, Clock(START))
    busy(first)
    second = Cloud(path)
    with second.exclusive():
        assert second.backend.store.dump() == first.backend.store.dump()
    assert second.backend.clock.now() == first.backend.clock.now()


def test_what_is_put_before_the_first_request_stays(tmp_path: Path) -> None:
    path = tmp_path / "sandbox.json"
    first = Cloud(path, Clock(START))
    fault = first.faults.add({"kind": "fail", "method": "storage.*", "status": "INTERNAL"})
    with first.exclusive():
        assert first.faults.listed() == [fault]
    second = Cloud(path)
    with second.exclusive():
        assert second.faults.listed() == [fault]


def test_the_snapshot_alone_holds_everything_after_saving(tmp_path: Path) -> None:
    path = tmp_path / "sandbox.json"
    first = Cloud(path, Clock(START))
    busy(first)
    before = first.backend.store.dump()
    first.save()
    (tmp_path / "sandbox.json.journal").unlink()
    again = Cloud.load(path)
    with again.exclusive():
        assert again.backend.store.dump() == before


def test_a_running_operation_goes_on_in_another_object(tmp_path: Path) -> None:
    path = tmp_path / "sandbox.json"
    busy(Cloud(path, Clock(START)))
    second = Client(Cloud(path))
    operations = "https://composer.googleapis.com/v1/" + PARENT + "/operations"
    running = [entry for entry in second.ok("GET", operations)["operations"] if not entry.get("done")]
    assert len(running) == 1
    done = second.wait(running[0], "https://composer.googleapis.com/v1")
    assert done["response"]["labels"] == {"a": "1"}


def test_objects_on_one_file_see_each_others_changes(tmp_path: Path) -> None:
    path = tmp_path / "sandbox.json"
    left, right = Client(Cloud(path)), Client(Cloud(path))
    left.ok("POST", f"{BUCKETS}?project=acme", {"name": "acme-left"})
    right.ok("POST", f"{BUCKETS}?project=acme", {"name": "acme-right"})
    left.cloud.save()
    right.ok("POST", f"{BUCKETS}?project=acme", {"name": "acme-third"})
    names = [bucket["name"] for bucket in left.ok("GET", f"{BUCKETS}?project=acme")["items"]]
    assert names == ["acme-left", "acme-right", "acme-third"]


def test_a_line_that_was_cut_off_is_forgotten_and_the_next_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "sandbox.json"
    client = Client(Cloud(path))
    client.ok("POST", f"{BUCKETS}?project=acme", {"name": "acme-one"})
    with (tmp_path / "sandbox.json.journal").open("ab") as journal:
        journal.write(b'[["buckets","torn",{"proj')
    second = Client(Cloud(path))
    second.ok("POST", f"{BUCKETS}?project=acme", {"name": "acme-two"})
    names = [bucket["name"] for bucket in Client(Cloud(path)).ok("GET", f"{BUCKETS}?project=acme")["items"]]
    assert names == ["acme-one", "acme-two"]


def test_a_journal_that_the_snapshot_contains_already_is_not_played_again(tmp_path: Path) -> None:
    path = tmp_path / "sandbox.json"
    journal = tmp_path / "sandbox.json.journal"
    client = Client(Cloud(path))
    client.ok("POST", f"{BUCKETS}?project=acme", {"name": "acme-one"})
    old = journal.read_bytes()
    client.cloud.save()
    client.ok("DELETE", f"{BUCKETS}/acme-one")
    client.cloud.save()
    journal.write_bytes(old)
    assert "items" not in Client(Cloud(path)).ok("GET", f"{BUCKETS}?project=acme")


def test_a_killed_process_loses_nothing_it_has_answered(tmp_path: Path) -> None:
    path = tmp_path / "sandbox.json"
    program = """
import os, signal, sys
from pathlib import Path
from envctl.sandbox.cloud import Cloud
from envctl.sandbox.messages import Request
cloud = Cloud(Path(sys.argv[1]))
for number in range(50):
    url = "https://storage.googleapis.com/storage/v1/b?project=acme"
    cloud.handle(Request.to("POST", url, body={"name": f"acme-{number}"}))
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", program, str(path)], check=False, capture_output=True)
    assert done.returncode == -9, done.stderr
    assert len(Client(Cloud(path)).ok("GET", f"{BUCKETS}?project=acme")["items"]) == 50


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'{"format": "other/v1"}', b'{"format": "envctl.sandbox/v9", "generation": 1, "data": {}}'],
)
def test_a_file_that_is_no_sandbox_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "sandbox.json"
    path.write_bytes(content)
    with pytest.raises(SandboxStoreError) as refused:
        Client(Cloud(path)).ok("GET", f"{BUCKETS}?project=acme")
    assert str(path) in refused.value.summary
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "journal",
    [
        b"nonsense\n",
        b"[]\n",
        b'{"generation": 0}\nnonsense\n',
        b'{"generation": 0}\n[["kind", "name"]]\n',
        b'{"generation": 0}\n7\n',
    ],
)
def test_a_journal_that_is_damaged_is_refused_and_left_alone(tmp_path: Path, journal: bytes) -> None:
    path = tmp_path / "sandbox.json.journal"
    path.write_bytes(journal)
    with pytest.raises(SandboxStoreError, match="journal is not a sandbox file"):
        Client(Cloud(tmp_path / "sandbox.json")).ok("GET", f"{BUCKETS}?project=acme")
    assert path.read_bytes() == journal


def test_a_reset_puts_damaged_files_aside(tmp_path: Path) -> None:
    path = tmp_path / "sandbox.json"
    path.write_bytes(b"{")
    cloud = Cloud(path)
    control.reset(cloud)
    Client(cloud).ok("POST", f"{BUCKETS}?project=acme", {"name": "acme-one"})
    assert Client(Cloud(path)).ok("GET", f"{BUCKETS}/acme-one")["name"] == "acme-one"
    assert (tmp_path / "sandbox.json.damaged").read_bytes() == b"{"


def test_the_journal_is_folded_when_it_has_grown(tmp_path: Path) -> None:
    path = tmp_path / "sandbox.json"
    client = Client(Cloud(path))
    client.ok("POST", f"{BUCKETS}?project=acme", {"name": "acme-one"})
    content = b"x" * 400_000
    upload = "https://storage.googleapis.com/upload/storage/v1/b/acme-one/o?uploadType=media&name=o"
    for _ in range(12):
        client.ok("POST", upload, content=content, headers={"Content-Type": "text/plain"})
    assert (tmp_path / "sandbox.json.journal").stat().st_size < 4_200_000
    assert json.loads(path.read_bytes())["generation"] >= 1


def test_of_two_writers_with_one_etag_only_one_succeeds(cloud: Cloud) -> None:
    client = Client(cloud)
    client.ok("POST", f"{BUCKETS}?project=acme", {"name": "acme-one"})
    url = "https://cloudresourcemanager.googleapis.com/v1/projects/acme"
    policy = client.ok("POST", f"{url}:getIamPolicy", {})
    statuses: list[int] = []
    start = threading.Barrier(8)

    def write(number: int) -> None:
        bindings = [*policy["bindings"], {"role": "roles/viewer", "members": [f"user:u{number}@example.com"]}]
        start.wait()
        body = {"policy": {"bindings": bindings, "etag": policy["etag"]}}
        statuses.append(client.call("POST", f"{url}:setIamPolicy", body).status)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200, *[409] * 7]


def test_concurrent_read_modify_write_with_retries_loses_no_member(tmp_path: Path) -> None:
    path = tmp_path / "sandbox.json"
    url = "https://cloudresourcemanager.googleapis.com/v1/projects/acme"
    members = {f"user:u{number}@example.com" for number in range(12)}

    def add(member: str) -> None:
        client = Client(Cloud(path))
        for _ in range(200):
            policy = client.ok("POST", f"{url}:getIamPolicy", {})
            policy["bindings"].append({"role": "roles/viewer", "members": [member]})
            if client.call("POST", f"{url}:setIamPolicy", {"policy": policy}).status == 200:
                return
        raise AssertionError(f"{member} never got through")

    Client(Cloud(path)).ok("GET", url)
    threads = [threading.Thread(target=add, args=(member,)) for member in members]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    policy = Client(Cloud(path)).ok("POST", f"{url}:getIamPolicy", {})
    viewers = next(entry["members"] for entry in policy["bindings"] if entry["role"] == "roles/viewer")
    assert set(viewers) == members


def test_another_object_never_gives_out_the_same_etag_again(tmp_path: Path) -> None:
    path = tmp_path / "sandbox.json"
    url = "https://cloudresourcemanager.googleapis.com/v1/projects/acme"
    # A read makes the project and its policy without any time passing.
    policy = Client(Cloud(path)).ok("POST", f"{url}:getIamPolicy", {})
    changed = Client(Cloud(path)).ok("POST", f"{url}:setIamPolicy", {"policy": policy})
    assert changed["etag"] != policy["etag"]
