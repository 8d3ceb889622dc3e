from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from datetime import date
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from inline_snapshot import snapshot
from worlds import choice_of, image_of, source_of

from envctl.actions.deps import (
    CheckRequest,
    IndexChoice,
    check_dependencies,
    fix_dependencies,
    lock_dependencies,
    matrix_dependencies,
    upgrade_dependencies,
)
from envctl.dependencies import parse_requirements, sent_packages
from envctl.errors import ExitCode, InvalidInputError, UsageError
from envctl.image_versions import is_current
from envctl.report.deps_formats import DepsFormat, matrix_document, render_matrix, write_report
from envctl.report.deps_text import render_details, render_result
from envctl.report.deps_upgrade import render_upgrade, render_upgrade_markdown, upgrade_document
from envctl.resolution.catalogue import Catalogue
from envctl.resolution.check import CheckOptions, check_list
from envctl.resolution.comparisons import check_bundles
from envctl.resolution.findings import Acceptance, Report, Verdict
from envctl.resolution.image import Basis
from envctl.resolution.lock import make_lock, render_lock
from envctl.resolution.resolver import Limits

TODAY = date(2026, 11, 20)
IMAGE = "composer-2.13.8-airflow-2.10.5"
SUPPORTED = "composer-3-airflow-2.10.5-build.33"
UNIVERSE = {
    "soda-core": {"3.5.6": ["ruamel.yaml<0.18.0,>=0.17.0", "inflect"]},
    "ruamel-yaml": {"0.17.40": [], "0.18.14": []},
    "inflect": {"7.6.0": []},
    "google-cloud-core": {"1.3.0": []},
    "crm-sdk": {"1.0": ["urlkit<2"]},
    "ads-sdk": {"1.0": ["urlkit>=2"]},
    "urlkit": {"1.0": [], "2.0": []},
}


def given(text, name="requirements.txt"):
    return parse_requirements(text, Path(name), {})


def options(**more):
    return CheckOptions(limits=Limits(clock=lambda: 0.0), **more)


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def request(project, *files, **more):
    return CheckRequest(
        project,
        TODAY,
        files=tuple(Path(one) for one in files),
        image=more.pop("image", IMAGE),
        index=IndexChoice(source=source_of(UNIVERSE)),
        **more,
    )


def test_a_file_is_checked_and_the_exit_code_follows(project):
    (project / "good.txt").write_text("pandas\nsoda-core==3.5.6\n")
    report = check_dependencies(request(project, "good.txt"))
    assert report.results[0].verdict is Verdict.OVERRIDE
    assert report.exit_code() is ExitCode.DONE
    (project / "bad.txt").write_text("google-cloud-core==1.3.0\n")
    assert check_dependencies(request(project, "bad.txt")).exit_code() is ExitCode.NEGATIVE
    (project / "worse.txt").write_text("-e .\n")
    assert check_dependencies(request(project, "worse.txt")).exit_code() is ExitCode.INVALID


def test_files_need_an_image(project):
    with pytest.raises(UsageError):
        check_dependencies(request(project, "good.txt", image=None))


def test_an_unknown_image_gives_no_verdict(project):
    (project / "good.txt").write_text("pandas\n")
    report = check_dependencies(request(project, "good.txt", image="composer-2.14.0-airflow-2.10.5"))
    assert report.results[0].verdict is Verdict.UNKNOWN
    assert report.exit_code() is ExitCode.NEGATIVE
    assert report.exit_code(allow_unknown=True) is ExitCode.DONE
    near = check_dependencies(request(project, "good.txt", image="composer-2.14.0-airflow-2.10.5", nearest=True))
    assert near.results[0].verdict is Verdict.OK
    assert near.results[0].basis == "nearest"


def test_a_partial_list_never_gives_ok(project):
    (project / "good.txt").write_text("aiohttp\n")
    report = check_dependencies(request(project, "good.txt", image="composer-3-airflow-3.3.1-build.0"))
    assert report.results[0].verdict is Verdict.UNKNOWN


def test_the_fix_edits_the_file_and_the_edited_file_works(project):
    (project / "bad.txt").write_text("# ours\npandas\ngoogle-cloud-core==1.3.0  # old\nsoda-core==3.5.6\n")
    shown = fix_dependencies(request(project, "bad.txt"), write=False)
    assert not shown.written
    assert "1.3.0" in (project / "bad.txt").read_text()
    done = fix_dependencies(request(project, "bad.txt"), write=True)
    assert done.written
    assert (project / "bad.txt").read_text() == "# ours\npandas\ngoogle-cloud-core==2.4.3  # old\nsoda-core==3.5.6\n"
    assert check_dependencies(request(project, "bad.txt")).results[0].verdict is Verdict.OVERRIDE


