from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from worlds import source_of

from envctl.actions.images import AddImageRequest, add_image, diff_images, list_images, show_image
from envctl.diagnostics import SourceSpan
from envctl.errors import InvalidInputError, UsageError
from envctl.report.deps_images import image_changes_document, render_image, render_image_changes, render_images
from envctl.resolution.catalogue import Catalogue
from envctl.resolution.image import Basis, ResolverKind
from envctl.resolution.image_parsers import parse_image_list

TODAY = date(2026, 11, 20)
PAIRS = {
    "composer-2.15.3-airflow-2.9.3": "composer-3-airflow-2.9.3-build.39",
    "composer-2.16.5-airflow-2.10.5": "composer-3-airflow-2.10.5-build.27",
    "composer-3-airflow-2.10.5-build.10": "composer-2.13.8-airflow-2.10.5",
    "composer-3-airflow-2.10.5-build.3": "composer-2.13.1-airflow-2.10.5",
    "composer-3-airflow-2.10.2-build.7": "composer-2.11.1-airflow-2.10.2",
    "composer-3-airflow-2.7.3-build.23": "composer-2.9.11-airflow-2.7.3",
    "composer-3-airflow-2.7.3-build.19": "composer-2.9.7-airflow-2.7.3",
}


@pytest.fixture(autouse=True)
def no_user_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


def test_a_known_list_is_exact():
    choice = Catalogue().choose("composer-2.13.8-airflow-2.10.5")
    assert choice.basis is Basis.EXACT
    assert choice.image.packages["google-cloud-storage"].version == "2.19.0"
    assert choice.image.record.python == "3.11.8"
    assert choice.image.record.pip == "23.2.1"
    assert len(choice.image.packages) == 401


@pytest.mark.parametrize(("build", "image"), PAIRS.items())
def test_builds_released_with_a_known_image_are_paired(build, image):
    choice = Catalogue().choose(build)
    assert choice.basis is Basis.PAIRED
    assert choice.name == build
    assert choice.image.name == image
    assert image in choice.note


def test_partial_lists_are_said_to_be_partial():
    choice = Catalogue().choose("composer-3-airflow-3.3.1-build.0")
    assert choice.basis is Basis.PARTIAL
    assert "25" in choice.note


def test_an_unknown_image_has_no_list_unless_the_nearest_is_asked_for():
    assert Catalogue().choose("composer-2.14.0-airflow-2.10.5").image is None
    assert "`--nearest`" in Catalogue().choose("composer-2.14.0-airflow-2.10.5").note
    near = Catalogue().choose("composer-2.14.0-airflow-2.10.5", nearest=True)
    assert near.basis is Basis.NEAREST
    assert near.image.record.airflow == "2.10.5"
    assert "composer-2.13.8-airflow-2.10.5" in near.note


@pytest.mark.parametrize("image", ["composer-3-airflow-2.1.4-build.1", "composer-3-airflow-2.5.3-build.1"])
def test_no_list_of_a_python_that_the_generation_never_had_answers(image):
    choice = Catalogue().choose(image, nearest=True)
    assert choice.image is None
    assert "none is near enough" in choice.note
    assert "--nearest" not in Catalogue().choose(image).note


@pytest.mark.parametrize(
    ("image", "nearest"),
    [
        ("composer-3-airflow-2.6.3-build.99", "composer-2.8.3-airflow-2.6.3"),
        ("composer-2.0.99-airflow-2.1.4", "composer-2.0.19-airflow-2.1.4"),
        ("composer-1.18.0-airflow-2.1.4", "composer-1.17.7-airflow-2.1.4"),
    ],
)
def test_a_python_that_the_generation_has_may_be_answered_by_another(image, nearest):
    assert Catalogue().choose(image, nearest=True).image.record.name == nearest


@pytest.mark.parametrize("text", ["", "composer", "../etc/passwd", "airflow-2.10.5", "composer-3-airflow-x", "a" * 300])
def test_what_is_no_image_version_is_refused(text):
    with pytest.raises(UsageError):
        Catalogue().choose(text)


def test_the_old_pip_means_the_legacy_algorithm():
    kinds = {record.name: record.resolver for record in Catalogue().records()}
    assert kinds["composer-2.6.5-airflow-2.5.3"] is ResolverKind.LEGACY
    assert kinds["composer-2.6.2-airflow-2.6.3"] is ResolverKind.STRICT


def test_facts_of_the_fork_that_the_image_satisfies_count():
    image = Catalogue().choose("composer-2.13.8-airflow-2.10.5").image
    requires = image.packages["apache-airflow"].requires
    assert "crcmod<2.0" in requires
    assert not any(text.startswith("pip<") for text in requires)


