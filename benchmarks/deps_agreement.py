"""Agreement of the clash check with real pip on generated corpora.

    python benchmarks/deps_agreement.py --image composer-2.13.8-airflow-2.10.5 --pip PIP.whl --seed 1 --count 40

Each corpus is a small index of empty wheels made from a seed: other versions of preinstalled packages with
changed requirements, and new packages that want them. The same lists go to the image's real pip (on the
environment of empty distributions, wheels from a folder) and to the clash check (the same wheels in memory).
A pip before 20.3 has no plan to show: it installs the empty wheels into a copy, and without Requires-Python,
which that pip refuses late and an index filters early. A line per disagreement, then one line of counts; exit code 1 when there is a disagreement.
"""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

from envctl.errors import OutsideError
from envctl.resolution.catalogue import Catalogue
from envctl.resolution.certify import PipAnswer, ask_pip, build_environment, site_packages
from envctl.resolution.dependency import Dependency, parse_requirement
from envctl.resolution.image import AIRFLOW, Image, ResolverKind
from envctl.resolution.judgement import Judge
from envctl.resolution.memory import MemorySource
from envctl.resolution.names import package_name
from envctl.resolution.protocol import PackageName, RequirementMetadata
from envctl.resolution.specifiers import version_of
from envctl.resolution.universe import Universe

EXTRAS = ("fast", "cloud-api", "cloud_api")


@dataclass(frozen=True)
class World:
    """A universe with lists to try on it."""

    universe: dict[str, dict[str, RequirementMetadata]]
    lists: tuple[tuple[str, ...], ...]


def make_world(image: Image, seed: int, count: int) -> World:
    """A universe around a few preinstalled packages, and lists over it; the same for the same seed."""
    chance = random.Random(seed)
    preinstalled = sorted(
        name
        for name, one in image.packages.items()
        if name != AIRFLOW and "+" not in one.version and one.requires is not None
    )
    touched = chance.sample(preinstalled, min(12, len(preinstalled)))
    # what the image itself violates is always among what lists lead to
    at_odds = {text.partition(":")[0] for text in image.left_out}
    touched = sorted({*touched, *(one for one in at_odds if one in preinstalled)})
    universe: dict[str, dict[str, RequirementMetadata]] = {}
    for name in touched:
        package = image.packages[PackageName(name)]
        versions: dict[str, RequirementMetadata] = {}
        for version in _neighbours(package.version, chance):
            requires = [text for text in package.requires or () if chance.random() < 0.9]
            requires = [_loosen(text, chance) for text in requires]
            versions[version] = RequirementMetadata(tuple(requires))
        universe[name] = versions
    for number in range(14):
        name = f"novel-{chance.choice('abcdefgh')}{number}"
        universe[name] = {
            version: _novel(chance, image, touched, sorted(universe))
            for version in ("0.9", "1.0", "1.1", "2.0", "2.1rc1", "3.0")[: chance.randint(1, 6)]
        }
    names = sorted(universe)
    lists = tuple(_list(chance, image, universe, names) for _ in range(count))
    return World(universe, lists)


def trim(image: Image, seed: int, size: int) -> Image:
    """A part of the image that is closed in itself: pip takes seconds for the whole of Airflow's requirements."""
    chance = random.Random(seed)
    names = sorted(name for name in image.packages if name != AIRFLOW)
    chance.shuffle(names)
    roots: list[PackageName] = []
    kept: dict[PackageName, None] = {}
    for name in names:
        closure = _closure(image, PackageName(name))
        if len(closure | kept.keys()) <= size:
            roots.append(PackageName(name))
            kept.update(dict.fromkeys(sorted(closure)))
    packages = {AIRFLOW: image.packages[AIRFLOW]._replace(requires=tuple(roots[:4]))}
    for name in kept:
        one = image.packages[name]
        texts = [text for text in one.requires or () if parse_requirement(text)[0].name in kept]
        packages[name] = one._replace(requires=tuple(texts))
    left_out = tuple(text for text in image.left_out if text.partition(":")[0] in kept)
    return image._replace(packages=packages, left_out=left_out)


def _closure(image: Image, root: PackageName) -> set[PackageName]:
    """Everything preinstalled that a preinstalled package leads to, extras included."""
    found: set[PackageName] = set()
    waiting = [root]
    while waiting:
        name = waiting.pop()
        if name in found or name not in image.packages:
            continue
        found.add(name)
        for one in image.packages[name].dependencies():
            waiting.append(one.name)
            for extra, many in image.extras_of(one.name) if one.extras else ():
                waiting.extend(two.name for two in many if extra in one.extras)
    return found


