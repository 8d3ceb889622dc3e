"""What the project promises of its tree."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def test_lock_files_hold_hashes_and_no_addresses():
    for name in ("requirements.lock", "requirements-dev.lock"):
        text = (ROOT / name).read_text()
        assert "://" not in text
        pins = re.findall(r"^([a-z0-9-]+(?:\[[a-z-]+\])?)==", text, re.MULTILINE)
        blocks = re.split(r"\n(?=[a-z0-9])", text.strip())
        assert len(blocks) == len(pins)
        assert all("--hash=sha256:" in block for block in blocks)


def test_every_dependency_is_locked():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    locked = (ROOT / "requirements.lock").read_text()
    extras = project["project"]["optional-dependencies"]
    parts = [one for name, many in extras.items() if name != "all" for one in many]
    for dependency in [*project["project"]["dependencies"], *parts]:
        name = re.match(r"[A-Za-z0-9.-]+", dependency).group(0).lower().replace(".", "-")
        assert re.search(rf"^{name}(\[.*\])?==", locked, re.MULTILINE), name


def test_no_file_names_a_machine_or_a_registry():
    """The project speaks of itself alone."""
    forbidden = re.compile(
        r"/work/main|/root/|/tmp/bash_jobs|files\.pythonhosted|pypi\.org|proxy\.golang|registry\.npmjs|crates\.io"
    )
    binary = {".gz", ".zst", ".png", ".bin", ".whl"}
    found = []
    for path in tracked():
        if path.suffix in binary or path == Path(__file__):
            continue
        for number, line in enumerate(path.read_text("utf-8", errors="replace").splitlines(), 1):
            if forbidden.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:120]}")
    assert found == []


def test_the_links_of_the_documents_lead_somewhere():
    for page in [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *(ROOT / "docs").glob("*.md"),
        ROOT / "policies/README.md",
    ]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize("name", ["demo", "check", ".ci/run", ".ci/venv", ".ci/pulumi-cli", ".ci/registry"])
def test_scripts_can_be_run(name):
    assert (ROOT / name).stat().st_mode & 0o111
    subprocess.run(["bash", "-n", name], cwd=ROOT, check=True)
