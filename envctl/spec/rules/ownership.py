"""Whose things are: what exists and stays whose it is, what is taken over, keys that mean something to envctl."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from envctl.diagnostics import Hint
from envctl.spec.model import Environment, Foundation, Integration
from envctl.spec.names import OWN_LABELS
from envctl.spec.nearest import nearest
from envctl.spec.rules.subject import Subject, Violation, hints, suggestion
from envctl.spec.tree import Entries, KeyPath, at, show

_CLOSE = 0.85
"""How alike two keys are that one slip of the hand makes of each other: `environmnt`, not `environments-archive`."""

_MANAGED_BY = "managed-by"


def check_existing(subject: Subject) -> Iterator[Violation]:
    """Beside `existing` stands nothing that would change the object."""
    spec = subject.spec
    for key, bucket in spec.buckets.items():
        if bucket.existing is not None:
            yield from _alone(subject, ("buckets", key), "access")
    if isinstance(spec, Environment) and spec.secrets is not None:
        for key, secret in spec.secrets.create.items():
            if secret.existing is not None:
                yield from _alone(subject, ("secrets", "create", key), "readers")


def _alone(subject: Subject, path: KeyPath, allowed: str) -> Iterator[Violation]:
    block = at(subject.tree, path)
    for key in block.entries if isinstance(block, Entries) else ():
        if key not in {"existing", allowed}:
            detail = f"`{show(path)}` exists and stays whose it is: beside `existing` only `{allowed}` may stand."
            cure = hints(f"take `{key}` out, or write `{key}: null` beside `existing` when it comes from a base")
            yield Violation("exclusive-keys", (*path, key), detail, cure, at_key=True)


def check_imports(subject: Subject) -> Iterator[Violation]:
    """`import: true` stands where something would be created, and goes again."""
    spec = subject.spec
    asked: list[tuple[str, ...]] = [
        ("buckets", key) for key, bucket in spec.buckets.items() if bucket.import_ and not bucket.existing
    ]
    if spec.encryption is not None and spec.encryption.key.import_:
        if spec.encryption.key.create:
            asked.append(("encryption", "key"))
        else:
            detail = "Only a key that would be created can be taken over: `import` needs `create: true`."
            yield Violation("key-needs-another", ("encryption", "key", "import"), detail, at_key=True)
    if spec.repository is not None and spec.repository.import_:
        asked.append(("repository",))
    if isinstance(spec, Foundation):
        asked += [("network",)] if spec.network is not None and spec.network.import_ else []
    else:
        asked += _of_environment(spec)
        if spec.service_account.import_ and spec.service_account.email is not None:
            detail = "The account of `email` stays whose it is; one that is taken over has a `name`."
            yield Violation("exclusive-keys", ("serviceAccount", "import"), detail, at_key=True)
    for path in asked:
        what = f"`{show(path)}`" if path else f"the environment {subject.environment_name}"
        detail = f"The next `up` takes over {what}, if it exists; afterwards the line does nothing."
        cure = hints(f"take the line out when `envctl up {subject.name}` has taken it over")
        yield Violation("import-once", (*path, "import"), detail, cure, at_key=True)


def _of_environment(spec: Environment) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = [()] if spec.import_ else []
    if spec.service_account.import_ and spec.service_account.email is None:
        found.append(("serviceAccount",))
    if spec.network.vpc is not None and spec.network.vpc.import_:
        found.append(("network", "vpc"))
    if spec.secrets is not None:
        found += [
            ("secrets", "create", key)
            for key, secret in spec.secrets.create.items()
            if secret.import_ and not secret.existing
        ]
    return found + [("nodePools", key) for key, pool in spec.node_pools.items() if pool.import_]


def check_reserved_keys(subject: Subject) -> Iterator[Violation]:
    """A key of `buckets` that is one slip away from one that means something to envctl.

    `environment` is the environment's own bucket: misspelt, its file would let go of the bucket with the DAGs.
    `staging` means something only where Dataflow stages its files.
    """
    spec = subject.spec
    if not isinstance(spec, Environment):
        return
    reserved = ["environment", *(["staging"] if Integration.DATAFLOW in spec.integrations else [])]
    for key in spec.buckets:
        meant = None if key in reserved or _is_compound(key, reserved) else nearest(key, reserved, _CLOSE)
        if meant is not None:
            detail = f"`buckets.{meant}` means something to envctl, and `{key}` is nearly the same word."
            cure = (*suggestion(meant), Hint("or choose a key that differs more"))
            yield Violation("key-near-reserved", ("buckets", key), detail, cure, at_key=True)


def _is_compound(key: str, reserved: list[str]) -> bool:
    """Whether a key adds a word or a number to a reserved one, as `staging-eu` and `staging2` do."""
    parts = key.replace("_", "-").split("-")
    return any(character.isdigit() for character in key) or (len(parts) > 1 and any(part in reserved for part in parts))


def check_own_labels(subject: Subject) -> Iterator[Violation]:
    """Labels by which envctl says what is its own are no file's to set."""
    spec = subject.spec
    places: list[tuple[KeyPath, Mapping[str, str]]] = [(("labels",), spec.labels)]
    places += [(("buckets", key, "labels"), bucket.labels) for key, bucket in spec.buckets.items()]
    if isinstance(spec, Environment):
        secrets = spec.secrets.create if spec.secrets else {}
        places += [(("secrets", "create", key, "labels"), secret.labels) for key, secret in secrets.items()]
        places += [(("nodePools", key, "labels"), pool.labels) for key, pool in spec.node_pools.items()]
    # What was there before its file keeps the labels that it has, and who managed it is one of them.
    taken_over = isinstance(spec, Environment) and spec.adopted is not None and not spec.adopted.labels
    for path, labels in places:
        for key, value in labels.items():
            if key in OWN_LABELS or (key == _MANAGED_BY and value != "envctl" and not taken_over):
                detail = f"`{key}` is written by envctl: it says whose the object is, and a file cannot say otherwise."
                cure = hints("take the line out, or choose another key")
                yield Violation("label-reserved", (*path, key), detail, cure, at_key=True)
