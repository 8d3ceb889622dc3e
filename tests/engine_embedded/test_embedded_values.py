from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from envctl.engine.embedded.secret_box import SecretBox
from envctl.engine.embedded.secrets import PassphraseManager
from envctl.engine.embedded.values import Reference, Secret, has_secret, has_unknown, mark_like, mask, plain
from envctl.engine.embedded.wire import read_struct, write_struct
from envctl.plan.values import Opaque

SALT = "v1:fozI5u6B030=:v1:F+6ZduKKd8G0/V7L:PGMFeIzwobWRKmEAzUdaQHqC5mMRIQ=="

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=8
)
marked = st.recursive(
    scalars
    | st.just(Opaque.UNKNOWN)
    | st.builds(Reference, st.just("urn:pulumi:a::b::c::d"), st.none() | st.text(min_size=1)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(), inner, max_size=3)
        | inner.map(lambda value: value if isinstance(value, Secret) else Secret(value))
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), marked, max_size=4))
def test_values_cross_the_wire_unharmed(values: dict[str, Any]) -> None:
    assert read_struct(write_struct(values)) == values


@given(st.dictionaries(st.text(), json_values, max_size=4))
def test_what_carries_no_mark_is_not_copied(values: dict[str, Any]) -> None:
    assert plain(values) is values
    assert mask(values) is values
    assert mark_like(values, values) is values


@given(st.dictionaries(st.text(), marked, max_size=4))
def test_no_mask_lets_a_secret_through(values: dict[str, Any]) -> None:
    assert not has_secret(mask(values))
    assert not has_secret(plain(values))
    assert has_unknown(plain(values)) == has_unknown(values)


@settings(deadline=None)  # the first example derives the key
@given(st.dictionaries(st.text(), marked.filter(lambda value: not has_unknown(value)), max_size=4))
def test_values_survive_the_state(values: dict[str, Any]) -> None:
    box = SecretBox(SALT, lambda _: "password", lambda _: None)
    assert isinstance(PassphraseManager.open("password", SALT), PassphraseManager)
    assert box.decode(box.encode(values)) == values


def test_secrets_of_inputs_are_marked_in_what_a_provider_gives_back() -> None:
    inputs = {"a": Secret(1), "b": {"c": Secret(2), "d": 3}, "e": [1, Secret(2)], "f": {"g": Secret(1)}}
    outputs = {"a": 1, "b": {"c": 2, "d": 3}, "e": [1, 2], "f": "other", "x": 5}
    assert mark_like(outputs, inputs) == {
        "a": Secret(1),
        "b": {"c": Secret(2), "d": 3},
        "e": Secret([1, 2]),
        "f": Secret("other"),
        "x": 5,
    }
