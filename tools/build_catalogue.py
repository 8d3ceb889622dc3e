"""Makes the shipped catalogue of images from lists of preinstalled packages.

    python tools/build_catalogue.py SOURCE_FOLDER [envctl/data/images]

The source folder holds one `name==version` list per image, `partial/` lists, `resolver-facts/`, Google's list of
versions (`image-versions.tsv`), `requirements-metadata.jsonl`, and `SOURCES.md` with the tables that this program
reads: where a list came from, which Python the image runs, which images were released together.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from envctl.image_versions import ImageVersions, image_order, parse_versions, version_numbers
from envctl.resolution.image import Image, ImageRecord
from envctl.resolution.image_assembly import assemble_image, own_violations
from envctl.resolution.image_files import write_image, write_index
from envctl.resolution.image_target import default_pip, full_python
from envctl.resolution.names import package_name
from envctl.resolution.protocol import PackageName, RequirementMetadata

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

SHIPPED = Path(__file__).parent.parent / "envctl" / "data" / "images"
VERSIONS_HEAD = """\
# Every image version of Composer that is known to exist, as of 2026-11-30. Empty cells: not stated anywhere read.
# Sources, read 2026-11-30 (column `source` says which one of a row):
#   Google's pages "Managed Airflow version list" and "release notes" (docs.cloud.google.com/composer/docs, CC BY 4.0) as of 2026-04-10,
#   copied in github.com/gvillarroel/gcp-radar at 3fa441803598d39dd118e8dabcd3c3cec80d2e06;
#   Google's release notes from 2025-05-29 to 2026-08-10, copied in github.com/multani/gcp-changelog at 84028d37dfda80cb55bef21073759e06dac3da32;
#   heads of Google's page "Preinstalled packages changelog" of 2026-08-26 and 2026-11-20.
# Column `support_end_basis`: `release date + 12 months (policy)` where the day is computed and not read.
"""
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_AIRFLOW_2 = "2025-with-pip-pin"
_PAGES = {
    "VP": "Google's page of preinstalled packages, docs.cloud.google.com/composer/docs/versions-packages (CC BY 4.0)",
    "VL": "Google's page of versions, docs.cloud.google.com/composer/docs/composer-versions (CC BY 4.0)",
}
_PAGES_DAY = "2026-04-10"


class Origin(NamedTuple):
    """What `SOURCES.md` says of one list: the source in words, its ISO day, the Python it names."""

    source: str
    date: str
    python: str = ""


def build_catalogue(source: Path, destination: Path) -> list[ImageRecord]:
    """Writes the table of versions, every image of the source folder and the index; returns the records in order."""
    destination.mkdir(parents=True, exist_ok=True)
    whole = {path.stem: path for path in source.glob("*.txt")}
    parts = {path.stem: path for path in (source / "partial").glob("*.txt") if path.stem not in whole}
    table = _versions(source / "image-versions.tsv", sorted({*whole, *parts}, key=image_order))
    (destination / "versions.tsv").write_text(table, encoding="utf-8")
    versions = parse_versions(table)
    sources = (source / "SOURCES.md").read_text(encoding="utf-8")
    origins = _origins(sources)
    pairs = _pairs(sources, versions, whole)
    metadata = known_metadata(source / "requirements-metadata.jsonl")
    facts = _facts(source / "resolver-facts")
    images: list[tuple[Image, Mapping[str, Mapping[str, list[str]]]]] = []
    for name, path in sorted({**whole, **parts}.items(), key=lambda one: image_order(one[0])):
        pins = list(_pins(path))
        record = _record(
            name, origins[name, name in parts], versions, pins, pairs.get(name, ()), complete=name in whole
        )
        images.append(
            assemble_image(
                record,
                pins,
                lambda name, version: metadata.get((name, version)),
                _airflow_requires(record.airflow, facts),
            )
        )
    pips = _usual_pips([image.record for image, _ in images])
    records: list[ImageRecord] = []
    for image, extras in images:
        record = image.record._replace(doubt=_doubt(image, pips))
        write_image(image._replace(record=record), extras, destination)
        records.append(record)
    write_index(records, destination)
    return records


def _versions(path: Path, listed: Sequence[str]) -> str:
    """Google's list of versions with its sources, and a row for each image that only a list of packages tells of."""
    text = path.read_text(encoding="utf-8")
    head, *rows = text.splitlines()
    columns = head.split("\t")
    known = {row.partition("\t")[0] for row in rows}
    for name in listed:
        if name not in known:
            airflow = ".".join(map(str, image_order(name)[1]))
            cells = {"image": name, "airflow": airflow, "source": "a list of its packages (index.json)"}
            rows.append("\t".join(cells.get(column, "") for column in columns))
    return VERSIONS_HEAD + "\n".join([head, *rows]) + "\n"


