"""Real pip as the judge: on a generated index of empty wheels, and on a published one."""

from __future__ import annotations

import importlib.util
import sys
import zipfile
from pathlib import Path

import pytest
from worlds import choice_of, image_of, installs, judged

from envctl.dependencies import open_source, parse_requirements
from envctl.resolution.certification import certified
from envctl.resolution.certify import PipAnswer, ask_pip, build_environment
from envctl.resolution.check import CheckOptions, check_list
from envctl.resolution.findings import Result, Verdict

NEW = {"yaml": {"5.4": [], "6.1": []}, "new": {"1.0": ["yaml<6"], "2.0": ["yaml>=6", 'extra-one ; extra == "x"']}}


def write_wheels(universe, folder):
    folder.mkdir()
    for name, versions in universe.items():
        for version, requires in versions.items():
            stem = f"{name.replace('-', '_')}-{version}"
            lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", "Provides-Extra: x"]
            lines += [f"Requires-Dist: {text}" for text in requires]
            with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as wheel:
                wheel.writestr(f"{stem}.dist-info/METADATA", "\n".join(lines) + "\n\n")
                wheel.writestr(
                    f"{stem}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
                )
                wheel.writestr(f"{stem}.dist-info/RECORD", "")


@pytest.fixture(scope="module")
def pip():
    """The pip of the development environment; its newer resolver agrees on these small questions."""
    found = importlib.util.find_spec("pip")
    if found is None or found.origin is None:
        pytest.skip("this environment has no pip")
    return Path(found.origin).parent


@pytest.mark.parametrize(
    ("wanted", "verdict"),
    [
        (["new"], Verdict.CONFLICT),
        (["new==1.0"], Verdict.OK),
        (["yaml"], Verdict.OK),
        (["other"], Verdict.CONFLICT),
        (["free"], Verdict.OVERRIDE),
    ],
)
def test_pip_on_an_environment_of_empty_distributions_says_the_same(tmp_path, pip, wanted, verdict):
    version = ".".join(map(str, sys.version_info[:3]))
    image = image_of({"yaml": ["5.0"], "bystander": ["1.0", "yaml==5.0"], "loose": ["1.0"]}, python=version)
    universe = {**NEW, "free": {"1.0": ["loose>=2"]}, "loose": {"2.0": []}}
    environment = build_environment(image, tmp_path / "environment")
    write_wheels(universe, tmp_path / "wheels")
    options = ("--no-index", "--find-links", str(tmp_path / "wheels"))
    truth = ask_pip(pip, environment, ["apache-airflow==2.10.5+composer", *wanted], options)
    judgement = judged(image, universe, *wanted)
    assert judgement.verdict is verdict
    assert truth.works == judgement.works
    if truth.works:
        assert dict(truth.installs) == installs(judgement)


def test_a_certified_result_says_where_pip_disagrees():
    from envctl.resolution.certification import _compare
    from envctl.resolution.findings import Install

    result = Result("x", "image", Verdict.OK, None, installs=(Install("new", "1.0"),))
    assert _compare(result, PipAnswer(True, (("new", "1.0"),)), "23.2.1").code == "certified"
    assert _compare(result, PipAnswer(True, (("new", "2.0"),)), "23.2.1").code == "certify-disagrees"
    assert _compare(result, PipAnswer(False, message="ERROR: no"), "23.2.1").code == "certify-disagrees"


def test_pips_answer_is_said_where_envctl_has_no_verdict():
    from envctl.resolution.certification import _compare

    result = Result("x", "image", Verdict.UNKNOWN, None)
    fails = _compare(result, PipAnswer(False, message="ERROR: no"), "23.2.1")
    assert fails.code == "certify-decided"
    assert fails.text == "pip 23.2.1 says that the list fails: ERROR: no; envctl itself had no verdict."
    assert _compare(result, PipAnswer(True), "23.2.1").code == "certify-decided"


def test_pips_answer_counts():
    from envctl.resolution.certification import _decided
    from envctl.resolution.findings import Change, Conflict, Install

    image = image_of({"yaml": ["5.0"]})
    clash = (Conflict("yaml", "why", ()),)
    unknown = Result("x", "image", Verdict.UNKNOWN, None)
    works = _decided(unknown, PipAnswer(True, (("new", "1.0"), ("yaml", "5.4"))), image)
    assert works.verdict is Verdict.OVERRIDE
    assert works.installs == (Install("new", "1.0"),)
    assert works.changes == (Change("yaml", "5.0", "5.4"),)
    assert _decided(unknown._replace(conflicts=clash), PipAnswer(True), image).verdict is Verdict.OK
    fails = _decided(unknown._replace(installs=(Install("new", "1.0"),)), PipAnswer(False, message="ERROR: no"), image)
    assert (fails.verdict, fails.installs) == (Verdict.CONFLICT, ())
    assert "ERROR: no" in fails.conflicts[0].summary
    both = unknown._replace(verdict=Verdict.CONFLICT, conflicts=clash)
    assert _decided(both, PipAnswer(False, message="ERROR: no"), image) == both


def test_a_pip_without_time_leaves_the_result_uncertified_and_says_so():
    version = ".".join(map(str, sys.version_info[:3]))
    given = parse_requirements("new==1.0\n", Path("requirements.txt"), {})
    choice = choice_of(image_of({}, python=version))
    result = Result("x", "image", Verdict.OK, None)
    said: list[str] = []
    late = certified(result, given, choice, "http://127.0.0.1:9/", progress=said.append, seconds=0.0)
    assert late.verdict is Verdict.OK
    assert [(one.code, one.text) for one in late.warnings] == [
        ("certify-impossible", "pip 23.2.1 gave no answer within 0 s; nothing was certified.")
    ]
    assert said == ["Asking pip 23.2.1 about x, for at most 0 s."]


@pytest.mark.online
def test_the_images_pip_certifies_a_list_from_a_published_index():
    version = ".".join(map(str, sys.version_info[:3]))
    given = parse_requirements("python-dateutil==2.9.0\n", Path("requirements.txt"), {})
    choice = choice_of(image_of({}, python=version))
    with open_source(given) as source:
        result = check_list("x", given, choice, source, CheckOptions())
    if result.index_failure is not None:
        pytest.skip(f"no package index answers: {result.index_failure.cause}")
    assert result.verdict is Verdict.OK
    assert [one.code for one in certified(result, given, choice, None).warnings] == ["certified"]
