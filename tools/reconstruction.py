"""Repeats Google's build of an image: its recipe, the day it was made, and what the last known list teaches.

Composer's images are made by pip: Airflow with extras, the requirements that the `+composer` build adds, constraints of
the build, all at the versions that the index held that day. So the strict resolver, asked on an empty image with the
index as of that day, repeats the build. What the recipe does not tell is learned from the last known list of the same
Airflow before the image (`learn`): roots that moved, constraints that went, versions that are held.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from packaging.version import Version

from envctl.image_versions import image_order, image_versions, version_numbers
from envctl.resolution.dependency import parse_requirement
from envctl.resolution.image import AIRFLOW, Image, ImageRecord
from envctl.resolution.names import package_name
from envctl.resolution.protocol import Listing, PackageName, Target
from envctl.resolution.resolver import Limits, resolve
from envctl.resolution.solution import Solved
from envctl.resolution.specifiers import specifiers
from envctl.resolution.universe import Universe

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from envctl.resolution.index.source import IndexSource
    from envctl.resolution.protocol import (
        Candidate,
        Follow,
        IndexFailure,
        RequirementMetadata,
        UnknownPackage,
        UnknownRequirements,
        Wish,
    )

USUAL_DAYS = 7.5
"""Days from build to release: the median over the known lists of 2025-12 to 2026-04, which spread from 2 to 18."""
_EARLIEST, _LATEST = 24.0, 1.0
"""Days before its release between which an image without any fact is taken to be built."""
_AWAY = (10, 7, 4)
"""Days from the likely build at which it is repeated for doubt; a nearer one where the farther has no solution."""
_ROUNDS = 8_000
_SECONDS = 30.0
_TARGET = Target("3.11.8", "23.2.1")
_EXTRAS = {
    2: "celery,statsd,postgres,mysql,redis,password,virtualenv,async,otel",
    3: "celery,statsd,postgres,mysql,redis",
}
_ROOTS = {2: "extra-requires-airflow-2025-with-pip-pin", 3: "extra-requires-airflow-3-commit-13d21c8d"}
_OLD_CONSTRAINTS, _NEW_CONSTRAINTS = (
    "image-build-constraints-commit-396e172d",
    "image-build-constraints-commit-05774edf",
)
_NEW_SINCE = "2026-06-15"
"""Releases of Airflow 3 from this day on are built under the newer constraints: they ask for an aiohttp of 2026-06."""

Pins = dict[PackageName, str]


@dataclass(frozen=True, slots=True)
class KnownList:
    """A list of preinstalled packages: image, ISO day of release, Airflow, version and spelling by package."""

    name: str
    released: str
    airflow: str
    pins: Pins
    spelled: Mapping[PackageName, str] = field(default_factory=dict[PackageName, str])


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a build starts from: requirements in order, and clauses per package."""

    roots: tuple[str, ...]
    constraints: Mapping[PackageName, str]


class DatedIndex:
    """The index as it was at a moment: files uploaded later are not there. One real index serves many moments."""

    def __init__(self, index: IndexSource, moment: datetime) -> None:
        self._index = index
        self._moment = moment
        self._listings: dict[PackageName, Listing | UnknownPackage | IndexFailure] = {}

    def listing(self, name: PackageName, target: Target) -> Listing | UnknownPackage | IndexFailure:
        """The versions of a package that were there."""
        if name not in self._listings:
            found = self._index.listing(name, target)
            if isinstance(found, Listing):
                kept = tuple(one for one in found.candidates if (at := uploaded(one)) is None or at <= self._moment)
                found = found._replace(candidates=kept)
            self._listings[name] = found
        return self._listings[name]

    def metadata(self, candidate: Candidate) -> RequirementMetadata | UnknownRequirements | IndexFailure:
        """What a candidate declares."""
        return self._index.metadata(candidate)

    def hashes(self, candidate: Candidate) -> tuple[str, ...] | IndexFailure:
        """Digests of a candidate's files."""
        return self._index.hashes(candidate)

    def prefetch_listings(self, names: Iterable[PackageName], target: Target) -> None:
        """Asks for pages in the background."""
        self._index.prefetch_listings(names, target)

    def prefetch_metadata(self, candidates: Iterable[Candidate]) -> None:
        """Asks for metadata in the background."""
        self._index.prefetch_metadata(candidates)

    def prefetch(self, wishes: Iterable[Wish], target: Target, follow: Follow) -> None:
        """Nothing: what follows today's newest versions would not be asked for at the moment."""

    def holds(self, name: PackageName) -> bool:
        """Whether any version of a package was there."""
        found = self.listing(name, _TARGET)
        return isinstance(found, Listing) and bool(found.candidates)

    def warm(self, names: Iterable[PackageName]) -> None:
        """Asks in the background for the metadata of what is likely taken: the newest final version of each."""
        wanted: list[Candidate] = []
        for name in names:
            found = self.listing(name, _TARGET)
            if isinstance(found, Listing):
                wanted.extend([one for one in found.candidates if not Version(one.version).is_prerelease][:1])
        self._index.prefetch_metadata(wanted)


