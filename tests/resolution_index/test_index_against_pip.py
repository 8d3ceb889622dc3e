"""The file that pip itself takes from the same indexes."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from importlib.metadata import version as installed_version
from typing import TYPE_CHECKING

from envctl.resolution.names import package_name
from envctl.resolution.protocol import Listing, Target

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import OpenSource
    from fake_index import FakeIndex


def test_pip_takes_the_same_files(
    index: FakeIndex, second_index: FakeIndex, open_source: OpenSource, tmp_path: Path
) -> None:
    minor = sys.version_info.minor
    own = f"cp3{minor}"
    second_index.style = "html"
    index.add_wheel("both", "1.0")
    second_index.add_wheel("both", "1.0")
    for tags in ("py3-none-any", f"{own}-none-any", f"{own}-abi3-manylinux2014_x86_64", f"{own}-{own}-win_amd64"):
        index.add_wheel("tags", "1.0", tags=tags)
    index.add_wheel("tags", "2.0", tags=f"cp3{minor + 1}-cp3{minor + 1}-manylinux2014_x86_64")
    for build in ("2", "10", ""):
        index.add_wheel("builds", "1.0", build=build)
    index.add_wheel("half-yanked", "1.0", tags=f"{own}-{own}-manylinux2014_x86_64", yanked="bad")
    index.add_wheel("half-yanked", "1.0")
    index.add_wheel("python", "1.0")
    index.add_wheel("python", "2.0", requires_python=f">=3.{minor + 1}")
    index.add_wheel("python", "1.5", requires_python="not a specifier")
    index.add_wheel("spelling", "1.0")
    index.add_wheel("Spelling", "1.0.0.0")
    index.add_wheel("order", "1.10")
    index.add_wheel("order", "1.9.post1")
    names = sorted(index.files)

    pip = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--no-deps", "--quiet"]
    pip += ["--report", str(tmp_path / "report.json"), "--index-url", index.url]
    pip += ["--extra-index-url", second_index.url, "--no-cache-dir", "--trusted-host", "127.0.0.1", *names]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PIP_")}
    environment["PIP_CONFIG_FILE"] = os.devnull
    subprocess.run(pip, env=environment, check=True, capture_output=True, timeout=120)
    report = json.loads((tmp_path / "report.json").read_text())
    taken = {entry["metadata"]["name"].lower(): entry["download_info"]["url"] for entry in report["install"]}

    _, glibc = platform.libc_ver()
    major, _, rest = glibc.partition(".")
    target = Target(
        platform.python_version(), installed_version("pip"), platform.machine(), (int(major), int(rest.split(".")[0]))
    )
    source = open_source(index, second_index)
    ours: dict[str, str] = {}
    for name in names:
        listing = source.listing(package_name(name), target)
        assert isinstance(listing, Listing)
        ours[name] = listing.candidates[0].url
    assert ours == taken
