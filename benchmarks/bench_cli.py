"""Start-up of the command line: `--help`, `validate` of 3 files, and a preview beside the SDK types it needs.

    python benchmarks/bench_cli.py [--rounds 9]

Whole processes, run in turns so that a busy machine slows all alike; medians of clock and processor time. On a
busy machine compare the processor time with the goal: the clock also counts the work of others.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import ENVCTL, Cost, median, run

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENTS = ("dev", "staging", "prod")
PREVIEWED = "measured"
SPEC = """\
extends: base
project: acme-data-dev
imageVersion: composer-3-airflow-2.10.5-build.19
profile: trial
packages: null
"""
"""Without packages: asking a package index is another benchmark (`bench_deps.py`)."""
COLLECTOR = "import gc; gc.set_threshold(100_000, 50, 100)\n"
"""The import of the SDK alone gets the same terms as envctl, which would else look faster than it is."""


def main() -> int:
    """Measures and prints one line per measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-cli-") as name:
        folder = Path(name)
        shutil.copytree(ROOT / "environments", folder / "environments")
        shutil.copy(ROOT / "envctl.yaml", folder)
        (folder / "environments" / f"{PREVIEWED}.yaml").write_text(SPEC)
        preview = [*ENVCTL, "preview", PREVIEWED]
        run(preview, folder)  # compiles, and makes the cache of what is immutable
        imports = _sdk_imports(preview, folder)
        commands = {
            "python -c pass": ["-c", "pass"],
            "envctl --help": [*ENVCTL, "--help"],
            "validate, 3 files": [*ENVCTL, "validate", *ENVIRONMENTS],
            "import of SDK types": ["-c", COLLECTOR + "\n".join(f"import {module}" for module in imports)],
            "preview": preview,
        }
        costs: dict[str, list[Cost]] = {title: [] for title in commands}
        for _ in range(options.rounds):
            for title, command in commands.items():
                costs[title].append(run(command, folder))
    found = {title: median(each) for title, each in costs.items()}
    sdk, whole = found["import of SDK types"], found["preview"]
    found["preview above SDK"] = Cost(whole.wall - sdk.wall, whole.cpu - sdk.cpu, whole.peak - sdk.peak)
    goals = {"envctl --help": 0.25, "validate, 3 files": 0.5, "preview above SDK": 1.2}
    for title, cost in found.items():
        goal = f"   at most {goals[title]:.2f} s" if title in goals else ""
        print(f"{title:20} {cost.wall:6.2f} s clock  {cost.cpu:6.2f} s processor  {cost.peak / 1e6:5.0f} MB{goal}")
    print(f"SDK types: {', '.join(module for module in imports if module.count('.') <= 1)}")
    return 0


def _sdk_imports(command: list[str], folder: Path) -> list[str]:
    """The modules of Pulumi's SDK that the command imports, in their order."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *command, "--cloud", "sandbox"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    names = re.findall(r"^import time:[^|]*\|[^|]*\| *(pulumi(?:_gcp)?(?:\.[\w.]+)?)$", done.stderr, re.MULTILINE)
    return ["pulumi", *(name for name in dict.fromkeys(names) if name.startswith("pulumi_gcp"))]


if __name__ == "__main__":
    sys.exit(main())
