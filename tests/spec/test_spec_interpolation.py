"""References: what they may refer to, and what comes out."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envctl.spec.interpolation import interpolate
from envctl.spec.source import parse_source
from envctl.spec.tree import Entries, at, plain, value_at


def tree(text: str) -> Entries:
    source = parse_source(text, Path("dev.yaml"))
    assert source.tree is not None
    assert source.diagnostics == ()
    return source.tree


def resolved(text: str) -> object:
    done, failed, problems = interpolate(tree(text), "dev")
    assert (failed, problems) == (frozenset(), ())
    return plain(done)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("${name}", "dev"),
        ("${project}", "acme-data"),
        ("${n}", 3),
        ("${yes}", True),
        ("n=${n}, yes=${yes}", "n=3, yes=true"),
        ("${buckets.a.name}", "acme-data-dev-a"),
        ("gs://${buckets.b.name}/x", "gs://given/x"),
        ("${serviceAccount.email}", "sa-dev@acme-data.iam.gserviceaccount.com"),
        ("${secrets.create.crm.name}", "dev-crm"),
        ("${list[1]}", "two"),
        ("${ project }", "acme-data"),
        ("$${project}", "${project}"),
        ("$$${project}", "$${project}"),
        ("$project and {project}", "$project and {project}"),
        ("a$", "a$"),
        ("${second}", "acme-data!"),
    ],
)
def test_reference(written: str, value: object) -> None:
    text = f"""\
project: acme-data
n: 3
yes: true
list: [one, two]
buckets: {{a: {{}}, b: {{name: given}}}}
secrets: {{create: {{crm: {{}}}}}}
serviceAccount: {{name: "sa-${{name}}"}}
second: ${{first}}!
first: ${{project}}
value: '{written}'
"""
    done = resolved(text)
    assert isinstance(done, dict)
    assert done["value"] == value


def test_a_name_of_the_file_is_used_for_computed_names() -> None:
    done = resolved("name: night\nproject: p\nbuckets: {a: {}}\nv: ${buckets.a.name} ${name}\n")
    assert isinstance(done, dict)
    assert done["v"] == "p-night-a night"


def test_the_place_is_that_of_the_reference() -> None:
    root = tree("a: 1\nb: ${a}\n")
    done, _, _ = interpolate(root, "dev")
    leaf = at(done, ("b",))
    assert leaf is not None
    assert leaf.span.line == 2


def test_values_around_a_failed_reference_are_done() -> None:
    done, failed, problems = interpolate(tree("a: ${nope}\nb: ${c}\nc: 1\nd: ${a}\n"), "dev")
    assert value_at(done, "b") == 1
    assert failed == {("a",), ("d",)}
    assert [problem.code for problem in problems] == ["reference-unknown"]


def test_a_self_reference_is_a_cycle() -> None:
    _, _, problems = interpolate(tree("a: ${a}\n"), "dev")
    assert [(problem.code, problem.detail) for problem in problems] == [("reference-cycle", "a -> a")]


def test_a_computed_name_of_a_circular_project_is_one_problem() -> None:
    _, failed, problems = interpolate(tree("project: x-${buckets.a.name}\nbuckets: {a: {}}\n"), "dev")
    assert [problem.code for problem in problems] == ["reference-cycle"]
    assert failed == {("project",)}


def test_many_references_are_linear() -> None:
    lines = ["v0: x"] + [f"v{i}: ${{v{i - 1}}}" for i in range(1, 300)]
    done = resolved("\n".join(lines) + "\n")
    assert isinstance(done, dict)
    assert done["v299"] == "x"


@given(st.text(alphabet="${}a.b[0]: ", max_size=30))
def test_any_text_is_resolved_or_diagnosed(text: str) -> None:
    import json

    root = tree(json.dumps({"a": {"b": text}, "b": 1}))
    done, failed, problems = interpolate(root, "dev")
    assert bool(failed) == bool(problems)
    if "${" not in text:
        assert value_at(done, "a", "b") == text


@given(st.text(alphabet="ab {}.", max_size=20))
def test_escaped_text_comes_out_as_it_is(text: str) -> None:
    import json

    done, _, problems = interpolate(tree(json.dumps({"a": "$${" + text})), "dev")
    assert problems == ()
    assert value_at(done, "a") == "${" + text
