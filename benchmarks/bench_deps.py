"""The clash check against uv and pip on the same question: an image, a few requirements.

    python benchmarks/bench_deps.py [--image IMAGE] [--rounds 5] [--pip] [--against FOLDER]

uv and pip run on the environment of empty distributions, envctl as `python -m envctl deps check`. All are run
in turns in one go, so that ratios hold on a busy machine; the fastest of the rounds counts. Memory is the peak
of the process. The cache of each is its own and warm, except where the line says cold.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC
from pathlib import Path

from envctl.resolution.catalogue import Catalogue
from envctl.resolution.certification import fetch_pip, find_python
from envctl.resolution.certify import build_environment

REQUIREMENTS = ("soda-core==3.5.6", "pandas", "google-cloud-storage>=2")
BARE = """\
import sys
from datetime import date
from pathlib import Path
from envctl.actions.deps import CheckRequest, IndexChoice, check_dependencies
from envctl.report.deps_formats import DepsFormat, write_report
request = CheckRequest(
    Path("."), date.today(), files=(Path(sys.argv[2]),), image=sys.argv[1],
    index=IndexChoice(offline="--offline" in sys.argv),
)
report = check_dependencies(request)
sys.stdout.write(write_report(report, DepsFormat.TEXT))
"""


def main() -> int:
    """Measures and prints one line per question."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--image", default="composer-2.13.8-airflow-2.10.5")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pip", action="store_true", help="also run the image's pip, which takes long")
    parser.add_argument("--bare", action="store_true", help="the check without the command line's own start-up")
    parser.add_argument("--against", type=Path, help="compare only with envctl in another checkout")
    options = parser.parse_args()
    image = Catalogue().choose(options.image).image
    if image is None:
        return 2
    folder = Path(tempfile.mkdtemp(prefix="bench-deps-"))
    try:
        python = find_python(image.record.target.python_minor)
        environment = build_environment(image, folder / "environment", python)
        listed = folder / "requirements.txt"
        listed.write_text("\n".join(REQUIREMENTS) + "\n")
        pinned = folder / "pinned.txt"
        pinned.write_text(f"apache-airflow=={image.packages['apache-airflow'].version}\n" + listed.read_text())  # type: ignore[index]
        uv = [shutil.which("uv") or str(Path(sys.executable).with_name("uv"))]
        uv += ["pip", "install", "--dry-run", "--quiet", "--python", str(environment), "-r", str(pinned)]
        ours = [sys.executable, "-m", "envctl", "deps", "check", "-r", str(listed), "--image", options.image]
        if options.against:
            _compare_versions(
                options.against.resolve(), ours, options.rounds, {"XDG_CACHE_HOME": str(folder / "cache")}
            )
            return 0
        if options.bare:
            ours = [sys.executable, "-c", BARE, options.image, str(listed)]
        caches = {"UV_CACHE_DIR": str(folder / "uv"), "XDG_CACHE_HOME": str(folder / "cache")}
        cold = _compare("cold cache", uv, ours, 1, caches)
        _compare("revalidating", uv, ours, options.rounds, caches)
        _compare("from cache", [*uv, "--offline"], [*ours, "--offline"], options.rounds, caches)
        if options.pip:
            pip = fetch_pip(image.record.pip, folder, None)
            command = [str(python), str(pip), "--python", str(environment), "install", "--dry-run", "--quiet"]
            _compare("pip, revalidating", [*command, "-r", str(pinned)], ours, 1, caches)
        del cold
        _many(environment, uv, folder, caches)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def _compare_versions(other: Path, ours: list[str], rounds: int, environment: dict[str, str]) -> None:
    """The same question to another version of envctl and to this one, in turns; printed as `uv/pip` and `envctl`."""
    # -P: without the current folder, where this version is
    theirs = ["/usr/bin/env", f"PYTHONPATH={other}", sys.executable, "-P", *ours[1:]]
    _compare("revalidating", theirs, ours, rounds, environment)
    _compare("from cache", [*theirs, "--offline"], [*ours, "--offline"], rounds, environment)


def _compare(title: str, theirs: list[str], ours: list[str], rounds: int, environment: dict[str, str]) -> None:
    times: tuple[list[float], list[float]] = ([], [])
    work: tuple[list[float], list[float]] = ([], [])
    memory: tuple[list[int], list[int]] = ([], [])
    for _ in range(rounds):
        for at, command in enumerate((theirs, ours)):
            seconds, cpu, peak = _run(command, environment)
            times[at].append(seconds)
            work[at].append(cpu)
            memory[at].append(peak)
    first, second = min(times[0]), min(times[1])
    print(
        f"{title:18} uv/pip {first:6.2f} s ({min(work[0]):.2f} cpu) {max(memory[0]) / 1024:5.0f} MB   "
        f"envctl {second:6.2f} s ({min(work[1]):.2f} cpu) {max(memory[1]) / 1024:5.0f} MB   "
        f"ratio {second / first:.2f} (cpu {min(work[1]) / min(work[0]):.2f})"
    )


def _run(command: list[str], environment: dict[str, str]) -> tuple[float, float, int]:
    """Seconds, seconds of processor time, and peak memory in KiB of one run."""
    around = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    started = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env={**around, **environment})
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - started
    assert child.stderr is not None
    said = child.stderr.read().decode(errors="replace")
    child.stderr.close()
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode not in (0, 1):
        sys.stderr.write(f"{command[:4]} ended with {child.returncode}: {said[-400:]}\n")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss


def _many(environment: Path, uv: list[str], folder: Path, caches: dict[str, str]) -> None:
    """Every supported image x 5 files in one process from cache, against as many runs of uv (one is measured)."""
    from datetime import datetime

    from envctl.actions.deps import CheckRequest, IndexChoice, matrix_dependencies

    os.environ.update(caches)
    today = datetime.now(tz=UTC).date()
    files: list[Path] = []
    for at, text in enumerate((*REQUIREMENTS, "\n".join(REQUIREMENTS), "inflect")):
        files.append(folder / f"list-{at}.txt")
        files[-1].write_text(text + "\n")
    warm = CheckRequest(folder, today, files=tuple(files), image="latest", index=IndexChoice())
    matrix_dependencies(warm, [])
    cached = CheckRequest(folder, today, files=tuple(files), image="latest", index=IndexChoice(offline=True))
    started = time.perf_counter()
    matrix = matrix_dependencies(cached, [])
    seconds = time.perf_counter() - started
    one = min(_run([*uv, "--offline"], caches)[0] for _ in range(3))
    cells = sum(len(row.results) for row in matrix.rows)
    print(
        f"{cells} cells          uv {cells * one:6.2f} s ({cells} x {one:.2f})   envctl {seconds:6.2f} s "
        f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB   ratio {seconds / (cells * one):.2f}"
    )
    del environment


if __name__ == "__main__":
    sys.exit(main())