FREEZE = "apache-airflow==2.10.5+composer\npandas==2.1.4\n# comment\nodd @ file:///x\npip==23.2.1\n"
LIST_JSON = json.dumps(
    [{"name": "pandas", "version": "2.1.4"}, {"name": "Apache_Airflow", "version": "2.10.5+composer"}]
)
TREE = json.dumps(
    [
        {
            "package": {"key": "pandas", "package_name": "pandas", "installed_version": "2.1.4"},
            "dependencies": [
                {"key": "numpy", "package_name": "numpy", "required_version": ">=1.22", "installed_version": "1.26.4"}
            ],
        },
        {"package": {"key": "numpy", "package_name": "numpy", "installed_version": "1.26.4"}, "dependencies": []},
    ]
)
PAGE = "<html><table><tr><th>Package</th><th>Version</th></tr><tr><td>pandas</td><td>2.1.4</td></tr></table><pre>numpy==1.26.4\npip==23.2.1</pre></html>"


@pytest.mark.parametrize(
    ("text", "pins"),
    [
        (FREEZE, [("apache-airflow", "2.10.5+composer"), ("pandas", "2.1.4"), ("pip", "23.2.1")]),
        (LIST_JSON, [("pandas", "2.1.4"), ("Apache_Airflow", "2.10.5+composer")]),
        (TREE, [("pandas", "2.1.4"), ("numpy", "1.26.4")]),
        (PAGE, [("pandas", "2.1.4"), ("numpy", "1.26.4"), ("pip", "23.2.1")]),
    ],
    ids=["freeze", "pip-list", "pipdeptree", "page"],
)
def test_every_form_of_a_list_is_read(text, pins):
    assert list(parse_image_list(text, SourceSpan(Path("list"), 1)).pins) == pins


@pytest.mark.parametrize("text", ["", "[", "hello", "<html></html>", "{}", "[1, 2]"])
def test_what_is_no_list_is_a_diagnostic(text):
    with pytest.raises(InvalidInputError) as raised:
        parse_image_list(text, SourceSpan(Path("list"), 1))
    assert raised.value.diagnostics[0].code == "image-list-invalid"


def test_requirements_of_a_tree_are_kept():
    parsed = parse_image_list(TREE, SourceSpan(Path("list"), 1))
    assert dict(parsed.requires)["pandas"].requires_dist == ("numpy>=1.22",)


def test_an_added_image_is_found_again(tmp_path):
    (tmp_path / "freeze.txt").write_text(FREEZE + "private==1.0\nknown-to-index==2.0\n")
    request = AddImageRequest(
        "composer-3-airflow-2.10.5-build.20", tmp_path / "freeze.txt", tmp_path, TODAY, python="3.11.9"
    )
    added = add_image(request, source_of({"known-to-index": {"2.0": ["pandas<2"]}}))
    assert added.without_requirements == ("private",)
    choice = show_image(tmp_path, "composer-3-airflow-2.10.5-build.20")
    assert choice.basis is Basis.PARTIAL
    assert choice.image.record.python == "3.11.9"
    assert choice.image.left_out[-1] == "known-to-index: pandas<2"
    assert "numpy" not in " ".join(choice.image.packages["pandas"].requires)  # nobody knows which version is there
    assert "composer-3-airflow-2.10.5-build.20" in [one.name for one in list_images(tmp_path)]
    assert "composer-3-airflow-2.10.5-build.20" in render_images(list_images(tmp_path))
    assert "private==1.0" in render_image(choice)


def test_the_difference_of_two_images(tmp_path):
    changes = diff_images(tmp_path, "composer-2.13.1-airflow-2.10.5", "composer-2.13.8-airflow-2.10.5")
    document = image_changes_document(changes)
    assert {"name": "absl-py", "from": "2.2.2", "to": "2.3.1", "older": False} in document["moved"]
    assert document["same"] + len(document["moved"]) + len(document["removed"]) == 379
    assert "aiosqlite" not in document["removed"]
    assert render_image_changes(changes).splitlines()[0] == (
        "composer-2.13.1-airflow-2.10.5 -> composer-2.13.8-airflow-2.10.5"
    )
    with pytest.raises(UsageError):
        diff_images(tmp_path, "composer-2.13.1-airflow-2.10.5", "composer-2.14.0-airflow-2.10.5")


def test_a_damaged_image_file_is_an_input_error(tmp_path):
    folder = tmp_path / ".envctl" / "images"
    folder.mkdir(parents=True)
    (folder / "composer-2.13.8-airflow-2.10.5.json").write_text('{"format": "envctl.image/v1"')
    with pytest.raises(InvalidInputError):
        Catalogue.of_project(tmp_path).choose("composer-2.13.8-airflow-2.10.5")


def test_of_a_partial_list_only_what_is_known_on_both_sides_counts():
    image = Catalogue().choose("composer-2.0.8-airflow-2.2.3").image
    named = {one.name for package in image.packages.values() for one in package.dependencies()}
    assert named <= set(image.packages)
    assert not image.record.complete
