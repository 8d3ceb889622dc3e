"""Makes the shipped lists of supported images whose own list nobody has published.

    python tools/reconstruct_images.py SOURCE_FOLDER [DESTINATION] [--only IMAGE ...]

Reads what `build_catalogue.py` reads, and asks the package index that pip is set up for. One list per build: images of
one day and one Airflow share it. Of an image whose Python is stated nowhere the list is marked as a part, so that no
verdict on it is good; an image without a day of release gets none, nor does one of a minor version of Airflow of
which no list is known, or whose build cannot be repeated both earlier and later. `--only` makes some and leaves the others.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from build_catalogue import known_metadata
from reconstruction import KnownList, Reconstruction, Workshop, known_lists, public, read_list

from envctl.dependencies import open_source
from envctl.image_versions import ImageRelease, image_order, image_versions, version_numbers
from envctl.resolution.alternatives import Alternative, difference, write_alternatives
from envctl.resolution.catalogue import RECONSTRUCTED
from envctl.resolution.image import Image, ImageRecord
from envctl.resolution.image_assembly import assemble_image
from envctl.resolution.image_files import load_index, write_image, write_index
from envctl.resolution.protocol import Listing, PackageName, RequirementMetadata, Target

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from envctl.resolution.index.source import IndexSource

_TARGET = Target("3.11.8", "23.2.1")
_AIRFLOW = tuple(map(PackageName, ("apache-airflow", "apache-airflow-core", "apache-airflow-task-sdk")))
"""What follows the Airflow of the image, whatever the list that the other packages are taken from."""
Metadata = dict[tuple[PackageName, str], RequirementMetadata]


def main() -> int:
    """Reconstructs, writes, and says what each list was made from."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("destination", type=Path, nargs="?", default=RECONSTRUCTED)
    parser.add_argument("--only", nargs="*", default=())
    options = parser.parse_args()
    known = known_lists(options.source)
    listed = {path.stem for path in options.source.glob("*.txt")}
    metadata = known_metadata(options.source / "requirements-metadata.jsonl")
    notes = yaml.safe_load((options.source / "package-facts.yaml").read_text(encoding="utf-8"))
    with open_source() as index:
        index.prefetch_listings(sorted({name for one in known for name in one.pins}), _TARGET)
        shop = Workshop(index, options.source / "resolver-facts")
        for release, twins in wanted_builds(listed):
            if options.only and release.name not in options.only:
                continue
            head = options.source / "partial" / f"{release.name}.txt"
            pins = read_list(head, release.released).pins if head.is_file() else {}
            image = KnownList(release.name, release.released, release.airflow, pins)
            made = shop.reconstruct(image, known, stated=stated_of(notes, image))
            if made is None or not same_minor(image.airflow, made.parent.airflow) or len(made.alternatives) < 2:
                sys.stdout.write(f"{release.name}: no list that could be vouched for\n")
                continue
            assembled, extras, alternatives = assemble(index, image, made, metadata)
            record = record_of(release, twins, made, len(assembled.packages), bool(release.python))
            write_image(assembled._replace(record=record), extras, options.destination)
            write_alternatives(options.destination, release.name, alternatives)
            # the index after every list: what was made stays if the run ends early
            records = {one.name: one for one in load_index(options.destination)} | {record.name: record}
            write_index(sorted(records.values(), key=lambda one: image_order(one.name)), options.destination)
            sys.stdout.write(f"{release.name}: {record.packages} packages. {record.doubt}\n")
            sys.stdout.flush()
    return 0


