"""What an image itself violates: pip meets it as soon as a list leads there, and no list else."""

from __future__ import annotations

import importlib.util
import sys
from datetime import date
from pathlib import Path

import pytest
from test_resolution_pip import write_wheels
from worlds import checked, image_of, judged

from envctl.resolution.certify import ask_pip, build_environment
from envctl.resolution.check import CheckOptions
from envctl.resolution.findings import Verdict
from envctl.resolution.memory import MemorySource
from envctl.resolution.protocol import Candidate, Listing

PACKAGES = {"beam": ["2.0", "arrow<12"], "arrow": ["14.0"], "provider": ["1.0", "arrow>=14"], "free": ["1.0"]}
INDEX = {
    "beam": {"2.0": ["arrow<12"]},
    "arrow": {"11.0": [], "14.0": []},
    "other": {"1.0": ["beam"]},
    "new": {"1.0": []},
}


@pytest.mark.parametrize("wanted", ["beam", "beam==2.0", "other"])
def test_a_list_that_leads_to_the_violation_meets_it_as_with_pip(tmp_path, wanted):
    version = ".".join(map(str, sys.version_info[:3]))
    image = image_of(PACKAGES, python=version)
    assert image.left_out == ("beam: arrow<12",)
    judgement = judged(image, INDEX, wanted)
    assert judgement.verdict is Verdict.CONFLICT
    spec = importlib.util.find_spec("pip")
    if spec is None or spec.origin is None:
        pytest.skip("this environment has no pip")
    environment = build_environment(image, tmp_path / "environment")
    write_wheels(INDEX, tmp_path / "wheels")
    options = ("--no-index", "--find-links", str(tmp_path / "wheels"))
    truth = ask_pip(Path(spec.origin).parent, environment, ["apache-airflow==2.10.5+composer", wanted], options)
    assert not truth.works


@pytest.mark.parametrize("wanted", ["free", "new", "provider"])
def test_no_other_list_is_held_to_it(wanted):
    assert judged(image_of(PACKAGES), INDEX, wanted).verdict is Verdict.OK


def test_a_violation_below_airflow_itself_is_an_error_of_the_list_and_held_against_nobody():
    image = image_of({"apache-airflow": ["2.10.5+composer", "beam"], **PACKAGES})
    assert image.left_out == ("beam: arrow<12",)
    assert judged(image, INDEX, "beam").verdict is Verdict.OK


def test_the_clash_names_the_requirement_that_the_image_violates():
    result = checked(image_of(PACKAGES), INDEX, "beam\n")
    assert "beam 2.0" in result.conflicts[0].summary
    assert "arrow<12" in result.conflicts[0].summary


class DatedSource(MemorySource):
    """Versions with a day of upload."""

    def __init__(self, universe, days):
        super().__init__(universe)
        self._days = days

    def listing(self, name, target):
        found = super().listing(name, target)
        assert isinstance(found, Listing)
        dated = [one._replace(upload_time=f"{self._days[one.version]}T00:00:00Z") for one in found.candidates]
        return found._replace(candidates=tuple(dated))


@pytest.mark.parametrize(
    ("days", "said"),
    [
        ({"4.0a1": "2019-10-09", "3.14": "2026-10-01", "3.0": "2018-01-01"}, []),
        ({"4.0a1": "2015-10-09", "3.14": "2016-10-01", "3.0": "2014-01-01"}, ["The last release of old, 3.14,"]),
    ],
)
def test_a_pre_release_does_not_make_a_package_abandoned(days, said):
    from worlds import choice_of

    from envctl.resolution.check import check_list
    from envctl.resolution.requirements_file import parse_requirements

    source = DatedSource({"old": dict.fromkeys(days, ())}, days)
    given = parse_requirements("old<4\n", Path("t.txt"), {})
    result = check_list("t.txt", given, choice_of(image_of({})), source, CheckOptions(today=date(2026, 11, 30)))
    notices = [one.text for one in result.warnings if one.code == "package-abandoned"]
    assert [text[: len(start)] for text, start in zip(notices, said, strict=True)] == said
    assert isinstance(source.listing("old", None).candidates[0], Candidate)


def test_composers_own_line_is_not_said_to_stand_in_the_file():
    image = image_of({"apache-airflow": ["2.10.5+composer", "arrow>=14"], "arrow": ["14.0"]})
    index = {"apache-airflow": {"2.9": []}, "arrow": {"11.0": []}}
    result = checked(image, index, "apache-airflow==2.9\n")
    assert [(one.by, one.source) for one in result.conflicts[0].causes] == [
        ("image", None),
        ("list", "requirements.txt:1"),
    ]
    assert result.conflicts[0].summary == (
        "The image pins apache-airflow==2.10.5+composer; the list asks for apache-airflow==2.9 (requirements.txt:1): "
        "no version of apache-airflow satisfies both."
    )
