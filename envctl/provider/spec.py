"""How one resource type maps to its API: the vocabulary of the tables in `envctl/provider/types`."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from envctl.google.operations import OperationStyle, Polling
from envctl.google.repeating import Found
from envctl.plan.values import Opaque
from envctl.provider.protocol import CheckFailure, ProviderError
from envctl.provider.schema import ResourceSchema
from envctl.provider.session import Session
from envctl.provider.values import basename

_BUSY = re.compile(r"\b(?:[Oo]peration|CREATING|UPDATING|DELETING|PROVISIONING|RECONCILING|STOPPING)\b")
_PLACE = re.compile(r"\{(\w+)(\|base)?\}")


@dataclass(frozen=True, slots=True)
class Rule:
    """Where one field departs from "same name, same value, in both directions"."""

    api: str | None = None
    """Dotted path in the API's body."""
    first: bool = False
    """A list in Pulumi that holds what the API has as one object."""
    skip: bool = False
    """Neither in requests nor in answers: a switch of the provider itself."""
    keep: bool = False
    """Sent, but answers do not carry it (or not as it was given): the output keeps the input."""
    send_zero: bool = False
    """Sent even when it is false, 0 or empty."""
    encode: Callable[[Any], Any] | None = None
    decode: Callable[[Any], Any] | None = None
    same: Callable[[Any, Any], bool] | None = None
    """Whether a live value and a wanted one mean the same."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The provider's own configuration: where resources go that do not say so."""

    project: str = ""
    region: str = ""
    attribution: bool = True
    """Adds the label `goog-pulumi-provisioned` to what is created, as the real provider does."""


@dataclass(frozen=True, slots=True)
class Change:
    """What an update has to do: dotted paths (without indexes) of the settable fields that differ."""

    paths: frozenset[str]
    labels: bool = False

    def touches(self, *prefixes: str) -> bool:
        """Whether a field at or below one of the paths differs."""
        return any(path == prefix or path.startswith(prefix + ".") for path in self.paths for prefix in prefixes)


@dataclass(frozen=True, slots=True)
class Run:
    """One resource in one provider call: what is wanted, what was, and the way to its API."""

    spec: TypeSpec
    schema: ResourceSchema
    settings: Settings
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any] = field(default_factory=dict[str, Any])
    ident: Mapping[str, str] = field(default_factory=dict[str, str])
    id: str = ""
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    """All labels that the live resource shall carry (of a type with labels)."""
    maker: Session | None = None

    @property
    def session(self) -> Session:
        """The calls of this run; only missing in pure computations."""
        assert self.maker is not None
        return self.maker

    def value(self, name: str) -> Any:
        """A path parameter: from the inputs, the outputs, the id, or the provider's defaults."""
        for source in (self.inputs, self.ident, self.outputs):
            found = source.get(name)
            if found is not None and found != "":
                return found
        if name == "project":
            return self.settings.project
        if name in {"region", "location"}:
            return self.settings.region
        return ""

    def fill(self, template: str) -> str:
        """A template with its `{name}` replaced; `{name|base}` takes the last segment of a link.

        Raises `ProviderError` when a value is missing.
        """

        def replace(match: re.Match[str]) -> str:
            name = match.group(1)
            value = self.value(name)
            if value is Opaque.UNKNOWN or value == "":
                raise ProviderError(
                    f"{self.spec.token}: {name} is not given and the provider has no default for it",
                    status="INVALID_ARGUMENT",
                )
            return str(basename(value)) if match.group(2) else str(value)

        return _PLACE.sub(replace, template)

    def call(self, method: str, path: str, query: Mapping[str, str] | None = None, body: Any = None) -> Any:
        """One request to this type's service; the path is a template.

        A change that is refused because another one goes on is sent again, when the type has a `turn`.
        """
        service, filled = self.spec.service, self.fill(path)
        if method == "GET":
            return self.session.send(method, service, filled, query, body)
        asked = self._once(query)
        return self._insist(lambda: self.session.send(method, service, filled, asked, body))

    def made(self, path: str, query: Mapping[str, str] | None = None, body: Any = None) -> Any:
        """What a POST made: the answer, its operation awaited, or the resource itself when the answer was lost.

        Whenever it is not known whether a try took effect, `Behaviour.locate` looks before there is another.
        """
        service, filled, asked = self.spec.service, self.fill(path), self._once(query)
        answer = self._insist(
            lambda: self.session.create(service, filled, asked, body, lambda: self.spec.behaviour.locate(self))
        )
        return answer.value[1] if isinstance(answer, Found) else self.finish(answer)

    def _once(self, query: Mapping[str, str] | None) -> Mapping[str, str] | None:
        """Compute carries out one change for one `requestId`, however often it is sent ("Idempotency" in its reference)."""
        if self.spec.style is not OperationStyle.COMPUTE:
            return query
        return {**(query or {}), "requestId": str(uuid.uuid4())}

    def _insist(self, call: Callable[[], Any]) -> Any:
        if not self.spec.turn:
            return call()
        shared = self.fill(self.spec.turn)
        return self.session.insist(call, _is_busy, lambda: self.session.find(self.spec.service, shared))

    @contextmanager
    def in_turn(self) -> Generator[None]:
        """Holds the turn of a type that has one: no other call of this provider changes the same thing meanwhile."""
        if not self.spec.turn:
            yield
            return
        with self.session.turns.take(f"{self.spec.service}/{self.fill(self.spec.turn)}", self.session.context.cancel):
            yield

    def finish(self, operation: Any) -> Any:
        """Waits for an operation in the way of this type."""
        spec = self.spec
        where = self.fill(spec.operations) if spec.operations else ""
        return self.session.wait(spec.style, spec.service, operation, where, spec.polling)


