"""Whose an object is, as its labels and its description tell."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stacks_recording import CONTEXT, EVERYTHING_3, FOUNDATION, load_environment, load_foundation

from envctl.provider.schema import load_schema
from envctl.stacks import StackProgram, environment_declarations, foundation_declarations
from envctl.stacks.marks import OwnerMark, mark_of, parse_mark

ID = "k3v9x0q2m7aa"
MARKED = replace(CONTEXT, project_id=ID)


def declare(context: Any = MARKED, stem: str = "prod", **fields: Any) -> StackProgram:
    return environment_declarations(load_environment({**EVERYTHING_3, **fields}, name=stem), context)


@given(st.text(min_size=1))
def test_a_mark_of_any_stack_is_a_valid_label_and_reads_back(stack: str) -> None:
    mark = OwnerMark(ID, stack)
    assert len(mark.text) <= 63
    assert not set(mark.text) - set("abcdefghijklmnopqrstuvwxyz0123456789_-")
    assert parse_mark(mark.text) == mark
    assert mark_of({"labels": {"envctl-owner": mark.text}}) == mark
    assert mark_of({"description": f"The main network. {mark.description}"}) == mark


def test_long_names_of_stacks_stay_apart() -> None:
    assert OwnerMark(ID, "a" * 70 + "b").text != OwnerMark(ID, "a" * 70 + "c").text


@pytest.mark.parametrize(
    "text", ["", "dev", f"{ID}", f"{ID}_", f"{ID}.dev", f"9{ID[1:]}_dev", f"{ID}_Dev", f"x{ID}_dev"]
)
def test_what_is_no_mark_is_none(text: str) -> None:
    assert parse_mark(text) is None


@pytest.mark.parametrize(
    ("outputs", "stack"),
    [
        ({"effectiveLabels": {"envctl-owner": f"{ID}_dev"}, "labels": {}}, "dev"),
        ({"userLabels": {"envctl-owner": f"{ID}_dev"}}, "dev"),
        ({"resourceLabels": {"envctl-owner": f"{ID}_dev"}}, "dev"),
        ({"labels": {"envctl-owner": "nonsense"}, "description": f"envctl-owner: {ID}_dev"}, None),
        ({"labels": {"envctl-stack": "dev"}}, None),
        ({"labels": None, "description": None}, None),
        ({"description": "kept by hand"}, None),
        ({}, None),
    ],
)
def test_a_mark_is_read_where_providers_put_labels(outputs: dict[str, Any], stack: str | None) -> None:
    found = mark_of(outputs)
    assert (found.stack if found else None) == stack


def test_everything_that_can_say_whose_it_is_says_it() -> None:
    programs = (declare(), foundation_declarations(load_foundation(FOUNDATION), MARKED))
    marked: set[str] = set()
    for program, stack in zip(programs, ("prod", "acme"), strict=True):
        for resource in program.resources:
            can = {"labels", "userLabels", "resourceLabels", "description"} & set(load_schema(resource.type).fields)
            if not can or resource.type == "gcp:logging/projectBucketConfig:ProjectBucketConfig":  # the project's own
                continue
            marked.add(resource.type)
            assert mark_of(resource.inputs) == OwnerMark(ID, stack), resource.name
    assert len(marked) == 12


def test_the_stem_of_the_file_is_the_stack() -> None:
    assert declare(stem="prod-eu").resource("bucket-staging").inputs["labels"]["envctl-owner"] == f"{ID}_prod-eu"
    named = declare(stem="prod-eu", name="main").resource("bucket-staging").inputs["labels"]
    assert (named["envctl-owner"], named["envctl-stack"]) == (f"{ID}_prod-eu", "main")


def test_no_mark_without_an_id_and_none_on_what_was_there_before_its_file() -> None:
    for program in (declare(CONTEXT), declare(adopted={"labels": False})):
        assert [resource.name for resource in program.resources if mark_of(resource.inputs)] == []
        assert "description" not in program.resource("network").inputs


def test_a_mark_never_replaces_what_is_there() -> None:
    """The provider makes a network anew for another description, and an environment takes minutes for a label."""
    program = declare()
    for resource in program.resources:
        fields = load_schema(resource.type).fields
        if "description" in resource.inputs and fields["description"].force_new:
            assert "description" in resource.options.ignore_changes, resource.name
    assert "description" in program.resource("subnetwork").options.ignore_changes
    assert "labels.envctl-owner" in program.resource("environment").options.ignore_changes


def test_labels_of_a_file_do_not_override_envctls() -> None:
    own = {"envctl-owner": "mine", "envctl-stack": "mine", "managed-by": "mine", "envctl-version": "mine", "team": "x"}
    program = declare(labels=own, buckets={"lake": {"labels": own}}, secrets={"create": {"crm": {"labels": own}}})
    for name in ("environment", "bucket-lake", "secret-crm", "cluster", "key", "repository", "alert-health"):
        inputs = program.resource(name).inputs
        labels = inputs.get("labels") or inputs.get("resourceLabels") or inputs["userLabels"]
        assert (labels["envctl-owner"], labels["envctl-stack"], labels["managed-by"]) == (
            f"{ID}_prod",
            "prod",
            "envctl",
        )
        assert labels["team"] == "x"
    assert program.resource("environment").inputs["labels"]["envctl-version"] == "1-2-0"
