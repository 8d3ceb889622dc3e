"""The sandbox provider: Pulumi's resource protocol answered by REST calls, from the tables in `envctl/provider/types`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from envctl.google.pauses import RealSleeper, Sleeper
from envctl.google.transport import Transport
from envctl.plan.values import Opaque
from envctl.provider.checking import check_inputs
from envctl.provider.diffing import Comparison, Difference
from envctl.provider.mapping import (
    IMPORTED,
    UNMADE,
    UNWRITTEN,
    after_failure,
    expand,
    flatten,
    merged_outputs,
    own_labels,
    planned_outputs,
    wanted_labels,
)
from envctl.provider.projection import project_inputs
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
from envctl.provider.registry import find_spec
from envctl.provider.schema import load_schema
from envctl.provider.session import Session
from envctl.provider.spec import Change, Run, Settings
from envctl.provider.turns import Turns
from envctl.provider.values import get_path, has_unknown, merge, set_path

_EMPTY: Mapping[str, Any] = {}
_PREVENTED = 'the deletion policy "PREVENT" forbids to delete it'


@dataclass(frozen=True, slots=True)
class SandboxProvider:
    """Implements `envctl.provider.protocol.Provider` over any transport.

    `settings` hold the default project and region, as the real provider's configuration does.
    """

    transport: Transport
    settings: Settings = field(default_factory=Settings)
    sleeper: Sleeper = field(default_factory=RealSleeper)
    turns: Turns = field(default_factory=Turns)

    def check(self, urn: str, type_: str, old: Properties, new: Properties) -> Checked:  # noqa: ARG002
        """Completed inputs and every failure; makes no calls."""
        spec = find_spec(type_)
        if spec is None:
            return Checked(
                dict(new), (CheckFailure("", f"{type_} is not a type that envctl's sandbox provider knows"),)
            )
        return check_inputs(load_schema(type_), spec.behaviour, new)

    def diff(
        self,
        urn: str,  # noqa: ARG002
        type_: str,
        id_: str,
        old_inputs: Properties,
        old_outputs: Properties,
        new_inputs: Properties,
        ignore_changes: tuple[str, ...] = (),
    ) -> Diff:
        """What an update has to do, with the live outputs as the old side. Raises `ProviderError` for impossible changes.

        What a failed create left unusable is replaced, with `id` as the only reason when nothing else differs.
        """
        run = self._run(type_, new_inputs, old_outputs or old_inputs, id_)
        found = self._differences(run, ignore_changes)
        detailed = {item.path: item.kind for item in found}
        replaces = tuple(dict.fromkeys(item.path for item in found if item.replaces))
        if UNMADE in run.outputs:
            replaces = tuple(dict.fromkeys(("id", *replaces)))
        if found and not replaces:
            reason = run.spec.behaviour.refuses(run.outputs, run.inputs)
            if reason:
                raise ProviderError(reason, status="FAILED_PRECONDITION", method="diff")
        return Diff(bool(found or replaces), detailed, replaces, bool(replaces) and self._same_name(run, id_))

    def create(self, urn: str, type_: str, inputs: Properties, context: CallContext, *, preview: bool) -> Live:  # noqa: ARG002
        """Creates. An error after the resource came into being carries it as `partial`."""
        run = self._run(type_, inputs, _EMPTY, "", None if preview else context)
        run = replace(run, labels=wanted_labels(run, creating=True) if run.spec.labels else _EMPTY)
        if preview:
            return Live("", planned_outputs(run), inputs)
        self._refuse_unknown(run)
        behaviour = run.spec.behaviour
        try:
            with run.in_turn():
                answer = behaviour.create(run, expand(run, creating=True))
        except OperationDetached as detached:
            detached.partial = self._expected(run)
            raise
        except ProviderError as error:
            refused = error.status in {"ALREADY_EXISTS", "INVALID_ARGUMENT", "PERMISSION_DENIED"}
            if error.partial is None and (run.session.created or not refused):
                error.partial = self._remains(run, error)
            raise
        return Live(behaviour.id_of(run, answer), flatten(run, answer), inputs)

    def read(
        self,
        urn: str,  # noqa: ARG002
        type_: str,
        id_: str,
        inputs: Properties,
        outputs: Properties,
        context: CallContext,
    ) -> Live | None:
        """The live resource with the inputs that would give it, or None; empty inputs and outputs mean an import."""
        run = self._run(type_, inputs, outputs, id_, context)
        behaviour = run.spec.behaviour
        answer = behaviour.read(run)
        if answer is None:
            return None
        live = flatten(run, answer)
        live.update({mark: True for mark in (IMPORTED, UNWRITTEN) if mark in outputs})
        if UNMADE in outputs and behaviour.unmade(answer):
            live[UNMADE] = True
        return Live(behaviour.id_of(run, answer), live, project_inputs(run, live))

    def locate(self, urn: str, type_: str, inputs: Properties, context: CallContext) -> Live | None:  # noqa: ARG002
        """The live resource that these inputs would have made, or None: for a create whose end nobody saw."""
        run = self._run(type_, inputs, _EMPTY, "", context)
        run = replace(run, labels=wanted_labels(run, creating=True) if run.spec.labels else _EMPTY)
        found = run.spec.behaviour.locate(run)
        return None if found is None else _left(run, *found)

    def update(
        self,
        urn: str,  # noqa: ARG002
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
        """Changes in place what differs; fields under `ignore_changes` are left as they are.

        An error carries the resource as it is then: some of several requests may have been carried out.
        """
        run = self._run(type_, new_inputs, old_outputs or old_inputs, id_, None if preview else context)
        run = replace(run, labels=wanted_labels(run, creating=False) if run.spec.labels else _EMPTY)
        if preview:
            return Live(id_, merged_outputs(run), new_inputs)
        self._refuse_unknown(run)
        found = self._differences(run, ignore_changes)
        wanted = replace(run, inputs=_without_ignored(merged_outputs(run), run.outputs, ignore_changes))
        switches = {item.field for item in found if run.spec.rule(item.field).skip}
        paths = frozenset(name for item in found for name in (item.field, *item.covers)) - switches
        labelled = bool(run.spec.labels) and run.labels != dict(run.outputs.get("effectiveLabels") or {})
        if paths or labelled:
            try:
                with run.in_turn():
                    answer = run.spec.behaviour.update(run, Change(paths, labelled), expand(wanted, creating=False))
            except (ProviderError, OperationDetached) as error:
                if error.partial is None:
                    error.partial = self._as_it_is(run, error)
                raise
        else:
            read = run.spec.behaviour.read(run)
            if read is None:
                raise ProviderError(f"{id_} does not exist any more", status="NOT_FOUND")
            answer = read
        written = replace(run, outputs={name: value for name, value in run.outputs.items() if name != UNWRITTEN})
        return Live(run.spec.behaviour.id_of(run, answer), flatten(written, answer), new_inputs)

    def delete(
        self,
        urn: str,  # noqa: ARG002
        type_: str,
        id_: str,
        inputs: Properties,
        outputs: Properties,
        context: CallContext,
    ) -> None:
        """Deletes, unless the resource's deletion policy says to leave or to keep it."""
        run = self._run(type_, inputs, outputs, id_, context)
        match run.value("deletionPolicy"):
            case "PREVENT":
                raise ProviderError(f"{id_}: {_PREVENTED}", status="FAILED_PRECONDITION", method="delete")
            case "ABANDON":
                return
            case _:
                with run.in_turn():
                    run.spec.behaviour.delete(run)

    def sensitive_outputs(self, type_: str) -> frozenset[str]:
        """Top-level outputs that are, or hold, secrets."""
        return load_schema(type_).sensitive if find_spec(type_) else frozenset()

    def _run(
        self, type_: str, inputs: Properties, outputs: Properties, id_: str, context: CallContext | None = None
    ) -> Run:
        spec = find_spec(type_)
        if spec is None:
            raise ProviderError(f"{type_} is not a type that envctl's sandbox provider knows", status="UNIMPLEMENTED")
        maker = None if context is None else Session(self.transport, self.sleeper, context, turns=self.turns)
        ident = parse_id(id_, (spec.id or spec.path, *spec.imports)) if id_ else {}
        return Run(spec, load_schema(type_), self.settings, inputs, outputs, ident, id_, maker=maker)

    def _differences(self, run: Run, ignore_changes: tuple[str, ...]) -> list[Difference]:
        spec, behaviour = run.spec, run.spec.behaviour
        found = list(Comparison(spec, IMPORTED in run.outputs).fields(run.schema.fields, run.outputs, run.inputs))
        found.extend(_default_moves(run))
        if spec.labels:
            found.extend(_label_differences(run))
        kept = [item for item in found if not _ignored(item.path, ignore_changes)]
        return [
            replace(item, replaces=True, kind=_replacing(item.kind))
            if not item.replaces and behaviour.forces(item.field, run.outputs, run.inputs)
            else item
            for item in kept
        ]

    def _same_name(self, run: Run, id_: str) -> bool:
        """Whether old and new cannot exist side by side: then the old one has to go first."""
        name = run.inputs.get("name")
        if name is not None and name == run.outputs.get("name"):
            return True
        try:
            return run.fill(run.spec.id or run.spec.path) == id_
        except ProviderError:
            return False

    def _refuse_unknown(self, run: Run) -> None:
        if has_unknown(run.inputs):
            raise ProviderError("inputs are not all known yet", status="INVALID_ARGUMENT", method=run.spec.token)

    def _expected(self, run: Run) -> Live | None:
        """The resource as far as the inputs tell, for one that is there or on its way and cannot be seen."""
        try:
            id_ = run.fill(run.spec.id or run.spec.path)
        except ProviderError:
            return None
        known = {key: value for key, value in planned_outputs(run).items() if not has_unknown(value)}
        return Live(id_, known, run.inputs)

    def _as_it_is(self, run: Run, error: Exception) -> Live | None:
        """The resource after an update that stopped half way: earlier requests of it have taken effect."""
        try:
            answer = run.spec.behaviour.read(run)
        except ProviderError as second:  # the first error is the one to report
            error.add_note(f"reading what is there failed too: {second}")
            return None
        if answer is None:
            return None
        outputs = flatten(replace(run, outputs=after_failure(run)), answer)
        return Live(run.id, {**outputs, UNWRITTEN: True}, run.inputs)

    def _remains(self, run: Run, error: ProviderError) -> Live | None:
        """What a failed create left behind."""
        try:
            found = run.spec.behaviour.locate(run)
        except ProviderError as second:  # the first error is the one to report
            error.add_note(f"looking for what is left failed too: {second}")
            return self._expected(run) if run.session.created else None
        return None if found is None else _left(run, *found)


