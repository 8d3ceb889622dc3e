from __future__ import annotations

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import image_of, installs, judged, source_of

from envctl.resolution.cores import minimal_lines
from envctl.resolution.dependency import parse_requirement
from envctl.resolution.findings import Verdict
from envctl.resolution.judgement import Judge
from envctl.resolution.requirements import Requested
from envctl.resolution.resolver import Limits
from envctl.resolution.solution import Impossible
from envctl.resolution.universe import Universe

NAMES = ("ant", "bee", "cat", "dog")
VERSIONS = ("1.0", "2.0", "3.0")


def test_an_installed_version_that_satisfies_is_taken_without_asking_the_index():
    image = image_of({"pandas": ["2.1.4", "numpy>=1.20"], "numpy": ["1.26.4"]})
    source = source_of({"pandas": {"3.0.0": []}, "numpy": {"2.0": []}})
    judgement = Judge(Universe(image, source)).judge([parse_requirement("pandas")[0]])
    assert judgement.verdict is Verdict.OK
    assert source.asked == []


def test_the_newest_version_is_taken_where_the_image_has_none():
    judgement = judged(image_of({}), {"new": {"1.0": [], "2.0": [], "2.1rc1": []}}, "new")
    assert installs(judgement) == {"new": "2.0"}


def test_a_preinstalled_package_that_moves_is_an_override():
    judgement = judged(image_of({"yaml": ["6.0"]}), {"new": {"1.0": ["yaml<6"]}, "yaml": {"5.4": [], "6.0": []}}, "new")
    assert judgement.verdict is Verdict.OVERRIDE
    assert installs(judgement) == {"new": "1.0", "yaml": "5.4"}


def test_a_bystander_that_breaks_is_a_conflict():
    image = image_of({"yaml": ["6.0"], "bystander": ["1.0", "yaml>=6"]})
    judgement = judged(image, {"new": {"1.0": ["yaml<6"]}, "yaml": {"5.4": []}}, "new")
    assert judgement.verdict is Verdict.CONFLICT
    assert [(one.package, str(one.dependency), one.found) for one in judgement.broken] == [
        ("bystander", "yaml>=6", "5.4")
    ]


def test_what_the_image_itself_does_not_satisfy_is_no_fault_of_a_list_that_does_not_lead_there():
    image = image_of({"yaml": ["6.0"], "broken": ["1.0", "yaml<5", "absent>=1"]})
    assert image.left_out == ("broken: yaml<5", "broken: absent>=1")
    assert judged(image, {"new": {"1.0": []}}, "new", "yaml").verdict is Verdict.OK
    assert judged(image, {"new": {"1.0": []}}, "new", "broken").verdict is Verdict.CONFLICT


def test_airflow_is_pinned_in_every_list():
    image = image_of({"apache-airflow": ["2.10.5+composer", "flask<3"], "flask": ["2.2.5"]})
    judgement = judged(image, {"flask": {"3.0": []}, "apache-airflow": {"3.0.0": []}}, "flask>=3")
    assert judgement.verdict is Verdict.CONFLICT
    assert isinstance(judgement.outcome, Impossible)


def test_an_older_release_is_found_by_backtracking():
    image = image_of({"apache-airflow": ["2.10.5+composer", "yaml>=6"], "yaml": ["6.0"]})
    universe = {"new": {"3.0": ["yaml<6"], "2.0": ["yaml<5"], "1.0": []}, "yaml": {"5.4": [], "4.0": []}}
    assert installs(judged(image, universe, "new")) == {"new": "1.0"}


def test_extras_bring_their_requirements_and_hold_the_base():
    image = image_of({})
    universe = {
        "beam": {
            "2.0": {"requires": ['api>=2 ; extra == "gcp"'], "extras": ["gcp"]},
            "1.0": {"requires": ['api>=1 ; extra == "gcp"'], "extras": ["gcp"]},
        },
        "api": {"1.0": [], "2.0": []},
    }
    assert installs(judged(image, universe, "beam[gcp]", "api<2")) == {"beam": "1.0", "api": "1.0"}
    assert installs(judged(image, universe, "beam")) == {"beam": "2.0"}


