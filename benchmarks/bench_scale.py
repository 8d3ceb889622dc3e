"""An environment of 100, 300 and 1,000 resources: preview, up, and preview again, as whole processes.

    python benchmarks/bench_scale.py [--sizes 100 300 1000] [--rounds 1]

The spec is generated: half of the added resources are buckets, half are role bindings. The cloud is the sandbox
in the same process, so that its work counts too. Linear means that the time of one resource does not grow.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from measure import ENVCTL, Cost, median, run

SPEC = """\
project: acme-measured
region: europe-west1
imageVersion: composer-3-airflow-2.10.5-build.19
serviceAccount: {name: composer-large}
"""
BY_ITSELF = 22
"""Resources that this spec has without any bucket or binding of its own."""


def main() -> int:
    """Measures and prints one line per size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 300, 1000])
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    for size in options.sizes:
        rounds = [_measure(size) for _ in range(options.rounds)]
        for at, title in enumerate(("preview of nothing there", "up", "preview without changes")):
            cost = median([each[at] for each in rounds])
            goal = "   at most 10 s, 400 MB" if size >= 1000 and title != "up" else ""
            print(
                f"{size:5} resources  {title:25} {cost.wall:6.2f} s clock  {cost.cpu:6.2f} s processor  "
                f"{1000 * cost.cpu / size:5.1f} ms each  {cost.peak / 1e6:4.0f} MB{goal}",
                flush=True,
            )
    return 0


def _measure(size: int) -> tuple[Cost, Cost, Cost]:
    """A preview, an apply and a preview of one new environment of this many resources."""
    with tempfile.TemporaryDirectory(prefix="bench-scale-") as name:
        folder = Path(name)
        (folder / "environments").mkdir()
        (folder / "envctl.yaml").write_text("name: measured\n")
        (folder / "environments" / "large.yaml").write_text(_spec(size))
        preview = [*ENVCTL, "preview", "large"]
        before = run(preview, folder)
        apply = run([*ENVCTL, "up", "large", "--yes"], folder)
        return before, apply, run([*preview, "--expect-no-changes"], folder)


def _spec(size: int) -> str:
    added = size - BY_ITSELF
    lines = [SPEC, "buckets:"]
    lines += [f"  part-{number}: {{location: EU}}" for number in range(added // 2)]
    lines += ["iam:", "  extraBindings:"]
    lines += [
        f"    - {{role: roles/storage.objectViewer, on: projects/acme-{number}, members: [environment]}}"
        for number in range(added - added // 2)
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
