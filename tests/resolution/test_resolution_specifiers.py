"""The reference is the packaging that the images' pip carries: today's reads some clauses otherwise.

Of those, one was met here: `>1a1` refuses `1+local` in packaging 21.3 and accepts it in 26.
"""

from __future__ import annotations

import importlib
import sys
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.version import Version

from envctl.resolution.certification import fetch_pip
from envctl.resolution.specifiers import (
    InvalidSpecifierError,
    any_allows_prereleases,
    is_prerelease,
    specifiers,
)

numbers = st.lists(st.integers(0, 4), min_size=1, max_size=3).map(lambda parts: ".".join(map(str, parts)))
versions = st.builds(
    lambda epoch, release, pre, post, dev: f"{epoch}{release}{pre}{post}{dev}",
    st.sampled_from(["", "", "", "1!"]),
    numbers,
    st.sampled_from(["", "", "a1", "b2", "rc1"]),
    st.sampled_from(["", "", ".post1"]),
    st.sampled_from(["", "", ".dev1"]),
)
candidates = st.builds(
    lambda version, local: f"{version}{local}", versions, st.sampled_from(["", "", "+composer", "+1.2"])
)
ordered = st.builds(lambda op, version: op + version, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), versions)
prefixed = st.builds(lambda op, release: f"{op}{release}.*", st.sampled_from(["==", "!="]), numbers)
compatible = st.builds(lambda release: f"~={release}", numbers.filter(lambda one: "." in one))
local = st.builds(lambda op, version: f"{op}{version}+composer", st.sampled_from(["==", "!="]), versions)
outside = st.builds(
    lambda op, text: op + text, st.sampled_from(["<", "<=", ">", ">="]), numbers.map("{}.*".format) | st.just("dev")
)
clauses = st.lists(st.one_of(ordered, prefixed, compatible, local, outside), min_size=0, max_size=3).map(",".join)


@pytest.fixture(scope="module")
def packaging_of_pip(tmp_path_factory):
    """`packaging.specifiers` as pip 23.2.1 carries it: the pip of the newest images of the catalogue."""
    folder = tmp_path_factory.mktemp("pip")
    vendored = fetch_pip("23.2.1", folder, None) / "_vendor" / "packaging"
    vendored.rename(folder / "packaging_of_pip")
    sys.path.insert(0, str(folder))
    try:
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            yield importlib.import_module("packaging_of_pip.specifiers")
    finally:
        sys.path.remove(str(folder))


@pytest.mark.online
@pytest.mark.filterwarnings("ignore:Creating a Legacy:DeprecationWarning")
@settings(max_examples=400)
@given(clauses, candidates)
def test_contains_what_the_images_pip_says(packaging_of_pip, text, version):
    normal = str(Version(version))
    reference = packaging_of_pip.SpecifierSet(text)
    assert specifiers(text).contains(normal) == reference.contains(normal, prereleases=True)


@pytest.mark.online
@pytest.mark.filterwarnings("ignore:Creating a Legacy:DeprecationWarning")
@settings(max_examples=400)
@given(st.lists(clauses, max_size=3), st.lists(candidates, max_size=4))
def test_prereleases_are_candidates_as_in_the_images_pip(packaging_of_pip, texts, versions):
    """pip joins the clauses of all requirements by `&` and keeps what passes the joined set's filter."""
    joined = packaging_of_pip.SpecifierSet()
    for text in texts:
        joined &= packaging_of_pip.SpecifierSet(text)
    normal = sorted({str(Version(one)) for one in versions})
    sets = [specifiers(text) for text in texts]
    fitting = [one for one in normal if all(each.contains(one) for each in sets)]
    finals = [one for one in fitting if not is_prerelease(one)]
    allowed = any_allows_prereleases(sets)
    assert (fitting if allowed or (allowed is None and not finals) else finals) == list(joined.filter(normal))


def test_a_set_allows_prereleases_only_when_a_clause_names_one():
    assert specifiers(">=1.0rc1").allows_prereleases
    assert specifiers("==1.0.dev1").allows_prereleases
    assert not specifiers(">=1.0").allows_prereleases
    # pip with packaging 21.3 asks only ==, >=, <=, ~= and ===
    assert not specifiers("<2.0rc1").allows_prereleases
    assert any_allows_prereleases([specifiers("")]) is None
    assert any_allows_prereleases([specifiers(""), specifiers(">1")]) is False


def test_pins_are_equalities_without_a_wildcard():
    assert specifiers("==1.0").is_pinned
    assert specifiers("===1.0").is_pinned
    assert not specifiers("==1.*").is_pinned
    assert specifiers("==1.*").has_equals


@pytest.mark.parametrize(
    ("clause", "version", "holds"),
    [
        (">=2.*", "2.0", True),
        (">=2.*", "3.1", True),
        (">=2.*", "1.9", False),
        ("<3.*", "2.9", True),
        ("<3.*", "3.1", False),
        (">dev", "1.0", True),
        ("==final", "final", True),
    ],
)
def test_clauses_outside_pep_440_are_compared_the_old_way(clause, version, holds):
    assert specifiers(clause).contains(version) is holds


@pytest.mark.parametrize("text", ["1.0", "=1.0", ">=", "~=1", "bar", ">= 1.0 2.0"])
def test_texts_without_a_meaning_are_refused(text):
    with pytest.raises(InvalidSpecifierError):
        specifiers(text)


def test_blanks_around_clauses_do_not_matter():
    assert specifiers(" >= 1.0 , < 2 ").contains("1.5")
    assert not specifiers(" >= 1.0 , < 2 ").contains("2.0")


def test_clauses_of_the_old_form_alone_drop_no_prerelease():
    assert any_allows_prereleases([specifiers("<0.20.*")]) is True
    assert any_allows_prereleases([specifiers("<0.20.*"), specifiers("")]) is True
    assert any_allows_prereleases([specifiers("<0.20.*,>=0.1")]) is False
    assert any_allows_prereleases([specifiers("<0.20.*"), specifiers(">=0.1")]) is False
    assert any_allows_prereleases([specifiers("===dev")]) is False
