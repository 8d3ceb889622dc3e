"""What would fit beside an image: the solution that a search finds when it must not break what is preinstalled.

The image's pip does not look for it: it takes the newest of everything and sees at the end what that broke. Ways
out come from the difference between the two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from envctl.resolution.image import ResolverKind
from envctl.resolution.solution import Solved
from envctl.resolution.specifiers import specifiers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from envctl.resolution.dependency import Dependency
    from envctl.resolution.judgement import Judge, Judgement
    from envctl.resolution.protocol import PackageName
    from envctl.resolution.specifiers import Specifiers


class Beside:
    """Solutions beside one image; each list is solved once. Images with the legacy resolver have none."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._packages = judge.universe.image.packages
        self._legacy = judge.universe.image.record.resolver is ResolverKind.LEGACY
        self._known: dict[tuple[str, ...], Judgement | None] = {}

    def solution(self, listed: Sequence[Dependency], judge: Judge) -> Solved | None:
        """The solution of a list that keeps every preinstalled package that it does not name, else one that breaks none.

        Args:
            listed: the list.
            judge: of the same image and index, with the bounds that hold now.
        """
        if self._legacy:
            return None
        key = tuple(str(one) for one in listed)
        if key not in self._known:
            named = {one.name for one in listed}
            free = self._wanted_of(named)
            held = {name: specifiers(f"=={one.version}") for name, one in self._packages.items() if name not in named}
            found = judge.reach(lambda: judge.judge_within(listed, {**free, **held}))
            if found is None or not found.works:
                every = self._wanted_of(self._packages.keys() | named)
                found = judge.reach(lambda: judge.judge_within(listed, every))
            self._known[key] = found
        judgement = self._known[key]
        if judgement is None or not judgement.works or not isinstance(judgement.outcome, Solved):
            return None
        return judgement.outcome

    def _wanted_of(self, names: set[PackageName]) -> Mapping[PackageName, Specifiers]:
        """What the preinstalled packages together require of these."""
        wanted: dict[PackageName, Specifiers] = {}
        for name in names:
            texts = [str(one.specifiers.text) for _, _, one in self._judge.dependents.of(name) if one.specifiers]
            if texts:
                wanted[name] = specifiers(",".join(dict.fromkeys(texts)))
        return wanted