def test_a_lock_pins_what_is_new_or_moves_with_hashes(project):
    (project / "good.txt").write_text("pandas\nsoda-core\n")
    lock = lock_dependencies(request(project, "good.txt")).lock
    assert lock.verified
    text = render_lock(lock)
    assert [line for line in text.splitlines() if "==" in line and not line.startswith("#")] == [
        "inflect==7.6.0 \\",
        "ruamel-yaml==0.17.40 \\",
        "soda-core==3.5.6 \\",
    ]
    assert text.count("--hash=sha256:") == 3
    assert "# pandas==2.1.4" in text
    again = given("\n".join(line for line in text.splitlines()))
    assert [one.text for one in again.lines] == ["inflect==7.6.0", "ruamel-yaml==0.17.40", "soda-core==3.5.6"]
    (project / "bad.txt").write_text("google-cloud-core==1.3.0\n")
    refused = lock_dependencies(request(project, "bad.txt"))
    assert refused.lock is None
    assert refused.result.verdict is Verdict.CONFLICT


def test_a_lock_solves_without_giving_up_a_candidate():
    image = image_of({"apache-airflow": ["2.10.5+composer", "yaml>=6"], "yaml": ["6.0"]})
    source = source_of({"new": {"2.0": ["yaml<6"], "1.0": []}, "yaml": {"5.0": []}})
    lock = make_lock(given("new"), image, source)
    assert [(one.name, one.version) for one in lock.packages] == [("new", "1.0")]
    source.read.clear()
    make_lock(given("new==1.0"), image, source)
    assert source.read == ["new==1.0"]


def test_the_matrix_names_the_newest_and_the_oldest_image_that_works(project):
    (project / "a.txt").write_text("soda-core==3.5.6\n")
    (project / "b.txt").write_text("google-cloud-core==1.3.0\n")
    images = ["composer-2.6.5-airflow-2.5.3", "composer-2.11.1-airflow-2.10.2", SUPPORTED, IMAGE]
    matrix = matrix_dependencies(request(project, "a.txt", "b.txt"), images)
    assert matrix.rows[0].first == "composer-2.6.5-airflow-2.5.3"
    assert (matrix.rows[0].newest, matrix.rows[0].oldest) == (SUPPORTED, SUPPORTED)
    assert (matrix.rows[1].first, matrix.rows[1].newest, matrix.rows[1].oldest) == (None, None, None)
    assert render_matrix(matrix) == snapshot("""\
image                              a.txt              b.txt
composer-2.6.5-airflow-2.5.3       ok +3              conflict
composer-2.11.1-airflow-2.10.2     ok +3              conflict
composer-3-airflow-2.10.5-build.33 override +2 ~1     conflict
composer-2.13.8-airflow-2.10.5     override +2 ~1     conflict

newest that works for a.txt: composer-3-airflow-2.10.5-build.33
newest that works for b.txt: none of these images
""")
    assert matrix_document(matrix)["images"] == images
    assert matrix.exit_code() == 0


def test_the_matrix_recommends_no_image_that_has_ended(project):
    (project / "a.txt").write_text("soda-core==3.5.6\n")
    ended = matrix_dependencies(request(project, "a.txt"), ["composer-1.20.5-airflow-2.2.5", IMAGE])
    [row] = ended.rows
    assert (row.newest, row.oldest, row.ended) == (None, None, IMAGE)
    assert matrix_document(ended)["rows"][0]["ended"] == IMAGE
    assert render_matrix(ended).splitlines()[-1] == (
        f"newest that works for a.txt: none that can be taken; {IMAGE} works, "
        "and its support ended on 2026-07-28 by the 12-month rule"
    )
    # without names: the supported ones, each with a list of its own, read or reconstructed
    names = matrix_dependencies(request(project, "a.txt"), []).images
    bases = Counter(Catalogue().choose(name).basis for name in names)
    assert bases.keys() == {Basis.EXACT, Basis.RECONSTRUCTED}
    assert bases[Basis.EXACT] == 36
    assert all(is_current(name, TODAY.isoformat()) for name in names)
    later = request(project, "a.txt")._replace(today=date(2027, 3, 27))
    assert set(matrix_dependencies(later, []).images) < set(names)


