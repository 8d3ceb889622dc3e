"""Lists that nobody read: the verdict is likely where every list that the image may have agrees, else there is none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from worlds import choice_of, image_of, source_of

from envctl.actions.gate import package_answer
from envctl.dependencies import Catalogue, Report, parse_requirements
from envctl.errors import InvalidInputError
from envctl.image_versions import image_versions
from envctl.plan.model import GateStatus
from envctl.report.deps_findings import report_diagnostics
from envctl.report.deps_formats import DepsFormat, write_report
from envctl.resolution.alternatives import Alternative, difference, load_alternatives, write_alternatives
from envctl.resolution.catalogue import RECONSTRUCTED, nearest_record
from envctl.resolution.check import CheckOptions, check_list
from envctl.resolution.doubtful import VERDICT_HINGES, deciding
from envctl.resolution.findings import Certainty, Verdict
from envctl.resolution.image import Basis
from envctl.resolution.image_files import load_image, load_index, write_image
from envctl.spec.model import Profile

INDEX = {"new": {"1.0": ["held<2"]}, "held": {"1.0": [], "1.5": [], "2.0": []}, "other": {"1.0": []}}
OLD = {"held": ["1.0"], "holder": ["1.0", "held"]}
NEW = {"held": ["2.0"], "holder": ["1.0", "held>=2"]}


def reconstructed(packages, *others, complete=True):
    """An image whose list is `packages`, and may be each of the others."""
    image = image_of(packages, complete=complete)
    alternatives = tuple(
        Alternative(f"built {days} days later", difference(image, image_of(other, complete=complete)))
        for days, other in enumerate(others, 7)
    )
    record = image.record._replace(reconstructed=True, doubt="The list was not read but reconstructed.")
    return image._replace(record=record, load_alternatives=lambda: alternatives)


def asked(image, text):
    choice = choice_of(image, image.record.basis)._replace(note=image.record.doubt)
    return check_list(
        "requirements.txt",
        parse_requirements(text, Path("requirements.txt"), {}),
        choice,
        source_of(INDEX),
        CheckOptions(),
    )


def test_a_verdict_on_which_all_lists_agree_is_likely():
    result = asked(reconstructed(OLD, OLD, {**OLD, "held": ["1.5"]}), "new\n")
    assert (result.verdict, result.certainty, result.basis) == (
        Verdict.OK,
        Certainty.LIKELY,
        Basis.RECONSTRUCTED,
    )


def test_a_clash_on_which_all_lists_agree_is_likely_and_explained():
    result = asked(reconstructed(NEW, {**NEW, "held": ["2.0"], "more": ["1.0"]}), "new\n")
    assert (result.verdict, result.certainty) == (Verdict.CONFLICT, Certainty.LIKELY)
    assert result.conflicts


@pytest.mark.parametrize(("own", "other", "words"), [(OLD, NEW, ("ok", "conflict")), (NEW, OLD, ("conflict", "ok"))])
def test_a_verdict_that_hinges_on_a_doubtful_version_is_none_and_names_what_decides(own, other, words):
    result = asked(reconstructed(own, {**other, "aaa": ["1.0"], "zzz": ["1.0"]}), "new\n")
    assert (result.verdict, result.certainty, result.conflicts) == (Verdict.UNKNOWN, None, ())
    [notice] = [one for one in result.warnings if one.code == VERDICT_HINGES]
    assert (
        f"the verdict is `{words[0]}`; with another one that it may have (built 7 days later) it is `{words[1]}`"
        in notice.text
    )
    assert f"held ({own['held'][0]}, or {other['held'][0]})" in notice.text
    assert "aaa" not in notice.text
    assert "zzz" not in notice.text
    assert f"`envctl images add {result.image} FILE`" in notice.text


def test_a_package_that_only_another_list_has_decides_too():
    absent = {"holder": ["1.0"]}
    result = asked(reconstructed(absent, {**absent, "other": ["0.5"]}), "other\n")
    [notice] = [one for one in result.warnings if one.code == VERDICT_HINGES] or [None]
    # a list that asks for any version gets the preinstalled one or a new one: nothing preinstalled moves in either
    assert notice is None
    result = asked(reconstructed(absent, {**absent, "other": ["0.5"]}), "other==1.0\n")
    [notice] = [one for one in result.warnings if one.code == VERDICT_HINGES]
    assert "other (absent, or 0.5)" in notice.text


def test_a_reconstructed_part_never_says_ok():
    result = asked(reconstructed(OLD, OLD, complete=False), "other\n")
    assert (result.basis, result.verdict, result.certainty) == (Basis.PARTIAL, Verdict.UNKNOWN, None)


def test_what_is_wrong_with_the_list_itself_is_certain():
    result = asked(reconstructed(OLD, OLD), "no such line ===\n")
    assert (result.verdict, result.certainty) == (Verdict.INVALID, Certainty.CERTAIN)


@pytest.mark.parametrize(
    ("basis", "certainty"),
    [
        (Basis.EXACT, Certainty.CERTAIN),
        (Basis.PAIRED, Certainty.CERTAIN),
        (Basis.RECONSTRUCTED, Certainty.LIKELY),
        (Basis.NEAREST, Certainty.LIKELY),
        (Basis.PARTIAL, Certainty.LIKELY),
    ],
)
def test_a_verdict_is_as_sure_as_the_list(basis, certainty):
    result = asked(image_of(NEW), "new\n")
    assert result._replace(basis=basis).certainty is certainty


@pytest.mark.parametrize(
    ("packages", "profile", "status"),
    [
        (OLD, Profile.TRIAL, GateStatus.OK),
        (OLD, Profile.STANDARD, GateStatus.OK),
        (OLD, Profile.CRITICAL, GateStatus.UNKNOWN),
        (NEW, Profile.TRIAL, GateStatus.UNKNOWN),
        (NEW, Profile.STANDARD, GateStatus.FAILED),
        (NEW, Profile.CRITICAL, GateStatus.FAILED),
    ],
)
def test_the_gate_takes_a_likely_verdict_as_the_profile_says(packages, profile, status):
    answer = package_answer(asked(reconstructed(packages, packages), "new\n"), profile)
    assert answer.status is status
    assert "likely" in answer.summary
    sure = package_answer(asked(image_of(packages), "new\n"), profile)
    assert sure.status is (GateStatus.OK if packages is OLD else GateStatus.FAILED)
    assert "likely" not in sure.summary


@pytest.mark.parametrize("form", list(DepsFormat))
@pytest.mark.parametrize("packages", [OLD, NEW])
def test_every_format_says_basis_and_certainty(form, packages):
    text = write_report(Report((asked(reconstructed(packages, packages), "new\n"),)), form)
    assert "likely" in text
    assert "reconstructed" in text
    sure = write_report(Report((asked(image_of(packages), "new\n"),)), form)
    assert "likely" not in sure


def test_json_has_the_certainty_beside_the_verdict():
    document = json.loads(write_report(Report((asked(image_of(OLD), "new\n"),)), DepsFormat.JSON))
    assert document["results"][0]["certainty"] == "certain"


def test_a_verdict_that_hinges_stands_in_the_diagnostics_with_its_way_out():
    told = report_diagnostics(Report((asked(reconstructed(OLD, NEW), "new\n"),)))
    assert any("held (1.0, or 2.0)" in one.detail and "envctl images add" in one.detail for one in told)


def test_several_packages_decide_only_together():
    names = tuple("abcdefgh")
    assert deciding(names, lambda some: {"b", "g"} <= {*some}) == ("b", "g")
    assert deciding(names, lambda some: len(some) == len(names)) == ()


def test_other_lists_come_back_from_their_file_as_they_were(tmp_path):
    image = reconstructed(OLD, NEW, {"holder": ["1.0", "held"]})
    write_image(image, {}, tmp_path)
    write_alternatives(tmp_path, image.name, image.load_alternatives())
    assert load_image(tmp_path, image.name).load_alternatives() == image.load_alternatives()


@pytest.mark.parametrize("text", [None, "{", '{"built": []}', '{"built": {"held": ["held"]}}'])
def test_without_readable_other_lists_there_is_no_verdict_but_an_error(tmp_path, text):
    if text is not None:
        (tmp_path / "x.alternatives.json").write_text(text)
    with pytest.raises(InvalidInputError):
        load_alternatives(tmp_path, "x")


def test_every_shipped_reconstruction_says_so_and_can_be_doubted():
    records = load_index(RECONSTRUCTED)
    assert records
    versions = image_versions()
    for record in records:
        image = load_image(RECONSTRUCTED, record.name)
        assert image.record == record
        assert record.reconstructed
        assert record.basis is (Basis.RECONSTRUCTED if record.python_stated else Basis.PARTIAL)
        assert "not read but reconstructed" in record.doubt
        assert image.packages["apache-airflow"].version == f"{record.airflow}+composer"
        assert len(image.load_alternatives()) >= 2
        assert all(one.packages for one in image.load_alternatives())
        days = {versions.releases[name].released for name in (record.name, *record.pairs)}
        assert len(days) == 1


def test_an_image_and_its_twin_are_answered_by_the_reconstruction():
    record = next(one for one in load_index(RECONSTRUCTED) if one.complete and one.pairs)
    for name in (record.name, record.pairs[0]):
        choice = Catalogue().choose(name)
        assert choice.basis is Basis.RECONSTRUCTED
        assert "not read but reconstructed" in choice.note


def test_a_list_of_ones_own_comes_before_the_reconstruction(tmp_path):
    record = next(one for one in load_index(RECONSTRUCTED) if one.complete)
    own = image_of({f"package-{at}": ["1.0"] for at in range(9)})
    write_image(own._replace(record=own.record._replace(name=record.name)), {}, tmp_path)
    assert Catalogue((tmp_path, RECONSTRUCTED)).choose(record.name).basis is Basis.EXACT


def test_no_reconstruction_answers_for_another_image():
    records = Catalogue().records()
    reconstructions = [one for one in records if one.reconstructed]
    assert nearest_record(reconstructions[0].name, reconstructions) is None
