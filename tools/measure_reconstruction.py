"""Leaves out one known list after the other, reconstructs it from the rest, and compares.

    python tools/measure_reconstruction.py SOURCE_FOLDER [--horizon DAYS] [--moment twin|own|usual] [--lists N] [IMAGE ...]

A list is reconstructed only from lists released before it; what release notes state of the image itself is not used.
`--moment` says how its build is dated: by a list of another Airflow released on the same day where there is one (the
default), by the list itself (what a perfectly fitted date would give), or by the release alone (all that is known of an
image without facts and twins). `--horizon` takes away also the lists of so many days before it. `--lists N` judges N
random lists of requirements (seeded) on the known and on the reconstructed image and counts other verdicts.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
from datetime import date, datetime, timedelta
from pathlib import Path

from reconstruction import KnownList, Pins, Reconstruction, Workshop, build_moment, equal_versions, known_lists, public

from envctl.dependencies import open_source, parse_requirements
from envctl.resolution.catalogue import Catalogue, ImageChoice
from envctl.resolution.check import CheckOptions, check_list
from envctl.resolution.findings import Certainty, Verdict
from envctl.resolution.image import Basis
from envctl.resolution.index.source import IndexSource
from envctl.resolution.protocol import PackageName, Target


def main() -> int:
    """Prints a line per list, then the median and the worst."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("images", nargs="*")
    parser.add_argument("--horizon", type=int, default=0, metavar="DAYS")
    parser.add_argument("--moment", choices=("twin", "own", "usual"), default="twin")
    parser.add_argument("--lists", type=int, default=0, metavar="N")
    parser.add_argument("--seed", type=int, default=11)
    options = parser.parse_args()
    known = known_lists(options.source)
    chosen = [one for one in known if one.name in options.images or not options.images]
    shares: list[float] = []
    differing = asked = unknown = 0
    with open_source() as index:
        index.prefetch_listings(sorted({name for one in known for name in one.pins}), Target("3.11.8", "23.2.1"))
        shop = Workshop(index, options.source / "resolver-facts")
        for image in chosen:
            rest = _rest(known, image, options.horizon)
            moment = _moment(index, shop, options.moment, image, known)
            bare = KnownList(image.name, image.released, image.airflow, {})
            made = shop.reconstruct(bare, rest, moment=moment, alternatives=bool(options.lists))
            if made is None:
                sys.stdout.write(f"{image.name}: no list to learn from, or no build\n")
                continue
            text, share = _compared(image, made)
            shares.append(share)
            if options.lists:
                counts = _verdicts(index, image, made, options.lists, options.seed)
                asked, differing, unknown = asked + options.lists, differing + counts[0], unknown + counts[1]
                text += f", verdicts: {counts[0]} wrong, {counts[1]} unknown of {options.lists}"
            sys.stdout.write(f"{text}\n")
            sys.stdout.flush()
    if shares:
        sys.stdout.write(
            f"{len(shares)} lists, versions equal: median {statistics.median(shares):.1%}, worst {min(shares):.1%}\n"
        )
    if asked:
        sys.stdout.write(f"verdicts: {differing} wrong, {unknown} unknown of {asked}\n")
    return 0


def _rest(known: list[KnownList], image: KnownList, horizon: int) -> list[KnownList]:
    day = (date.fromisoformat(image.released) - timedelta(days=horizon)).isoformat()
    return [one for one in known if one.name != image.name and (one.released < day or not horizon)]


def _moment(index: IndexSource, shop: Workshop, way: str, image: KnownList, known: list[KnownList]) -> datetime | None:
    if way == "own":
        return build_moment(index, image.pins, image.released)
    if way == "twin":
        twins = [one for one in known if one.released == image.released and one.airflow != image.airflow]
        return shop.moment_of(twins[0]) if twins else None
    return None


def _compared(image: KnownList, made: Reconstruction) -> tuple[str, float]:
    equal, names = equal_versions(image.pins, made.pins), len(image.pins.keys() & made.pins.keys())
    share = equal / len(image.pins)
    extra = len(made.pins.keys() - image.pins.keys())
    text = (
        f"{image.name} ({image.released}, built {made.moment:%Y-%m-%d}, from {made.parent.name}): "
        f"{names} of {len(image.pins)} names, {extra} too many, {equal} versions, {share:.1%}"
    )
    return text, share


def _verdicts(index: IndexSource, known: KnownList, made: Reconstruction, count: int, seed: int) -> tuple[int, int]:
    """How many random lists get another verdict on the reconstructed image, and how many get none."""
    from reconstruct_images import assemble

    truth = Catalogue().choose(known.name)
    if truth.image is None:
        return 0, 0
    image, _, alternatives = assemble(index, known, made, {})
    choice = ImageChoice(
        known.name, known.name, image._replace(load_alternatives=lambda: alternatives), Basis.RECONSTRUCTED, "measured"
    )
    dice = random.Random(f"{seed} {known.name}")  # noqa: S311  (which lists are asked)
    wrong = unsure = 0
    options = CheckOptions(explain=False)
    for _ in range(count):
        text = "\n".join(_requirement(dice, index, known.pins) for _ in range(dice.randint(1, 3)))
        given = parse_requirements(text, Path("list.txt"))
        one = check_list("list", given, truth, index, options)
        other = check_list("list", given, choice, index, options)
        if other.verdict is Verdict.UNKNOWN and one.verdict is not Verdict.UNKNOWN:
            unsure += 1
        elif other.verdict is not one.verdict:
            wrong += 1
            words = f"{one.verdict}, reconstructed {other.verdict}"
            sys.stdout.write(f"  wrong on {known.name}: {text.split()}: {words}\n")
        assert other.certainty is not Certainty.CERTAIN or other.verdict is Verdict.INVALID
    return wrong, unsure


def _requirement(dice: random.Random, index: IndexSource, pins: Pins) -> str:
    """A preinstalled package, asked for at its own version, at least at it, below it, or at a recent other one."""
    name = dice.choice(sorted(one for one in pins if "+" not in pins[one] and one not in ("pip", "setuptools")))
    version = public(pins[name])
    kind = dice.choice(("==", ">=", "<", "other", ""))
    if kind != "other":
        return f"{name}{kind}{version}" if kind else str(name)
    found = index.listing(PackageName(name), Target("3.11.8", "23.2.1"))
    versions = [one.version for one in getattr(found, "candidates", ())][:12]
    return f"{name}=={dice.choice(versions)}" if versions else str(name)


if __name__ == "__main__":
    sys.exit(main())
