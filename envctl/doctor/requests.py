"""The requests that a question about a resource stands for, as IAM conditions would see them.

A permission asked on a resource may be about the resource itself or about what lies inside (objects of a bucket,
versions of a secret, anything of a project). A condition is then true only if it is true for every such request.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from envctl.doctor.conditions import RequestContext, Truth
from envctl.doctor.resources import is_container, project_of, split_name, type_of
from envctl.doctor.roles import RoleCatalogue
from envctl.doctor.world import World

_SEVERAL = "0b7e-any-0b7e"
"""A name that no condition of a real policy singles out: stands for any object or version."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Requests of one kind on a resource.

    `prefixes` are the permissions of the kind; with `others` the scope is about all permissions except those.
    `names` are the spellings of the resource's name (project id, project number). `inside` marks requests on
    what lies inside, where a false answer may be true for some.
    """

    prefixes: tuple[str, ...]
    others: bool
    names: tuple[str, ...]
    type: str | None
    service: str | None
    inside: bool
    time: datetime

    def narrow(self, bits: int, roles: RoleCatalogue) -> int:
        """The part of a permission set that this scope is about."""
        if not self.prefixes:
            return bits
        mask = roles.prefix_bits(self.prefixes)
        return bits & ~mask if self.others else bits & mask

    def covers(self, permission: str) -> bool:
        """Whether the scope is about a permission."""
        return not self.prefixes or permission.startswith(self.prefixes) is not self.others

    def judge(self, evaluate: Callable[[RequestContext], Truth], beginnings: tuple[str, ...] | None = None) -> Truth:
        """One answer for all requests of the scope.

        Args:
            evaluate: the condition.
            beginnings: the texts with which the condition compares the beginnings of names, where it does nothing else
                with names: what the name of the object contradicts holds for nothing inside.
        """
        blind = RequestContext(None, None, None, self.time)
        if not self.names:
            return evaluate(RequestContext(None, self.type, self.service, self.time))
        answers = {evaluate(RequestContext(name, self.type, self.service, self.time)) for name in self.names}
        if answers == {Truth.YES}:
            return Truth.YES
        if answers == {Truth.NO} and (not self.inside or self._contradicts(beginnings)):
            return Truth.NO
        return Truth.NO if evaluate(blind) is Truth.NO else Truth.UNKNOWN

    def _contradicts(self, beginnings: tuple[str, ...] | None) -> bool:
        known = tuple(name.removesuffix(_SEVERAL) for name in self.names)
        return beginnings is not None and not any(text.startswith(known) for text in beginnings)


def scopes_of(world: World, resource: str) -> tuple[Scope, ...]:
    """The scopes that a question about this resource falls into; together they cover every permission once."""
    service, relative = split_name(resource)
    kind = type_of(resource)
    if is_container(resource):
        own = (f"resourcemanager.{relative.split('/')[0]}.",)
        return (
            Scope(own, others=True, names=(), type=None, service=None, inside=True, time=world.now),
            Scope(
                own,
                others=False,
                names=_spellings(world, resource),
                type=kind,
                service=service,
                inside=False,
                time=world.now,
            ),
        )
    names = _spellings(world, resource)
    if service == "storage.googleapis.com":
        objects = ("storage.objects.", "storage.managedFolders.", "storage.multipartUploads.")
        inner = tuple(f"{name}/objects/{_SEVERAL}" for name in names)
        return (
            Scope(objects, others=True, names=names, type=kind, service=service, inside=False, time=world.now),
            Scope(
                objects,
                others=False,
                names=inner,
                type="storage.googleapis.com/Object",
                service=service,
                inside=True,
                time=world.now,
            ),
        )
    if service == "secretmanager.googleapis.com" and kind == "secretmanager.googleapis.com/Secret":
        versions = ("secretmanager.versions.",)
        inner = tuple(f"{name}/versions/{_SEVERAL}" for name in names)
        return (
            Scope(versions, others=True, names=names, type=kind, service=service, inside=False, time=world.now),
            Scope(
                versions,
                others=False,
                names=inner,
                type="secretmanager.googleapis.com/SecretVersion",
                service=service,
                inside=True,
                time=world.now,
            ),
        )
    return (Scope((), others=False, names=names, type=kind, service=service, inside=False, time=world.now),)


def _spellings(world: World, resource: str) -> tuple[str, ...]:
    """The names that conditions may see; none where the form is not known."""
    service, relative = split_name(resource)
    project = project_of(resource)
    number = world.number_of(project) if project else None
    numbered = f"projects/{number}/{relative.split('/', 2)[2]}" if number and relative.count("/") >= 2 else None
    if service == "secretmanager.googleapis.com":  # Secret Manager's names carry the project number
        return (numbered,) if numbered else ()
    if service == "iam.googleapis.com":  # accounts appear under their unique id, which is no part of the address
        return ()
    if service == "cloudresourcemanager.googleapis.com" and project:
        return (relative, f"projects/{number}") if number else ()
    return (relative,)
