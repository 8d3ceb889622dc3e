"""`images add`: whose list a text holds, what cannot be read, and when a list counts as the whole image."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from worlds import source_of

from envctl.actions.images import AddImageRequest, add_image, show_image
from envctl.cli import run
from envctl.diagnostics import SourceSpan
from envctl.errors import InvalidInputError, UsageError
from envctl.resolution.catalogue import Catalogue
from envctl.resolution.image import Basis
from envctl.resolution.image_parsers import parse_image_list

TODAY = date(2026, 11, 30)
BUILD = "composer-3-airflow-2.10.5-build.90"
OTHER = "composer-3-airflow-2.9.3-build.90"


@pytest.fixture(autouse=True)
def no_user_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


def whole() -> list[str]:
    """The lines of a list that is whole: that of an image with the same Airflow."""
    image = Catalogue().choose("composer-2.13.8-airflow-2.10.5").image
    return [f"{one.spelling}=={one.version}" for one in image.packages.values()]


def add(folder, text, name=BUILD, source=None):
    (folder / "list.txt").write_text(text, encoding="utf-8")
    return add_image(AddImageRequest(name, folder / "list.txt", folder, TODAY), source).record


def problems(text, image=BUILD):
    with pytest.raises(InvalidInputError) as raised:
        parse_image_list(text, SourceSpan(Path("list.txt"), 1), image)
    assert raised.value.exit_code == 3
    return [(one.code, one.span.line, one.detail) for one in raised.value.diagnostics]


def page(*sections: tuple[str, list[str]], form="markdown") -> str:
    """A page like Google's: a heading, the list, and a table that compares with an earlier image."""
    if form == "markdown":
        return "# Preinstalled packages\n\n## Gen 3\n" + "".join(
            f"\n### November 20, 2026\n\n#### {name}\n\nPackages in {name}\n\n```python\n"
            + "".join(f"        {line}\n" for line in lines)
            + "```\n\nDifference with composer-3-airflow-2.10.5-build.1\n\n```\nPACKAGE PREVIOUS CURRENT\n"
            + "pandas 1.0.0 2.1.4\nold 1.0 ---\n```\n"
            for name, lines in sections
        )
    body = "".join(
        f"<h4 id='{name.replace('.', '-')}'>{name}</h4><p>Packages in {name}</p><pre><code>"
        + "".join(
            f"<span>{line.replace('==', '</span> == <span>').replace('-', ' - ').replace('+', ' + ')}</span>\n"
            for line in lines
        )
        + "</code></pre><p>Difference with <b>composer-3-airflow-2.10.5-build.1</b></p>"
        + "<table><tr><th>Package</th><th>Previous</th><th>Current</th></tr>"
        + "<tr><td>pandas</td><td>1.0.0</td><td>2.1.4</td></tr></table>"
        for name, lines in sections
    )
    return f"<!doctype html><html><style>a==1</style><body><p>See pip == great</p>{body}</body></html>".replace(
        "<p>See pip == great</p>", "<p>Preinstalled packages</p>"
    )


@pytest.mark.parametrize("form", ["markdown", "html"])
def test_of_a_page_with_several_images_the_section_of_the_name_is_taken(form):
    text = page((OTHER, ["apache-airflow==2.9.3+composer", "only-there==1.0"]), (BUILD, PINS), form=form)
    parsed = parse_image_list(text, SourceSpan(Path("page"), 1), BUILD)
    assert parsed.pins == (("apache-airflow", "2.10.5+composer"), ("pandas", "2.1.4"), ("types-pytz", "2.0.0b7"))
    assert [text.splitlines()[span.line - 1].count("pandas") for span in parsed.spans][1] == 1


PINS = ["apache-airflow==2.10.5+composer", "pandas==2.1.4", "types-pytz==2.0.0b7"]


@pytest.mark.parametrize("form", ["markdown", "html"])
def test_a_page_without_that_image_is_refused_and_says_what_it_holds(form):
    [(code, _, detail)] = problems(page((OTHER, PINS), form=form))
    assert code == "image-list-other"
    assert detail == f"list.txt holds the list of {OTHER}, and none of {BUILD}."


def test_two_lists_of_one_image_that_differ_are_refused():
    text = page((BUILD, PINS), (OTHER, PINS), (BUILD, ["absl-py==1.0", *PINS]))
    [(code, line, detail)] = problems(text)
    assert (code, text.splitlines()[line - 1].strip()) == ("image-list-other", "absl-py==1.0")
    assert "that differ" in detail
    same = page((BUILD, PINS), (OTHER, PINS), (BUILD, PINS))
    assert len(parse_image_list(same, SourceSpan(Path("page"), 1), BUILD).pins) == 3


@pytest.mark.parametrize("form", ["markdown", "html"])
def test_a_line_inside_the_list_of_a_page_is_never_dropped(form):
    [(code, _, detail)] = problems(page((BUILD, [*PINS, "numpy = 1.26"]), form=form))
    assert code == "image-list-line"
    assert "numpy" in detail
    # also where the page was saved as plain text, without blocks
    bare = f"{BUILD}\nPackages in {BUILD}\n" + "\n".join([PINS[0], "numpy 1.26", PINS[1]]) + "\nDifference with x\n"
    assert [one[1] for one in problems(bare)] == [4]


def test_every_line_that_cannot_be_read_is_named():
    text = "apache-airflow==2.10.5+composer\nnumpy>=1\n  typing-inspect==0.7.\n# comment\n\nzope = 1\npandas==2.1.4\n"
    assert [(code, line) for code, line, _ in problems(text)] == [("image-list-line", line) for line in (2, 3, 6)]


