"""A verdict on a list that is only likely the image's: judged under every other list that the image may have."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from envctl.resolution.findings import Notice, Verdict
from envctl.resolution.judgement import Judge
from envctl.resolution.universe import Universe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from envctl.resolution.alternatives import Alternative
    from envctl.resolution.dependency import Dependency
    from envctl.resolution.judgement import Judgement
    from envctl.resolution.protocol import PackageName

VERDICT_HINGES = "verdict-hinges"
"""The code of the notice that names the packages on whose versions a verdict hinges."""

_MOST_DECIDING = 4


class Dissent(NamedTuple):
    """An other list with another verdict, and the packages of it that suffice for that; empty when no few do."""

    alternative: Alternative
    verdict: Verdict
    deciding: tuple[PackageName, ...]


def dissent(judge: Judge, wanted: Sequence[Dependency], judgement: Judgement) -> Dissent | None:
    """The first other list of the image with another verdict; None when all agree.

    Raises:
        IndexUnavailableError: the index gave no answer to a question that a verdict depends on.
    """
    image = judge.universe.image
    for alternative in image.load_alternatives():

        def judged(names: Sequence[PackageName] | None, alternative: Alternative = alternative) -> Judgement:
            universe = Universe(alternative.image(image, names), judge.universe.source)
            return Judge(universe, judge.limits).judge(wanted)

        other = judged(None)
        if not _same(other, judgement):
            names = deciding(tuple(alternative.packages), lambda some: not _same(judged(some), judgement))
            return Dissent(alternative, other.verdict, names)
    return None


def deciding(names: Sequence[PackageName], differs: Callable[[Sequence[PackageName]], bool]) -> tuple[PackageName, ...]:
    """A few of the packages with which alone the verdict differs, found by halving; none when it takes many.

    `differs(names)` must be true.
    """
    kept: list[PackageName] = []
    rest = list(names)
    while len(kept) < _MOST_DECIDING and rest:
        low, high = 1, len(rest)
        while low < high:
            middle = (low + high) // 2
            if differs([*kept, *rest[:middle]]):
                high = middle
            else:
                low = middle + 1
        kept.append(rest[low - 1])
        rest = rest[: low - 1]
        if differs(kept):
            return tuple(sorted(kept))
    return ()


def hinges(image: str, base: Judgement, judge: Judge, found: Dissent) -> Notice:
    """What the verdict hinges on, and the command that settles it."""
    packages = judge.universe.image.packages
    named: list[str] = []
    for name in found.deciding:
        own, other = packages.get(name), found.alternative.packages[name]
        named.append(f"{name} ({own.version if own else 'absent'}, or {other.version if other else 'absent'})")
    text = (
        f"With the list as it was reconstructed the verdict is `{base.verdict}`; with another one that it may "
        f"have ({found.alternative.assumed}) it is `{found.verdict}`. It hinges on {', '.join(named) or 'several packages together'}. "
        f"`envctl images add {image} FILE` settles it, with FILE from `pip freeze` in an environment of that image."
    )
    return Notice(VERDICT_HINGES, text)


def _same(one: Judgement, other: Judgement) -> bool:
    """Whether two judgements are one answer: a build that fails and one that runs out of time are."""
    return one.verdict is other.verdict or (one.fails and other.fails)
