"""`images add` of what pip and pipdeptree report, and of lists on one line of a table."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date
from importlib import metadata
from pathlib import Path

import pytest

from envctl.actions.images import AddImageRequest, add_image, show_image
from envctl.diagnostics import SourceSpan
from envctl.errors import InvalidInputError
from envctl.resolution.catalogue import Catalogue
from envctl.resolution.image import Basis
from envctl.resolution.image_parsers import parse_image_list
from envctl.resolution.images.version_page import read_version_page

NAME = "composer-2.99.0-airflow-2.10.5"
OLD = "composer-2.0.19-airflow-2.1.4"


@pytest.fixture(autouse=True)
def no_user_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


def parse(text, image=""):
    return parse_image_list(text, SourceSpan(Path("list.txt"), 1), image)


def problems(text, image=""):
    with pytest.raises(InvalidInputError) as raised:
        parse(text, image)
    return [(one.code, one.span.line) for one in raised.value.diagnostics]


def add(tmp_path, text):
    (tmp_path / "list.txt").write_text(text)
    return add_image(AddImageRequest(NAME, tmp_path / "list.txt", tmp_path, date(2026, 12, 1)), None).record


def inspection(python="3.11.7", pip="23.0.1", leave=()) -> str:
    """The whole list of a real image as `pip inspect` tells it; without `pip` itself, as in a frozen environment."""
    image = Catalogue().choose("composer-2.13.8-airflow-2.10.5").image
    installed = [
        {"metadata": {"name": one.spelling, "version": one.version, "requires_dist": list(one.requires or ())}}
        for name, one in image.packages.items()
        if name not in ("pip", *leave)
    ]
    environment = {"python_full_version": python}
    return json.dumps({"version": "1", "pip_version": pip, "installed": installed, "environment": environment})


def test_what_the_real_pip_inspects_is_read():
    done = subprocess.run([sys.executable, "-m", "pip", "inspect"], capture_output=True, text=True, check=True)
    parsed = parse(done.stdout)
    assert dict(parsed.pins)["pytest"] == metadata.version("pytest")
    assert parsed.pip == metadata.version("pip")
    assert parsed.python == ".".join(map(str, sys.version_info[:3]))
    declared = dict(parsed.requires)["httpx"]
    assert "httpcore==1.*" in declared.requires_dist
    assert "http2" in declared.provides_extra


def test_an_inspection_says_its_python_and_pip(tmp_path):
    record = add(tmp_path, inspection())
    assert (record.python, record.python_stated, record.pip, record.pip_stated) == ("3.11.7", True, "23.0.1", True)
    assert show_image(tmp_path, NAME).basis is Basis.EXACT


def test_a_list_that_lacks_what_it_requires_is_a_part(tmp_path):
    record = add(tmp_path, inspection(leave=("numpy",)))
    assert not record.complete
    assert "numpy (for" in record.doubt


@pytest.mark.parametrize(
    "installed",
    [[5], [{"metadata": {"name": "a"}}], [{"metadata": {"name": "a", "version": "not one"}}]],
)
def test_entries_that_are_no_packages_are_told(installed):
    good = {"metadata": {"name": "pandas", "version": "2.1.4"}}
    assert [code for code, _ in problems(json.dumps({"installed": [good, *installed]}))] == ["image-list-line"]


def test_two_versions_in_an_inspection_are_told():
    pins = [{"metadata": {"name": "a-b", "version": one}} for one in ("1", "2")]
    pins[1]["metadata"]["name"] = "A_b"
    assert problems(json.dumps({"installed": pins})) == [("image-list-line", 1)]


DRAWN = """\
apache-airflow==2.10.5+composer
\u251c\u2500\u2500 pandas [required: >=2.1,<3, installed: 2.1.4]
\u2502   \u251c\u2500\u2500 numpy [required: >=1.22, installed: 1.26.4]
\u2502   \u2514\u2500\u2500 pytz [required: Any, installed: 2025.2]
\u2514\u2500\u2500 gone [required: Any, installed: ?]
pip==23.2.1
"""
DASHED = """\
apache-airflow==2.10.5+composer
  - pandas [required: >=2.1,<3, installed: 2.1.4]
    - numpy [required: >=1.22, installed: 1.26.4]
    - pytz [required: Any, installed: 2025.2]
  - gone [required: Any, installed: ?]
pip==23.2.1
"""
PINS = [
    ("apache-airflow", "2.10.5+composer"),
    ("numpy", "1.26.4"),
    ("pandas", "2.1.4"),
    ("pip", "23.2.1"),
    ("pytz", "2025.2"),
]


@pytest.mark.parametrize("text", [DRAWN, DASHED, DRAWN.replace("\n", "\r\n")])
def test_a_tree_is_read_with_who_requires_what(text):
    parsed = parse(text)
    assert sorted(parsed.pins) == PINS
    declared = {name: one.requires_dist for name, one in parsed.requires}
    assert declared["apache-airflow"] == ("pandas>=2.1,<3", "gone")
    assert declared["pandas"] == ("numpy>=1.22", "pytz")
    assert declared["pip"] == ()
    lines = text.splitlines()
    assert all(name in lines[span.line - 1] for (name, _), span in zip(parsed.pins, parsed.spans, strict=True))


def test_warnings_above_a_tree_are_no_part_of_it():
    head = "Warning!!! Possibly conflicting dependencies found:\n* pandas==9.9\n" + "-" * 30 + "\n"
    assert sorted(parse(head + DRAWN).pins) == PINS


def test_a_line_of_a_tree_that_cannot_be_read_is_told_with_its_line():
    assert problems(DRAWN.replace("installed: 1.26.4]", "installed")) == [("image-list-line", 3)]


def test_two_versions_in_a_tree_are_told_with_their_line():
    assert problems(DRAWN + "  - pandas [required: Any, installed: 3.0]\n") == [("image-list-line", 7)]


ROW = (
    "| Version | Python version | PyPI packages | Release date | Support end date | Notes |\n|---|---|---|---|---|---|\n"
    f"| [**{OLD}**](https://x.test/a) | 3.8.12 | Packages CELL | June 29, 2022 | June 29, 2023 | |\n"
    "| composer-2.0.19-airflow-2.2.5 | 3.8.12 | [See packages](https://x.test) | June 29, 2022 | June 29, 2023 | |\n"
)
LISTED = [("absl-py", "1.0.0"), ("alembic", "1.7.3"), ("apache-airflow", "2.1.4+composer")]


@pytest.mark.parametrize("between", ["<br>", "<br />", " ", ", ", "<br> "])
def test_a_list_on_one_line_of_a_cell_is_read(between):
    text = ROW.replace("CELL", between.join(f"{name}=={version}" for name, version in LISTED))
    parsed = parse(text, OLD)
    assert list(parsed.pins) == LISTED
    assert {span.line for span in parsed.spans} == {3}
    assert [row.name for row in read_version_page(text)] == [OLD, "composer-2.0.19-airflow-2.2.5"]
    assert read_version_page(text)[0].ends == "2023-06-29"


def test_what_is_no_pin_in_such_a_cell_is_told():
    text = ROW.replace("CELL", "absl-py==1.0.0<br>alembic=1.7<br>amqp==2.6.1")
    assert problems(text, OLD) == [("image-list-line", 3)]
