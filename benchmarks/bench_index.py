"""The index client against uv: the same lists on the same image, cold, revalidated and offline.

Both run as whole processes, in turns, on the index that pip's and uv's settings name; uv plans an installation
into an environment of empty distributions that stands for the image. Needs an index that answers.

    python benchmarks/bench_index.py [--image IMAGE] [--rounds 3] [--list FILE]...
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

LISTS = {
    "soda": ["soda-core-bigquery==3.5.6", "google-ads==27.0.0", "pydantic-settings>=2", "duckdb"],
    "plain": ["polars", "hvac>=2", "python-slugify"],
    "boto3": ["boto3", "s3fs", "pendulum>=3"],
}
MANNERS = ("cold", "revalidated", "offline")


@dataclass(frozen=True)
class Run:
    """One process: wall seconds, seconds of CPU, peak memory, exit code, last line."""

    seconds: float
    cpu: float
    megabytes: float
    code: int
    said: str


def run(command: list[str], environment: dict[str, str]) -> Run:
    """Runs a process to its end and measures it."""
    with tempfile.TemporaryFile() as output:
        started = time.perf_counter()
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        lines = output.read().decode("utf-8", "replace").strip().splitlines()
    return Run(
        seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, process.returncode, lines[-1] if lines else ""
    )


CHILD = """
import sys
from pathlib import Path
from envctl.resolution.catalogue import Catalogue
from envctl.resolution.check import CheckOptions, check_list
from envctl.resolution.index.source import open_index_source
from envctl.resolution.requirements_file import load_requirements

image, path, *offline = sys.argv[1:]
with open_index_source(offline=bool(offline)) as source:
    given = load_requirements([Path(path)])
    result = check_list(path, given, Catalogue().choose(image), source, CheckOptions(explain=False))
print(result.verdict, len(result.installs) + len(result.changes), "to install", *result.warnings[:1])
"""
"""One list on one image, the bare verdict; imports nothing that a check would not."""


def main() -> None:
    """Prints one table: seconds of both, their ratio, memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image", default="composer-2.13.8-airflow-2.10.5")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--list", action="append", type=Path, default=[])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        compare(options, Path(folder))


def compare(options: argparse.Namespace, folder: Path) -> None:
    """Runs everything in turns."""
    from envctl.resolution.catalogue import Catalogue
    from envctl.resolution.certify import build_environment

    image = Catalogue().choose(options.image).image
    if image is None:
        raise SystemExit(f"no list of {options.image}")
    environment_folder = build_environment(image, folder / "image")
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if uv is None:
        raise SystemExit("uv is not installed")
    lists: dict[str, Path] = {path.stem: path for path in options.list}
    for name, lines in {} if lists else LISTS.items():
        lists[name] = folder / f"{name}.txt"
        lists[name].write_text("\n".join(lines) + "\n")
    airflow = folder / "airflow.txt"
    airflow.write_text(f"apache-airflow=={image.packages['apache-airflow'].version}\n")
    inherited = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    inherited["PYTHONPATH"] = str(Path(__file__).parent.parent)
    inherited["PYTHONPYCACHEPREFIX"] = str(folder / "bytecode")
    ours = [sys.executable, "-c", CHILD, options.image]
    theirs = [uv, "pip", "install", "--dry-run", "--python", str(environment_folder / "bin" / "python")]
    theirs += ["-r", str(airflow), "-r"]
    run([*ours, str(airflow), "--offline"], inherited | {"ENVCTL_CACHE_DIR": str(folder / "none")})  # bytecode
    print(f"{'list':10} {'manner':12} {'envctl':>8} {'uv':>8} {'ratio':>6} {'cpu':>6} {'MB':>5} {'uv MB':>6}  verdict")
    for name, path in lists.items():
        measured: dict[tuple[str, str], list[Run]] = {}
        for number in range(options.rounds):
            our_cache, their_cache = folder / f"envctl-{name}-{number}", folder / f"uv-{name}-{number}"
            for manner in MANNERS:
                offline = ["--offline"] if manner == "offline" else []
                our_run = run([*ours, str(path), *offline], inherited | {"ENVCTL_CACHE_DIR": str(our_cache)})
                their_run = run([*theirs, str(path), "--cache-dir", str(their_cache), *offline], inherited)
                measured.setdefault((manner, "envctl"), []).append(our_run)
                measured.setdefault((manner, "uv"), []).append(their_run)
        for manner in MANNERS:
            report(name, manner, measured[manner, "envctl"], measured[manner, "uv"])


def report(name: str, manner: str, ours: list[Run], theirs: list[Run]) -> None:
    """One line of the table: medians."""
    our_seconds = statistics.median(one.seconds for one in ours)
    their_seconds = statistics.median(one.seconds for one in theirs)
    cpu = statistics.median(one.cpu for one in ours)
    memory, their_memory = max(one.megabytes for one in ours), max(one.megabytes for one in theirs)
    print(
        f"{name:10} {manner:12} {our_seconds:8.3f} {their_seconds:8.3f} {our_seconds / their_seconds:6.2f} {cpu:6.2f}"
        f" {memory:5.0f} {their_memory:6.0f}  {ours[-1].said[:50]} | uv {theirs[-1].code}: {theirs[-1].said[:40]}"
    )


if __name__ == "__main__":
    main()
