"""What the evaluator knows: policies by resource, parents, roles, people, and the gaps between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from envctl.doctor.policies import AllowPolicy, Boundary, DenyPolicies
from envctl.doctor.principals import Directory
from envctl.doctor.resources import PROJECTS, own_chain, project_of, project_resource, split_name
from envctl.doctor.roles import RoleCatalogue


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that could not be read: what, with which permission it could be, and why it was not."""

    subject: str
    permission: str
    cause: str

    def __str__(self) -> str:
        return f"{self.subject} could not be read ({self.cause}); reading it needs {self.permission}"


@dataclass(frozen=True, slots=True)
class CallerTest:
    """An answer of `testIamPermissions`: authoritative for the caller on one resource."""

    asked: frozenset[str]
    granted: frozenset[str]


@dataclass(frozen=True, slots=True)
class World:
    """Everything the evaluator may use. All resource keys are full names with project ids.

    `parents` leads from a bucket to its project and from projects upwards; None marks the top. A resource that
    is missing there has unknown parents. `boundaries` None means: not asked, and taken as none.
    """

    policies: Mapping[str, AllowPolicy | Gap]
    roles: RoleCatalogue
    now: datetime
    parents: Mapping[str, str | None] = field(default_factory=dict[str, str | None])
    directory: Directory = field(default_factory=Directory)
    deny: Mapping[str, DenyPolicies | Gap] = field(default_factory=dict[str, DenyPolicies | Gap])
    boundaries: tuple[Boundary, ...] | Gap = ()
    tested: Mapping[tuple[str, str], CallerTest] = field(default_factory=dict[tuple[str, str], CallerTest])

    def canonical(self, resource: str) -> str:
        """The resource's name with the project's id in place of its number."""
        service, relative = split_name(resource)
        parts = relative.split("/")
        if parts[0] == "projects" and len(parts) > 1 and parts[1].isdigit():
            parts[1] = self.directory.projects.get(parts[1], parts[1])
            return f"//{service}/{'/'.join(parts)}"
        return resource

    def chain(self, resource: str) -> tuple[tuple[str, ...], Gap | None]:
        """The resource and everything it inherits from, nearest first; a gap when the way up is not known."""
        names = list(own_chain(self.canonical(resource)))
        top = names[-1]
        if not top.startswith(PROJECTS):
            project = project_of(top)
            above = self.parents.get(top) if project is None else project_resource(project)
            if above is None:
                return tuple(names), Gap(f"the project of {top}", "resourcemanager.projects.get", "not in the facts")
            names.append(self.canonical(above))
        while True:
            if names[-1] not in self.parents:
                cause = "not in the facts"
                return tuple(names), Gap(f"what stands above {names[-1]}", "resourcemanager.projects.get", cause)
            above = self.parents[names[-1]]
            if above is None or above in names:
                return tuple(names), None
            names.append(above)

    def number_of(self, project: str) -> str | None:
        """The number of a project id; None when the facts do not hold it."""
        return next((number for number, name in self.directory.projects.items() if name == project), None)
