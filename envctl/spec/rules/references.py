"""What refers to something else: the foundation, bindings on resources, pieces that must exist."""

from __future__ import annotations

import re
from collections.abc import Iterator

from envctl.diagnostics import Hint
from envctl.spec.model import Environment, SecretsBackendKind
from envctl.spec.nearest import nearest
from envctl.spec.rules.subject import Subject, Violation, hints, suggestion

_ROLE = re.compile(r"(roles/[A-Za-z0-9_.]+|(projects|organizations)/[^/]+/roles/[A-Za-z0-9_.]+)")
_PROJECT = re.compile(r"projects/[a-z][-a-z0-9:.]{4,61}[a-z0-9]")
# Roles that make every other check pointless ("Basic roles", cloud.google.com/iam/docs/roles-overview; not verified).
_BASIC = {"roles/owner", "roles/editor"}


def check_foundation(subject: Subject) -> Iterator[Violation]:
    """The foundation fits, and has what the environment takes from it."""
    spec = subject.spec
    if not isinstance(spec, Environment):
        return
    takes = {
        ("network", "from"): ("network", spec.network.from_),
        ("encryption", "key", "from"): ("encryption", spec.encryption and spec.encryption.key.from_),
        ("monitoring", "from"): ("monitoring", spec.monitoring and spec.monitoring.from_),
    }
    foundation = subject.foundation
    if foundation is None:
        for path, (_, taken) in takes.items():
            if taken and spec.foundation is None:
                detail = "`from: foundation` needs `foundation: NAME` at the top of the file."
                yield Violation("key-needs-another", path, detail, at_key=True)
        return
    if foundation.project != spec.project:
        detail = f"The foundation is in project {foundation.project}, the environment in {spec.project}."
        cure = hints(
            "for the network of another project write `network: {hostProject: ..., network: ..., subnetwork: ...}`"
        )
        yield Violation("foundation-mismatch", ("foundation",), detail, cure)
    for path, (block, taken) in takes.items():
        if taken and getattr(foundation, block) is None:
            detail = f"{spec.foundation} has no `{block}`."
            yield Violation("foundation-lacks", path, detail, hints(f"add `{block}` to the file of {spec.foundation}"))
    if foundation.region != spec.region and (spec.network.from_ or (spec.encryption and spec.encryption.key.from_)):
        detail = f"Its network and keys are in {foundation.region}, the environment is in {spec.region}."
        yield Violation("foundation-mismatch", ("foundation",), detail)


def check_bindings(subject: Subject) -> Iterator[Violation]:
    """Extra bindings: a role, on something that exists."""
    spec = subject.spec
    if not isinstance(spec, Environment):
        return
    for index, binding in enumerate(spec.iam.extra_bindings):
        path = ("iam", "extraBindings", index)
        if not _ROLE.fullmatch(binding.role):
            better = f"roles/{binding.role}"
            cure = (Hint(f"write `{better}`", replacement=better),) if _ROLE.fullmatch(better) else ()
            yield Violation("value-form", (*path, "role"), f"`{binding.role}` is not the name of a role.", cure)
        elif binding.role in _BASIC:
            detail = f"`{binding.role}` holds thousands of permissions, those to change this binding among them."
            yield Violation(
                "role-too-wide", (*path, "role"), detail, hints("name the role of the one service that is used")
            )
        if not binding.members:
            yield Violation("key-needs-another", (*path, "members"), "A binding without members binds nobody.")
        yield from _check_on(spec, path, binding.on)


def _check_on(spec: Environment, path: tuple[str | int, ...], on: str) -> Iterator[Violation]:
    kind, _, key = on.partition(".")
    known = {
        "buckets": list(spec.buckets),
        "secrets": list(spec.secrets.create) if spec.secrets else [],
        "encryption": ["key"] if spec.encryption else [],
    }
    if _PROJECT.fullmatch(on) or (kind in known and key in known[kind]):
        return
    names = [f"{word}.{each}" for word, keys in known.items() for each in keys]
    detail = f"`{on}` is neither `projects/P` nor something of this environment."
    yield Violation(
        "binding-target", (*path, "on"), detail, suggestion(nearest(on, [*names, f"projects/{spec.project}"]))
    )


def check_secret_references(subject: Subject) -> Iterator[Violation]:
    """Values from Secret Manager need Airflow to look there."""
    spec = subject.spec
    if not isinstance(spec, Environment):
        return
    kind = spec.secrets.backend if spec.secrets else None
    refers = [("airflow", "connections", key) for key in spec.airflow.connections] + [
        ("airflow", "variables", key) for key, value in spec.airflow.variables.items() if not isinstance(value, str)
    ]
    if refers and kind is None:
        detail = "A `{secret: ...}` is read through Airflow's secrets backend; the file has no `secrets` block."
        cure = (Hint("add `secrets: {backend: secret-manager}`", replacement="secrets: {backend: secret-manager}"),)
        yield Violation("key-needs-another", refers[0], detail, cure, at_key=True)
    elif refers and kind is not SecretsBackendKind.SECRET_MANAGER:
        detail = f"`{{secret: ...}}` names a secret of Secret Manager; `secrets.backend` is `{kind}`."
        yield Violation("exclusive-keys", refers[0], detail, at_key=True)


def check_integrations(subject: Subject) -> Iterator[Violation]:
    """Each integration once."""
    if isinstance(subject.spec, Environment):
        listed = subject.spec.integrations
        for index, each in enumerate(listed):
            if each in listed[:index]:
                yield Violation("given-twice", ("integrations", index), f"`{each}` is listed already.")
