"""A pinned list that builds without backtracking, with the hashes of every file of each version."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from envctl.resolution.dependency import Dependency
from envctl.resolution.graph import IndexNode
from envctl.resolution.judgement import Judge, Judgement
from envctl.resolution.protocol import IndexFailure
from envctl.resolution.requirements import requested
from envctl.resolution.solution import Solved
from envctl.resolution.specifiers import specifiers
from envctl.resolution.universe import IndexUnavailableError, Universe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envctl.resolution.image import Image
    from envctl.resolution.protocol import PackageName, PackageSource
    from envctl.resolution.requirements import Requested, RequirementsInput
    from envctl.resolution.resolver import Limits


@dataclass(frozen=True, slots=True)
class LockedPackage:
    """One line of the lock: what to install, its hashes, and who asked for it."""

    name: PackageName
    version: str
    hashes: tuple[str, ...]
    via: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock for one image.

    Attributes:
        image: name of the image.
        doubt: why the lock may not fit the image itself; empty where the image's own list answered.
        packages: what the list installs beyond the image, by name.
        preinstalled: packages of the list that the image's own version satisfies, as `name==version`.
        verified: whether the pinned list was solved to the same result without giving up a candidate.
    """

    image: str
    packages: tuple[LockedPackage, ...]
    preinstalled: tuple[str, ...]
    verified: bool
    doubt: str = ""


def make_lock(
    given: RequirementsInput, image: Image, source: PackageSource, limits: Limits | None = None
) -> Lock | Judgement:
    """The lock of a list that builds on an image with a whole list; else the verdict that says why it does not.

    Raises:
        IndexUnavailableError: the index gave no answer.
    """
    universe = Universe(image, source)
    judge = Judge(universe, limits)
    packages = requested(given, universe.target).packages
    judgement = judge.judge([one.dependency for one in packages])
    outcome = judgement.outcome
    if not judgement.works or not isinstance(outcome, Solved):
        return judgement
    locked = tuple(
        LockedPackage(node.name, node.version, _hashes(source, node), _via(outcome, node.name))
        for node in sorted(outcome.installs, key=lambda one: one.name)
    )
    preinstalled = tuple(
        f"{one.name}=={outcome.pins[one.name].version}"
        for one in packages
        if one.name in outcome.pins and not isinstance(outcome.pins[one.name], IndexNode)
    )
    pinned = [_pinned(one, packages) for one in locked]
    again = judge.judge(pinned)
    same = isinstance(again.outcome, Solved) and _versions(again.outcome) == _versions(outcome)
    return Lock(image.name, locked, preinstalled, verified=again.works and same)


def render_lock(lock: Lock) -> str:
    """The lock as a requirements file; contains no address of an index."""
    lines = [f"# for {lock.image}; made by `envctl deps lock`"]
    if lock.doubt:
        lines += textwrap.wrap(lock.doubt, 100, initial_indent="# basis: ", subsequent_indent="# ")
    lines.append("")
    for one in lock.packages:
        hashes = [f"    --hash={digest}" for digest in one.hashes]
        lines.append(" \\\n".join([f"{one.name}=={one.version}", *hashes]))
        if one.via:
            lines.append(f"    # via {', '.join(one.via)}")
    if lock.preinstalled:
        lines += ["", "# already in the image:", *(f"# {one}" for one in lock.preinstalled)]
    return "\n".join(lines) + "\n"


def _pinned(one: LockedPackage, packages: Sequence[Requested]) -> Dependency:
    extras = next((two.dependency.extras for two in packages if two.name == one.name), ())
    return Dependency(one.name, extras, specifiers(f"=={one.version}"))


def _hashes(source: PackageSource, node: IndexNode) -> tuple[str, ...]:
    answer = source.hashes(node.candidate)
    if isinstance(answer, IndexFailure):
        raise IndexUnavailableError(answer)
    return answer


def _via(outcome: Solved, name: PackageName) -> tuple[str, ...]:
    parents = {edge.parent.name if edge.parent else "the list" for edge in outcome.asking(name)}
    return tuple(sorted(parents - {name}))


def _versions(outcome: Solved) -> set[tuple[str, str]]:
    return {(node.name, node.version) for node in outcome.installs}
