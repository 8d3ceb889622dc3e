"""`envctl setup` against a server of our own, and where there is no network."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from pulumi_twins import needs_cli, use_cli

from envctl.actions.setup import find_needed
from envctl.engine.pulumi_cli.command import PINNED, find_command, install_root
from envctl.engine.pulumi_cli.install import archive_name, check_plugin, install_cli, install_plugin, plugin_version
from envctl.errors import ExitCode, OutsideError

LISTED = f"pulumi-{PINNED}-checksums.txt"


def archive(program: str) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        entry = tarfile.TarInfo("pulumi/pulumi")
        entry.size, entry.mode = len(program), 0o755
        tar.addfile(entry, io.BytesIO(program.encode()))
    return packed.getvalue()


@pytest.fixture
def releases() -> Iterator[tuple[str, dict[str, bytes]]]:
    files: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = files.get(self.path.lstrip("/"))
            self.send_response(200 if body is not None else 404)
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", files
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_published_cli_is_installed_and_found(
    releases: tuple[str, dict[str, bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, files = releases
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    files[archive_name()] = archive(f"#!/bin/sh\necho v{PINNED}\n")
    files[LISTED] = f"{hashlib.sha256(files[archive_name()]).hexdigest()}  {archive_name()}\n".encode()
    assert install_cli(address) == install_root() / "bin" / "pulumi"
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert find_command().command == str(install_root() / "bin" / "pulumi")
    assert [path.name for path in install_root().iterdir()] == ["bin"], "nothing else is left"


@pytest.mark.parametrize("listed", [f"{'0' * 64}  {archive_name()}\n", f"{'0' * 64}  another.tar.gz\n", ""])
def test_another_checksum_is_refused(releases: tuple[str, dict[str, bytes]], tmp_path: Path, listed: str) -> None:
    address, files = releases
    files[archive_name()] = archive("#!/bin/sh\n")
    files[LISTED] = listed.encode()
    with pytest.raises(OutsideError) as caught:
        install_cli(address, tmp_path / "root")
    assert caught.value.code == "setup-checksum"
    assert not (tmp_path / "root").exists()


def test_what_is_not_published_cannot_be_downloaded(releases: tuple[str, dict[str, bytes]], tmp_path: Path) -> None:
    with pytest.raises(OutsideError) as caught:
        install_cli(releases[0], tmp_path)
    assert (caught.value.code, caught.value.exit_code) == ("setup-network", ExitCode.OUTSIDE)
    assert "404" in caught.value.detail


def test_without_a_network_the_message_says_so(tmp_path: Path) -> None:
    with pytest.raises(OutsideError) as caught:
        install_cli("http://127.0.0.1:1", tmp_path / "root")
    assert caught.value.code == "setup-network"
    assert any("proxy" in hint for hint in caught.value.hints)
    assert not (tmp_path / "root").exists()


def test_without_a_cli_both_are_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    needed = find_needed()
    assert needed.cli == f"Pulumi CLI {PINNED}"
    assert needed.plugin == f"Pulumi's plugin gcp {plugin_version()}"
    assert not needed.nothing


@pytest.mark.pulumi
class TestOnTheRealCli:
    pytestmark = needs_cli

    @pytest.fixture(autouse=True)
    def _cli(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        use_cli(monkeypatch, tmp_path / "home")

    def test_a_missing_plugin_is_named_with_its_version(self, tmp_path: Path) -> None:
        with pytest.raises(OutsideError) as caught:
            check_plugin()
        assert caught.value.code == "plugin-missing"
        assert plugin_version() in caught.value.detail
        assert find_needed().cli is None

    def test_an_installed_plugin_is_found(self, tmp_path: Path) -> None:
        folder = tmp_path / "home" / "plugins" / f"resource-gcp-v{plugin_version()}"
        folder.mkdir(parents=True)
        program = folder / "pulumi-resource-gcp"
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
        check_plugin()
        assert find_needed().nothing

    def test_a_plugin_that_cannot_be_downloaded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
            monkeypatch.setenv(name, "http://127.0.0.1:1")
        with pytest.raises(OutsideError) as caught:
            install_plugin()
        assert caught.value.code == "setup-network"
