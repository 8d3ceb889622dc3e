"""Installing the pinned Pulumi CLI and the plugin of pulumi-gcp, each checked before it is used."""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
import tarfile
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from envctl.engine.pulumi_cli.command import PINNED, find_command, install_root
from envctl.engine.pulumi_cli.failures import translated_failures
from envctl.errors import OutsideError

if TYPE_CHECKING:
    import httpx

RELEASES = f"https://github.com/pulumi/pulumi/releases/download/v{PINNED}"
"""Where Pulumi publishes the archives of a release and the list of their checksums."""

PLUGIN = "gcp"
_TIMEOUT_SECONDS = 300.0
_SYSTEMS = {"Linux": "linux", "Darwin": "darwin"}
_MACHINES = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}
_NETWORK = "look at the network, and at HTTPS_PROXY if there is a proxy; or put a Pulumi CLI on PATH yourself"


def archive_name() -> str:
    """The name of this machine's archive in a release.

    Raises:
        OutsideError: Pulumi publishes none for it.
    """
    system, machine = _SYSTEMS.get(platform.system()), _MACHINES.get(platform.machine().lower())
    if system is None or machine is None:
        raise OutsideError(
            "There is no Pulumi CLI for this machine",
            detail=f"{platform.system()} on {platform.machine()}",
            code="setup-platform",
        )
    return f"pulumi-v{PINNED}-{system}-{machine}.tar.gz"


def install_cli(releases: str = RELEASES, root: Path | None = None) -> Path:
    """Downloads the pinned CLI, compares its checksum, and puts it below `root`; the answer is the program.

    Nothing is left behind when a step fails; an installed CLI is replaced as a whole.

    Raises:
        OutsideError: the network does not answer, the checksum is another one, or the folder cannot be written.
    """
    import httpx

    root = root or install_root()
    name = archive_name()
    listed = f"pulumi-{PINNED}-checksums.txt"
    with httpx.Client(timeout=_TIMEOUT_SECONDS, follow_redirects=True) as client:
        checksums = _fetch(client, f"{releases}/{listed}").decode(errors="replace")
        archive = _fetch(client, f"{releases}/{name}")
    wanted = next((line.split()[0] for line in checksums.splitlines() if line.split()[1:] == [name]), None)
    found = hashlib.sha256(archive).hexdigest()
    if found != wanted:
        raise OutsideError(
            "The downloaded Pulumi CLI is not the published one; it was thrown away",
            detail=f"SHA-256 of {name}: {found}; {listed} says {wanted or 'nothing about it'}.",
            code="setup-checksum",
        )
    try:
        return _unpack(archive, root)
    except (OSError, tarfile.TarError) as error:
        raise OutsideError(
            "The Pulumi CLI cannot be installed", detail=f"{root}: {error}", code="setup-write"
        ) from error


def _fetch(client: httpx.Client, url: str) -> bytes:
    import httpx

    try:
        return client.get(url).raise_for_status().content
    except httpx.HTTPError as error:
        raise OutsideError(
            "The Pulumi CLI cannot be downloaded",
            detail=f"{url}: {error or type(error).__name__}",
            hints=(_NETWORK,),
            code="setup-network",
        ) from error


def _unpack(archive: bytes, root: Path) -> Path:
    """The archive holds a folder `pulumi`; its files become `bin`."""
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root) as place:
        packed = Path(place) / "archive.tar.gz"
        packed.write_bytes(archive)
        with tarfile.open(packed) as tar:
            tar.extractall(place, filter="data")
        target = root / "bin"
        shutil.rmtree(target, ignore_errors=True)
        (Path(place) / "pulumi").rename(target)
    return root / "bin" / "pulumi"


def plugin_version() -> str:
    """The version of the plugin that goes with the installed `pulumi-gcp`."""
    return version("pulumi-gcp")


def installed_plugins() -> tuple[tuple[str, str], ...]:
    """Name and version of every resource plugin that the CLI has.

    Raises:
        OutsideError: there is no CLI.
    """
    command = find_command()
    said = translated_failures(lambda: command.run(["plugin", "ls", "--json"], str(Path.cwd()), {}).stdout)
    rows = json.loads(said or "[]") or []
    return tuple((row["name"], str(row.get("version", ""))) for row in rows if row.get("kind") == "resource")


def check_plugin() -> None:
    """Returns when the CLI has the plugin of pulumi-gcp in the version of the package.

    Raises:
        OutsideError: it is missing.
    """
    wanted = plugin_version()
    versions = [found for name, found in installed_plugins() if name == PLUGIN]
    if wanted not in versions:
        raise OutsideError(
            "A Pulumi plugin is missing",
            detail=f"{PLUGIN} {wanted}; installed: {', '.join(sorted(versions)) or 'none'}.",
            hints=("install it with\n    envctl setup",),
            code="plugin-missing",
        )


def install_plugin() -> None:
    """Has the CLI download the plugin, which it checks itself.

    Raises:
        OutsideError: the download failed.
    """
    command = find_command()
    arguments = ["plugin", "install", "resource", PLUGIN, plugin_version()]
    try:
        translated_failures(lambda: command.run(arguments, str(Path.cwd()), {}))
    except OutsideError as error:
        raise OutsideError(
            "The plugin cannot be installed",
            detail=error.detail,
            hints=(_NETWORK.partition(";")[0],),
            code="setup-network",
        ) from error
