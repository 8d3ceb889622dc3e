from __future__ import annotations

from worlds import checked, image_of, installs, judged

from envctl.resolution.findings import Verdict


def old(packages=None, **more):
    return image_of(packages or {}, python="3.8.12", pip="20.2.4", **more)


def test_the_first_requirement_of_a_package_wins():
    universe = {"one": {"1.0": ["lib<2"]}, "two": {"1.0": ["lib>=2"]}, "lib": {"1.0": [], "2.0": []}}
    first = judged(old(), universe, "one", "two")
    assert installs(first) == {"one": "1.0", "two": "1.0", "lib": "1.0"}
    assert first.verdict is Verdict.CONFLICT
    assert [(one.package, str(one.dependency)) for one in first.broken] == [("two", "lib>=2")]


def test_nothing_is_reconsidered():
    universe = {"one": {"2.0": ["lib<2"], "1.0": []}, "two": {"1.0": ["lib>=2"]}, "lib": {"1.0": [], "2.0": []}}
    assert judged(old(), universe, "one", "two").verdict is Verdict.CONFLICT
    assert judged(image_of({}), universe, "one", "two").works


def test_lines_of_the_list_come_before_what_they_lead_to():
    universe = {"one": {"1.0": ["lib"]}, "lib": {"1.0": [], "2.0": []}}
    assert installs(judged(old(), universe, "one", "lib<2")) == {"one": "1.0", "lib": "1.0"}


def test_extras_of_a_later_requirement_are_not_looked_at():
    universe = {
        "one": {"1.0": ["lib[fast]"]},
        "lib": {"1.0": {"requires": ['speed ; extra == "fast"'], "extras": ["fast"]}},
        "speed": {"1.0": []},
    }
    assert installs(judged(old(), universe, "lib", "one")) == {"lib": "1.0", "one": "1.0"}
    assert installs(judged(old(), universe, "lib[fast]")) == {"lib": "1.0", "speed": "1.0"}


def test_a_package_that_needs_another_python_ends_the_build():
    universe = {"modern": {"1.0": {"requires": [], "python": ">=3.9"}}}
    assert judged(old(), universe, "modern").verdict is Verdict.CONFLICT


def test_a_moved_package_breaks_bystanders_here_too():
    image = old({"lib": ["2.0"], "bystander": ["1.0", "lib>=2"]})
    judgement = judged(image, {"lib": {"1.0": []}}, "lib<2")
    assert judgement.verdict is Verdict.CONFLICT
    assert judgement.broken[0].package == "bystander"


def test_the_report_says_when_the_order_of_the_list_decides():
    universe = {
        "one": {"1.0": ["lib"]},
        "two": {"1.0": ["lib<2"]},
        "lib": {"1.0": [], "2.0": []},
    }
    result = checked(old(), universe, "one\ntwo\n")
    assert result.verdict is Verdict.CONFLICT
    assert result.order_matters
    assert [one.code for one in result.warnings] == ["order-matters"]
    assert not checked(old(), universe, "one\n").order_matters
    other = checked(old(), universe, "two\none\n")
    assert other.verdict is Verdict.OK
    assert other.order_matters


def test_two_requirements_for_airflow_itself_are_refused_as_double():
    image = old({"apache-airflow": ["2.5.3+composer"]})
    assert judged(image, {}, "apache-airflow==2.5.3").verdict is Verdict.CONFLICT
    assert judged(image_of({}), {}, "apache-airflow==2.10.5").verdict is Verdict.OK
