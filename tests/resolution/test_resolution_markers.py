from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.markers import Marker

from envctl.resolution.markers import InvalidMarkerError, marker_applies, marker_environment
from envctl.resolution.protocol import Target

TARGET = Target(python="3.11.8", pip="23.2.1")
OLD = Target(python="3.8.12", pip="20.2.4")

version_items = st.builds(
    lambda name, op, value: f'{name} {op} "{value}"',
    st.sampled_from(["python_version", "python_full_version"]),
    st.sampled_from(["<", "<=", ">", ">=", "==", "!="]),
    st.sampled_from(["2.7", "3.8", "3.9", "3.11", "3.11.8", "3.12"]),
)
text_items = st.builds(
    lambda name, op, value: f'{name} {op} "{value}"',
    st.sampled_from(["sys_platform", "platform_system", "os_name", "platform_machine", "implementation_name"]),
    st.sampled_from(["==", "!=", "in", "not in"]),
    st.sampled_from(["linux", "Linux", "win32", "posix", "x86_64", "cpython"]),
)
extra_items = st.builds(lambda value: f'extra == "{value}"', st.sampled_from(["gcp", "aws", "gcp-api"]))
items = st.one_of(version_items, text_items, extra_items)
markers = st.recursive(
    items,
    lambda inner: st.builds(lambda a, word, b: f"({a}) {word} {b}", inner, st.sampled_from(["and", "or"]), inner),
    max_leaves=5,
)


@given(markers, st.sampled_from([TARGET, OLD]), st.sampled_from(["", "gcp", "gcp_api"]))
def test_markers_hold_where_packaging_says_so(text, target, extra):
    environment = {**marker_environment(target), "extra": extra}
    assert marker_applies(text, target, extra) == Marker(text).evaluate(environment)


def test_reversed_operands_and_old_names():
    assert marker_applies('"3.9" <= python_version', TARGET)
    assert marker_applies("sys.platform == 'linux'", TARGET)
    assert marker_applies('python_version in "3.10 3.11"', TARGET)
    assert marker_applies("python_version not in '3.8'", TARGET)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "python_version",
        'python_version >= "3"  and',
        '(extra == "x"',
        'color == "red"',
        "§",
        'extra == "x" extra == "y"',
    ],
)
def test_what_is_no_marker_is_refused(text):
    with pytest.raises(InvalidMarkerError):
        marker_applies(text, TARGET)