def test_pip_before_23_3_takes_two_spellings_of_an_extra_for_two_extras():
    universe = {
        "beam": {"1.0": {"requires": ['api ; extra == "gcp_api"'], "extras": ["gcp_api"]}},
        "api": {"1.0": []},
    }
    assert installs(judged(image_of({}), universe, "beam[gcp-api]")) == {"beam": "1.0"}
    assert installs(judged(image_of({}, pip="24.0"), universe, "beam[gcp-api]")) == {"beam": "1.0", "api": "1.0"}


def test_extras_of_preinstalled_packages_are_known():
    image = image_of({"beam": ["2.0", 'api ; extra == "gcp"', ["gcp"]]})
    assert installs(judged(image, {"api": {"1.0": []}}, "beam[gcp]")) == {"api": "1.0"}


def test_circular_requirements_end():
    universe = {"ring": {"1.0": ["round", "ring[self]"]}, "round": {"1.0": ["ring"]}}
    universe["ring"]["1.0"] = {"requires": ["round", 'ring ; extra == "self"'], "extras": ["self"]}
    assert installs(judged(image_of({}), universe, "ring[self]")) == {"ring": "1.0", "round": "1.0"}


def test_prereleases_need_a_clause_that_names_one_or_nothing_else():
    universe = {"beta": {"1.0rc1": []}, "final": {"1.0": [], "2.0b1": []}}
    assert installs(judged(image_of({}), universe, "beta")) == {"beta": "1.0rc1"}
    assert installs(judged(image_of({}), universe, "final")) == {"final": "1.0"}
    assert installs(judged(image_of({}), universe, "final>=2.0b1")) == {"final": "2.0b1"}
    assert judged(image_of({}), universe, "beta>=0.1").verdict is Verdict.CONFLICT


def test_yanked_files_need_a_pin_that_leaves_nothing_else():
    image = image_of({})
    universe = source_of({"pulled": {"1.0": [], "2.0": []}}, yanked=["pulled==2.0"])

    def versions(text):
        return installs(Judge(Universe(image, universe)).judge([parse_requirement(text)[0]]))

    assert versions("pulled") == {"pulled": "1.0"}
    assert versions("pulled==2.0") == {"pulled": "2.0"}
    assert versions("pulled>=2") == {}


def test_python_of_the_image_decides():
    universe = {"modern": {"2.0": {"python": ">=3.12"}, "1.0": {"python": ">=3.8"}}}
    assert installs(judged(image_of({}), universe, "modern")) == {"modern": "1.0"}
    assert judged(image_of({}), universe, "modern==2.0").verdict is Verdict.CONFLICT


def test_requirements_that_need_a_build_make_a_good_verdict_unknown():
    judgement = judged(image_of({}), {"sdist": {"1.0": None}}, "sdist")
    assert judgement.verdict is Verdict.UNKNOWN
    assert [node.name for node in judgement.unread] == ["sdist"]


def test_a_failure_that_rests_on_unknown_requirements_is_unknown_where_other_releases_work():
    image = image_of({"lib": ["1.0"], "bystander": ["1.0", "lib<2"]})
    universe = {"new": {"2.0": ["lib>=2", "sdist"], "1.0": []}, "sdist": {"1.0": None}, "lib": {"2.0": []}}
    assert judged(image, universe, "new").verdict is Verdict.UNKNOWN
    assert judged(image, universe, "new==2.0").verdict is Verdict.CONFLICT


def test_a_search_without_end_is_a_timeout_risk_with_what_was_tried():
    depth = 12
    universe = {f"p{n}": {f"{v}.0": [f"p{n + 1}", f"q=={v}.{n}"] for v in range(1, 9)} for n in range(depth)}
    universe[f"p{depth}"] = {"1.0": ["missing"]}
    universe["q"] = {f"{v}.{n}": [] for v in range(1, 9) for n in range(depth)}
    judge = Judge(Universe(image_of({}), source_of(universe)), Limits(rounds=60))
    judgement = judge.judge([parse_requirement(f"p{n}")[0] for n in range(depth)])
    assert judgement.verdict in (Verdict.TIMEOUT_RISK, Verdict.CONFLICT)
    ticks = iter(range(10_000))
    hurried = Judge(Universe(image_of({}), source_of(universe)), Limits(seconds=3, clock=lambda: float(next(ticks))))
    late = hurried.judge([parse_requirement("p0")[0]])
    assert late.verdict is Verdict.TIMEOUT_RISK


