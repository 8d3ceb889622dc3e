"""One lock, one salt; and the way back for states whose secrets came under several keys."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from embedded_bench import Bench
from memory_cloud import THING
from programs import Thing

from envctl.engine.embedded.secret_box import SecretBox
from envctl.engine.embedded.secrets import PassphraseManager, find_passphrase
from envctl.engine.embedded.values import Secret
from envctl.errors import RefusedError

PASSPHRASE = "open sesame"
TESTS, ROOT = str(Path(__file__).parent), str(Path(__file__).parents[2])


def together(count: int, act: Callable[[int], None]) -> None:
    """Acts in threads that start at one moment."""
    barrier = threading.Barrier(count)

    def one(index: int) -> None:
        barrier.wait(10)
        act(index)

    threads = [threading.Thread(target=one, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Meeting:
    """Lets threads wait for each other in a place where only one may be: then it goes on alone."""

    def __init__(self, count: int) -> None:
        self._barrier = threading.Barrier(count)
        self.came = 0

    def wait(self) -> None:
        self.came += 1
        with suppress(threading.BrokenBarrierError):
            self._barrier.wait(1)


def test_threads_that_bring_the_first_secrets_make_one_salt() -> None:
    meeting, kept = Meeting(4), []

    def passphrase(create: bool) -> str:
        assert create
        meeting.wait()
        return PASSPHRASE

    box = SecretBox("", passphrase, kept.append)
    sealed: list[Any] = [None] * 4

    def encode(index: int) -> None:
        sealed[index] = box.encode(Secret(f"value {index}"))

    together(4, encode)
    assert (meeting.came, kept) == (1, [box.salt])
    reader = SecretBox(box.salt, lambda _: PASSPHRASE, kept.append)
    assert [reader.decode(each) for each in sealed] == [Secret(f"value {index}") for index in range(4)]


def test_threads_and_processes_that_need_the_first_key_file_get_the_same_key(tmp_path: Path) -> None:
    key, found = tmp_path / "stacks" / "dev.key", [""] * 8

    def find(index: int) -> None:
        found[index] = find_passphrase(key, {}, create=True)

    together(8, find)
    assert set(found) == {key.read_text().strip()}
    assert [path.name for path in key.parent.iterdir()] == ["dev.key"]
    assert key.stat().st_mode & 0o777 == 0o600


def test_an_empty_key_file_is_none(tmp_path: Path) -> None:
    key = tmp_path / "dev.key"
    key.touch()
    with pytest.raises(RefusedError, match="missing"):
        find_passphrase(key, {}, create=False)
    assert len(find_passphrase(key, {}, create=True)) > 30


FIRST_RUN = """
import os, sys, threading
sys.path[:0] = [{tests!r}, {root!r}]
from contextlib import suppress
from pathlib import Path
from embedded_bench import Bench
from programs import Thing

class Environment(dict):
    barrier = threading.Barrier(2)
    def get(self, name, default=None):
        if name == "PULUMI_CONFIG_PASSPHRASE":
            with suppress(threading.BrokenBarrierError):
                self.barrier.wait(2)
        return super().get(name, default)

bench = Bench(Path({directory!r}))
bench.environment = Environment(bench.environment)
def before(method, name):
    if (method, name) == ("create", "last"):
        os._exit(9)
bench.cloud.before = before
def program():
    one = Thing("one", name="one", login=True)
    two = Thing("two", name="two", login=True)
    Thing("last", name="last", source=one.link, other=two.link)
