"""One stack twice: on the embedded engine and on the real Pulumi CLI, each with an emulator of its own."""

from __future__ import annotations

import gc
import json
import os
import re
import shutil
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from pprint import pformat
from typing import Any

import pytest

from envctl.actions.clouds import InProcessTransport
from envctl.engine.embedded.checkpoint import salt_of
from envctl.engine.embedded.engine import EmbeddedEngine
from envctl.engine.embedded.secrets import PassphraseManager
from envctl.engine.events import EngineEvent, MessageEvent, Op, Phase, StepEvent
from envctl.engine.fold import Folded, fold_events
from envctl.engine.protocol import Engine, RunOptions, RunResult, StackRef
from envctl.engine.pulumi_cli.engine import PulumiEngine, PulumiSettings
from envctl.engine.urns import name_of, type_of
from envctl.google.pauses import NoWait
from envctl.plan.model import Mode
from envctl.provider.protocol import CallContext
from envctl.provider.spec import Settings
from envctl.provider.translator import SandboxProvider
from envctl.sandbox.clock import Clock
from envctl.sandbox.cloud import Cloud

START = datetime(2026, 11, 1, tzinfo=UTC)
STACK = StackRef("acme", "dev")
PROJECT, REGION = "acme-data-dev", "europe-west1"
PASSPHRASE = "open sesame"
ROOT = Path(__file__).parents[2]


def find_cli() -> Path | None:
    """The CLI that `.ci/pulumi-cli` built, or the one on PATH."""
    on_path = shutil.which("pulumi")
    for candidate in (ROOT / ".cache/pulumi/bin/pulumi", on_path):
        if candidate and Path(candidate).is_file():
            return Path(candidate)
    return None


needs_cli = [
    pytest.mark.pulumi,
    pytest.mark.skipif(find_cli() is None, reason="no Pulumi CLI: .ci/pulumi-cli builds it where Go is"),
]


