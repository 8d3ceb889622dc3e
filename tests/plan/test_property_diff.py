from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from envctl.plan.model import PropertyAction
from envctl.plan.property_diff import diff_properties, join_path, same_property, split_path, value_at
from envctl.plan.values import Opaque

leaves = st.none() | st.booleans() | st.integers(-5, 5) | st.text("ab.", max_size=3)
trees = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc.", min_size=1, max_size=3), inner, max_size=3)
    ),
)
objects = st.dictionaries(st.text("abc", min_size=1, max_size=3), trees, max_size=4)


def paths(changes):
    return {(c.path, c.action) for c in changes}


def test_only_changed_leaves_are_told():
    before = {"config": {"image": "a", "size": "S"}, "labels": {"team": "data"}}
    after = {"config": {"image": "b", "size": "S"}, "labels": {"team": "data", "tier": "gold"}}
    assert paths(diff_properties(before, after)) == {
        ("config.image", PropertyAction.CHANGE),
        ("labels.tier", PropertyAction.ADD),
    }


def test_a_removed_tree_is_told_leaf_by_leaf():
    changes = diff_properties({"a": {"b": {"c": 1, "d": [2]}}}, {})
    assert paths(changes) == {("a.b.c", PropertyAction.REMOVE), ("a.b.d[0]", PropertyAction.REMOVE)}


def test_a_value_known_only_after_apply_is_a_change_even_against_itself():
    assert paths(diff_properties({"id": Opaque.UNKNOWN}, {"id": Opaque.UNKNOWN})) == {("id", PropertyAction.CHANGE)}


def test_true_is_not_one():
    assert paths(diff_properties({"n": 1}, {"n": True})) == {("n", PropertyAction.CHANGE)}


def test_the_provider_decides_which_differences_count():
    changes = diff_properties(
        {"network": "projects/p/networks/n", "size": "S"},
        {"network": "https://compute/projects/p/networks/n", "size": "M"},
        changed_paths=["size"],
    )
    assert paths(changes) == {("size", PropertyAction.CHANGE)}


def test_a_difference_that_only_the_provider_sees_is_told_too():
    changes = diff_properties({"secret": Opaque.SECRET}, {"secret": Opaque.SECRET}, changed_paths=["secret"])
    assert [(c.path, c.before, c.after) for c in changes] == [("secret", Opaque.SECRET, Opaque.SECRET)]


def test_a_set_is_compared_whole_because_the_provider_counts_its_elements_otherwise():
    office, home = {"cidr": "203.0.113.0/24"}, {"cidr": "198.51.100.0/24"}
    changes = diff_properties({"blocks": [office, home]}, {"blocks": [office]}, changed_paths=["blocks[0]"])
    assert paths(changes) == {("blocks[1].cidr", PropertyAction.REMOVE)}


def test_quotes_around_a_key_make_no_other_path():
    changes = diff_properties({"config": {"core-x": "4"}}, {}, changed_paths=['config["core-x"]'])
    assert [(c.path, c.action, c.before, c.after) for c in changes] == [
        ("config.core-x", PropertyAction.REMOVE, "4", None)
    ]
    assert same_property('config["core-x"]', "config.core-x")
    assert not same_property("config.core", "config.core-x")


def test_replacing_paths_mark_what_they_contain():
    changes = diff_properties({"node": {"tags": ["a"]}}, {"node": {"tags": ["b"]}}, replace_paths=["node"])
    assert [(c.path, c.replaces) for c in changes] == [("node.tags[0]", True)]


def test_keys_with_dots_are_quoted_and_split_back():
    path = join_path("labels", "a.b")
    assert path == 'labels["a.b"]'
    assert split_path(path) == ("labels", "a.b")


def test_a_property_contains_its_parts_and_nothing_else():
    assert same_property("config.node", "config.node.tags[0]")
    assert not same_property("config.node", "config.nodeCount")


@given(objects, objects)
def test_a_diff_is_empty_exactly_for_equal_trees(before, after):
    def clean(value):
        """None and absent mean the same to a provider; so do containers that hold nothing else."""
        if isinstance(value, dict):
            return {k: v for k, v in ((k, clean(v)) for k, v in value.items()) if v not in (None, {}, [])}
        if isinstance(value, list):
            return [clean(v) for v in value]
        return value

    def typed(value):
        """1 and True are different values."""
        if isinstance(value, dict):
            return {k: typed(v) for k, v in value.items()}
        if isinstance(value, list):
            return [typed(v) for v in value]
        return (type(value).__name__, value)

    same = typed(clean(before)) == typed(clean(after))
    if not diff_properties(before, after):
        assert typed(clean(before)) == typed(clean(after)) or _only_empty_tails(before, after)
    if same and typed(before) == typed(after):
        assert diff_properties(before, after) == ()


def _only_empty_tails(before, after):
    """Lists that differ in trailing nothings are equal to a provider."""

    def strip(value):
        if isinstance(value, dict):
            return {k: v for k, v in ((k, strip(v)) for k, v in value.items()) if v not in (None, {}, [])}
        if isinstance(value, list):
            items = [strip(v) for v in value]
            while items and items[-1] in (None, {}, []):
                items.pop()
            return items
        return value

    return strip(before) == strip(after)


@given(objects)
def test_every_leaf_of_a_new_object_can_be_found_by_its_path(tree):
    for change in diff_properties({}, tree):
        assert value_at(tree, change.path) == change.after
