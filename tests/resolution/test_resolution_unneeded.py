"""What one solution tells about lines that change nothing, against solving the list without them."""

from __future__ import annotations

from hypothesis import given, settings
from test_resolution_strict import _world, preinstalled, universes, wanted_lists
from worlds import image_of, installs, judged, source_of

from envctl.resolution.dependency import parse_requirement
from envctl.resolution.judgement import Judge
from envctl.resolution.solution import Solved
from envctl.resolution.universe import Universe
from envctl.resolution.unneeded import Reach


def reach_of(image, universe, *wanted):
    outcome = judged(image, universe, *wanted).outcome
    assert isinstance(outcome, Solved)
    return Reach(outcome)


def test_a_line_apart_from_what_moves_changes_nothing():
    image = image_of({"pandas": ["2.1.4", "numpy>=1.20"], "numpy": ["1.26.4"], "yaml": ["6.0"]})
    universe = {"new": {"1.0": ["yaml<6"]}, "yaml": {"5.4": []}}
    reach = reach_of(image, universe, "new", "pandas<3")
    assert reach.changes_nothing("pandas")
    assert not reach.changes_nothing("new")


def test_a_line_that_leads_to_what_moves_must_be_solved_for():
    image = image_of({"pandas": ["2.1.4", "numpy>=1.20"], "numpy": ["1.26.4"]})
    universe = {"new": {"1.0": ["numpy<1.26"]}, "numpy": {"1.25.0": [], "1.19.0": []}}
    assert not reach_of(image, universe, "new", "pandas<3").changes_nothing("pandas")


def test_a_line_that_may_have_decided_must_be_solved_for():
    image = image_of({"pandas": ["2.1.4"]})
    universe = {"new": {"2.0": ["pandas>=3"], "1.0": []}, "pandas": {"3.0": []}}
    assert not reach_of(image, universe, "new", "pandas<3").changes_nothing("pandas")


@settings(max_examples=400, deadline=None)
@given(universes, preinstalled, wanted_lists)
def test_what_is_told_without_solving_is_what_solving_tells(universe, held, wanted):
    image = _world(universe, held)
    judge = Judge(Universe(image, source_of(universe)))
    listed = [parse_requirement(text)[0] for text in wanted]
    whole = judge.judge(listed)
    if not whole.works:
        return
    reach = Reach(whole.outcome)
    for line in listed:
        present = image.packages.get(line.name)
        if present is None or not line.specifiers.contains(present.version) or not reach.changes_nothing(line.name):
            continue
        without = judge.judge([one for one in listed if one is not line])
        assert without.works
        assert installs(without) == installs(whole)
