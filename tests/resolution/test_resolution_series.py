from __future__ import annotations

from envctl.resolution.series import newest_of_series

VERSIONS = ["3.1.0", "3.0.1", "3.0.0", "2.1.5", "2.1.4", "2.0.0", "1.9", "1.8"]


def test_the_newest_of_each_minor_series_comes_newest_first():
    assert newest_of_series(VERSIONS, 10) == ("3.1.0", "3.0.1", "2.1.5", "2.0.0", "1.9", "1.8")


def test_major_series_are_not_crowded_out_by_minor_ones():
    assert newest_of_series(VERSIONS, 4) == ("3.1.0", "3.0.1", "2.1.5", "1.9")


def test_no_versions_have_no_series():
    assert newest_of_series([], 4) == ()
