"""Records what a clash check asks of an index, so that a test can ask the same without one.

    python tools/record_universe.py IMAGE REQUIREMENTS.txt OUTPUT.json

The recording holds every version of each package that was asked for, and what those declare whose metadata was
read; null stands for a version that nobody asked about.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envctl.dependencies import Catalogue, check, load_requirements, open_source
from envctl.resolution.protocol import Listing, RequirementMetadata

if TYPE_CHECKING:
    from collections.abc import Iterable

    from envctl.resolution.protocol import (
        Candidate,
        Follow,
        IndexFailure,
        PackageName,
        PackageSource,
        Target,
        UnknownPackage,
        UnknownRequirements,
        Wish,
    )


class Recorder:
    """A `PackageSource` that passes every question on and keeps the answers."""

    def __init__(self, source: PackageSource) -> None:
        self._source = source
        self.packages: dict[str, dict[str, Any]] = {}

    def listing(self, name: PackageName, target: Target) -> Listing | UnknownPackage | IndexFailure:
        """Every version."""
        answer = self._source.listing(name, target)
        if isinstance(answer, Listing):
            usable = {one.version: None for one in answer.candidates if not one.yanked}
            self.packages.setdefault(name, usable)
        return answer

    def metadata(self, candidate: Candidate) -> RequirementMetadata | UnknownRequirements | IndexFailure:
        """What one version declares."""
        answer = self._source.metadata(candidate)
        if isinstance(answer, RequirementMetadata) and candidate.version in self.packages[candidate.name]:
            self.packages[candidate.name][candidate.version] = {
                "requires_dist": [text for text in answer.requires_dist if "extra ==" not in text],
                "requires_python": answer.requires_python,
            }
        return answer

    def hashes(self, candidate: Candidate) -> tuple[str, ...] | IndexFailure:
        """Passed on."""
        return self._source.hashes(candidate)

    def prefetch_listings(self, names: Iterable[PackageName], target: Target) -> None:
        """Passed on."""
        self._source.prefetch_listings(names, target)

    def prefetch_metadata(self, candidates: Iterable[Candidate]) -> None:
        """Passed on."""
        self._source.prefetch_metadata(candidates)

    def prefetch(self, wishes: Iterable[Wish], target: Target, follow: Follow) -> None:
        """Passed on."""
        self._source.prefetch(wishes, target, follow)


def main() -> int:
    """Checks and writes."""
    image, listed, output = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    given = load_requirements([listed])
    with open_source(given) as source:
        recorder = Recorder(source)
        report = check(given, image, source=recorder, catalogue=Catalogue())
    rows = [f"{json.dumps(name)}: {json.dumps(versions)}" for name, versions in sorted(recorder.packages.items())]
    head = {"image": image, "list": given.lines and [line.text for line in given.lines]}
    text = json.dumps(head)[:-1] + ', "packages": {\n' + ",\n".join(rows) + "\n}}\n"
    output.write_text(text, encoding="utf-8")
    sys.stderr.write(f"{report.results[0].verdict}: {len(recorder.packages)} packages\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
