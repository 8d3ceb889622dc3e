"""A cloud in memory with one kind of thing, and the provider that talks to it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from envctl.plan.values import Opaque
from envctl.provider.protocol import (
    CallContext,
    Checked,
    CheckFailure,
    Diff,
    DiffKind,
    Live,
    OperationDetached,
    Properties,
    ProviderError,
)

THING = "mem:index/thing:Thing"


@dataclass
class Cloud:
    """Things by id. `before` is called with (method, name) ahead of every call that reads or writes."""

    things: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    before: Callable[[str, str], None] = lambda method, name: None
    after: Callable[[str, str], None] = lambda method, name: None
    running: set[str] = field(default_factory=set)
    counter: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def called(self, method: str) -> list[str]:
        return [name for m, name in self.calls if m == method]


class MemoryProvider:
    """Inputs: name (made up when missing), kind (immutable), exclusive (replace by deleting first), anything else.

    Outputs: the inputs, `uid` and `link` (known after apply), with `login` also `password` (sensitive).
    """

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    def _call(self, method: str, name: str) -> None:
        self.cloud.before(method, name)
        with self.cloud.lock:
            self.cloud.calls.append((method, name))

    def check(self, urn: str, type_: str, old: Properties, new: Properties) -> Checked:
        name = urn.rsplit("::", 1)[1]
        failures = (
            (CheckFailure("size", "must be positive"),) if isinstance(new.get("size"), int) and new["size"] < 0 else ()
        )
        inputs = {"size": 1, **new}
        if "name" not in inputs:
            inputs["name"] = old.get("name") or f"{name}-{len(self.cloud.things)}"
        return Checked(inputs, failures)

    def diff(
        self,
        urn: str,
        type_: str,
        id_: str,
        old_inputs: Properties,
        old_outputs: Properties,
        new_inputs: Properties,
        ignore_changes: tuple[str, ...],
    ) -> Diff:
        detailed: dict[str, DiffKind] = {}
        for key in {**old_inputs, **new_inputs}:
            if old_inputs.get(key) == new_inputs.get(key) or key in ignore_changes:
                continue
            kind = (
                DiffKind.ADD if key not in old_inputs else DiffKind.DELETE if key not in new_inputs else DiffKind.UPDATE
            )
            detailed[key] = DiffKind(f"{kind.value}-replace") if key in ("kind", "name") else kind
        replaces = tuple(key for key in detailed if key in ("kind", "name"))
        return Diff(bool(detailed), detailed, replaces, bool(new_inputs.get("exclusive")))

    def _live(self, id_: str) -> Live:
        thing = self.cloud.things[id_]
        return Live(
            id_, {**thing, "link": f"mem://{id_}"}, {k: v for k, v in thing.items() if k not in ("uid", "password")}
        )

    def create(self, urn: str, type_: str, inputs: Properties, context: CallContext, *, preview: bool) -> Live:
        if preview:
            known_later = ("uid", "link", "password") if inputs.get("login") else ("uid", "link")
            return Live("", {**inputs, **dict.fromkeys(known_later, Opaque.UNKNOWN)})
        name = inputs["name"]
        self._call("create", name)
        with self.cloud.lock:
            self.cloud.counter += 1
            id_ = f"things/{name}"
            if id_ in self.cloud.things:
                raise ProviderError(f"{name} exists already", status="ALREADY_EXISTS")
            made = {"uid": f"uid-{self.cloud.counter}"}
            if inputs.get("login"):
                made["password"] = f"pw-{self.cloud.counter}"
            self.cloud.things[id_] = {**inputs, **made}
        context.note(f"operations/create-{name}", "RUNNING", 0.0)
        if inputs.get("slow"):
            self.cloud.running.add(id_)
            context.cancel.set()
            raise OperationDetached(
                f"operations/create-{name}", partial=self._live(id_) if inputs["slow"] == "partial" else None
            )
        if inputs.get("flawed"):
            raise ProviderError("it was created in a bad shape", partial=self._live(id_))
        self.cloud.after("create", name)
        return self._live(id_)

    def read(
        self, urn: str, type_: str, id_: str, inputs: Properties, outputs: Properties, context: CallContext
    ) -> Live | None:
        self._call("read", id_)
        return self._live(id_) if id_ in self.cloud.things else None

    def locate(self, urn: str, type_: str, inputs: Properties, context: CallContext) -> Live | None:
        self._call("locate", inputs["name"])
        id_ = f"things/{inputs['name']}"
        if id_ in self.cloud.running and context.cancel.is_set():
            raise OperationDetached(f"operations/create-{inputs['name']}")
        self.cloud.running.discard(id_)  # waited for
        return self._live(id_) if id_ in self.cloud.things else None

    def update(
        self,
        urn: str,
        type_: str,
        id_: str,
        old_inputs: Properties,
        old_outputs: Properties,
        new_inputs: Properties,
        context: CallContext,
        *,
        preview: bool,
        ignore_changes: tuple[str, ...] = (),
    ) -> Live:
        if preview:
            return Live(id_, {**old_outputs, **new_inputs})
        self._call("update", new_inputs["name"])
        thing = self.cloud.things[id_]
        kept = {key: thing[key] for key in ("uid", "password") if key in thing}
        self.cloud.things[id_] = {**new_inputs, **kept}
        if new_inputs.get("flawed"):
            raise ProviderError("it was updated into a bad shape", partial=self._live(id_))
        self.cloud.after("update", new_inputs["name"])
        return self._live(id_)

    def delete(
        self, urn: str, type_: str, id_: str, inputs: Properties, outputs: Properties, context: CallContext
    ) -> None:
        self._call("delete", inputs["name"])
        if inputs.get("undeletable"):
            raise ProviderError("it is in use", status="FAILED_PRECONDITION")
        self.cloud.things.pop(id_, None)
        self.cloud.after("delete", inputs["name"])

    def sensitive_outputs(self, type_: str) -> frozenset[str]:
        return frozenset({"password"})