def _origins(sources: str) -> dict[tuple[str, bool], Origin]:
    """Where each list is from, by image and whether it is a part."""
    copied = _copies(sources)
    corrected = {
        name
        for line in sources.splitlines()
        if re.match(r"composer-\S+ \(\d+ -> \d+\)", line)
        for name in re.findall(r"composer-[\w.-]+[\w]", line)
    }
    origins: dict[tuple[str, bool], Origin] = {}
    previous, part = "", False
    for line in sources.splitlines():
        part = "Partial" in line if line.startswith("#") else part
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("| composer-") or len(cells) < 4:
            continue
        if not cells[1].isdigit():  # the first collection: repository, commit or packages, Python, remarks
            if cells[1].startswith("same"):
                cells[1] = cells[1].replace("same file", previous).replace("same", previous, 1)
            else:
                previous = cells[1].split(" at ")[0]
            origin = _copied_list(cells)
        elif part:  # the head of a page: packages, source, what is missing
            days = _DAY.findall(cells[2])
            origin = Origin(" ".join(cells[2].split()), max(days, default=""))
        else:  # a list of a whole page: packages, Python, how, at
            page = "VL" if "VL" in cells[4] else "VP"
            origin = Origin(f"{_PAGES[page]}, copied in {copied[page]}", _PAGES_DAY, cells[2])
        for name in _names(cells[0]):
            mended = name in corrected and not cells[1].isdigit()
            text = f"{origin.source}; corrected after {_PAGES['VP']}, copied in {copied['VP']}" if mended else ""
            origins.setdefault((name, part), origin._replace(source=text or origin.source))
    return origins


def _names(cell: str) -> list[str]:
    """`composer-3-airflow-2.9.3-build.53, -build.52` names two images."""
    first, *others = [part.strip() for part in cell.split(",")]
    stem = first.rpartition("-build.")[0]
    return [first, *(f"{stem}{one}" if one.startswith("-build.") else one for one in others)]


def _copies(sources: str) -> dict[str, str]:
    """`owner/name at COMMIT` of the copies of Google's pages."""
    found: dict[str, str] = {}
    repository = ""
    for line in sources.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) < 4 or cells[0][:2] not in _PAGES or not cells[0][2:].startswith(","):
            continue
        repository = repository if cells[1] == "same" else cells[1]
        commit = re.fullmatch(r"[0-9a-f]{40}", cells[3])
        previous = next(iter(found.values()), "").rpartition(" ")[2]
        found[cells[0][:2]] = f"{repository} at {commit[0] if commit else previous}"
    return found


def _copied_list(cells: Sequence[str]) -> Origin:
    """A list that somebody keeps in a public repository: source, then commit or not, packages, Python, remarks."""
    commit = re.match(r"[0-9a-f]{40}", cells[2])
    text = " ".join(cells[1].replace("`", "").split()) + (f" at {commit[0]}" if commit else "")
    python = next((found[0] for cell in cells[2:] if (found := re.match(r"3\.\d+(?:\.\d+)?(?= |$)", cell))), "")
    days = _DAY.findall(" ".join(cells))
    return Origin(text, max(days) if days else "", python)