clauses = st.sampled_from(["", "", "<2", "<3", ">1", ">2", "==1.0", "==2.0", "!=2.0"])
texts = st.builds(lambda name, clause: name + clause, st.sampled_from(NAMES), clauses)
declarations = st.lists(texts, max_size=2, unique_by=lambda text: parse_requirement(text)[0].name)
releases = st.dictionaries(st.sampled_from(VERSIONS), declarations, min_size=1, max_size=3)
universes = st.fixed_dictionaries(dict.fromkeys(NAMES, releases))
preinstalled = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(VERSIONS), max_size=3)
wanted_lists = st.lists(texts, min_size=1, max_size=3, unique_by=lambda text: parse_requirement(text)[0].name)


def _world(universe, held):
    """An image whose packages are releases of the universe, so that both know the same requirements."""
    packages = {
        name: [version, *universe[name][version]] for name, version in held.items() if version in universe[name]
    }
    return image_of(packages)


def _possible(image, universe, wanted):
    """Brute force: whether any choice of versions satisfies the list with everything it leads to."""
    names = list(NAMES)
    options = []
    for name in names:
        present = [image.packages[name].version] if name in image.packages else []
        options.append([None, *sorted({*universe[name], *present})])
    for choice in product(*options):
        chosen = dict(zip(names, choice, strict=True))
        if _closed(universe, chosen, wanted):
            return True
    return False


def _closed(universe, chosen, wanted):
    waiting = [parse_requirement(text)[0] for text in wanted]
    seen = set()
    while waiting:
        one = waiting.pop()
        version = chosen.get(one.name)
        if version is None or not one.specifiers.contains(version):
            return False
        if one.name not in seen:
            seen.add(one.name)
            waiting.extend(parse_requirement(text)[0] for text in universe[one.name][version])
    return True


@settings(max_examples=300, deadline=None)
@given(universes, preinstalled, wanted_lists)
def test_a_good_verdict_leaves_a_consistent_image(universe, held, wanted):
    """The result of a list that works satisfies every requirement that the image or the list brought."""
    image = _world(universe, held)
    judgement = judged(image, universe, *wanted)
    if not judgement.works:
        return
    after = {name: one.version for name, one in image.packages.items()} | installs(judgement)
    for text in wanted:
        one = parse_requirement(text)[0]
        assert one.specifiers.contains(after[one.name])
    for name, version in after.items():
        package = image.packages.get(name)
        kept = package is not None and package.version == version
        texts = package.requires if kept else universe[name][version]
        for text in texts or ():
            one = parse_requirement(text)[0]
            assert one.specifiers.contains(after[one.name]), (name, text)


@settings(max_examples=300, deadline=None)
@given(universes, preinstalled, wanted_lists)
def test_no_solution_is_missed_in_small_universes(universe, held, wanted):
    """Where the search says that nothing fits, brute force finds nothing either."""
    image = _world(universe, held)
    judgement = judged(image, universe, *wanted)
    if isinstance(judgement.outcome, Impossible):
        assert not _possible(image, universe, wanted)


@settings(max_examples=200, deadline=None)
@given(universes, preinstalled, wanted_lists)
def test_minimal_lines_fail_and_no_part_of_them_does(universe, held, wanted):
    """Dropping any one line of a minimal set makes the rest fit."""
    image = _world(universe, held)
    judge = Judge(Universe(image, source_of(universe)))
    packages = [Requested(parse_requirement(text)[0], ()) for text in wanted]
    if not judge.judge([one.dependency for one in packages]).fails:
        return
    core = minimal_lines(judge, packages)
    assert judge.judge([one.dependency for one in core]).fails
    for dropped in core:
        assert not judge.judge([one.dependency for one in core if one is not dropped]).fails
