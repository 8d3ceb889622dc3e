"""Names and labels of what is created."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping

from envctl.diagnostics import Hint
from envctl.spec.forms import ACCOUNT_ADDRESS
from envctl.spec.model import Bucket, ConfigMap, Encryption, Environment, NodePool, WorkloadSecret
from envctl.spec.names import bucket_name
from envctl.spec.rules.subject import Subject, Violation
from envctl.spec.tables import limits
from envctl.spec.tree import KeyPath

_NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
_ACCOUNT = re.compile(ACCOUNT_ADDRESS)
_KEY_NAME = re.compile(r"projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+")
# "Bucket names" (cloud.google.com/storage/docs/naming-buckets, stored copy read 2026-11-21): 3 to 63 characters, with dots up
# to 222 and 63 per component; no address, no "goog" in front, no "google" or close misspelling such as "g00gle".
_BUCKET = re.compile(r"[a-z0-9]([-_a-z0-9.]{1,220})[a-z0-9]")
_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+")
_GOOGLE = re.compile(r"^goog|g[o0]{2}gle")
# Secret ids: letters, digits, `-`, `_`, up to 255 (CreateSecretRequest.secret_id, reference of the API v1, read 2026-11-21).
_SECRET = re.compile(r"[A-Za-z0-9_-]{1,255}")
# Names of Kubernetes objects: labels of RFC 1123 with dots between them, up to 253 characters in all
# (kubernetes/community, design-proposals/architecture/identifiers.md, read 2026-11-21).
_KUBERNETES = re.compile(r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
# Keys of secrets and config maps: not verified.
_KUBERNETES_KEY = re.compile(r"[-._A-Za-z0-9]{1,253}")
# GKE: up to 40 characters (Cluster.name, discovery document container.v1, read 2026-11-21); that pools follow clusters in
# this is not verified.
_NODE_POOL = re.compile(r"[a-z]([-a-z0-9]{0,38}[a-z0-9])?")
_KEY = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")


def check_names(subject: Subject) -> Iterator[Violation]:
    """The environment's own name, its account, and the names of everything under it."""
    spec = subject.spec
    if spec.name is None and not _NAME.fullmatch(subject.name):
        detail = f"The file's name gives the environment its name, and `{subject.name}` cannot be one."
        yield Violation("name-form", (), detail, (Hint("rename the file, or give it a `name`"),))
    for key, bucket in spec.buckets.items():
        yield from _check_bucket(subject, key, bucket)
    if spec.encryption is not None:
        yield from _check_encryption(spec.encryption)
    if not isinstance(spec, Environment):
        return
    account = spec.service_account
    if (account.name is None) == (account.email is None):
        detail = "Give `name` for an account that is created, or `email` of an existing one."
        code = "exclusive-keys" if account.name else "key-needs-another"
        yield Violation(code, ("serviceAccount",), detail, at_key=True)
    if account.email is not None and not _ACCOUNT.fullmatch(account.email):
        detail = f"`{account.email}` is not the address of a service account."
        yield Violation("value-form", ("serviceAccount", "email"), detail)
    elif account.email is not None and account.email.endswith("-compute@developer.gserviceaccount.com"):
        detail = "The default account of Compute Engine usually has the rights of an editor of the whole project."
        hint = Hint("let envctl create one: `serviceAccount: {name: composer-NAME}`")
        yield Violation("service-account-default", ("serviceAccount", "email"), detail, (hint,))
    yield from _check_named(("nodePools",), spec.node_pools, _NODE_POOL, "up to 40 of a-z, 0-9 and `-`")
    if spec.secrets is not None:
        yield from _check_keys(("secrets", "create"), spec.secrets.create, _SECRET, "letters, digits, `-` and `_`")
        for key, secret in spec.secrets.create.items():
            for word, name in (("name", secret.name), ("existing", secret.existing)):
                if name is not None and not _SECRET.fullmatch(name):
                    path = ("secrets", "create", key, word)
                    yield Violation("name-form", path, f"`{name}` is not a secret's name.")
    workloads = spec.user_workloads
    for path, objects in (("secrets", workloads.secrets), ("configMaps", workloads.config_maps)):
        yield from _check_named(("userWorkloads", path), objects, _KUBERNETES, "a Kubernetes name")
        for key, each in objects.items():
            yield from _check_keys(("userWorkloads", path, key, "data"), each.data, _KUBERNETES_KEY, "a Kubernetes key")
    for key, pool in spec.node_pools.items():
        if pool.min > pool.max:
            yield Violation(
                "value-out-of-range", ("nodePools", key, "min"), f"`min` is {pool.min}, `max` is {pool.max}."
            )


def _check_keys(path: KeyPath, keys: Mapping[str, object], form: re.Pattern[str], words: str) -> Iterator[Violation]:
    for key in keys:
        if not form.fullmatch(key):
            yield Violation("name-form", (*path, key), f"`{key}` must be {words}.", at_key=True)


def _check_named(
    path: KeyPath, entries: Mapping[str, NodePool | ConfigMap | WorkloadSecret], form: re.Pattern[str], words: str
) -> Iterator[Violation]:
    """Entries whose key is their name, unless they have one of their own."""
    yield from _check_keys(path, entries, form, words)
    for key, entry in entries.items():
        if entry.name is not None and not form.fullmatch(entry.name):
            yield Violation("name-form", (*path, key, "name"), f"`{entry.name}` must be {words}.")