def _neighbours(version: str, chance: random.Random) -> list[str]:
    release = [*version_of(version).release, 0, 0][:3]
    found: set[str] = set()
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(3)
        moved = list(release)
        moved[at] = max(0, moved[at] + chance.choice((-2, -1, 1, 2, 3)))
        moved[at + 1 :] = [0] * (2 - at)
        suffix = chance.choice(("", "", "", "", "rc1", ".post1"))
        found.add(".".join(map(str, moved)) + suffix)
    normal = {str(version_of(one)) for one in found}
    normal.discard(str(version_of(version)))
    return sorted(normal, key=version_of)


def _loosen(text: str, chance: random.Random) -> str:
    return parse_requirement(text)[0].identifier if chance.random() < 0.3 else text


def _clause(version: str, chance: random.Random) -> str:
    release = version_of(version).release
    major, minor = release[0], release[1] if len(release) > 1 else 0
    return chance.choice(
        (
            "",
            f">={version}",
            f"<{version}",
            f"=={version}",
            f"!={version}",
            f"<={version}",
            f">{version}",
            f"~={major}.{minor}",
            f"=={major}.*",
            f">={major}.{max(0, minor - 1)},<{major + 1}",
            f"<{major}.{minor}.*",
            f">={version}rc1" if version.replace(".", "").isdigit() else f">={version}",
        )
    )


def _wanted(chance: random.Random, image: Image, universe: dict[str, dict[str, RequirementMetadata]], name: str) -> str:
    package = image.packages.get(PackageName(name))
    versions = list(universe.get(name, {}))
    if package is not None:
        versions += [package.version, package.version]
    extra = f"[{chance.choice(EXTRAS)}]" if chance.random() < 0.15 and package is None else ""
    return f"{name}{extra}{_clause(chance.choice(versions), chance)}"


def _novel(chance: random.Random, image: Image, touched: list[str], known: list[str]) -> RequirementMetadata:
    requires: list[str] = []
    universe = {name: {"1.0": RequirementMetadata(), "2.0": RequirementMetadata()} for name in known}
    for _ in range(chance.randint(0, 4)):
        pool = touched if chance.random() < 0.65 else (known or touched)
        name = chance.choice(pool)
        if name in image.packages:
            text = f"{name}{_clause(image.packages[PackageName(name)].version, chance)}"
        else:
            text = _wanted(chance, image, universe, name)
        if chance.random() < 0.2:
            text += f' ; extra == "{chance.choice(EXTRAS)}"'
        elif chance.random() < 0.1:
            text += ' ; python_version < "3.9"'
        requires.append(text)
    python = chance.choice((None, None, None, None, ">=3.8", "<3.11", ">=3.12"))
    return RequirementMetadata(tuple(requires), python, EXTRAS[:2] if chance.random() < 0.5 else EXTRAS)


def _list(
    chance: random.Random, image: Image, universe: dict[str, dict[str, RequirementMetadata]], names: list[str]
) -> tuple[str, ...]:
    chosen = chance.sample(names, chance.randint(1, 4))
    return tuple(_wanted(chance, image, universe, name) for name in chosen)


def write_wheels(universe: dict[str, dict[str, RequirementMetadata]], folder: Path) -> None:
    """An empty wheel per version. Requires-Python stands in the metadata only, as a folder cannot tell it."""
    folder.mkdir()
    for name, versions in universe.items():
        for version, metadata in versions.items():
            stem = f"{name.replace('-', '_')}-{version}"
            lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
            if metadata.requires_python:
                lines.append(f"Requires-Python: {metadata.requires_python}")
            lines += [f"Provides-Extra: {extra}" for extra in metadata.provides_extra]
            lines += [f"Requires-Dist: {text}" for text in metadata.requires_dist]
            with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as wheel:
                wheel.writestr(f"{stem}.dist-info/METADATA", "\n".join(lines) + "\n\n")
                wheel.writestr(
                    f"{stem}.dist-info/WHEEL",
                    "Wheel-Version: 1.0\nGenerator: envctl\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
                )
                wheel.writestr(f"{stem}.dist-info/RECORD", "")