def use_cli(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """Puts the CLI first on PATH and gives it a home of its own."""
    cli = find_cli()
    assert cli is not None
    monkeypatch.setenv("PATH", f"{cli.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PULUMI_HOME", str(home))
    monkeypatch.setenv("PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION", "true")
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", PASSPHRASE)


def collect_quietly() -> None:
    """Collects what Pulumi's SDK leaves open when a run fails (an event loop and its sockets), unheard.

    Collected later, it would fail whatever test runs then.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@dataclass
class Side:
    """One of the two."""

    engine: Engine
    cloud: Cloud
    events: list[EngineEvent] = field(default_factory=list)
    result: RunResult | None = None

    @property
    def steps(self) -> list[StepEvent]:
        """What was begun, or planned: sames and what the engines make for themselves left out."""
        return [
            e
            for e in self.events
            if isinstance(e, StepEvent)
            and e.phase is Phase.PRE
            and e.op not in (Op.SAME, Op.REFRESH)
            and not type_of(e.urn).startswith(("pulumi:providers:", "pulumi:pulumi:Stack"))
        ]

    @property
    def errors(self) -> list[str]:
        return [e.message for e in self.events if isinstance(e, MessageEvent) and e.severity == "error"]

    def folded(self) -> Folded:
        return fold_events(self.events, Mode.APPLY, lambda _urn, _path: None)

    def rows(self) -> dict[str, dict[str, Any]]:
        """The state by URN (with `#deleted` for what waits for deletion), secrets opened, without what differs by nature."""
        document = self.engine.export_state()
        return normal_state(document)


class Twins:
    """Both engines; every verb runs on both and compares what they did."""

    def __init__(self, directory: Path, provider: Callable[[Cloud], Any] | None = None) -> None:
        self.directory = directory
        make = provider or provider_of
        clouds = _cloud(), _cloud()
        self.embedded = Side(
            EmbeddedEngine(
                STACK,
                directory / "embedded",
                make(clouds[0]),
                environment={"PULUMI_CONFIG_PASSPHRASE": PASSPHRASE},
            ),
            clouds[0],
        )
        self.real = Side(
            PulumiEngine(
                STACK,
                PulumiSettings(
                    directory / "pulumi",
                    f"file://{directory / 'backend'}",
                    environment={"PULUMI_CONFIG_PASSPHRASE": PASSPHRASE},
                    provider=make(clouds[1]),
                ),
            ),
            clouds[1],
        )

    @property
    def sides(self) -> tuple[Side, Side]:
        return self.embedded, self.real

    def on_both(self, act: Callable[[Side, Callable[[EngineEvent], None]], RunResult]) -> None:
        """Acts on both and compares how it ended, what was done, and in which order."""
        for side in self.sides:
            side.events = []
            side.result = act(side, side.events.append)
        ours, theirs = self.embedded.result, self.real.result
        assert ours is not None
        assert theirs is not None
        assert ours.ok == theirs.ok, (self.embedded.errors, self.real.errors)
        same(sorted(ours.failed), sorted(theirs.failed))
        if ours.ok:  # after a failure it is a matter of timing what else had begun
            same(shapes(self.embedded.steps), shapes(self.real.steps))
        check_order(self.embedded)
        check_order(self.real)

    def preview(self, program: Callable[[], None], *, refresh: bool = False) -> None:
        options = RunOptions(refresh=refresh, parallel=4)
        self.on_both(lambda side, sink: side.engine.preview(program, options, sink))
        same(plan_rows(self.embedded.folded()), plan_rows(self.real.folded()))

    def up(self, program: Callable[[], None], *, refresh: bool = False, fails: bool = False) -> None:
        options = RunOptions(refresh=refresh, parallel=4)
        self.on_both(lambda side, sink: side.engine.up(program, options, sink))
        assert self.real.result is not None
        assert self.real.result.ok is not fails, (self.embedded.errors, self.real.errors)
        if not fails:
            self.compare_states()

    def refresh(self) -> None:
        options = RunOptions(parallel=4)
        self.on_both(lambda side, sink: side.engine.refresh(lambda: None, options, sink, preview=False))
        same(drift_rows(self.embedded.folded()), drift_rows(self.real.folded()))
        self.compare_states()

    def destroy(self) -> None:
        options = RunOptions(refresh=False, parallel=4)
        self.on_both(lambda side, sink: side.engine.destroy(lambda: None, options, sink, preview=False))
        self.compare_states()

    def compare_states(self) -> None:
        ours, theirs = self.embedded.rows(), self.real.rows()
        same(sorted(ours), sorted(theirs))
        differing = {
            f"{urn.rpartition('::')[2]}.{key}": (row.get(key), theirs[urn].get(key))
            for urn, row in ours.items()
            for key in {**row, **theirs[urn]}
            if row.get(key) != theirs[urn].get(key)
        }
        assert not differing, pformat(differing, width=160)

    def is_empty(self, program: Callable[[], None]) -> bool:
        """Whether both see nothing to do."""
        self.preview(program)
        return not self.embedded.steps


def _cloud() -> Cloud:
    """An emulator whose project has every API on that the programs need."""
    cloud = Cloud(clock=Clock(START))
    context = CallContext(note=lambda _operation, _state, _elapsed: None, cancel=threading.Event())
    for api in ("secretmanager", "iam", "storage", "composer"):
        inputs = {"project": PROJECT, "service": f"{api}.googleapis.com"}
        provider_of(cloud).create("", "gcp:projects/service:Service", inputs, context, preview=False)
    cloud.forget_requests()
    return cloud


def provider_of(cloud: Cloud) -> SandboxProvider:
    return SandboxProvider(InProcessTransport(cloud), Settings(project=PROJECT, region=REGION), NoWait())


def same(ours: Sequence[Any], theirs: Sequence[Any]) -> None:
    """Fails with what only one of two lists holds."""
    only_ours = [item for item in ours if item not in theirs]
    only_theirs = [item for item in theirs if item not in ours]
    told = {"embedded only": only_ours, "pulumi only": only_theirs, "counts": (len(ours), len(theirs))}
    assert list(ours) == list(theirs), pformat(told, width=160)


def shapes(steps: Sequence[StepEvent]) -> list[tuple[str, ...]]:
    """Steps without their order: operation, URN, what replaces, which inputs differ.

    A `delete-replaced` is a part of its replacement: the embedded engine says again why, the CLI does not.
    """
    return sorted(
        (
            step.op.value,
            step.urn,
            "logical" if step.logical else "part",
            *(() if step.op is Op.DELETE_REPLACED else _why(step)),
        )
        for step in steps
    )


def _why(step: StepEvent) -> tuple[str, str]:
    detailed = (f"{path}:{kind.value}" for path, kind in step.detailed_diff.items())
    return ",".join(sorted(step.replace_keys)), ",".join(sorted(detailed))


def plan_rows(folded: Folded) -> list[Any]:
    """What a plan shows of a preview."""
    same(folded.incomplete, ())
    return sorted(
        (
            c.urn,
            c.action.value,
            c.reason.value,
            tuple(sorted((p.path, repr(p.before), repr(p.after), p.replaces) for p in c.properties)),
        )
        for c in folded.changes
    )


def drift_rows(folded: Folded) -> list[Any]:
    return sorted((d.urn, d.kind.value, tuple((p.path, repr(p.after)) for p in d.properties)) for d in folded.drift)


def check_order(side: Side) -> None:
    """Nothing is made before what it needs, nothing deleted before what needs it; by the events' own dependencies."""
    done: dict[tuple[str, bool], int] = {}
    begun: dict[tuple[str, bool], int] = {}
    for index, event in enumerate(side.events):
        if not isinstance(event, StepEvent) or event.op is Op.REFRESH:
            continue
        if event.op is Op.DELETE_REPLACED:  # another object of the same URN: `steps` holds its order
            continue
        key = (event.urn, event.op is Op.DELETE)
        if event.phase is Phase.PRE:
            begun.setdefault(key, index)
        elif event.phase is Phase.DONE:
            done.setdefault(key, index)
    if side.result is None or not side.result.ok:
        return
    for urn, needs in dependencies_of(side).items():
        for need in needs:
            if (urn, False) in begun and (need, False) in done:
                assert done[need, False] < begun[urn, False], (need, urn)
            if (need, True) in begun and (urn, True) in done:
                assert done[urn, True] < begun[need, True], (urn, need)


def dependencies_of(side: Side) -> dict[str, list[str]]:
    try:
        document = side.engine.export_state()
    except Exception:  # noqa: BLE001  an empty stack has no state on the embedded engine
        return {}
    return {row["urn"]: row.get("dependencies") or [] for row in document["deployment"].get("resources") or []}


_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)")
_NUMBER = re.compile(r"\d{15,}")
_BY_SERVER = frozenset(
    {
        "uniqueId",
        "etag",
        "uuid",
        "projectNumber",
        "airflowUri",
        "gkeCluster",
        "dagGcsPrefix",
        "generation",
        "networkId",
        "numericId",
        "generatedId",
        "subnetworkId",
        "fingerprint",
        "routerId",
    }
)