def _left(run: Run, id_: str, answer: Mapping[str, Any]) -> Live:
    """What a create left whose end nobody saw, or that failed."""
    outputs = flatten(run, answer)
    if run.spec.behaviour.unmade(answer):
        outputs[UNMADE] = True
    return Live(id_, outputs, run.inputs)


def parse_id(id_: str, templates: tuple[str, ...]) -> dict[str, str]:
    """The values in an id, by the first template that fits; empty when none does."""
    for template in templates:
        match = re.fullmatch(_id_pattern(template), id_)
        if match is not None:
            return {key: value for key, value in match.groupdict().items() if value}
    return {}


@cache
def _id_pattern(template: str) -> str:
    """A regular expression for a template: a value holds no slash, or no blank where blanks divide."""
    one = r"\S+" if " " in template else "[^/]+"
    pattern, seen = "", set[str]()
    for part in re.split(r"(\{[^}]+\})", template):
        name, _, glob = part[1:-1].removesuffix("|base").partition("=")
        if not part.startswith("{"):
            pattern += re.escape(part)
        elif name in seen:
            pattern += f"(?P={name})"
        else:
            seen.add(name)
            value = re.escape(glob).replace(r"\*", "[^/]+") if glob else ".+" if name == "title" else one
            pattern += f"(?P<{name}>{value})"
    return pattern