bench.up(program)
"""


def test_a_first_run_that_is_killed_leaves_a_state_that_can_be_read(tmp_path: Path) -> None:
    script = FIRST_RUN.format(tests=TESTS, root=ROOT, directory=str(tmp_path))
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False, timeout=60)
    assert ended.returncode == 9, ended.stderr
    rows = {row.urn.rsplit("::", 1)[1]: row for row in Bench(tmp_path).engine.checkpoint().resources}
    assert {rows[name].outputs["password"] for name in ("one", "two")} == {Secret("pw-1"), Secret("pw-2")}


# -- states that are hurt already


def program() -> None:
    Thing("a", name="a", login=True)
    Thing("b", name="b", login=True)


def state_file(bench: Bench) -> Path:
    return bench.directory / "stacks" / "dev.json"


def sealed_anew(bench: Bench, manager: PassphraseManager, name: str = "a") -> None:
    """Encrypts one password of the state with another key, as a second salt of the first run did."""
    password = json.dumps(bench.cloud.things[f"things/{name}"]["password"])
    document = json.loads(state_file(bench).read_text())
    for row in document["deployment"]["resources"]:
        if row["type"] == THING and row["id"] == f"things/{name}":
            row["outputs"]["password"]["ciphertext"] = manager.encrypt(password)
    state_file(bench).write_text(json.dumps(document))


def passwords(bench: Bench) -> list[object]:
    rows = [row for row in bench.engine.checkpoint().resources if row.type == THING]
    return [row.outputs.get("password") for row in rows]


def use_settings_salt(bench: Bench, salt: str) -> None:
    path = bench.directory / "stacks" / "Pulumi.dev.yaml"
    path.write_text(re.sub("encryptionsalt: .*", f"encryptionsalt: {salt}", path.read_text()))


def use_history_salt(bench: Bench, salt: str) -> None:
    document = {"deployment": {"secrets_providers": {"type": "passphrase", "state": {"salt": salt}}}}
    (bench.directory / "history" / "dev" / "000000.state.json").write_text(json.dumps(document))


@pytest.mark.parametrize("keep", [use_settings_salt, use_history_salt])
def test_a_secret_under_another_salt_that_is_still_there_is_read_and_healed(
    bench: Bench, keep: Callable[[Bench, str], None]
) -> None:
    assert bench.up(program).ok
    other = PassphraseManager.create(PASSPHRASE)
    sealed_anew(bench, other)
    keep(bench, other.state)
    assert set(passwords(bench)) == {Secret("pw-1"), Secret("pw-2")}

    def more() -> None:
        program()
        Thing("c", name="c")

    assert bench.up(more).ok
    assert [name for _, name in bench.ops()] == ["c"]
    only = PassphraseManager.open(PASSPHRASE, bench.engine.checkpoint().salt)
    ciphertexts = re.findall(r'"ciphertext":"([^"]+)"', state_file(bench).read_text())
    assert len(ciphertexts) == 2
    assert all(only.decrypt(each) is not None for each in ciphertexts)


def test_a_secret_under_the_key_file_is_read_where_a_variable_has_come_since(bench: Bench) -> None:
    variable, bench.environment = bench.environment, {}
    assert bench.up(program).ok
    key = (bench.directory / "stacks" / "dev.key").read_text().strip()
    salt = bench.engine.checkpoint().salt
    old = PassphraseManager.open(key, salt)
    new = PassphraseManager.create(PASSPHRASE)
    document = json.loads(state_file(bench).read_text())
    document["deployment"]["secrets_providers"]["state"]["salt"] = new.state
    state_file(bench).write_text(json.dumps(document))  # the settings still hold the old salt
    assert old.state == salt
    bench.environment = variable
    assert {each.value for each in passwords(bench) if isinstance(each, Secret)} == {"pw-1", "pw-2"}


def test_a_lost_secret_is_named_and_given_up_and_read_from_the_cloud_again(bench: Bench) -> None:
    assert bench.up(program).ok
    sealed_anew(bench, PassphraseManager.create("nobody knows"))
    before = state_file(bench).read_bytes()
    for look in (bench.engine.checkpoint, bench.engine.export_state, lambda: bench.up(program)):
        with pytest.raises(RefusedError, match="cannot be decrypted") as refused:
            look()
        assert "::a: password" in refused.value.detail
        assert "envctl state repair" in refused.value.hints[0]
    assert state_file(bench).read_bytes() == before
    told = bench.engine.repair()
    assert told[0] == f"gave up the secrets in password of urn:pulumi:dev::shop::{THING}::a"
    assert told[1] == "the next `up` takes them from the file or the cloud"
    (aside,) = (path for path in state_file(bench).parent.iterdir() if ".aside-" in path.name)
    assert str(aside) in told[2]
    assert aside.read_bytes() == before
    assert bench.engine.repair() == ()
    assert None in passwords(bench)
    assert bench.up(program, refresh=True).ok
    assert set(passwords(bench)) == {Secret("pw-1"), Secret("pw-2")}
    assert bench.ops() == []


def test_a_lost_secret_of_the_program_is_sent_again(bench: Bench) -> None:
    def with_token() -> None:
        import pulumi

        Thing("a", name="a", token=pulumi.Output.secret("hunter2"))

    assert bench.up(with_token).ok
    other = PassphraseManager.create("nobody knows")
    content = re.sub(
        r'"ciphertext":"[^"]+"', f'"ciphertext":"{other.encrypt(json.dumps("hunter2"))}"', state_file(bench).read_text()
    )
    state_file(bench).write_text(content)
    assert "gave up the secrets in token of" in bench.engine.repair()[0]
    assert bench.up(with_token).ok
    assert [name for _, name in bench.ops()] == ["a"]
    row = next(row for row in bench.engine.checkpoint().resources if row.type == THING)
    assert row.inputs["token"] == Secret("hunter2")


@pytest.mark.parametrize("journal", [False, True])
@pytest.mark.parametrize("environment", [{}, {"PULUMI_CONFIG_PASSPHRASE": "guess"}], ids=["missing", "wrong"])
def test_a_lost_passphrase_is_not_the_end(bench: Bench, environment: dict[str, str], journal: bool) -> None:
    if journal:  # a run that was cut off: nothing is folded into a checkpoint yet

        def crash(method: str, name: str) -> None:
            if (method, name) == ("create", "b"):
                raise BaseException("crash")  # noqa: TRY002

        bench.cloud.before = crash
        with pytest.raises(BaseException, match="crash"):
            bench.up(program, parallel=1)
        bench.cloud.before = lambda *_: None
    else:
        assert bench.up(program).ok
    bench.environment = environment
    with pytest.raises(RefusedError, match="passphrase") as refused:
        bench.engine.checkpoint()
    assert any("--drop-secrets" in hint for hint in refused.value.hints)
    with pytest.raises(RefusedError, match="passphrase"):
        bench.engine.repair()
    told = bench.engine.repair(drop_secrets=True)
    assert told[0].startswith("no passphrase opens the secrets")
    assert any("gave up the secrets in password" in line for line in told)
    assert bench.up(program, refresh=True).ok
    assert set(passwords(bench)) == {Secret("pw-1"), Secret("pw-2")}
    assert bench.engine.repair(drop_secrets=True) == ()


def test_a_passphrase_that_is_lost_before_any_secret_came_can_be_given_up_too(bench: Bench) -> None:
    assert bench.up(program).ok
    assert bench.up(lambda: Thing("plain", name="plain") and None).ok
    bench.environment = {}
    with pytest.raises(RefusedError, match="passphrase of this state is missing"):
        bench.up(program)
    assert len(bench.engine.repair(drop_secrets=True)) == 2
    assert bench.up(program).ok
