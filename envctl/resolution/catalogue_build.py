"""Builds the shipped catalogue from lists of preinstalled packages.

    python -m envctl.resolution.catalogue_build SOURCE_FOLDER envctl/data/images

The source folder holds one `name==version` list per image, `partial/` lists, `resolver-facts/`,
`requirements-metadata.jsonl`, and `SOURCES.md` with the tables that this module reads: which commit a list came
from, which Python the image runs, which images were released together.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from envctl.image_versions import version_numbers
from envctl.resolution.image import ImageRecord
from envctl.resolution.image_assembly import assemble_image
from envctl.resolution.image_files import write_image, write_index
from envctl.resolution.names import package_name
from envctl.resolution.protocol import PackageName, RequirementMetadata

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_NEXT_FACTS = "2025-with-pip-pin"
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_PYTHON = {"3.8": "3.8.12", "3.6": "3.6.10", "3.11": "3.11.8"}
_DEFAULT_PIP = {"3.6": "19.0.3", "3.8": "20.2.4"}


def build_catalogue(source: Path, destination: Path) -> list[ImageRecord]:
    """Writes every image of the source folder and returns their records, oldest first."""
    table = _rows(source / "SOURCES.md")
    pairs = _pairs(source / "SOURCES.md")
    metadata = _metadata(source / "requirements-metadata.jsonl")
    facts = _facts(source / "resolver-facts")
    records: list[ImageRecord] = []
    paths = [*source.glob("*.txt"), *(source / "partial").glob("*.txt")]
    for path in sorted(paths, key=lambda one: _order(one.stem)):
        complete = path.parent == source
        pins = list(_pins(path))
        record = _record(path.stem, table[path.stem], pins, pairs.get(path.stem, ()), complete=complete)
        image, extras = assemble_image(
            record,
            pins,
            lambda name, version: metadata.get((name, version)),
            _airflow_requires(record.airflow, facts),
        )
        write_image(image, extras, destination)
        records.append(image.record)
    write_index(records, destination)
    return records


def _order(name: str) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(int(n) for n in re.findall(r"\d+", part)) for part in name.split("-airflow-"))


def _rows(sources: Path) -> dict[str, list[str]]:
    rows: dict[str, list[str]] = {}
    previous = ""
    for line in sources.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("| composer-") or len(cells) < 5:
            continue
        if cells[1].startswith("same"):
            cells[1] = cells[1].replace("same file", previous).replace("same", previous, 1)
        else:
            previous = cells[1].split(" at ")[0]
        rows[cells[0]] = cells
    return rows


def _pairs(sources: Path) -> dict[str, tuple[str, ...]]:
    found = re.findall(
        r"^\| (composer-2\S+) \| (composer-3\S+) \| \d{4}-\d{2}-\d{2} \|$",
        sources.read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    return {first: (second,) for first, second in found}


def _metadata(path: Path) -> dict[tuple[PackageName, str], RequirementMetadata]:
    known: dict[tuple[PackageName, str], RequirementMetadata] = {}
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if row["requires_dist"] is not None:
                known[package_name(row["name"]), row["version"]] = RequirementMetadata(
                    tuple(row["requires_dist"]), row["requires_python"], tuple(row["provides_extra"])
                )
    return known


def _facts(folder: Path) -> dict[str, list[str]]:
    return {
        path.stem.removeprefix("extra-requires-airflow-"): path.read_text(encoding="utf-8").split()
        for path in sorted(folder.glob("extra-requires-airflow-*.txt"))
    }


def _airflow_requires(airflow: str, facts: Mapping[str, list[str]]) -> list[str]:
    """What the fork declares: its own list, or what both neighbouring lists agree on."""
    if airflow in facts:
        return facts[airflow]
    dated = sorted((key for key in facts if key[0].isdigit() and key.count(".") == 2), key=version_numbers)
    before = [key for key in dated if version_numbers(key) < version_numbers(airflow)]
    after = [key for key in dated if version_numbers(key) > version_numbers(airflow)]
    if not before:
        return []
    following = facts[after[0]] if after else facts[_NEXT_FACTS]
    return [text for text in facts[before[-1]] if text in following]


def _pins(path: Path) -> Iterator[tuple[str, str]]:
    for line in path.read_text(encoding="utf-8").splitlines():
        name, separator, version = line.strip().partition("==")
        if separator:
            # one copyist's slip, `typing-inspect==0.7.`: the trailing dot is no part of a version
            yield name, version.rstrip(".")


def _record(
    name: str, row: list[str], pins: Iterable[tuple[str, str]], pairs: tuple[str, ...], *, complete: bool
) -> ImageRecord:
    source, *rest = row[1:]
    cells = rest if complete else [source, *rest]
    stated = next((found[0] for cell in cells if (found := re.match(r"3\.\d+(?:\.\d+)?(?= |$)", cell))), "3.11")
    pip = next((version for spelling, version in pins if package_name(spelling) == "pip"), None)
    minor = ".".join(stated.split(".")[:2])
    dates = _DATE.findall(" ".join(row))
    found = re.match(r"[0-9a-f]{40}", row[2]) if complete else None
    commit = f" at {found[0]}" if found else ""
    return ImageRecord(
        name=name,
        airflow=re.sub(r".*-airflow-([0-9.]+[0-9]).*", r"\1", name),
        python=_PYTHON.get(stated, stated),
        python_stated=stated.count(".") == 2,
        pip=pip or _DEFAULT_PIP.get(minor, "23.2.1"),
        pip_stated=pip is not None,
        complete=complete,
        packages=0,
        source=" ".join(source.replace("`", "").split()) + commit,
        date=max(dates) if dates else "",
        pairs=pairs,
    )


def main(arguments: list[str]) -> int:
    """Builds from the first argument into the second; 2 when there are not two."""
    if len(arguments) != 2:
        return 2
    build_catalogue(Path(arguments[0]), Path(arguments[1]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