def test_an_upgrade_to_an_image_that_has_ended_says_when(project):
    (project / "a.txt").write_text("soda-core==3.5.6\n")
    upgrade = upgrade_dependencies(request(project, "a.txt", image="composer-2.11.1-airflow-2.10.2"), IMAGE)
    said = f"Support for {IMAGE} ended on 2026-07-28 by the 12-month rule."
    assert said in render_upgrade(upgrade)
    assert said in render_upgrade_markdown(upgrade)
    assert upgrade_document(upgrade)["ended"] == {"day": "2026-07-28", "computed": True}
    assert upgrade_dependencies(request(project, "a.txt"), SUPPORTED).ended is None


def test_the_matrix_says_why_a_list_is_invalid_on_every_image(project):
    (project / "a.txt").write_text("soda-core==3.5.6\n")
    (project / "unknown.txt").write_text("no-such-package-anywhere\n")
    missing = matrix_dependencies(request(project, "nothere.txt", "a.txt"), [IMAGE])
    assert missing.exit_code() == 3
    assert "error[requirements-unreadable]" in render_matrix(missing)
    unknown = matrix_dependencies(request(project, "unknown.txt"), [IMAGE, "composer-2.6.5-airflow-2.5.3"])
    assert unknown.exit_code() == 3
    assert render_matrix(unknown).count("No index knows a package named `no-such-package-anywhere`.") == 1


def test_an_upgrade_shows_what_moves_and_the_verdict_there(project):
    (project / "a.txt").write_text("soda-core==3.5.6\n")
    upgrade = upgrade_dependencies(
        request(project, "a.txt", image="composer-2.6.5-airflow-2.5.3"), "composer-2.13.8-airflow-2.10.5"
    )
    assert upgrade.before.verdict is Verdict.OK
    assert upgrade.after.verdict is Verdict.OVERRIDE
    assert any(one.name == "apache-airflow" for one in upgrade.changes.moved)
    with pytest.raises(UsageError):
        upgrade_dependencies(request(project, "a.txt"), "composer-2.14.0-airflow-2.10.5")


def test_bundles_that_work_alone_and_clash_together_are_both_named():
    results = check_bundles(
        given("pandas\n"),
        {"crm": given("crm-sdk\n", "crm.txt"), "ads": given("ads-sdk\n", "ads.txt")},
        choice_of(image_of({"pandas": ["2.1.4"]})),
        source_of(UNIVERSE),
        options(),
    )
    assert [(one.subject, one.verdict.value) for one in results] == [
        ("bundle crm", "ok"),
        ("bundle ads", "ok"),
        ("all bundles together", "conflict"),
    ]
    assert [one.text for one in results[-1].warnings] == ["The bundles `crm` and `ads` clash about urlkit."]
    assert {one.source for one in results[-1].conflicts[0].causes} == {"crm.txt:1", "ads.txt:1"}


def test_bundles_of_a_request_are_checked_with_its_files(project):
    (project / "base.txt").write_text("pandas\n")
    (project / "crm.txt").write_text("crm-sdk\n")
    report = check_dependencies(request(project, "base.txt", bundles=(("crm", Path("crm.txt")),)))
    assert [one.subject for one in report.results] == [
        "base.txt",
        "base.txt: bundle crm",
        "base.txt: all bundles together",
    ]


@pytest.mark.parametrize(("until", "verdict"), [("2026-11-20", Verdict.OVERRIDE), ("2026-11-19", Verdict.CONFLICT)])
def test_a_clash_is_accepted_until_its_day(until, verdict):
    accepted = Acceptance("google-cloud-core", "tested by hand", date.fromisoformat(until))
    image = image_of({"google-cloud-core": ["2.4.3"], "user": ["1.0", "google-cloud-core>=2"]})
    result = check_list(
        "x",
        given("google-cloud-core==1.3.0"),
        choice_of(image),
        source_of(UNIVERSE),
        options(accept=(accepted,), today=TODAY),
    )
    assert result.verdict is verdict
    assert (result.conflicts[0].accepted is accepted) is (verdict is Verdict.OVERRIDE)


def test_another_image_is_named_where_the_list_works(project):
    (project / "a.txt").write_text("only-new\n")
    source = source_of({"only-new": {"1.0": ["apache-airflow>=3"]}})
    wanted = CheckRequest(
        project,
        TODAY,
        files=(Path("a.txt"),),
        image=IMAGE,
        other_images=True,
        index=IndexChoice(source=source),
    )
    fixes = check_dependencies(wanted).results[0].conflicts[0].fixes
    assert [one.image for one in fixes if one.image] == ["composer-3-airflow-3.1.7-build.4"]