def normal_state(document: Mapping[str, Any], passphrase: str = PASSPHRASE) -> dict[str, dict[str, Any]]:
    """The rows of an export by URN, comparable between two clouds."""
    deployment = document["deployment"]
    salt = salt_of(deployment)
    crypter = PassphraseManager.open(passphrase, salt) if salt else None
    rows: dict[str, dict[str, Any]] = {}
    for row in deployment.get("resources") or []:
        kept = {k: v for k, v in row.items() if k not in ("created", "modified", "sourcePosition", "stackTrace")}
        if kept["type"].startswith("pulumi:providers:"):
            kept.pop("id", None)
            # bookkeeping of the CLI about where a plugin comes from: empty, and never sent to a provider
            kept["inputs"] = {k: v for k, v in (kept.get("inputs") or {}).items() if k != "__internal"}
        if "provider" in kept:
            kept["provider"] = kept["provider"].rpartition("::")[0]
        for key in ("dependencies",):
            if key in kept:
                kept[key] = sorted(kept[key])
        if "propertyDependencies" in kept:
            kept["propertyDependencies"] = {k: sorted(v or []) for k, v in kept["propertyDependencies"].items() if v}
        urn = kept["urn"] + ("#deleted" if kept.get("delete") else "")
        rows[urn] = {key: value for key, value in _normal(kept, crypter).items() if value not in (None, {}, [], False)}
    return rows


_SIGNATURE = "4dabf18193072939515e22adb298388d"


def _normal(value: Any, crypter: Any) -> Any:
    if isinstance(value, dict):
        if _SIGNATURE in value:
            if "plaintext" in value:
                return {"secret": _normal(json.loads(value["plaintext"]), crypter)}
            if "ciphertext" in value and crypter is not None:
                return {"secret": _normal(json.loads(crypter.decrypt(value["ciphertext"])), crypter)}
            return {"marked": value[_SIGNATURE]}
        return {k: "(by the server)" if k in _BY_SERVER and v else _normal(v, crypter) for k, v in value.items()}
    if isinstance(value, list):
        return [_normal(item, crypter) for item in value]
    if isinstance(value, str):
        return _NUMBER.sub("(a number)", _STAMP.sub("(a time)", value))
    return value


def names(steps: Sequence[StepEvent]) -> list[tuple[str, str]]:
    """Steps as (operation, logical name)."""
    return [(step.op.value, name_of(step.urn)) for step in steps]