def compare(
    image: Image, pip: Path, seed: int, count: int, folder: Path, size: int, seconds: float
) -> tuple[int, list[str]]:
    """How many lists were compared, and a line per disagreement."""
    python = ".".join(map(str, sys.version_info[:3]))
    if size:
        image = trim(image, seed, size)
    image = image._replace(record=image.record._replace(python=python))
    world = make_world(image, seed, count)
    old = image.record.resolver is ResolverKind.LEGACY
    if old:
        for versions in world.universe.values():
            versions.update({text: one._replace(requires_python=None) for text, one in versions.items()})
    ask = ask_old_pip if old else ask_pip
    environment = build_environment(image, folder / "environment")
    # run from a folder: pip inside its wheel would be compiled anew at each start
    with zipfile.ZipFile(pip) as wheel:
        wheel.extractall(folder / "pip")
    write_wheels(world.universe, folder / "wheels")
    options = ("--no-index", "--find-links", str(folder / "wheels"))
    wrong: list[str] = []
    verdicts: dict[str, int] = {}
    compared = 0
    end = time.monotonic() + seconds
    for wanted in world.lists:
        if time.monotonic() > end:
            break
        pin = f"apache-airflow=={image.packages[AIRFLOW].version}"
        try:
            truth = ask(folder / "pip" / "pip", environment, [pin, *wanted], options, seconds=60.0)
        except OutsideError as error:
            said = Judge(Universe(image, LateSource(world.universe))).judge(_parsed(wanted)).verdict
            sys.stderr.write(f"seed {seed} {wanted}: skipped, {error.summary}; envctl {said}\n")
            continue
        compared += 1
        # every list gets an index of its own: nothing remembered may help or hurt
        judge = Judge(Universe(image, LateSource(world.universe)))
        judgement = judge.judge(_parsed(wanted))
        verdicts[judgement.verdict] = verdicts.get(judgement.verdict, 0) + 1
        installs = tuple(sorted((n.name, n.version) for n in (*judgement.moved, *judgement.added)))
        if truth.works != judgement.works:
            said = truth.message.splitlines()[-1:] or truth.broken[:2]
            wrong.append(f"seed {seed} {wanted}: pip works={truth.works} ({said}), envctl {judgement.verdict}")
        elif truth.works and truth.installs != installs:
            wrong.append(f"seed {seed} {wanted}: pip installs {truth.installs}, envctl {installs}")
    sys.stderr.write(f"{image.name} seed {seed}: {verdicts}\n")
    return compared, wrong


def ask_old_pip(
    pip: Path, environment: Path, requirements: list[str], options: tuple[str, ...], seconds: float
) -> PipAnswer:
    """What a pip before 20.3 installs into a copy of the environment, and what `pip check` then objects to."""
    after = environment.with_name(environment.name + "-after")
    shutil.rmtree(after, ignore_errors=True)
    shutil.copytree(environment, after, symlinks=True)
    (after / "list.txt").write_text("\n".join(requirements) + "\n", encoding="utf-8")
    command = [str(after / "bin" / "python"), str(pip), "install", "--quiet", "--no-input", "--no-compile"]
    command += ["--disable-pip-version-check", *options, "-r", str(after / "list.txt")]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    if answer.returncode:
        return PipAnswer(works=False, message=answer.stderr.strip())
    before, now = _versions(environment), _versions(after)
    installs = tuple(sorted((name, version) for name, version in now.items() if before.get(name) != version))
    broken = tuple(sorted(_objections(pip, after) - _objections(pip, environment))) if installs else ()
    return PipAnswer(not broken, installs, broken)


def _versions(environment: Path) -> dict[str, str]:
    stems = [folder.name.removesuffix(".dist-info") for folder in site_packages(environment).glob("*.dist-info")]
    return {package_name(stem.rpartition("-")[0]): stem.rpartition("-")[2] for stem in stems}


def _objections(pip: Path, environment: Path) -> set[str]:
    command = [str(environment / "bin" / "python"), str(pip), "check", "--disable-pip-version-check"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return {line for line in answer.stdout.splitlines() if " requires " in line or " has requirement " in line}


def _parsed(wanted: tuple[str, ...]) -> list[Dependency]:
    return [parse_requirement(text)[0] for text in wanted]


class LateSource(MemorySource):
    """Like pip's folder of wheels: Requires-Python is known only from the metadata."""

    def listing(self, name, target):  # noqa: ANN001, ANN201
        """Every version, whatever Python it wants."""
        return _unfiltered(super(), name, target)


def _unfiltered(source, name, target):  # noqa: ANN001, ANN202
    answer = source.listing(name, target)
    if not hasattr(answer, "excluded") or not answer.excluded:
        return answer
    from envctl.resolution.protocol import Candidate

    every = [*answer.candidates, *(Candidate(name, one.version) for one in answer.excluded)]
    every.sort(key=lambda one: version_of(one.version), reverse=True)
    return answer._replace(candidates=tuple(every), excluded=())


def main() -> int:
    """Compares and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--image", required=True)
    parser.add_argument("--pip", type=Path, required=True, help="wheel of the image's pip")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--size", type=int, default=60, help="packages of the image to keep; 0 for all")
    parser.add_argument("--seconds", type=float, default=120.0, help="stop after the list during which this is over")
    options = parser.parse_args()
    image = Catalogue().choose(options.image).image
    if image is None:
        return 2
    folder = Path(tempfile.mkdtemp(prefix="agreement-"))
    try:
        compared, wrong = compare(
            image, options.pip, options.seed, options.count, folder, options.size, options.seconds
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for line in wrong:
        print(line)
    print(f"{compared} lists on {image.name}: {len(wrong)} disagreements")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
