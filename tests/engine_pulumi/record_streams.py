"""Records event streams of the real CLI, and writes what envctl makes of them: `python record_streams.py`.

Run by hand when the pinned CLI changes; look at the difference of the goldens before it is committed.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent / "recordings"
sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
sys.path.insert(0, str(Path(__file__).parent))


def record(directory: Path) -> dict[str, list[dict[str, Any]]]:
    """Raw events by name of the run."""
    import pulumi
    from pulumi.automation import EngineEvent
    from pulumi_resources import account, bucket, member, secret
    from pulumi_twins import PASSPHRASE, Twins

    from envctl.engine.protocol import RunOptions

    os.environ["PULUMI_CONFIG_PASSPHRASE"] = PASSPHRASE
    raw: list[dict[str, Any]] = []
    streams: dict[str, list[dict[str, Any]]] = {}
    from_json = EngineEvent.from_json

    def spy(data: dict[str, Any]) -> EngineEvent:
        raw.append(json.loads(json.dumps(data)))
        return from_json(data)

    EngineEvent.from_json = staticmethod(spy)  # type: ignore[method-assign]
    side = Twins(directory).real
    transport = side.engine.settings.provider.transport  # type: ignore[attr-defined]

    def run(name: str, verb: str, program: Callable[[], None], *, refresh: bool = False, **given: Any) -> None:
        raw.clear()
        getattr(side.engine, verb)(program, RunOptions(refresh=refresh, parallel=1), lambda _event: None, **given)
        streams[name] = [shortened(each) for each in raw if keeps(each)]

    def program(who: str = "runner", place: str = "EU", value: str = "hunter2", extra: bool = False) -> None:
        runner = account("runner", account_id=f"acme-{who}")
        bucket("files", labels={"team": who}, location=place, delete_before_replace=True)
        bucket("copies")
        member("worker", runner.member)
        secret("crm", pulumi.Output.secret(value))
        if extra:
            bucket("taken", name="acme-copies")
        pulumi.export("email", runner.email)
        pulumi.export("token", pulumi.Output.secret(value))

    run("preview-of-nothing-yet", "preview", program)
    run("up-creates", "up", program)
    replaced = lambda: program("robot", "US", "sesame")  # noqa: E731
    run("preview-replaces", "preview", replaced)
    run("up-fails", "up", lambda: program(extra=True))
    transport.call("PATCH", "storage/storage/v1", "b/acme-files", None, {"labels": {"team": "nobody"}})
    transport.call("DELETE", "storage/storage/v1", "b/acme-copies")
    run("preview-after-drift", "preview", program, refresh=True)
    run("refresh-after-drift", "refresh", program, preview=False)
    run("up-replaces", "up", replaced)
    run("destroy", "destroy", program, preview=False)
    return streams


def keeps(event: dict[str, Any]) -> bool:
    """What translation could have a word about."""
    diagnostic = event.get("diagnosticEvent")
    return not (diagnostic and diagnostic.get("severity") == "debug") and "stdoutEvent" not in event


def shortened(event: dict[str, Any]) -> dict[str, Any]:
    """Without what differs from machine to machine."""
    return {key: value for key, value in event.items() if key not in ("timestamp", "sequence")}


if __name__ == "__main__":
    from test_pulumi_recordings import golden

    HERE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for name, events in record(Path(folder)).items():
            lines = [json.dumps(event, separators=(",", ":"), sort_keys=True) for event in events]
            HERE.joinpath(f"{name}.jsonl").write_text("\n".join(lines) + "\n")
            HERE.joinpath(f"{name}.golden.json").write_text(json.dumps(golden(name), indent=1) + "\n")
