"""The things that the resolver moves about: requirements and the candidates that satisfy them.

Both kinds know the node of the graph they belong to (`identifier`): `name`, `name[extra]`, or the Python of the
image. They are compared by identity, as pip does, which makes them once and keeps them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from envctl.resolution.dependency import node_name

if TYPE_CHECKING:
    from envctl.resolution.dependency import Dependency
    from envctl.resolution.protocol import Candidate, PackageName
    from envctl.resolution.specifiers import Specifiers

PYTHON = "<Python from Requires-Python>"


class InstalledNode:
    """A preinstalled package at its version."""

    __slots__ = ("identifier", "name", "version")

    def __init__(self, name: PackageName, version: str) -> None:
        self.identifier: str = name
        self.name = name
        self.version = version

    def __repr__(self) -> str:
        return f"{self.name}=={self.version} (installed)"


class IndexNode:
    """A version that an index offers."""

    __slots__ = ("candidate", "identifier", "name", "version")

    def __init__(self, candidate: Candidate) -> None:
        self.identifier: str = candidate.name
        self.name = candidate.name
        self.version = candidate.version
        self.candidate = candidate

    def __repr__(self) -> str:
        return f"{self.name}=={self.version}"


class ExtrasNode:
    """A package with extras: it wants its base at exactly the same version, and what the extras require."""

    __slots__ = ("base", "extras", "identifier", "name", "version")

    def __init__(self, base: BaseNode, extras: frozenset[str]) -> None:
        self.identifier = node_name(base.name, extras)
        self.name = base.name
        self.version = base.version
        self.base = base
        self.extras = extras

    def __repr__(self) -> str:
        return f"{self.identifier}=={self.version}"


class PythonNode:
    """The image's Python."""

    __slots__ = ("identifier", "name", "version")

    def __init__(self, name: PackageName, version: str) -> None:
        self.identifier = PYTHON
        self.name = name
        self.version = version

    def __repr__(self) -> str:
        return f"Python {self.version}"


BaseNode = InstalledNode | IndexNode
Node = InstalledNode | IndexNode | ExtrasNode | PythonNode


class Wanted:
    """A requirement by name and version."""

    __slots__ = ("dependency", "identifier", "specifiers")

    def __init__(self, dependency: Dependency, identifier: str | None = None) -> None:
        self.dependency = dependency
        self.identifier = dependency.identifier if identifier is None else identifier
        self.specifiers = dependency.specifiers

    def accepts(self, node: Node) -> bool:
        """Whether a candidate of this requirement's node satisfies it."""
        return self.specifiers.contains(node.version)

    def __str__(self) -> str:
        return str(self.dependency)


class Exactly:
    """A requirement for one candidate: what `name[extra]` asks of `name`."""

    __slots__ = ("identifier", "node")

    def __init__(self, node: BaseNode) -> None:
        self.identifier = node.identifier
        self.node = node

    def accepts(self, node: Node) -> bool:
        """Whether it is that candidate."""
        return node is self.node

    def __str__(self) -> str:
        return f"{self.node.name}=={self.node.version}"


class PythonWanted:
    """A requirement on the image's Python."""

    __slots__ = ("identifier", "specifiers")

    def __init__(self, clauses: Specifiers) -> None:
        self.identifier = PYTHON
        self.specifiers = clauses

    def accepts(self, node: Node) -> bool:
        """Whether the image's Python is allowed."""
        return self.specifiers.contains(node.version)

    def __str__(self) -> str:
        return f"Python{self.specifiers.text}"


Requirement = Wanted | Exactly | PythonWanted