def test_two_versions_of_a_package_are_refused():
    [(code, line, detail)] = problems("zope.interface==1.0\npandas==2.1.4\nZope_Interface==2.0\n")
    assert (code, line) == ("image-list-line", 3)
    assert "1.0 in line 1" in detail


def test_an_entry_of_json_that_is_no_package_is_refused():
    text = json.dumps([{"name": "pandas", "version": "2.1.4"}, {"name": "numpy"}, 7])
    assert [detail.partition(":")[0] for _, _, detail in problems(text)] == ["list.txt, entry 2", "list.txt, entry 3"]


def test_the_columns_of_pip_list_are_read():
    text = "Package         Version         Editable project location\n--------------- ---------------\npandas 2.1.4\nmine 1.0 /src\n"
    assert parse_image_list(text, SourceSpan(Path("x"), 1)).pins == (("pandas", "2.1.4"), ("mine", "1.0"))


def test_another_airflow_than_the_name_says_is_refused_at_its_line(tmp_path):
    lines = ["absl-py==2.1.0", *whole()]
    with pytest.raises(InvalidInputError) as raised:
        add(tmp_path, "\n".join(dict.fromkeys(lines[1:])), "composer-3-airflow-3.1.7-build.90")
    [problem] = raised.value.diagnostics
    assert problem.code == "image-list-other"
    assert "2.10.5+composer" in problem.detail
    assert "apache-airflow==2.10.5" in problem.span.text
    assert not (tmp_path / ".envctl").exists()


@pytest.mark.parametrize("alias", ["composer-3-airflow-2.10.5", "latest", "composer-2-airflow-2.10.5"])
def test_an_alias_is_no_name_for_a_list(tmp_path, alias):
    with pytest.raises(UsageError):
        add(tmp_path, "\n".join(whole()), alias)


def test_a_whole_list_is_exact(tmp_path):
    record = add(tmp_path, "\n".join(whole()))
    assert record.complete
    assert show_image(tmp_path, BUILD).basis is Basis.EXACT
    # what nobody knows the requirements of stands in every verdict
    assert (
        record.doubt
        == "What google-cloud-datacatalog-lineage-producer-client require is not known and left out of the verdict."
    )


@pytest.mark.parametrize("hidden", [("pip", "setuptools", "wheel"), ()])
def test_what_pip_freeze_hides_is_not_missed(tmp_path, hidden):
    kept = [line for line in whole() if line.partition("==")[0] not in hidden]
    assert add(tmp_path, "\n".join(kept)).complete


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda lines: lines[:3], "It holds 3 packages"),
        (lambda lines: [x for x in lines if not x.startswith("apache-airflow==")], "does not hold apache-airflow"),
        (
            lambda lines: [x for x in lines if not x.startswith("numpy==")],
            "It lacks what its own packages require: numpy",
        ),
        (lambda lines: [*lines, "mine @ file:///tmp/mine.whl"], "It gives no version of mine"),
        (lambda lines: [*lines, "-e git+ssh://git@host/mine#egg=mine"], "It gives no version of mine"),
        (lambda lines: [*lines, *(f"new-{n}==1.0" for n in range(80))], "What 81 of its packages require is not known"),
    ],
)
def test_a_list_that_cannot_be_whole_is_a_part_and_says_why(tmp_path, change, reason):
    record = add(tmp_path, "\n".join(change(whole())))
    assert not record.complete
    assert reason in record.doubt
    choice = show_image(tmp_path, BUILD)
    assert choice.basis is Basis.PARTIAL
    assert reason in choice.note


def test_a_part_never_hides_a_whole_list_that_is_shipped(tmp_path):
    name = "composer-2.13.8-airflow-2.10.5"
    assert not add(tmp_path, "\n".join(whole()[:20]), name).complete
    choice = show_image(tmp_path, name)
    assert choice.basis is Basis.EXACT
    assert [one.complete for one in Catalogue.of_project(tmp_path).records() if one.name == name] == [True]


def test_the_python_of_an_added_image_is_that_of_the_table(tmp_path):
    lines = [line for line in whole() if not line.startswith(("apache-airflow==", "pip=="))]
    record = add(tmp_path, "\n".join(["apache-airflow==2.6.3+composer", *lines]), "composer-2.5.1-airflow-2.6.3")
    assert (record.python, record.pip) == ("3.8.12", "20.2.4")


def test_requirements_of_the_index_tell_what_is_missing(tmp_path):
    source = source_of({"brand-new": {"1.0": ["not-listed"]}})
    record = add(tmp_path, "\n".join([*whole(), "brand-new==1.0"]), source=source)
    assert "not-listed (for brand-new)" in record.doubt


def test_the_command_ends_with_3_and_names_the_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.txt").write_text("apache-airflow==2.10.5+composer\nhalf a line\npandas==2.1.4\n")
    assert run(["images", "add", BUILD, "list.txt", "--offline"]) == 3
    assert "list.txt:2:1" in capsys.readouterr().err
    (tmp_path / "list.txt").write_text("apache-airflow==2.10.5+composer\npandas==2.1.4\n")
    assert run(["images", "add", BUILD, "list.txt", "--offline"]) == 0
    said = capsys.readouterr().err
    assert f"Added a part of {BUILD}, 2 packages." in said
    assert "No verdict for it will be `ok`." in said