def test_an_image_that_has_ended_is_no_way_out(project):
    (project / "a.txt").write_text("only-old\n")
    source = source_of({"only-old": {"1.0": {"requires": ["pandas<2"], "python": "<3.9"}}})
    wanted = request(project, "a.txt", other_images=True)._replace(index=IndexChoice(source=source))
    [result] = check_dependencies(wanted).results
    assert result.verdict is Verdict.CONFLICT
    assert [one.image for one in result.conflicts[0].fixes if one.image] == []


def test_a_dead_index_is_the_outside_failing(project):
    (project / "a.txt").write_text("thing\n")
    wanted = CheckRequest(
        project, TODAY, files=(Path("a.txt"),), image=IMAGE, index=IndexChoice(source=source_of({}, dead=["thing"]))
    )
    report = check_dependencies(wanted)
    assert report.results[0].verdict is Verdict.UNKNOWN
    assert report.exit_code() is ExitCode.OUTSIDE


def test_the_map_that_is_sent():
    assert sent_packages(given("Pandas>=2\nb; python_version < '3'\n"), IMAGE) == {"pandas": ">=2"}
    with pytest.raises(InvalidInputError):
        sent_packages(given("-e .\n"), IMAGE)


def report_of_formats():
    image = image_of({"core": ["2.0"], "user": ["1.0", "core>=2"]})
    source = source_of({"core": {"1.0": []}, "new": {"1.0": []}})
    conflict = check_list("bad.txt", given("new\ncore==1.0\n", "bad.txt"), choice_of(image), source, options())
    fine = check_list("good.txt", given("new\n", "good.txt"), choice_of(image), source, options())
    return Report((conflict._replace(seconds=0.0), fine._replace(seconds=0.0)))


def test_the_markdown_form():
    assert write_report(report_of_formats(), DepsFormat.MARKDOWN) == snapshot("""\
### envctl: packages

| list | image | basis | verdict | certainty | moves | new |
|---|---|---|---|---|---|---|
| bad.txt | composer-2.99.0-airflow-2.10.5 | exact | **conflict** | certain | 0 | 0 |
| good.txt | composer-2.99.0-airflow-2.10.5 | exact | ok | certain | 0 | 1 |

**core** (bad.txt): The list asks for core==1.0 (bad.txt:2); that brings core 1.0 into the image, but user 1.0 of the image requires core&gt;=2.
- replace `core==1.0` with `core==2.0` (bad.txt:2): The image holds core 2.0.
""")


def test_the_github_form():
    assert write_report(report_of_formats(), DepsFormat.GITHUB) == snapshot(
        "::error file=bad.txt,line=2,col=1,title=package-conflict%3A Packages clash with the image::composer-2.99.0-airflow-2.10.5: The list asks for core==1.0 (bad.txt:2); that brings core 1.0 into the image, but user 1.0 of the image requires core>=2.%0Ahint: replace `core==1.0` with `core==2.0` (bad.txt:2): The image holds core 2.0.\n"
    )


def test_the_junit_form():
    text = write_report(report_of_formats(), DepsFormat.JUNIT)
    suite = ET.fromstring(text)[0]
    assert suite.attrib["failures"] == "1"
    assert [case.attrib["name"] for case in suite] == [
        "bad.txt on composer-2.99.0-airflow-2.10.5",
        "good.txt on composer-2.99.0-airflow-2.10.5",
    ]
    assert "core==1.0" in suite[0][0].text


def test_the_sarif_form():
    log = json.loads(write_report(report_of_formats(), DepsFormat.SARIF))
    results = log["runs"][0]["results"]
    assert [one["ruleId"] for one in results] == ["package-conflict"]
    location = results[0]["locations"][0]["physicalLocation"]
    assert (location["artifactLocation"]["uri"], location["region"]["startLine"]) == ("bad.txt", 2)


