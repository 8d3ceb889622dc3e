"""The embedded engine against the real Pulumi CLI on the `prod` example, both with envctl's own provider.

    python benchmarks/bench_engines.py [--rounds 3]

Measured in turns in one process: a preview and an `up` by each engine (each `up` makes one label's change), and a bare
preview of the same program by the Automation API with the provider attached, which tells what envctl adds to the CLI.
Prints medians and their ratios. Goals: embedded / CLI at most 0.70; envctl's own overhead at most 15 %.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FOUNDATION, ENVIRONMENT = "acme-data-prod", "prod"


def main() -> int:
    """Measures and prints one line per measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    os.environ["PATH"] = f"{ROOT / '.cache/pulumi/bin'}{os.pathsep}{os.environ['PATH']}"
    os.environ["PULUMI_CONFIG_PASSPHRASE"] = "measured"
    with tempfile.TemporaryDirectory(prefix="bench-engines-") as name:
        sides = {engine: Side(Path(name) / engine, engine) for engine in ("embedded", "pulumi")}
        seconds: dict[str, list[float]] = {}
        for number in range(options.rounds):
            for engine, side in sides.items():
                side.label(f"round-{number}")
                timed(seconds, f"{engine} preview", side.preview)
                timed(seconds, f"{engine} up", side.up)
            timed(seconds, "bare CLI preview", sides["pulumi"].bare_preview)
            timed(seconds, "CLI preview by envctl", sides["pulumi"].preview)
    found = {title: statistics.median(each) for title, each in seconds.items()}
    for title, value in found.items():
        print(f"{title:<24} {value:6.2f} s")
    print(f"embedded / CLI, preview  {found['embedded preview'] / found['pulumi preview']:6.2f}  (goal: 0.70)")
    print(f"embedded / CLI, up       {found['embedded up'] / found['pulumi up']:6.2f}  (goal: 0.70)")
    overhead = found["CLI preview by envctl"] / found["bare CLI preview"] - 1
    print(f"envctl's own overhead    {overhead:6.0%}  (goal: 15 %)")
    return 0


def timed(seconds: dict[str, list[float]], title: str, act: Callable[[], Any]) -> None:
    """Notes how long `act` takes."""
    started = time.perf_counter()
    act()
    seconds.setdefault(title, []).append(time.perf_counter() - started)


class Side:
    """The example project on one engine, applied once."""

    def __init__(self, root: Path, engine: str) -> None:
        from envctl.actions.clouds import CloudName
        from envctl.actions.workspace import EngineName, open_workspace

        shutil.copytree(ROOT / "environments", root / "environments")
        shutil.copy(ROOT / "envctl.yaml", root)
        self.path = root / "environments" / f"{ENVIRONMENT}.yaml"
        self.text = self.path.read_text()
        self.workspace = open_workspace(root, CloudName.SANDBOX, EngineName(engine))
        seed = json.loads((ROOT / "docs" / "demo-seed.json").read_text())
        self.workspace.cloud.control("POST", "seed", seed)  # type: ignore[attr-defined]
        for name in (FOUNDATION, ENVIRONMENT):
            self.apply(name)

    def label(self, value: str) -> None:
        """Another label: one change of the environment and of what carries its labels."""
        self.path.write_text(self.text.replace('cost-center: "4711"', f'cost-center: "{value}"'))
        from envctl.actions.program import build_program

        self.loaded = self.workspace.load(ENVIRONMENT)
        self.program = build_program(self.workspace, self.loaded)

    def apply(self, name: str) -> None:
        """Plans and applies, whole."""
        from envctl.actions.apply import apply
        from envctl.actions.planning import PlanOptions, prepare

        applied = apply(prepare(self.workspace, name, PlanOptions(gates=False)), lambda _: None, threading.Event())
        assert applied.outcome.value == "succeeded", (applied.failures, applied.error)

    def preview(self) -> None:
        """The engine's preview, refresh included, as `envctl preview` asks for it."""
        self._run("preview")

    def up(self) -> None:
        """The engine's apply, without a second refresh."""
        self._run("up", refresh=False)

    def _run(self, verb: str, *, refresh: bool = True) -> None:
        from envctl.engine.protocol import RunOptions

        engine = self.workspace.engine(ENVIRONMENT)
        result = getattr(engine, verb)(self.program.run, RunOptions(refresh=refresh), lambda _: None)
        assert result.ok

    def bare_preview(self) -> None:
        """The Automation API alone, with the provider attached."""
        from pulumi import automation

        from envctl.provider.grpc_adapter import serve_provider

        settings = self.workspace.engine(ENVIRONMENT).settings  # type: ignore[attr-defined]
        adapter = serve_provider(settings.provider)
        try:
            stack = automation.select_stack(
                ENVIRONMENT,
                project_name=self.workspace.project.name,
                program=self.program.run,
                opts=automation.LocalWorkspaceOptions(
                    work_dir=str(settings.directory),
                    env_vars={**settings.environment, **adapter.environment, "PULUMI_SKIP_UPDATE_CHECK": "true"},
                    secrets_provider=settings.secrets_provider,
                ),
            )
            stack.preview(refresh=True, parallel=8, on_event=lambda _: None, suppress_progress=True, color="never")
        finally:
            adapter.stop()


if __name__ == "__main__":
    raise SystemExit(main())
