"""Ordered misbehaviour: failing calls, failing operations, delays, dropped connections, denied permissions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from envctl.errors import UsageError
from envctl.sandbox.failures import ApiError, Status, rpc_code, status_of_http

if TYPE_CHECKING:
    from envctl.sandbox.messages import Json
    from envctl.sandbox.store import Store

_FAULTS = "faults"
_DENIED = "denied"


class FaultKind(StrEnum):
    """What a fault does."""

    FAIL = "fail"
    OPERATION = "operation"
    DELAY = "delay"
    DROP = "drop"
    DENY = "deny"


_KEYS: Mapping[FaultKind, frozenset[str]] = {
    FaultKind.FAIL: frozenset(
        {"method", "times", "code", "status", "message", "reason", "details", "when", "headers", "body"}
    ),
    FaultKind.OPERATION: frozenset({"operation", "times", "code", "status", "message"}),
    FaultKind.DELAY: frozenset({"method", "times", "seconds"}),
    FaultKind.DROP: frozenset({"method", "times", "when"}),
    FaultKind.DENY: frozenset({"permission", "principal", "resource"}),
}


@dataclass(frozen=True, slots=True)
class Names:
    """What faults can be ordered for: ids of methods, and names of operations."""

    methods: frozenset[str]
    operations: frozenset[str]


@dataclass(frozen=True, slots=True)
class Faults:
    """The faults that wait in a store; `names` tells what there is to break."""

    store: Store
    names: Callable[[], Names]

    def add(self, document: Mapping[str, Any]) -> Json:
        """Order a fault.

        Args:
            document: `kind` and its fields, see `docs/sandbox.md`.

        Returns:
            The fault as kept, with its `id`.

        Raises:
            UsageError: the document is not a fault.
        """
        try:
            kind = FaultKind(document.get("kind", ""))
        except ValueError as error:
            raise UsageError(
                f"{document.get('kind')!r} is not a kind of fault",
                hints=(f"Kinds: {', '.join(FaultKind)}.",),
            ) from error
        unknown = set(document) - _KEYS[kind] - {"kind"}
        if unknown:
            raise UsageError(
                f"A fault of kind {kind} has no field {min(unknown)!r}",
                hints=(f"Fields: {', '.join(sorted(_KEYS[kind]))}.",),
            )
        if kind is FaultKind.DENY:
            return self._deny(document)
        self._check_name(kind, document)
        for field, value in document.items():
            if field in _CHECKS and not _CHECKS[field][0](value):
                raise UsageError(f"{field} of a fault is {_CHECKS[field][1]}", detail=f"Given: {value!r}.")
        code = document.get("code", 500)
        # A page instead of an answer comes with any status: a gateway that wants a login says 200.
        if kind is FaultKind.FAIL and not 400 <= code < 600 and not (code == 200 and "body" in document):
            raise UsageError("code of a fault of a call is an HTTP status from 400 to 599, or 200 with a `body`")
        if kind is FaultKind.DELAY and "seconds" not in document:
            raise UsageError(f"A fault of kind {kind} needs the field 'seconds'")
        identifier = str(1 + max((int(name) for name, _ in self.store.items(_FAULTS)), default=0))
        fault: Json = {"times": 1, **document, "kind": kind.value, "id": identifier}
        if "status" in fault:
            fault["status"] = _status(fault["status"]).value
        self.store.put(_FAULTS, identifier, fault)
        return fault

    def _check_name(self, kind: FaultKind, document: Mapping[str, Any]) -> None:
        """Refuse a fault that nothing can meet: no text, or a pattern of nothing that there is."""
        needed = "operation" if kind is FaultKind.OPERATION else "method"
        pattern = document.get(needed)
        if not isinstance(pattern, str) or not pattern:
            raise UsageError(f"A fault of kind {kind} needs the field {needed!r}, a text")
        names = self.names()
        known = names.operations if kind is FaultKind.OPERATION else names.methods
        if not any(fnmatchcase(name, pattern) for name in known):
            near = get_close_matches(pattern, known, n=1, cutoff=0.5)
            raise UsageError(
                f"The sandbox has no {needed} {pattern!r}",
                hints=(f"did you mean `{near[0]}`?",) if near else ("docs/sandbox.md names them",),
            )

    def _deny(self, document: Mapping[str, Any]) -> Json:
        for field in ("permission", "principal", "resource"):
            value = document.get(field, "" if field == "permission" else "*")
            if not isinstance(value, str) or not value:
                raise UsageError(f"A denial needs the field {field!r}, a text")
        permission = document["permission"]
        principal = document.get("principal", "*")
        resource = document.get("resource", "*")
        record: Json = {"permission": permission, "principal": principal, "resource": resource}
        self.store.put(_DENIED, f"{permission} {principal} {resource}", record)
        return {"kind": "deny", **record}

    def clear(self) -> None:
        """Withdraw all faults and denials."""
        for kind in (_FAULTS, _DENIED):
            for name, _ in self.store.items(kind):
                self.store.delete(kind, name)

    def listed(self) -> list[Json]:
        """All faults and denials that wait."""
        denials = [{"kind": "deny", **value} for value in self.store.values(_DENIED)]
        return [dict(value) for value in self.store.values(_FAULTS)] + denials

    def is_denied(self, permission: str, principal: str, resource: str) -> bool:
        """Whether a permission was taken from a principal on a resource."""
        return any(
            fnmatchcase(permission, denial["permission"])
            and fnmatchcase(principal, denial["principal"])
            and fnmatchcase(resource, denial["resource"])
            for denial in self.store.values(_DENIED)
        )

    def delay(self, method: str) -> float:
        """Seconds of real time that a call is held up; uses the fault up."""
        fault = self._take(FaultKind.DELAY, "method", method)
        return float(fault["seconds"]) if fault else 0.0

    def raise_failure(self, method: str, when: str = "before") -> None:
        """Refuse a call that a fault is waiting for; `when` is `after` once the call has taken effect.

        Raises:
            ApiError: as the fault says.
        """
        fault = self._take(FaultKind.FAIL, "method", method, when)
        if fault is None:
            return
        http = fault.get("code")
        status = Status(fault["status"]) if "status" in fault else status_of_http(http or 500)
        raise ApiError(
            status,
            fault.get("message", "Injected by the sandbox."),
            http=http,
            reason=fault.get("reason"),
            details=fault.get("details", ()),
            headers=fault.get("headers", {}),
            page=fault.get("body"),
        )

    def drop(self, method: str) -> str:
        """`before` or `after` when the connection is to be cut around a call, else empty."""
        fault = self._take(FaultKind.DROP, "method", method)
        return str(fault.get("when", "before")) if fault else ""

    def operation_error(self, kind: str) -> Json | None:
        """The `google.rpc.Status` that an operation of this kind is to end with."""
        fault = self._take(FaultKind.OPERATION, "operation", kind)
        if fault is None:
            return None
        status = Status(fault.get("status", Status.INTERNAL.value))
        code = fault.get("code", rpc_code(status))
        return {"code": code, "message": fault.get("message", "Injected by the sandbox.")}

    def _take(self, kind: FaultKind, key: str, name: str, when: str = "") -> Mapping[str, Any] | None:
        for identifier, fault in self.store.items(_FAULTS):
            if when and fault.get("when", "before") != when:
                continue
            if fault["kind"] == kind.value and fnmatchcase(name, fault[key]):
                if fault["times"] <= 1:
                    self.store.delete(_FAULTS, identifier)
                else:
                    self.store.put(_FAULTS, identifier, {**fault, "times": fault["times"] - 1})
                return fault
        return None


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 86_400


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_code(value: object) -> bool:
    return _is_count(value) and value in range(1, 600)


def _is_list(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(entry, dict) for entry in value)


_CHECKS: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "times": (_is_count, "a whole number above zero"),
    "seconds": (_is_number, "a number of seconds below a day"),
    "code": (_is_code, "a number: an HTTP status, or of a call of gRPC"),
    "message": (_is_text, "a text"),
    "reason": (_is_text, "a text"),
    "details": (_is_list, "a list of objects"),
    "when": (lambda value: value in {"before", "after"} if isinstance(value, str) else False, "`before` or `after`"),
}


def _status(name: object) -> Status:
    try:
        return Status(str(name))
    except ValueError as error:
        raise UsageError(f"{name!r} is not a status", hints=(f"Statuses: {', '.join(Status)}.",)) from error