def wanted_builds(listed: set[str]) -> list[tuple[ImageRelease, tuple[str, ...]]]:
    """Every build that is supported on the day of the table of versions and has no list, with its twins.

    The image of Composer 3 stands for those of the same day and Airflow.
    """
    versions = image_versions()
    builds: dict[tuple[str, str], list[ImageRelease]] = {}
    for one in versions.releases.values():
        if one.dated and one.ends > versions.as_of and not one.withdrawn:
            builds.setdefault((one.released, one.airflow), []).append(one)
    found: list[tuple[ImageRelease, tuple[str, ...]]] = []
    for images in builds.values():
        if not any(one.name in listed for one in images):
            first, *others = sorted(images, key=lambda one: not one.name.startswith("composer-3-"))
            found.append((first, tuple(one.name for one in others)))
    return found


def same_minor(one: str, other: str) -> bool:
    """Whether two versions of Airflow have the same minor one: what a list teaches does not reach farther."""
    return version_numbers(one)[:2] == version_numbers(other)[:2]


def stated_of(notes: Sequence[Mapping[str, Any]], image: KnownList) -> dict[PackageName, str]:
    """The versions that release notes of that day state for that Airflow."""
    found: dict[PackageName, str] = {}
    for note in notes:
        if str(note["date"]) == image.released and image.airflow in note.get("airflow", [image.airflow]):
            found |= {PackageName(name): str(version) for name, version in note.get("set", {}).items()}
    return found


def assemble(
    index: IndexSource, image: KnownList, made: Reconstruction, metadata: Metadata
) -> tuple[Image, Mapping[str, Mapping[str, list[str]]], tuple[Alternative, ...]]:
    """The image, what its extras require, and how the other assumptions differ from it."""

    def declared(name: PackageName, version: str) -> RequirementMetadata | None:
        found = index.listing(name, _TARGET)
        if isinstance(found, Listing):
            taken = next((one for one in found.candidates if one.version == public(version)), None)
            read = index.metadata(taken) if taken is not None else None
            if isinstance(read, RequirementMetadata):
                return read
        return metadata.get((name, version))

    record = ImageRecord(
        image.name,
        image.airflow,
        *("3.11.8", True),
        *("23.2.1", True),
        complete=True,
        packages=0,
        source="",
        date="",
        reconstructed=True,
    )
    spelled = made.parent.spelled

    def whole(pins: Mapping[PackageName, str]) -> tuple[Image, Mapping[str, Mapping[str, list[str]]]]:
        return assemble_image(record, [(spelled.get(name, name), pins[name]) for name in sorted(pins)], declared)

    base, extras = whole(made.pins)
    others = [Alternative(text, difference(base, whole(pins)[0])) for text, pins in made.alternatives.items()]
    if same_minor(image.airflow, made.parent.airflow):
        own = {name: made.pins[name] for name in _AIRFLOW if name in made.pins}
        pins = {**made.parent.pins, **own}
        others.append(Alternative(f"packages as in {made.parent.name}", difference(base, whole(pins)[0])))
    return base, extras, tuple(others)


def record_of(
    release: ImageRelease, twins: tuple[str, ...], made: Reconstruction, packages: int, stated: bool
) -> ImageRecord:
    """The record, with what speaks against the list."""
    near = [pins for text, pins in made.alternatives.items() if text.startswith("built")]
    doubtful = {name for pins in near for name in {*pins, *made.pins} if pins.get(name) != made.pins.get(name)}
    doubt = (
        f"The list was not read but reconstructed: the build was repeated as of {made.moment:%Y-%m-%d} with what "
        f"{made.parent.name} teaches. {len(doubtful)} of its {packages} versions change with a build up to 10 days away."
    )
    if not stated:
        doubt += " The image's Python is stated nowhere and taken to be 3.11.8, so the list counts as a part."
    return ImageRecord(
        release.name,
        release.airflow,
        *("3.11.8", stated),
        *("23.2.1", False),
        complete=stated,
        packages=packages,
        source="reconstructed by tools/reconstruct_images.py from published requirements and constraints of the image build",
        date=image_versions().as_of,
        pairs=twins,
        doubt=doubt,
        reconstructed=True,
    )


if __name__ == "__main__":
    sys.exit(main())
