from __future__ import annotations

import stat
from pathlib import Path

import pytest
from embedded_bench import Bench
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import Thing

from envctl.engine.embedded.secrets import PassphraseManager, WrongPassphraseError, find_passphrase
from envctl.errors import RefusedError

# written by Pulumi itself: pkg/secrets/passphrase/manager_test.go, v3.256.0
PULUMI_PASSPHRASE = "password"
PULUMI_SALT = "v1:fozI5u6B030=:v1:F+6ZduKKd8G0/V7L:PGMFeIzwobWRKmEAzUdaQHqC5mMRIQ=="


def test_a_state_of_pulumi_opens_with_its_passphrase() -> None:
    assert PassphraseManager.open(PULUMI_PASSPHRASE, PULUMI_SALT).state == PULUMI_SALT
    with pytest.raises(WrongPassphraseError):
        PassphraseManager.open("other", PULUMI_SALT)


@given(st.text())
@settings(max_examples=50, deadline=None)
def test_what_is_encrypted_can_be_decrypted(text: str) -> None:
    manager = PassphraseManager.open(PULUMI_PASSPHRASE, PULUMI_SALT)
    sealed = manager.encrypt(text)
    assert sealed.startswith("v1:")
    assert PassphraseManager.open(PULUMI_PASSPHRASE, PULUMI_SALT).decrypt(sealed) == text
    assert manager.encrypt(text) == sealed


@pytest.mark.parametrize("sealed", ["", "v2:a:b", "v1:a", "v1:AAAA:AAAA", "v1:?:?"])
def test_what_was_tampered_with_does_not_open(sealed: str) -> None:
    manager = PassphraseManager.open(PULUMI_PASSPHRASE, PULUMI_SALT)
    assert manager.decrypt(sealed) is None


@pytest.mark.parametrize("salt", ["", "v1:x", "v2:fozI5u6B030=:v1:a:b", "v1:fozI5u6B030=:v1:a"])
def test_a_salt_that_is_none_is_refused(salt: str) -> None:
    with pytest.raises(RefusedError, match="salt"):
        PassphraseManager.open("x", salt)


def test_the_passphrase_comes_from_pulumis_variables_or_a_key_file_of_our_own(tmp_path: Path) -> None:
    key, given_file = tmp_path / "stacks" / "dev.key", tmp_path / "given"
    given_file.write_text("from file\n")
    assert find_passphrase(key, {"PULUMI_CONFIG_PASSPHRASE": ""}, create=False) == ""
    assert find_passphrase(key, {"PULUMI_CONFIG_PASSPHRASE_FILE": str(given_file)}, create=False) == "from file"
    with pytest.raises(RefusedError, match="cannot be read"):
        find_passphrase(key, {"PULUMI_CONFIG_PASSPHRASE_FILE": str(tmp_path / "none")}, create=False)
    with pytest.raises(RefusedError, match="missing"):
        find_passphrase(key, {}, create=False)
    made = find_passphrase(key, {}, create=True)
    assert len(made) > 30
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert find_passphrase(key, {}, create=False) == made


def test_without_secrets_no_key_is_made(bench: Bench) -> None:
    bench.environment = {}
    assert bench.up(lambda: Thing("a", name="a") and None).ok
    assert not list(bench.directory.rglob("*.key"))
    assert "secrets_providers" not in bench.engine.export_state()["deployment"]


def test_with_secrets_and_without_a_passphrase_a_key_file_serves(bench: Bench) -> None:
    bench.environment = {}

    def program() -> None:
        Thing("a", name="a", login=True)

    assert bench.up(program).ok
    (key,) = bench.directory.rglob("*.key")
    assert bench.up(program).ok
    assert bench.ops() == []
    key.unlink()
    with pytest.raises(RefusedError, match="passphrase of this state is missing"):
        bench.up(program)