def test_the_json_form():
    document = json.loads(write_report(report_of_formats(), DepsFormat.JSON))
    assert document == snapshot(
        {
            "format": "envctl.deps/v1",
            "results": [
                {
                    "subject": "bad.txt",
                    "image": "composer-2.99.0-airflow-2.10.5",
                    "basis": "exact",
                    "list": "composer-2.99.0-airflow-2.10.5",
                    "doubt": None,
                    "python": "3.11.8",
                    "pip": "23.2.1",
                    "resolver": "strict",
                    "as_of": None,
                    "verdict": "conflict",
                    "certainty": "certain",
                    "conflicts": [
                        {
                            "package": "core",
                            "summary": "The list asks for core==1.0 (bad.txt:2); that brings core 1.0 into the image, but user 1.0 of the image requires core>=2.",
                            "causes": [
                                {
                                    "requirement": "core==1.0",
                                    "by": "list",
                                    "chain": [],
                                    "preinstalled": False,
                                    "source": "bad.txt:2",
                                },
                                {
                                    "requirement": "core>=2",
                                    "by": "user 1.0",
                                    "chain": ["user==1.0"],
                                    "preinstalled": True,
                                },
                            ],
                            "lines": ["core==1.0"],
                            "fixes": [
                                {
                                    "kind": "newest-fit",
                                    "edit": [{"remove": "core==1.0", "add": "core==2.0", "source": "bad.txt:2"}],
                                    "verified": True,
                                    "why": "The image holds core 2.0.",
                                }
                            ],
                            "accepted": None,
                        }
                    ],
                    "fix": {
                        "kind": "edit",
                        "edit": [{"remove": "core==1.0", "add": "core==2.0", "source": "bad.txt:2"}],
                        "verified": True,
                        "why": "The whole list fits with these edits.",
                    },
                    "changes": [],
                    "installs": [],
                    "unneeded": [],
                    "order_matters": False,
                    "packages": {"core": "==1.0", "new": ""},
                    "warnings": [],
                    "diagnostics": [],
                    "seconds": 0.0,
                },
                {
                    "subject": "good.txt",
                    "image": "composer-2.99.0-airflow-2.10.5",
                    "basis": "exact",
                    "list": "composer-2.99.0-airflow-2.10.5",
                    "doubt": None,
                    "python": "3.11.8",
                    "pip": "23.2.1",
                    "resolver": "strict",
                    "as_of": None,
                    "verdict": "ok",
                    "certainty": "certain",
                    "conflicts": [],
                    "fix": None,
                    "changes": [],
                    "installs": [{"name": "new", "version": "1.0"}],
                    "unneeded": [],
                    "order_matters": False,
                    "packages": {"new": ""},
                    "warnings": [],
                    "diagnostics": [],
                    "seconds": 0.0,
                },
            ],
        }
    )


def test_the_details_hold_the_chain_and_an_operator_to_paste():
    image = image_of({"apache-airflow": ["2.10.5+composer", "web"], "web": ["1.0", "jinja<4"], "jinja": ["3.1"]})
    source = source_of({"a": {"1.0": ["b"]}, "b": {"1.0": ["jinja>=4"]}, "jinja": {"4.0": []}})
    result = check_list("r.txt", given("a\n", "r.txt"), choice_of(image), source, options())
    assert render_details(Report((result,))) == snapshot('''\
clash about jinja: who asks for what
  list   a==1.0 -> b==1.0 requires jinja>=4  (r.txt:1)
  image  apache-airflow==2.10.5+composer -> web==1.0 requires jinja<4

  No release of a fits (pip's search over all of them finds none): run the tasks that need it apart.

    from airflow.operators.python import PythonVirtualenvOperator


    def work():
        """Imports go inside: this code runs apart from Airflow."""


    task = PythonVirtualenvOperator(
        task_id="work",
        python_callable=work,
        requirements=["a"],
        python_version="3.11",
        system_site_packages=False,
    )

  No release of a fits (pip's search over all of them finds none): run the tasks that need it apart.

    from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator

    task = KubernetesPodOperator(
        task_id="work",
        name="work",
        namespace="composer-user-workloads",
        image="python:3.11-slim",
        cmds=["sh", "-c"],
        arguments=["pip install 'a' && python /app/main.py"],
        config_file="/home/airflow/composer_kube_config",
    )
''')


def test_a_check_starts_without_the_heavy_parts():
    code = (
        "import sys, envctl.actions.deps, envctl.report.deps_formats, envctl.resolution.index.source\n"
        "heavy = {'pydantic', 'pulumi', 'google', 'rich', 'httpx', 'typer', 'ssl', 'yaml', 'resolvelib'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    root = Path(__file__).parents[2]
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert said.stdout.strip() == "[]"


def test_the_date_limit_stands_in_the_header(project):
    (project / "a.txt").write_text("inflect==7.6.0\n")
    limited = request(project, "a.txt")
    limited = limited._replace(index=limited.index._replace(as_of=date(2026, 6, 1)))
    [result] = check_dependencies(limited).results
    assert render_result(result).splitlines()[1].endswith("pip 23.2.1, index as of 2026-06-01)")
    assert render_matrix(matrix_dependencies(limited, [IMAGE])).startswith("index as of 2026-06-01\n\nimage")
