"""One member of one role in the allow policy of some resource: read-modify-write cycles with the policy's etag."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from envctl.provider.protocol import ProviderError
from envctl.provider.session import suppress_missing
from envctl.provider.spec import Behaviour, Run

_VERSION = 3
_CONFLICTS = frozenset({"ABORTED", "ALREADY_EXISTS", "FAILED_PRECONDITION"})
_LONGEST_WAIT = 30.0
_QUERY = {"options.requestedPolicyVersion": str(_VERSION)}

_locks: dict[str, threading.Lock] = {}
_locks_guard = threading.Lock()


def _lock_for(target: str) -> threading.Lock:
    """One writer per policy in this process, as in the real provider: fewer conflicts, same result."""
    with _locks_guard:
        return _locks.setdefault(target, threading.Lock())


@dataclass(frozen=True, slots=True)
class PolicyMember(Behaviour):
    """How the policy of one kind of resource is read and written.

    `target` is a template of the resource's path; the policy is found at `read_suffix` and `write_suffix`.
    """

    target: str
    read_method: str = "GET"
    read_suffix: str = ":getIamPolicy"
    read_query: Mapping[str, str] = field(default_factory=lambda: dict(_QUERY))
    read_body: Mapping[str, Any] | None = None
    write_method: str = "POST"
    write_suffix: str = ":setIamPolicy"
    write_mask: str = ""
    bare: bool = False
    """The policy itself is the body (storage), not `{"policy": ...}`."""

    def create(self, run: Run, body: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: ARG002
        """Adds the member and reads the policy until it shows."""
        self._modify(run, present=True)
        found = self._agreed(run, present=True)
        assert found is not None
        return found

    def read(self, run: Run) -> Mapping[str, Any] | None:
        """Role, member, condition and the policy's etag; None when the binding or its resource is not there."""
        role, member, condition = _wanted(run)
        try:
            policy = self._policy(run)
        except ProviderError as error:
            if error.status == "NOT_FOUND":
                return None
            raise
        for binding in policy.get("bindings", ()):
            if binding.get("role") != role or not _same_condition(binding.get("condition"), condition):
                continue
            for present in binding.get("members", ()):
                if present.lower() == member.lower():
                    found = {"role": role, "member": present, "etag": policy.get("etag", "")}
                    return {**found, "condition": binding["condition"]} if binding.get("condition") else found
        return None

    def delete(self, run: Run) -> None:
        """Takes the member out; a policy or resource that is gone is fine."""
        with suppress_missing():
            self._modify(run, present=False)
            self._agreed(run, present=False)

    def id_of(self, run: Run, answer: Mapping[str, Any]) -> str:
        """Target, role, member and the condition's title, as the real provider writes it."""
        parts = [self._target_id(run), str(answer["role"]), str(answer["member"])]
        title = (answer.get("condition") or {}).get("title")
        return "/".join([*parts, title] if title else parts)

    def _target_id(self, run: Run) -> str:
        target = run.fill(self.target)
        return target.removeprefix("projects/") if target.count("/") == 1 else target  # a project goes by its id alone

    def outputs(self, run: Run, answer: Mapping[str, Any], outputs: dict[str, Any]) -> dict[str, Any]:
        """The etag stays that of the last write: a neighbour's binding is no drift of this one."""
        before = run.outputs.get("etag")
        role, member, condition = _wanted(run)
        outputs.update({"role": role, "member": member, "etag": before or answer.get("etag", "")})
        if condition and "condition" not in outputs:
            outputs["condition"] = condition
        return outputs

    def _agreed(self, run: Run, *, present: bool) -> Mapping[str, Any] | None:
        """The member as the policy has it once the write shows."""
        session, delay = run.session, 1.0
        while True:
            found = self.read(run)
            if (found is not None) is present:
                return found
            if delay > _LONGEST_WAIT or session.context.cancel.is_set():
                raise ProviderError(
                    f"the change of {run.value('role')} for {run.value('member')} was written but does not show in the "
                    f"policy of {run.fill(self.target)}",
                    status="ABORTED",
                    method=self.write_suffix,
                )
            session.sleeper.sleep(delay, session.context.cancel)
            delay *= 2

    def _policy(self, run: Run) -> dict[str, Any]:
        body = dict(self.read_body) if self.read_body else None
        query = None if self.read_body else dict(self.read_query)
        return dict(run.call(self.read_method, self.target + self.read_suffix, query, body))

    def _modify(self, run: Run, *, present: bool) -> None:
        session, delay = run.session, 1.0
        with _lock_for(f"{run.spec.service}/{run.fill(self.target)}"):
            while True:
                policy = self._policy(run)
                changed = _with_member(policy, run) if present else _without_member(policy, run)
                if changed is None:
                    return
                try:
                    self._write(run, changed)
                except ProviderError as error:
                    missing = error.status == "INVALID_ARGUMENT" and "does not exist" in str(error)
                    if not (error.status in _CONFLICTS or missing) or delay > _LONGEST_WAIT:
                        raise
                    if session.context.cancel.is_set():
                        raise
                    session.sleeper.sleep(delay, session.context.cancel)
                    delay *= 2
                    continue
                return

    def _write(self, run: Run, policy: Mapping[str, Any]) -> None:
        body: dict[str, Any] = dict(policy) if self.bare else {"policy": dict(policy)}
        if self.write_mask:
            body["updateMask"] = self.write_mask
        run.call(self.write_method, self.target + self.write_suffix, None, body)