def uploaded(candidate: Candidate) -> datetime | None:
    """When a file came to the index, as far as that says."""
    return datetime.fromisoformat(candidate.upload_time) if candidate.upload_time else None


def public(version: str) -> str:
    """A version in normal form without its local part."""
    return Version(version).public


def read_list(path: Path, released: str) -> KnownList:
    """A file of `name==version` lines as the list of the image that it is named after."""
    rows = [line.strip().partition("==") for line in path.read_text(encoding="utf-8").splitlines() if "==" in line]
    return KnownList(
        path.stem,
        released,
        ".".join(map(str, image_order(path.stem)[1])),
        {package_name(spelling): version for spelling, _, version in rows},
        {package_name(spelling): spelling for spelling, _, _ in rows},
    )


def build_moment(
    index: IndexSource, pins: Mapping[PackageName, str], released: str, days: float = USUAL_DAYS
) -> datetime:
    """When an image was built, by what is known of its packages.

    Each version says: not before I came, and likely not after the next one came. The moment at which most of them are
    right wins; of equals the one nearest to the usual number of days before the release. Without packages it is that.
    """
    release = datetime.fromisoformat(f"{released}T12:00:00+00:00")
    usual = release - timedelta(days=days)
    first, last = release - timedelta(days=_EARLIEST), release - timedelta(days=_LATEST)
    if len(pins) > 100:  # a whole list speaks for itself: some images were released seven weeks after their build
        first = release - timedelta(days=60)
    changes: list[tuple[datetime, int]] = []
    for name, version in pins.items():
        found = index.listing(name, _TARGET)
        if not isinstance(found, Listing):
            continue
        own = Version(public(version))
        times = [(Version(one.version), at) for one in found.candidates if (at := uploaded(one)) is not None]
        came = next((at for other, at in times if other == own), None)
        if came is None:
            continue
        changes.append((came, 1))
        later = [at for other, at in times if other > own and (own.is_prerelease or not other.is_prerelease)]
        if later:
            changes.append((max(came, min(later)), -1))
    moments = {first, last, usual, *(at for at, _ in changes if first <= at <= last)}
    scored = [(sum(way for at, way in changes if at <= moment), moment) for moment in moments]
    best = max(score for score, _ in scored)
    return min((moment for score, moment in scored if score == best), key=lambda one: abs(one - usual)) + timedelta(
        minutes=1
    )


def base_recipe(facts: Path, airflow: str, released: str) -> Recipe:
    """The published part of a build: requirements and constraints of that Airflow, before anything is learned."""
    major = version_numbers(airflow)[0]
    newer = major >= 3 and released >= _NEW_SINCE
    constraints = _lines(facts / f"{_NEW_CONSTRAINTS if newer else _OLD_CONSTRAINTS}.txt")
    clauses: dict[PackageName, str] = {}
    for text in constraints:
        wanted = parse_requirement(text)[0]
        clauses[wanted.name] = wanted.specifiers.text
    roots = (f"apache-airflow[{_EXTRAS[major]}]=={airflow}", *_lines(facts / f"{_ROOTS[major]}.txt"))
    return Recipe(roots, clauses)