def _check_bucket(subject: Subject, key: str, bucket: Bucket) -> Iterator[Violation]:
    path = ("buckets", key)
    if not _KEY.fullmatch(key):
        yield Violation("name-form", path, f"`{key}` becomes part of a name: a-z, 0-9 and `-`.", at_key=True)
    default = bucket_name(subject.spec.project, subject.environment_name, key)
    if bucket.name is not None:
        cure = (Hint(f"without `name` it is `{default}`"),)
        yield from _check_bucket_name((*path, "name"), bucket.name, cure)
    if bucket.existing is not None:
        yield from _check_bucket_name((*path, "existing"), bucket.existing)
    for index, rule in enumerate(bucket.lifecycle):
        place = (*path, "lifecycle", index)
        actions = [rule.delete_after_days, rule.move_after_days, rule.keep_newer_versions]
        if all(action is None for action in actions):
            detail = "The rule does nothing: give `deleteAfterDays`, `moveAfterDays` or `keepNewerVersions`."
            yield Violation("key-needs-another", place, detail)
        if (rule.move_after_days is None) != (rule.storage_class is None):
            detail = "`moveAfterDays` and `storageClass` belong together: when, and to which class."
            yield Violation("key-needs-another", place, detail)
        if rule.keep_newer_versions is not None and not bucket.versioning:
            detail = "`keepNewerVersions` counts versions; the bucket has `versioning: false`."
            yield Violation("key-needs-another", (*place, "keepNewerVersions"), detail, at_key=True)


def _check_bucket_name(path: KeyPath, written: str, cure: tuple[Hint, ...] = ()) -> Iterator[Violation]:
    name = written.removeprefix("gs://")
    if name != written:
        hint = Hint(f"write `{name}`", replacement=name)
        yield Violation("name-form", path, "A bucket's name has no `gs://`.", (hint,))
    elif not _is_bucket(name):
        detail = f"`{name}` is not a bucket's name: 3 to 63 of a-z, 0-9, `-`, `_` and `.`, without `google`."
        yield Violation("name-form", path, detail, cure)


def _is_bucket(name: str) -> bool:
    parts = name.split(".")
    sound = all(0 < len(part) <= 63 for part in parts)
    return bool(_BUCKET.fullmatch(name)) and sound and not _ADDRESS.fullmatch(name) and not _GOOGLE.search(name)


def _check_encryption(encryption: Encryption) -> Iterator[Violation]:
    key = encryption.key
    chosen = [
        word
        for word, given in (
            ("create", key.create is not None),
            ("name", key.name is not None),
            ("from", key.from_ is not None),
        )
        if given
    ]
    path = ("encryption", "key")
    if not chosen:
        detail = "Say which key: `create: true`, `name: projects/.../cryptoKeys/...`, or `from: foundation`."
        yield Violation("key-needs-another", path, detail, at_key=True)
    for word in chosen[1:]:
        detail = f"`{chosen[0]}` and `{word}` are two answers to which key is used."
        yield Violation("exclusive-keys", (*path, word), detail, at_key=True)
    if key.name is not None and not _KEY_NAME.fullmatch(key.name):
        detail = f"`{key.name}` is not `projects/P/locations/L/keyRings/R/cryptoKeys/K`."
        yield Violation("value-form", (*path, "name"), detail)


def check_labels(subject: Subject) -> Iterator[Violation]:
    """Labels by the rules of the Composer API."""
    spec = subject.spec
    places: list[tuple[KeyPath, Mapping[str, str]]] = [(("labels",), spec.labels)]
    places += [(("buckets", key, "labels"), bucket.labels) for key, bucket in spec.buckets.items()]
    if isinstance(spec, Environment) and spec.secrets is not None:
        places += [(("secrets", "create", key, "labels"), each.labels) for key, each in spec.secrets.create.items()]
    for path, labels in places:
        if len(labels) > limits().label_count:
            yield Violation(
                "label-form", path, f"{len(labels)} labels; {limits().label_count} are possible.", at_key=True
            )
        for key, value in labels.items():
            lowered = _label_form(key)
            if not _is_label(key, first_is_letter=True):
                cure = (
                    (Hint(f"write `{lowered}`", replacement=lowered),)
                    if _is_label(lowered, first_is_letter=True)
                    else ()
                )
                detail = f"`{key}` must be lower-case letters, digits, `-` and `_`, and begin with a letter."
                yield Violation("label-form", (*path, key), detail, cure, at_key=True)
            if not _is_label(value, first_is_letter=False):
                lowered = _label_form(value)
                cure = (
                    (Hint(f"write `{lowered}`", replacement=lowered),)
                    if _is_label(lowered, first_is_letter=False)
                    else ()
                )
                detail = f"`{value}` must be lower-case letters, digits, `-` and `_`, up to 63."
                yield Violation("label-form", (*path, key), detail, cure)


def _is_label(text: str, *, first_is_letter: bool) -> bool:
    """Whether the text follows Environment.labels of the Composer API v1: classes Ll, Lo, N, `_`, `-`; 63 long, 128 bytes."""
    kinds = [unicodedata.category(character) for character in text]
    sound = all(
        kind in {"Ll", "Lo"} or kind.startswith("N") or each in "-_" for each, kind in zip(text, kinds, strict=True)
    )
    if first_is_letter and (not kinds or kinds[0] not in {"Ll", "Lo"}):
        return False
    return sound and len(text) <= 63 and len(text.encode()) <= 128


def _label_form(text: str) -> str:
    return re.sub(r"[^-_a-z0-9]", "-", text.lower())[:63]