def _wanted(run: Run) -> tuple[str, str, Mapping[str, Any] | None]:
    if run.inputs or run.outputs:
        condition = run.inputs.get("condition") or run.outputs.get("condition")
        return str(run.value("role")), str(run.value("member")), condition
    return _imported(run)


def _imported(run: Run) -> tuple[str, str, Mapping[str, Any] | None]:
    """Role and member of an import id, with blanks (`target role member [title]`) or slashes."""
    words = run.id.split()
    title = run.ident.get("title")
    condition = {"title": title} if title else ({"title": " ".join(words[3:])} if len(words) > 3 else None)
    return str(run.value("role")), str(run.value("member")), condition


def _same_condition(live: Mapping[str, Any] | None, wanted: Mapping[str, Any] | None) -> bool:
    if not live or not wanted:
        return not live and not wanted
    if set(wanted) == {"title"}:  # an import names the title only
        return live.get("title") == wanted["title"]
    keys = ("title", "description", "expression")
    return all((live.get(key) or "") == (wanted.get(key) or "") for key in keys)


def _with_member(policy: Mapping[str, Any], run: Run) -> dict[str, Any]:
    role, member, condition = _wanted(run)
    bindings = [dict(binding) for binding in policy.get("bindings", ())]
    home = next(
        (item for item in bindings if item.get("role") == role and _same_condition(item.get("condition"), condition)),
        None,
    )
    if home is None:
        home = dict[str, Any](role=role, members=[])
        if condition:
            home["condition"] = {key: value for key, value in condition.items() if value}
        bindings.append(home)
    home["members"] = sorted({*home.get("members", ()), member})
    return {**policy, "bindings": _sorted(bindings), "version": _VERSION}


def _without_member(policy: Mapping[str, Any], run: Run) -> dict[str, Any] | None:
    """The policy without the member; None when it is not in there."""
    role, member, condition = _wanted(run)
    bindings: list[dict[str, Any]] = []
    found = False
    for binding in policy.get("bindings", ()):
        kept = dict(binding)
        if binding.get("role") == role and _same_condition(binding.get("condition"), condition):
            kept["members"] = [item for item in binding.get("members", ()) if item.lower() != member.lower()]
            found = found or len(kept["members"]) < len(binding.get("members", ()))
        if kept.get("members"):
            bindings.append(kept)
    if not found:
        return None
    rest = {key: value for key, value in policy.items() if key != "bindings"}
    return {**rest, "bindings": _sorted(bindings)} if bindings else rest


def _sorted(bindings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(bindings, key=lambda item: (item["role"], (item.get("condition") or {}).get("title", "")))