def _lines(path: Path) -> list[str]:
    return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def build(index: IndexSource, recipe: Recipe, moment: datetime) -> Pins | None:
    """The versions that a build of a recipe takes at a moment; None where it finds no end."""
    record = ImageRecord("composer-3-airflow-0.0.0-build.0", "", *("3.11.8", True), *("23.2.1", True), True, 0, "", "")
    dated = DatedIndex(index, moment)
    universe = Universe(Image(record, {}), dated)
    # what no index holds (Google's own client for lineage) is no part of what can be repeated
    wanted = [one for text in recipe.roots if dated.holds((one := parse_requirement(text)[0]).name)]
    dated.warm(one.name for one in wanted)
    clauses = {name: specifiers(text) for name, text in recipe.constraints.items()}
    outcome = resolve(universe, wanted, constraints=clauses, limits=Limits(_ROUNDS, _SECONDS))
    return {node.name: node.version for node in outcome.installs} if isinstance(outcome, Solved) else None


def learn(index: IndexSource, recipe: Recipe, parent: KnownList, moment: datetime) -> tuple[Recipe, Pins | None]:
    """A recipe that makes the parent's list: what the list violates is dropped, what the build lacks is added.

    Returns also what the recipe then builds at the parent's own moment.
    """
    airflow = next(text for text in recipe.roots if text.startswith("apache-airflow["))
    roots = [airflow]
    for text in recipe.roots:
        wanted = parse_requirement(text)[0]
        if text != airflow and wanted.name in parent.pins:
            roots.append(text if wanted.specifiers.contains(public(parent.pins[wanted.name])) else wanted.name)
    constraints = {
        name: text
        for name, text in recipe.constraints.items()
        if name not in parent.pins or specifiers(text).contains(public(parent.pins[name]))
    }
    own = [f"apache-airflow[{airflow.partition('[')[2].partition(']')[0]}]=={parent.airflow}", *roots[1:]]
    built: Pins | None = None
    for _ in range(2):
        built = build(index, Recipe(tuple(own), constraints), moment)
        missing = sorted(name for name in parent.pins if name not in (built or {}) and name != AIRFLOW)
        if built is None or not missing:
            break
        present = [parse_requirement(text)[0].name for text in own]
        added = [name for name in missing if name not in present]
        if not added:
            break
        own.extend(added)
        roots.extend(added)
    return Recipe(tuple(roots), constraints), built


def holds_of(parent: KnownList, built: Mapping[PackageName, str]) -> dict[PackageName, str]:
    """Caps for the packages of which the repeated build took a later version than the parent's list shows.

    Floors for the other ones make it worse (measured: 371 instead of 388 of 413): the search then gives up others.
    """
    return {
        name: f"<={public(version)}"
        for name, version in parent.pins.items()
        if name in built and name != AIRFLOW and Version(public(built[name])) > Version(public(version))
    }


def with_holds(recipe: Recipe, holds: Mapping[PackageName, str]) -> Recipe:
    """The recipe with further clauses."""
    joined = dict(recipe.constraints)
    for name, text in holds.items():
        joined[name] = f"{joined[name]},{text}" if name in joined else text
    return Recipe(recipe.roots, joined)


def equal_versions(one: Mapping[PackageName, str], other: Mapping[PackageName, str]) -> int:
    """How many packages have the same version in both, local parts aside."""
    return sum(1 for name, version in one.items() if name in other and public(version) == public(other[name]))


def parents_of(name: str, released: str, airflow: str, known: Sequence[KnownList]) -> list[KnownList]:
    """Known lists from which a build can learn, best first: released before, the same Airflow before near ones."""
    numbers = version_numbers(airflow)
    kin = [one for one in known if one.released < released and version_numbers(one.airflow)[:1] == numbers[:1]]

    def distance(one: KnownList) -> tuple[bool, bool, int, str]:
        other = version_numbers(one.airflow)
        days = datetime.fromisoformat(released) - datetime.fromisoformat(one.released)
        return other != numbers, other[:2] != numbers[:2], days.days, one.name

    return sorted((one for one in kin if one.name != name), key=distance)