def _pairs(sources: str, versions: ImageVersions, whole: Mapping[str, Path]) -> dict[str, tuple[str, ...]]:
    """The image of the other generation that shares a list, for lists whose twin has none of its own.

    Twins are one Composer 2 image and one Composer 3 build of the same Airflow, released on the same day; where the
    days of the sources differ, as the table of `SOURCES.md` says.
    """
    days: dict[tuple[str, str], list[str]] = {}
    for release in versions.releases.values():
        if release.dated:
            days.setdefault((release.released, release.airflow), []).append(release.name)
    twins = [sorted(names) for names in days.values() if Counter(map(_generation, names)) == {"2": 1, "3": 1}]
    named = re.findall(r"^\| (composer-2\S+) \| (composer-3\S+) \| \d{4}-\d{2}-\d{2} \|$", sources, re.MULTILINE)
    found: dict[str, tuple[str, ...]] = {}
    for first, second in [*twins, *named]:
        for one, other in ((first, second), (second, first)):
            if one in whole and other not in whole:
                found[one] = (other,)
    return found


def _generation(name: str) -> str:
    return name.removeprefix("composer-")[:1]


def known_metadata(path: Path) -> dict[tuple[PackageName, str], RequirementMetadata]:
    """What the distributions of a file of metadata declare, by name and version."""
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
    if version_numbers(airflow)[0] >= 3:
        first, *others = (texts for key, texts in facts.items() if key.startswith("3-"))
        return [text for text in first if all(text in texts for texts in others)]
    dated = sorted((key for key in facts if key[0].isdigit() and key.count(".") == 2), key=version_numbers)
    before = [key for key in dated if version_numbers(key) < version_numbers(airflow)]
    after = [key for key in dated if version_numbers(key) > version_numbers(airflow)]
    if not before:
        return []
    following = facts[after[0]] if after else facts[_AIRFLOW_2]
    return [text for text in facts[before[-1]] if text in following]


def _pins(path: Path) -> Iterator[tuple[str, str]]:
    for line in path.read_text(encoding="utf-8").splitlines():
        name, separator, version = line.strip().partition("==")
        if separator:
            # one copyist's slip, `typing-inspect==0.7.`: the trailing dot is no part of a version
            yield name, version.rstrip(".")


def _record(
    name: str,
    origin: Origin,
    versions: ImageVersions,
    pins: Sequence[tuple[str, str]],
    pairs: tuple[str, ...],
    *,
    complete: bool,
) -> ImageRecord:
    row = versions.releases.get(name)
    stated = (row.python if row else "") or origin.python or "3.11"
    pip = next((version for spelling, version in pins if package_name(spelling) == "pip"), None)
    return ImageRecord(
        name=name,
        airflow=".".join(map(str, image_order(name)[1])),
        python=full_python(stated),
        python_stated=full_python(stated) == stated,
        pip=pip or default_pip(full_python(stated)),
        pip_stated=pip is not None,
        complete=complete,
        packages=0,
        source=origin.source,
        date=origin.date,
        pairs=pairs,
    )


def _usual_pips(records: Sequence[ImageRecord]) -> dict[str, tuple[str, int]]:
    """The pip that most lists of a Python hold, and how many do."""
    held: dict[str, Counter[str]] = {}
    for record in records:
        if record.pip_stated:
            held.setdefault(record.target.python_minor, Counter())[record.pip] += 1
    return {minor: counts.most_common(1)[0] for minor, counts in held.items()}


def _doubt(image: Image, pips: Mapping[str, tuple[str, int]]) -> str:
    """What in a whole list cannot be right, or is right in no other one."""
    record = image.record
    if not record.complete:
        return ""
    doubts: list[str] = []
    usual, count = pips.get(record.target.python_minor, (record.pip, 0))
    if record.pip != usual and count > 1:
        doubts.append(
            f"The list says pip {record.pip}; {count} others of Python {record.target.python_minor} say {usual}."
        )
    return " ".join([*doubts, *own_violations(image)])


def main(arguments: Sequence[str]) -> int:
    """Builds from the first argument into the second; 2 when there is none."""
    if not 1 <= len(arguments) <= 2:
        sys.stderr.write(__doc__ or "")
        return 2
    records = build_catalogue(Path(arguments[0]), Path(arguments[1]) if len(arguments) > 1 else SHIPPED)
    sys.stdout.write(f"{len(records)} images, {sum(one.complete for one in records)} of them whole\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
