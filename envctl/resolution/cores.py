"""Minimal sets: the fewest lines of a list that clash, the fewest requirements that disagree."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from envctl.resolution.graph import Exactly, Requirement
from envctl.resolution.protocol import PackageName
from envctl.resolution.solution import Edge, Impossible, Solved

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from envctl.resolution.judgement import Judge, Judgement
    from envctl.resolution.requirements import Requested

T = TypeVar("T")


def minimal(items: Sequence[T], fails: Callable[[Sequence[T]], bool]) -> tuple[T, ...]:
    """A part of `items` that fails and of which no item can be left out without it passing.

    `fails(items)` must be true. Failing need not grow with the set: passes are repeated until nothing can go.
    """
    kept = list(items)
    changed = True
    while changed:
        changed = False
        for item in list(kept):
            without = [one for one in kept if one is not item]
            if fails(without):
                kept = without
                changed = True
    return tuple(kept)


def minimal_lines(judge: Judge, packages: Sequence[Requested]) -> tuple[Requested, ...]:
    """The fewest packages of a failing list that fail by themselves: dropping any one makes them fit."""

    def fails(some: Sequence[Requested]) -> bool:
        judgement = judge.reach(lambda: judge.judge([one.dependency for one in some]))
        return judgement is not None and judgement.fails

    # most clashes are one line against the image, and one line is judged fast where the whole list is not
    for one in packages:
        if fails([one]):
            return (one,)
    named = suspects(judge, judge.judge([one.dependency for one in packages]))
    likely = [one for one in packages if one.name in named]
    return minimal(likely if likely and fails(likely) else packages, fails)


def suspects(judge: Judge, judgement: Judgement) -> set[PackageName]:
    """The packages of the list that the last conflict, or the broken requirements, lead back to."""
    outcome = judgement.outcome
    edges: list[Edge] = []
    if isinstance(outcome, Impossible):
        edges.extend(outcome.causes)
    elif isinstance(outcome, Solved):
        for broken in judgement.broken[:1]:
            edges.extend(demanding(judge, outcome, broken.dependency.name))
            if not broken.preinstalled:
                edges.extend(outcome.asking(broken.package))
    roots: set[PackageName] = set()
    links = outcome.links if isinstance(outcome, (Impossible, Solved)) else None
    for edge in edges:
        root = edge.requirement if edge.parent is None else links.root(edge.parent) if links else None
        if root is not None:
            roots.add(name_of(root))
    return roots


def demanding(judge: Judge, outcome: Solved, name: PackageName) -> list[Edge]:
    """Who in a solution asks for a version of a package that the image's own does not satisfy."""
    present = judge.universe.image.packages.get(name)
    edges = list(outcome.asking(name))
    excluding = [one for one in edges if present is not None and not satisfied_by(one.requirement, present.version)]
    return excluding or edges


def satisfied_by(requirement: Requirement, version: str) -> bool:
    """Whether a version satisfies a requirement by name."""
    if isinstance(requirement, Exactly):
        return requirement.node.version == version
    return requirement.specifiers.contains(version)


def name_of(requirement: Requirement) -> PackageName:
    """The package that a requirement is about."""
    return PackageName(requirement.identifier.partition("[")[0])