def _default_moves(run: Run) -> list[Difference]:
    """A resource without project or region follows the provider's default: another default replaces it."""
    found: list[Difference] = []
    for name, default in (("project", run.settings.project), ("region", run.settings.region)):
        item, before = run.schema.fields.get(name), run.outputs.get(name)
        if item is None or item.required or not item.force_new or name in run.inputs or not default or not before:
            continue
        if str(before).rsplit("/", 1)[-1] != default:
            found.append(Difference(name, name, DiffKind.UPDATE_REPLACE, replaces=True))
    return found


def _label_differences(run: Run) -> list[Difference]:
    wanted = run.inputs.get(run.spec.labels) or {}
    field_ = run.spec.labels
    if wanted is Opaque.UNKNOWN or has_unknown(wanted):
        return [Difference(field_, field_, DiffKind.UPDATE, replaces=False)]
    own, before = own_labels(run, creating=False), dict(run.outputs.get("pulumiLabels") or {})
    found: list[Difference] = []
    for key in {**before, **own}:
        if own.get(key) == before.get(key):
            continue
        kind = DiffKind.ADD if key not in before else DiffKind.DELETE if key not in own else DiffKind.UPDATE
        path = f"{field_}.{key}" if key in wanted or key in (run.outputs.get(field_) or {}) else f"pulumiLabels.{key}"
        found.append(Difference(path, field_, kind, replaces=False))
    return found


def _ignored(path: str, ignore_changes: tuple[str, ...]) -> bool:
    return any(
        rule in ("*", path) or path.startswith((f"{rule}.", f"{rule}[")) or rule.startswith((f"{path}.", f"{path}["))
        for rule in ignore_changes
    )


def _without_ignored(
    wanted: Mapping[str, Any], live: Mapping[str, Any], ignore_changes: tuple[str, ...]
) -> Mapping[str, Any]:
    """The wanted resource, with live values where a program does not want to change them."""
    result: dict[str, Any] = merge(wanted, {})
    for rule in ignore_changes:
        if "[" in rule or rule == "*":
            continue
        value = get_path(live, rule)
        if value is not None:
            set_path(result, rule, value)
    return result


def _replacing(kind: DiffKind) -> DiffKind:
    return DiffKind(f"{kind.value}-replace") if not kind.value.endswith("-replace") else kind
