"""Who: IAM members wherever a file may name them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from envctl.diagnostics import Hint
from envctl.spec.model import Bucket, Environment
from envctl.spec.nearest import nearest
from envctl.spec.rules.subject import Subject, Violation
from envctl.spec.tree import KeyPath

# "Principal identifiers" (cloud.google.com/iam/docs/principal-identifiers, stored copy read 2026-11-21).
_EMAIL = r"[^@\s:]+@[^@\s:]+\.[^@\s:.]+"
_FORMS = {
    "user": re.compile(_EMAIL),
    "group": re.compile(_EMAIL),
    "serviceAccount": re.compile(rf"{_EMAIL}|[a-z][-a-z0-9.]*\.svc\.id\.goog\[[^/\]]+/[^\]]+\]"),
    "domain": re.compile(r"[^@\s:]+\.[^@\s:.]+"),
}
_POOLS = re.compile(
    r"(principal|principalSet)://iam\.googleapis\.com/"
    r"(projects/[0-9]+/locations/global/workloadIdentityPools|locations/global/workforcePools)/[^/]+/.+"
)
_OPEN = {"allUsers": "everybody", "allAuthenticatedUsers": "everybody with a Google account"}
_OWN = "environment"


def check_members(subject: Subject) -> Iterator[Violation]:
    """Form of every member; nobody opens things to everybody."""
    spec = subject.spec
    access = spec.access
    for key, members in (
        ("users", access.users),
        ("operators", access.operators),
        ("dagAuthors", access.dag_authors),
        ("deployers", access.deployers),
    ):
        yield from _check_list(("access", key), members, own=False)
    for key, bucket in spec.buckets.items():
        yield from _check_bucket(("buckets", key, "access"), bucket, own=isinstance(spec, Environment))
    if spec.repository is not None:
        yield from _check_list(("repository", "readers"), spec.repository.readers, own=True)
    if isinstance(spec, Environment):
        for index, binding in enumerate(spec.iam.extra_bindings):
            yield from _check_list(("iam", "extraBindings", index, "members"), binding.members, own=True)
        for key, secret in (spec.secrets.create if spec.secrets else {}).items():
            yield from _check_list(("secrets", "create", key, "readers"), secret.readers, own=True)


def _check_bucket(path: KeyPath, bucket: Bucket, *, own: bool) -> Iterator[Violation]:
    yield from _check_list((*path, "objectAdmin"), bucket.access.object_admin, own=own)
    yield from _check_list((*path, "objectViewer"), bucket.access.object_viewer, own=own)
    yield from _check_list((*path, "objectCreator"), bucket.access.object_creator, own=own)


def _check_list(path: KeyPath, members: list[str], *, own: bool) -> Iterator[Violation]:
    for index, member in enumerate(members):
        place = (*path, index)
        if member in members[:index]:
            yield Violation("given-twice", place, f"`{member}` is listed already.")
        elif member in _OPEN:
            detail = f"`{member}` is {_OPEN[member]}: the internet could act on this environment."
            yield Violation("member-everybody", place, detail, (Hint("name a group: `group:NAME@DOMAIN`"),))
        elif not (own and member == _OWN) and not is_member(member):
            yield Violation("member-form", place, f"`{member}` is not an IAM member.", member_hints(member, own=own))


def is_member(member: str) -> bool:
    """Whether a text has the form of an IAM member that stands for somebody in particular."""
    if member.startswith(("principal:", "principalSet:")):
        return bool(_POOLS.fullmatch(member))
    kind, _, rest = member.partition(":")
    return kind in _FORMS and bool(_FORMS[kind].fullmatch(rest))


def member_hints(member: str, *, own: bool) -> tuple[Hint, ...]:
    """What may have been meant by a text that is no member, or the forms; `own` allows `environment`."""
    kind, colon, rest = member.partition(":")
    if own and nearest(member, [_OWN]):
        return (Hint(f"did you mean `{_OWN}`?", replacement=_OWN),)
    if colon and (close := nearest(kind, _FORMS)):
        return (Hint(f"did you mean `{close}:{rest}`?", replacement=f"{close}:{rest}"),) if close != kind else ()
    if re.fullmatch(_EMAIL, member):
        better = f"{'serviceAccount' if member.endswith('.gserviceaccount.com') else 'user'}:{member}"
        return (Hint(f"write `{better}`", replacement=better),)
    forms = "`user:`, `group:`, `serviceAccount:`, `domain:`, `principal://`, `principalSet://`"
    return (Hint(f"members begin with {forms}"),)
