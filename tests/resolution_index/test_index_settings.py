"""Settings out of options, environment and pip's configuration files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from envctl.errors import UsageError
from envctl.resolution.index.settings import IndexOptions, IndexSettings, default_index, load_index_settings

if TYPE_CHECKING:
    from pathlib import Path


def load(environment: dict[str, str] | None = None, options: IndexOptions | None = None) -> IndexSettings:
    return load_index_settings({"PIP_CONFIG_FILE": os.devnull, **(environment or {})}, options)


def test_nothing_said_means_the_public_index() -> None:
    assert load() == IndexSettings(indexes=(default_index(),))


def test_the_public_index_is_the_one_that_pip_names() -> None:
    from pip._internal.models.index import PyPI

    assert default_index() == PyPI.simple_url


@pytest.mark.parametrize(
    ("environment", "indexes"),
    [
        ({"PIP_INDEX_URL": "https://a/simple/"}, ("https://a/simple",)),
        ({"PIP_EXTRA_INDEX_URL": "https://a/s\n https://b/s"}, (default_index(), "https://a/s", "https://b/s")),
        ({"UV_INDEX_URL": "https://a/s"}, ("https://a/s",)),
        ({"UV_DEFAULT_INDEX": "corp=https://a/s?x=1", "UV_INDEX_URL": "https://b/s"}, ("https://a/s?x=1",)),
        ({"UV_INDEX": "one=https://a/s https://b/s"}, (default_index(), "https://a/s", "https://b/s")),
        ({"PIP_INDEX_URL": "https://a/s", "UV_INDEX_URL": "https://b/s"}, ("https://a/s",)),
        ({"PIP_INDEX_URL": "https://a/s", "PIP_EXTRA_INDEX_URL": "https://a/s/"}, ("https://a/s",)),
        ({"PIP_NO_INDEX": "1", "PIP_INDEX_URL": "https://a/s"}, ()),
    ],
)
def test_indexes_by_environment(environment: dict[str, str], indexes: tuple[str, ...]) -> None:
    assert load(environment).indexes == indexes


def test_options_win_and_add() -> None:
    options = IndexOptions(
        index_url="https://own/s", extra_index_urls=("https://more/s",), find_links=("/w",), trusted_hosts=("own",)
    )
    environment = {
        "PIP_INDEX_URL": "https://a/s",
        "PIP_EXTRA_INDEX_URL": "https://b/s",
        "PIP_FIND_LINKS": "/x https://l/p",
    }
    settings = load(environment, options)
    assert settings.indexes == ("https://own/s", "https://more/s", "https://b/s")
    assert settings.find_links == ("/w", "/x", "https://l/p")
    assert settings.trusted_hosts == ("own",)


def test_credentials_leave_the_addresses() -> None:
    environment = {
        "PIP_INDEX_URL": "https://me:p%40ss@a/s",
        "PIP_EXTRA_INDEX_URL": "https://token@b:8443/s",
        "UV_INDEX": "my-corp=https://c/s",
        "UV_INDEX_MY_CORP_USERNAME": "uv",
        "UV_INDEX_MY_CORP_PASSWORD": "pw",
    }
    settings = load(environment)
    assert settings.indexes == ("https://a/s", "https://b:8443/s")
    assert settings.passwords == (
        ("https://a/s", ("me", "p@ss")),
        ("https://b:8443/s", ("token", "")),
        ("https://c/s", ("uv", "pw")),
    )
    assert "p@ss" not in repr(settings)


def test_pip_files_nearest_wins(tmp_path: Path) -> None:
    user = tmp_path / "home" / ".config" / "pip"
    user.mkdir(parents=True)
    (user / "pip.conf").write_text(
        "[global]\nindex-url = https://user/s\ntimeout = 7\nretries=1\n[install]\nextra-index-url =\n  https://a/s\n  https://b/s\n"
    )
    named = tmp_path / "named.conf"
    named.write_text("[global]\nindex_url = https://named/s\ncert = /ca.pem\ntrusted-host = a b\nproxy = http://p:1\n")
    own = tmp_path / "own.conf"
    own.write_text("[global]\nindex-url = https://own/s\n")
    environment = {"HOME": str(tmp_path / "home"), "XDG_CONFIG_DIRS": str(tmp_path / "none")}
    by_user = load_index_settings(environment)
    assert by_user.indexes == ("https://user/s", "https://a/s", "https://b/s")
    assert (by_user.timeout_seconds, by_user.retries) == (7.0, 1)
    environment["PIP_CONFIG_FILE"] = str(named)
    settings = load_index_settings(environment)
    assert settings.indexes == ("https://named/s", "https://a/s", "https://b/s")
    assert (settings.ca_bundle, settings.trusted_hosts, settings.proxy) == ("/ca.pem", ("a", "b"), "http://p:1")
    environment["PIP_INDEX_URL"] = "https://environment/s"
    assert load_index_settings(environment).indexes[0] == "https://environment/s"
    explicit = load_index_settings(environment, IndexOptions(pip_config=own))
    assert explicit.indexes[0] == "https://own/s"
    assert explicit.origin == str(own)


@pytest.mark.parametrize(
    "environment",
    [
        {"PIP_INDEX_URL": "not an address"},
        {"PIP_INDEX_URL": "ftp://a/s"},
        {"PIP_INDEX_URL": "https://user:secret@a:port/s"},
        {"PIP_INDEX_URL": "https://user:secret@[a/s"},
        {"PIP_INDEX_URL": "https://a/s\x00"},
        {"PIP_TIMEOUT": "soon"},
        {"PIP_DEFAULT_TIMEOUT": "-1"},
        {"PIP_RETRIES": "nan"},
        {"PIP_CONFIG_FILE": "/missing/pip.conf"},
    ],
)
def test_settings_that_are_wrong_are_usage_errors_without_secrets(environment: dict[str, str]) -> None:
    with pytest.raises(UsageError) as caught:
        load(environment)
    assert "secret" not in f"{caught.value.summary} {caught.value.detail}"


def test_a_file_that_is_no_configuration_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "pip.conf"
    broken.write_bytes(b"index-url = x\n\xff")
    with pytest.raises(UsageError) as caught:
        load({"PIP_CONFIG_FILE": str(broken)})
    assert str(broken) in caught.value.detail


@pytest.mark.parametrize(
    ("environment", "bundle"),
    [
        ({}, None),
        ({"PIP_CERT": "/p.pem", "REQUESTS_CA_BUNDLE": "/r.pem"}, "/p.pem"),
        ({"REQUESTS_CA_BUNDLE": "/r.pem", "CURL_CA_BUNDLE": "/c.pem"}, "/r.pem"),
        ({"CURL_CA_BUNDLE": "/c.pem"}, "/c.pem"),
        ({"SSL_CERT_FILE": "/o.pem"}, None),
    ],
)
def test_certificates_by_environment(environment: dict[str, str], bundle: str | None) -> None:
    assert load(environment).ca_bundle == bundle