@dataclass(frozen=True, slots=True)
class Reconstruction:
    """The list of one build, and what it would be under other assumptions.

    Attributes:
        parent: the known list that it was learned from.
        moment: when the image is taken to be built.
        pins: versions by package.
        alternatives: other lists by what was assumed for them.
    """

    parent: KnownList
    moment: datetime
    pins: Pins
    alternatives: Mapping[str, Pins]


class Workshop:
    """Builds many images from one index; remembers what each known list teaches."""

    def __init__(self, index: IndexSource, facts: Path) -> None:
        self._index = index
        self._facts = facts
        self._moments: dict[str, datetime] = {}
        self._taught: dict[tuple[object, ...], tuple[Recipe, dict[PackageName, str]]] = {}

    def moment_of(self, known: KnownList) -> datetime:
        """When a known list was built."""
        if known.name not in self._moments:
            self._moments[known.name] = build_moment(self._index, known.pins, known.released)
        return self._moments[known.name]

    def reconstruct(
        self,
        image: KnownList,
        known: Sequence[KnownList],
        *,
        stated: Mapping[PackageName, str] | None = None,
        moment: datetime | None = None,
        alternatives: bool = True,
    ) -> Reconstruction | None:
        """The build of an image repeated; None where nothing can be learned from or no build succeeds.

        Args:
            image: name, release and Airflow; its pins are what is known of it (heads of pages) and hold.
            known: lists to learn from; those released on that day or later are not looked at.
            stated: versions that release notes state of it.
            moment: when it was built, where that is known better than its release tells.
            alternatives: whether to build also some days earlier, and later up to the release.
        """
        parents = parents_of(image.name, image.released, image.airflow, known)
        if not parents:
            return None
        parent = parents[0]
        certain = {**(stated or {}), **image.pins}
        at = moment or build_moment(self._index, certain, image.released)
        recipe, holds = self._learned(base_recipe(self._facts, image.airflow, image.released), parent)
        pinned = {name: f"=={public(version)}" for name, version in certain.items() if name != AIRFLOW}
        free = {name: text for name, text in holds.items() if name not in pinned}
        for clauses in ({**free, **pinned}, pinned, free, {}):
            made = with_holds(recipe, clauses)
            built = build(self._index, made, at)
            if built is not None:
                break
        else:
            return None
        others: dict[str, Pins] = {}
        if alternatives:
            release = datetime.fromisoformat(f"{image.released}T00:00:00+00:00")
            for way, word in ((-1, "earlier"), (1, "later")):
                for days in _AWAY:
                    found = build(self._index, made, min(at + timedelta(days=way * days), release))
                    if found is not None:
                        others[f"built {days} days {word}"] = self._whole(found, parent, at, image.pins)
                        break
        return Reconstruction(parent, at, self._whole(built, parent, at, image.pins), others)

    def _learned(self, base: Recipe, parent: KnownList) -> tuple[Recipe, dict[PackageName, str]]:
        key = (parent.name, base.roots, tuple(base.constraints.items()))
        if key not in self._taught:
            recipe, built = learn(self._index, base, parent, self.moment_of(parent))
            self._taught[key] = recipe, holds_of(parent, built or {})
        return self._taught[key]

    def _whole(self, built: Pins, parent: KnownList, at: datetime, certain: Mapping[PackageName, str]) -> Pins:
        """The build with what no index holds, as the parent's list has it, and with the marks of Google's own builds."""
        dated = DatedIndex(self._index, at)
        pins = dict(built)
        for name, version in parent.pins.items():
            if name not in pins and (name == "pip" or not dated.holds(name)):
                pins[name] = version
            elif name in pins and version.endswith("+composer"):
                pins[name] = f"{public(pins[name])}+composer"
        return {**pins, **certain}


def known_lists(source: Path) -> list[KnownList]:
    """The whole lists of Composer 3 in a folder, oldest first: those of Composer 2 repeat them."""
    releases = image_versions().releases
    found = [
        read_list(path, releases[path.stem].released)
        for path in source.glob("composer-3-*.txt")
        if path.stem in releases and releases[path.stem].dated
    ]
    return sorted(found, key=lambda one: (one.released, one.name))
