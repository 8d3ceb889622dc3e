"""The package list of a published article, in its order, on every complete image of the catalogue."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from envctl.report.deps_text import render_result
from envctl.resolution.catalogue import SHIPPED, Catalogue
from envctl.resolution.check import CheckOptions, check_list
from envctl.resolution.findings import Verdict
from envctl.resolution.image_files import load_index
from envctl.resolution.memory import MemorySource
from envctl.resolution.protocol import RequirementMetadata
from envctl.resolution.requirements_file import load_requirements

CASES = Path(__file__).parent.parent / "cases" / "resolution"
COMPLETE = [record.name for record in load_index(SHIPPED) if record.complete]

WITHOUT_BEAM = {"composer-2.7.1-airflow-2.7.3", "composer-2.8.3-airflow-2.6.3"}
"""Images beside whose packages none of the recorded releases of apache-beam fits, nor their own: they violate what it requires."""


@pytest.fixture(scope="module")
def universe():
    packages = json.loads((CASES / "article-index.json").read_text(encoding="utf-8"))["packages"]
    return {
        name: {
            version: declared
            and RequirementMetadata(
                tuple(declared["requires_dist"]), declared["requires_python"], tuple(declared["provides_extra"])
            )
            for version, declared in versions.items()
        }
        for name, versions in packages.items()
    }


def test_sixty_nine_images_are_complete():
    assert len(COMPLETE) == 69


@pytest.mark.parametrize("image", COMPLETE)
def test_the_list_never_works_and_the_old_pins_are_named_with_a_fix(image, universe):
    given = load_requirements([CASES / "article.txt"], {})
    result = check_list("article", given, Catalogue().choose(image), MemorySource(universe), CheckOptions())
    assert result.verdict is Verdict.CONFLICT
    text = " ".join(render_result(result).split())
    edited = ["google-cloud-core==1.3.0", "google-resumable-media==0.5.0"]
    if image in WITHOUT_BEAM:
        assert "No edit found. No release of apache-beam was found that fits" in text
    else:
        edited.append("apache-beam==2.19.0")
    for line in edited:
        assert f"replace `{line}` with `{line.partition('==')[0]}" in text
    for place in (4, 5, 8):
        assert f"({CASES / 'article.txt'}:{place})" in text
    named = {line for conflict in result.conflicts for line in conflict.lines}
    assert {"apache-beam[gcp]==2.19.0", "google-cloud-core==1.3.0", "google-resumable-media==0.5.0"} <= named
    assert [one.code for one in result.diagnostics] == ["requirement-duplicate"]
    assert (result.fix is None) == ("No edit found." in text)
    assert result.fix is not None or image in WITHOUT_BEAM or len(result.conflicts) == 4
    assert result.fix is None or result.fix.verified
