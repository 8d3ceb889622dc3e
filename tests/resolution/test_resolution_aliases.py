"""What an alias stands for, which list may answer for an image without one, and that the doubt is said everywhere."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from worlds import image_of, source_of

from envctl.actions.deps import (
    CheckRequest,
    IndexChoice,
    check_dependencies,
    explain_dependency,
    fix_dependencies,
    lock_dependencies,
    matrix_dependencies,
    upgrade_dependencies,
)
from envctl.actions.gate import package_answer
from envctl.actions.images import diff_images
from envctl.diagnostics import Severity
from envctl.errors import UsageError
from envctl.image_versions import image_versions, newest_image, python_of
from envctl.plan.model import GateStatus
from envctl.report.deps_chains import chains_document, render_chains, render_chains_markdown
from envctl.report.deps_formats import DepsFormat, matrix_document, render_matrix, write_report
from envctl.report.deps_images import image_changes_document, render_image_changes
from envctl.report.deps_text import doubt_notes
from envctl.report.deps_upgrade import render_upgrade, render_upgrade_markdown, upgrade_document
from envctl.resolution.catalogue import Catalogue, nearest_record
from envctl.resolution.findings import Verdict
from envctl.resolution.image import Basis, ResolverKind
from envctl.resolution.image_files import write_image, write_index
from envctl.resolution.lock import render_lock
from envctl.spec.model import Profile

TODAY = date(2026, 11, 30)


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.txt").write_text("pandas\n")
    return tmp_path


def lists(folder: Path, *names: str, complete=True, python="3.11.8", pip="23.2.1") -> Catalogue:
    """A catalogue of small lists under the given names."""
    records = []
    for name in names:
        airflow = name.rpartition("-airflow-")[2].partition("-")[0]
        image = image_of({"apache-airflow": [f"{airflow}+composer"], "pandas": ["2.1.4"]}, python, pip, complete)
        image = image._replace(record=image.record._replace(name=name, airflow=airflow))
        write_image(image, {}, folder)
        records.append(image.record)
    write_index(records, folder)
    return Catalogue((folder,))


def request(project, image, **more):
    index = IndexChoice(source=source_of({"pandas": {"2.1.4": []}, "new": {"1.0": []}}))
    return CheckRequest(project, TODAY, files=(Path("good.txt"),), image=image, index=index, **more)


@pytest.mark.parametrize(
    ("alias", "image"),
    [
        ("latest", "composer-3-airflow-3.3.1-build.10"),
        ("composer-3-airflow-3", "composer-3-airflow-3.3.1-build.10"),
        ("composer-3-airflow-2", "composer-3-airflow-2.11.1-build.19"),
        ("composer-3-airflow-2.10.5", "composer-3-airflow-2.10.5-build.48"),
        ("composer-2-airflow-2", "composer-2.17.10-airflow-2.11.1"),
        ("composer-2.16.10-airflow-2", "composer-2.16.10-airflow-2.11.1"),
        ("composer-latest-airflow-2.9", "composer-3-airflow-2.9.3-build.54"),
    ],
)
def test_an_alias_is_the_newest_image_that_exists_and_not_the_newest_with_a_list(alias, image):
    choice = Catalogue().choose(alias)
    assert choice.name == image
    assert f"`{alias}` is taken as {image}" in choice.note
    assert image_versions().as_of in choice.note


def test_a_release_that_google_took_back_is_no_meaning_of_an_alias():
    assert "composer-2.6.3-airflow-2.6.3" in image_versions().releases
    names = ["composer-2.6.2-airflow-2.6.3", "composer-2.6.3-airflow-2.6.3"]
    assert newest_image("composer-2-airflow-2.6", names) == "composer-2.6.2-airflow-2.6.3"


def test_an_alias_without_a_list_for_its_image_gives_no_verdict(project):
    [result] = check_dependencies(request(project, "composer-3-airflow-2")).results
    assert result.verdict is Verdict.UNKNOWN
    assert result.image == "composer-3-airflow-2.11.1-build.19"
    assert "images add composer-3-airflow-2.11.1-build.19" in result.warnings[0].text


def test_an_alias_of_an_image_with_a_list_says_that_it_may_have_moved(project):
    [result] = check_dependencies(request(project, "composer-3-airflow-2.7")).results
    assert (result.verdict, result.image) == (Verdict.OK, "composer-3-airflow-2.7.3-build.23")
    assert "may have released a newer one" in result.doubt
    assert "Support for it ended on" in result.doubt


def test_a_list_of_the_user_that_is_newer_than_the_table_is_what_the_alias_means(tmp_path):
    catalogue = lists(tmp_path, "composer-3-airflow-2.11.1-build.40")
    choice = catalogue.choose("composer-3-airflow-2")
    assert (choice.name, choice.basis) == ("composer-3-airflow-2.11.1-build.40", Basis.EXACT)
    assert choice.note


def test_an_alias_that_covers_nothing_known_says_so():
    choice = Catalogue().choose("composer-3-airflow-2.99")
    assert choice.image is None
    assert "No image that `composer-3-airflow-2.99` could stand for is known" in choice.note


@pytest.mark.parametrize("image", ["composer-3-airflow-3.3.1-build.10", "composer-3-airflow-3.2.2-build.1", "latest"])
def test_no_list_of_another_airflow_is_near(image):
    choice = Catalogue().choose(image, nearest=True)
    assert choice.basis in (None, Basis.PARTIAL)
    assert "none is near enough" in choice.note
    assert "images add" in choice.note
    assert "--nearest" not in choice.note


def test_the_nearest_list_is_the_nearest_in_time(tmp_path):
    names = ("composer-2.13.8-airflow-2.10.5", "composer-2.15.3-airflow-2.10.5", "composer-2.16.0-airflow-2.9.3")
    catalogue = lists(tmp_path, *names)
    assert nearest_record("composer-2.14.0-airflow-2.10.5", catalogue.records()).name == names[0]  # 24 days, and 76
    assert nearest_record("composer-2.15.2-airflow-2.10.5", catalogue.records()).name == names[1]
    assert nearest_record("composer-3-airflow-2.9.3-build.54", catalogue.records()).name == names[2]
    # not in the table: as if it came with the one before it
    assert nearest_record("composer-3-airflow-2.10.5-build.99", catalogue.records()).name == names[1]


@pytest.mark.parametrize(("python", "pip"), [("3.8.12", "23.2.1"), ("3.11.8", "20.2.4"), ("3.12.1", "23.2.1")])
def test_a_list_of_another_python_or_resolver_is_not_near(tmp_path, python, pip):
    catalogue = lists(tmp_path, "composer-2.13.8-airflow-2.10.5", python=python, pip=pip)
    assert nearest_record("composer-2.14.0-airflow-2.10.5", catalogue.records()) is None


def test_no_answer_ever_crosses_airflow_python_or_resolver():
    records = Catalogue().records()
    for release in image_versions().releases.values():
        near = nearest_record(release.name, records)
        if near is None:
            continue
        assert near.airflow.split(".")[:2] == release.airflow.split(".")[:2]
        if release.python:
            assert near.python.split(".")[:2] == release.python.split(".")[:2]
        assert near.resolver is (ResolverKind.LEGACY if near.python.startswith("3.8") else ResolverKind.STRICT)


def test_the_way_out_names_nearest_only_where_a_list_is_near():
    assert "with `--nearest` the list of" in Catalogue().choose("composer-2.14.0-airflow-2.10.5").note
    assert "--nearest" not in Catalogue().choose("composer-3-airflow-3.2.2-build.1").note


def test_the_python_of_an_image_comes_from_its_own_airflow():
    assert python_of("composer-2.5.3-airflow-2.6.3") == ("3.8", True)
    assert python_of("composer-1.20.5-airflow-2.2.5") == ("3.8.12", False)
    assert python_of("composer-3-airflow-3.3.1-build.10") == ("3.11.8", False)


NEAR = "composer-2.14.0-airflow-2.10.5"
ANSWERS = "composer-2.13.8-airflow-2.10.5"


@pytest.mark.parametrize("form", list(DepsFormat))
def test_every_format_says_which_list_answered_and_why_it_may_differ(project, form):
    report = check_dependencies(request(project, NEAR, nearest=True))
    assert report.results[0].verdict is Verdict.OK
    text = write_report(report, form)
    said = " ".join(text.split())
    assert "nearest" in said
    assert f"that of {ANSWERS}, released 24 days earlier, answers for it" in said
    assert "may be another on the image itself" in said


def test_a_good_answer_of_another_list_is_not_a_plain_ok(project):
    text = write_report(check_dependencies(request(project, NEAR, nearest=True)), DepsFormat.TEXT)
    assert text.startswith(f"ok (likely): going by the list of {ANSWERS}, the list builds")
    [case] = ET.fromstring(
        write_report(check_dependencies(request(project, NEAR, nearest=True)), DepsFormat.JUNIT)
    ).iter("testcase")
    assert case.find("system-out") is not None


def test_an_exact_answer_says_nothing_of_doubt(project):
    report = check_dependencies(request(project, ANSWERS))
    assert report.results[0].doubt == ""
    for form in DepsFormat:
        assert "image-basis" not in write_report(report, form)


def test_explain_lock_matrix_and_upgrade_say_it_too(project):
    near = request(project, NEAR, nearest=True)
    chains = explain_dependency(near, "pandas")
    (project / "good.txt").write_text("pandas\nnew\n")
    lock = lock_dependencies(near).lock
    matrix = matrix_dependencies(near, [NEAR, ANSWERS])
    upgrade = upgrade_dependencies(near._replace(image=ANSWERS), NEAR)
    assert lock.image == NEAR
    for text in (
        render_chains(chains),
        render_chains_markdown(chains),
        json.dumps(chains_document(chains)),
        render_lock(lock).replace("\n#", ""),
        render_matrix(matrix),
        json.dumps(matrix_document(matrix)),
        render_upgrade(upgrade),
        render_upgrade_markdown(upgrade),
        json.dumps(upgrade_document(upgrade)),
    ):
        assert f"that of {ANSWERS}, released 24 days earlier, answers for it" in " ".join(text.split())
    assert "ok (likely) +1 (nearest)" in render_matrix(matrix)


def test_a_matrix_names_the_way_out_for_an_image_without_a_list(project):
    text = render_matrix(matrix_dependencies(request(project, ANSWERS), ["composer-3-airflow-3.2.2-build.1"]))
    assert "envctl images add composer-3-airflow-3.2.2-build.1 FILE" in text


def test_an_upgrade_to_an_image_without_a_list_names_it(project):
    with pytest.raises(UsageError) as raised:
        upgrade_dependencies(request(project, ANSWERS), "composer-3-airflow-3.2.2-build.1")
    assert "composer-3-airflow-3.2.2-build.1" in raised.value.detail
    assert "images add" in raised.value.detail


def test_of_a_part_a_difference_says_only_what_is_certain(project):
    folder = project / ".envctl" / "images"
    lists(folder, "composer-3-airflow-2.10.5-build.98", complete=False)
    changes = diff_images(project, ANSWERS, "composer-3-airflow-2.10.5-build.98")
    assert changes.removed == ()
    assert changes.unknown > 300
    assert "unknown: one image is known in part" in render_image_changes(changes)
    assert "Only 2 of its packages are known" in render_image_changes(changes)
    assert image_changes_document(changes)["unknown"] == changes.unknown
    back = diff_images(project, "composer-3-airflow-2.10.5-build.98", ANSWERS)
    assert back.added == ()
    upgrade = upgrade_dependencies(request(project, ANSWERS), "composer-3-airflow-2.10.5-build.98")
    assert upgrade.after.verdict is Verdict.UNKNOWN
    assert "unknown: one image is known in part" in render_upgrade(upgrade)


def test_a_difference_names_the_images_that_were_asked_for(project):
    changes = diff_images(project, ANSWERS, "composer-3-airflow-2.10.5-build.3")
    assert changes.after == "composer-3-airflow-2.10.5-build.3"
    assert "released together" in render_image_changes(changes)


def test_a_part_is_not_locked_and_not_said_to_lack_a_package(project):
    lists(project / ".envctl" / "images", "composer-3-airflow-2.10.5-build.98", complete=False)
    part = request(project, "composer-3-airflow-2.10.5-build.98")
    assert lock_dependencies(part).lock is None
    (project / "good.txt").write_text("new\n")
    assert "new: not known to be preinstalled" in render_chains(explain_dependency(part, "new"))


@pytest.mark.parametrize("image", [NEAR, "composer-3-airflow-2.10.5-build.3", "composer-3-airflow-2.7"])
def test_the_gate_of_preview_and_up_tells_the_doubt(project, image):
    [result] = check_dependencies(request(project, image, nearest=True)).results
    answer = package_answer(result, Profile.STANDARD)
    assert (answer.status, answer.severity) == (GateStatus.OK, Severity.WARNING)  # shown as advice, text and Markdown
    assert result.doubt in answer.detail


def test_the_gate_has_nothing_to_say_of_an_exact_list(project):
    answer = package_answer(check_dependencies(request(project, ANSWERS)).results[0], Profile.STANDARD)
    assert (answer.status, answer.severity, answer.detail) == (GateStatus.OK, Severity.NOTE, "")


def test_a_fix_says_beside_the_diff_whose_list_it_was_made_for(project):
    (project / "good.txt").write_text("pandas\ngoogle-cloud-core==1.3.0\n")
    index = IndexChoice(source=source_of({"google-cloud-core": {"1.3.0": []}}))
    done = fix_dependencies(request(project, NEAR, nearest=True)._replace(index=index), write=False)
    assert "google-cloud-core==1.3.0" not in done.edited[0].after
    assert "google-cloud-core==" in done.edited[0].after
    [said] = doubt_notes(done.report)
    assert said.startswith(f"{NEAR}: No list of {NEAR} is known; that of {ANSWERS}")
