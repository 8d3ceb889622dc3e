"""Ways out keep what was asked for: recorded universes of lists that people have."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from worlds import checked, image_of

from envctl.dependencies import Catalogue, check, open_source, parse_requirements
from envctl.report.deps_text import render_details, render_result
from envctl.resolution.check import CheckOptions, check_list
from envctl.resolution.findings import Edit, FixKind, Report, Result, Verdict
from envctl.resolution.memory import MemorySource
from envctl.resolution.protocol import RequirementMetadata
from envctl.resolution.requirements import RequirementsInput
from envctl.resolution.resolver import Limits

WAYS = Path(__file__).parent.parent / "cases" / "resolution" / "ways"
IMAGE = "composer-2.13.8-airflow-2.10.5"


def given_of(lines) -> RequirementsInput:
    return parse_requirements("".join(f"{line}\n" for line in lines), Path("requirements.txt"), {})


def recorded(name: str, options: CheckOptions | None = None) -> Result:
    """The answer over a recorded universe (`tools/record_universe.py`), with time that does not run."""
    document = json.loads((WAYS / f"{name}.json").read_text(encoding="utf-8"))
    universe = {
        package: {
            version: declared and RequirementMetadata(tuple(declared["requires_dist"]), declared["requires_python"])
            for version, declared in versions.items()
        }
        for package, versions in document["packages"].items()
    }
    chosen = options or CheckOptions(limits=Limits(clock=lambda: 0.0))
    choice = Catalogue().choose(document["image"])
    return check_list("requirements.txt", given_of(document["list"]), choice, MemorySource(universe), chosen)


def test_an_open_line_gets_a_cap_and_is_not_deleted():
    result = recorded("dataproc")
    assert result.verdict is Verdict.TIMEOUT_RISK
    assert result.fix is not None
    [edit] = result.fix.edit
    assert edit.remove == "google-cloud-dataproc>=5.27.0"
    assert (edit.add or "").startswith("google-cloud-dataproc>=5.27.0,<5.")
    assert result.conflicts[0].fixes[0].kind is FixKind.CAP


def test_a_pin_in_the_middle_of_the_chain_comes_before_another_version_of_the_line():
    result = recorded("sftp")
    assert result.verdict is Verdict.CONFLICT
    assert result.fix is not None
    [edit] = result.fix.edit
    assert edit.remove is None
    assert (edit.add or "").startswith("asyncssh==2.2")


def test_a_list_of_sixteen_lines_keeps_all_of_them():
    result = recorded("long")
    assert result.fix is not None
    assert result.fix.verified
    assert all(edit.add is not None for edit in result.fix.edit)


@pytest.mark.online
@pytest.mark.parametrize("line", ["google-cloud-dataproc>=5.27.0", "apache-airflow-providers-sftp==4.9.1"])
def test_the_real_index_gives_such_ways_too(line):
    given = given_of([line])
    with open_source(given) as source:
        result = check(given, IMAGE, source=source).results[0]
    if result.index_failure is not None:
        pytest.skip(f"no package index answers: {result.index_failure.cause}")
    if result.verdict in (Verdict.OK, Verdict.OVERRIDE):
        return
    assert result.fix is not None
    assert all(edit.add is not None for edit in result.fix.edit)


NOTHING = {
    "image": {"apache-airflow": ["2.10.5+composer", "yaml>=6"], "yaml": ["6.0"]},
    "index": {"new": {"1": ["yaml<6"]}},
}


def test_where_nothing_fits_no_line_goes_and_an_operator_is_printed():
    result = checked(image_of(NOTHING["image"]), NOTHING["index"], "new\n")
    assert result.fix is None
    kinds = [fix.kind for fix in result.conflicts[0].fixes]
    assert kinds == [FixKind.OPERATOR, FixKind.OPERATOR]
    assert all(not fix.edit for fix in result.conflicts[0].fixes)
    assert "No edit found." in render_result(result)
    details = render_details(Report((result,)))
    assert "PythonVirtualenvOperator(" in details
    assert "KubernetesPodOperator(" in details


def test_a_line_goes_with_drop():
    options = CheckOptions(drop=True, limits=Limits(clock=lambda: 0.0))
    result = checked(image_of(NOTHING["image"]), NOTHING["index"], "new\n", options)
    assert result.fix is not None
    assert result.fix.edit == (Edit("new", None, "requirements.txt:1"),)


def test_a_line_of_a_preinstalled_package_is_moved_and_not_deleted():
    result = checked(image_of(NOTHING["image"]), {"yaml": {"5.4": []}}, "yaml==5.4\n")
    assert result.fix is not None
    assert result.fix.edit == (Edit("yaml==5.4", "yaml==6.0", "requirements.txt:1"),)


def test_what_time_left_no_room_for_is_said():
    ticks = iter(range(10_000))
    options = CheckOptions(limits=Limits(seconds=20, clock=lambda: float(next(ticks))))
    universe = {f"p{n}": {str(v): [f"p{n + 1}=={v}"] for v in range(9)} for n in range(6)}
    universe["p6"] = {"10": []}
    result = checked(image_of({}), universe, "p0\n", options)
    assert result.fix is None
    notices = [one.text for one in result.warnings if one.code == "fixes-incomplete"]
    assert any("not tried were" in text and "p0" in text for text in notices)