def _is_busy(error: ProviderError) -> bool:
    """Whether a refusal says that another change goes on.

    GKE: "Cluster is running incompatible operation NAME". Composer names the state of the environment.
    """
    return error.status == "FAILED_PRECONDITION" and _BUSY.search(str(error)) is not None


class Behaviour:
    """What a type does with its API; the base does what the table says, subclasses depart from it."""

    def create(self, run: Run, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Creates the resource from the body that the table gives; returns what the API has then."""
        spec = run.spec
        wrapped = {spec.wrap: body} if spec.wrap else body
        for key, template in spec.wrap_with.items():
            wrapped = {**wrapped, key: run.fill(template)}
        query = {key: run.fill(template) for key, template in spec.create_query.items()}
        run.made(spec.collection, query, wrapped or None)
        return self.settled(run)

    def settled(self, run: Run) -> Mapping[str, Any]:
        """The resource after it was written; looks again when it is not visible yet."""
        return run.session.find_settled(run.spec.service, run.fill(run.spec.path))

    def read(self, run: Run) -> Mapping[str, Any] | None:
        """The API's resource, or None."""
        return run.session.find(run.spec.service, run.fill(run.spec.path))

    def locate(self, run: Run) -> tuple[str, Mapping[str, Any]] | None:
        """Provider id and live resource that these inputs would have made."""
        found = self.read(run)
        return None if found is None else (self.id_of(run, found), found)

    def update(self, run: Run, change: Change, body: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: ARG002
        """Changes in place; `body` is the whole wanted resource."""
        raise ProviderError(
            f"{run.spec.token} cannot be changed in place: {', '.join(sorted(change.paths))}", status="UNIMPLEMENTED"
        )

    def delete(self, run: Run) -> None:
        """Deletes; what is gone already is fine."""
        try:
            operation = run.call("DELETE", run.spec.path)
        except ProviderError as error:
            if error.status == "NOT_FOUND":
                return
            raise
        run.finish(operation)

    def id_of(self, run: Run, answer: Mapping[str, Any]) -> str:  # noqa: ARG002 - subclasses read the answer
        """The provider id of a live resource."""
        return run.fill(run.spec.id or run.spec.path)

    def outputs(self, run: Run, answer: Mapping[str, Any], outputs: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """Last word on the outputs that the table gives."""
        return outputs

    def known(self, run: Run) -> Mapping[str, Any]:  # noqa: ARG002
        """Outputs that are certain before the resource exists."""
        return {}

    def unmade(self, answer: Mapping[str, Any]) -> bool:  # noqa: ARG002
        """Whether what a failed create left can only be deleted."""
        return False

    def forces(self, path: str, outputs: Mapping[str, Any], inputs: Mapping[str, Any]) -> bool:  # noqa: ARG002
        """Whether a change of this field replaces although the schema does not say so."""
        return False

    def refuses(self, outputs: Mapping[str, Any], inputs: Mapping[str, Any]) -> str:  # noqa: ARG002
        """Why a change in place is not possible at all; empty when it is."""
        return ""

    def imported(self, inputs: dict[str, Any], live: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """The inputs that an import takes over, of all that differ from defaults; `live` are the outputs."""
        return inputs

    def check(self, inputs: Mapping[str, Any]) -> list[CheckFailure]:  # noqa: ARG002
        """Rules that the schema does not declare."""
        return []


@dataclass(frozen=True, slots=True)
class TypeSpec:
    """One row of the tables: a Pulumi type and its API. Templates take fields by Pulumi name."""

    token: str
    service: str
    """Prefix of the API, as in the custom endpoints: `composer/v1beta1`."""
    path: str
    collection: str = ""
    id: str = ""
    imports: tuple[str, ...] = ()
    identity: tuple[str, ...] = ("project", "name")
    """Fields that stand in the path and not in the body."""
    create_query: Mapping[str, str] = field(default_factory=dict[str, str])
    wrap: str = ""
    wrap_with: Mapping[str, str] = field(default_factory=dict[str, str])
    base: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Always in the body of a create, under what the inputs give."""
    labels: str = ""
    """The field that holds labels, with `pulumiLabels` and `effectiveLabels` beside it."""
    labels_api: str = ""
    zeros: bool = False
    """Sends what is given also when it is false, 0 or empty, whatever the rule of the field says."""
    style: OperationStyle = OperationStyle.NONE
    operations: str = ""
    turn: str = ""
    """Path of what takes one change at a time: the resource itself, or the one that it belongs to."""
    polling: Polling | None = None
    rules: Mapping[str, Rule] = field(default_factory=dict[str, Rule])
    behaviour: Behaviour = field(default_factory=Behaviour)

    def rule(self, path: str) -> Rule:
        """The rule of a field; the default when there is none."""
        return self.rules.get(path, _SAME)


_SAME = Rule()
