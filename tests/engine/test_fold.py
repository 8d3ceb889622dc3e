from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from envctl.diagnostics import SourceSpan
from envctl.engine.events import (
    MessageEvent,
    Op,
    OutputsEvent,
    Phase,
    PropertyDiffKind,
    ResourceState,
    StepEvent,
    SummaryEvent,
)
from envctl.engine.fold import fold_drift, fold_events
from envctl.plan.model import Action, DriftKind, Mode, PropertyAction, Reason
from envctl.plan.values import Opaque

BUCKET = "gcp:storage/bucket:Bucket"
STACK = "urn:pulumi:dev::acme::pulumi:pulumi:Stack::acme-dev"


def urn(name, type_=BUCKET):
    return f"urn:pulumi:dev::acme::{type_}::{name}"


def state(name, type_=BUCKET, *, custom=True, parent=STACK, retain=False, protect=False, **inputs):
    return ResourceState(
        urn(name, type_), type_, custom, id=name, parent=parent, inputs=inputs, retain_on_delete=retain, protect=protect
    )


def step(op, name, old=None, new=None, *, phase=Phase.PRE, type_=BUCKET, logical=True, keys=(), **detailed):
    return StepEvent(
        phase,
        op,
        urn(name, type_),
        type_,
        old,
        new,
        diffs=tuple(detailed),
        replace_keys=keys,
        detailed_diff={k: PropertyDiffKind(v) for k, v in detailed.items()},
        logical=logical,
    )


def summary(**counts):
    return SummaryEvent({Op(k.replace("_", "-")): v for k, v in counts.items()}, 1.0, preview=True)


def fold(*events, mode=Mode.APPLY, source=lambda _urn, _path: None):
    return fold_events(events, mode, source)


def test_a_creation_lists_every_input():
    folded = fold(step(Op.CREATE, "b", new=state("b", location="EU")), summary(create=1))
    (change,) = folded.changes
    assert (change.action, change.reason) == (Action.CREATE, Reason.NEW)
    assert [(p.path, p.after) for p in change.properties] == [("location", "EU")]
    assert folded.incomplete == ()


@pytest.mark.parametrize(
    ("order", "action"),
    [
        ((Op.CREATE_REPLACEMENT, Op.REPLACE, Op.DELETE_REPLACED), Action.CREATE_THEN_DELETE),
        ((Op.DELETE_REPLACED, Op.REPLACE, Op.CREATE_REPLACEMENT), Action.DELETE_THEN_CREATE),
    ],
)
def test_the_three_events_of_a_replacement_are_one_change_with_an_order(order, action):
    old, new = state("b", location="EU"), state("b", location="US")
    events = [
        step(op, "b", old, new, logical=op is Op.REPLACE, keys=("location",), location="update-replace") for op in order
    ]
    (change,) = fold(*events, summary(replace=1)).changes
    assert change.action is action
    assert change.reason is Reason.CANNOT_UPDATE_IN_PLACE
    assert [(p.path, p.before, p.after, p.replaces) for p in change.properties] == [("location", "EU", "US", True)]


def test_a_replacement_without_a_key_of_its_own_goes_with_what_it_belongs_to():
    old, new = state("b", location="EU"), state("b", location="EU")
    events = [step(op, "b", old, new) for op in (Op.DELETE_REPLACED, Op.REPLACE, Op.CREATE_REPLACEMENT)]
    assert fold(*events).changes[0].reason is Reason.REPLACED_WITH_DEPENDENCY


def test_a_deletion_of_something_retained_leaves_it_in_the_cloud():
    folded = fold(step(Op.DELETE, "b", old=state("b", retain=True)), summary(delete=1), mode=Mode.DESTROY)
    assert (folded.changes[0].action, folded.changes[0].reason) == (Action.FORGET, Reason.SHARED)


def test_providers_and_the_stack_itself_are_not_changes():
    folded = fold(
        step(Op.CREATE, "google", type_="pulumi:providers:gcp", new=state("google", "pulumi:providers:gcp")),
        step(Op.CREATE, "b", new=state("b")),
        summary(create=2),
    )
    assert [c.name for c in folded.changes] == ["b"]
    assert folded.incomplete == ()


def test_a_count_that_differs_from_the_engines_makes_the_plan_incomplete():
    folded = fold(step(Op.CREATE, "b", new=state("b")), summary(create=2))
    assert folded.incomplete == ("The engine counts 2 x create, its events show 1.",)


def test_a_run_without_a_summary_is_incomplete():
    assert fold(step(Op.CREATE, "b", new=state("b"))).incomplete == ("The engine ended without a summary.",)


def test_an_error_makes_the_plan_incomplete_and_a_warning_does_not():
    folded = fold(MessageEvent("warning", "careful"), MessageEvent("error", "no", urn("b")), summary())
    assert folded.warnings == ("careful",)
    assert folded.incomplete == ("b: no",)


def test_drift_is_a_list_of_its_own():
    old, live = state("b", location="EU"), state("b", location="US")
    events = [
        step(Op.REFRESH, "b", old, live, phase=Phase.DONE, location="update"),
        step(Op.REFRESH, "gone", state("gone"), None, phase=Phase.DONE),
        step(Op.REFRESH, "same", old, old, phase=Phase.DONE),
        step(Op.SAME, "b", old, old),
        summary(same=1),
    ]
    folded = fold(*events)
    assert [(d.name, d.kind) for d in folded.drift] == [("b", DriftKind.CHANGED), ("gone", DriftKind.DELETED)]
    assert [c.action for c in folded.changes] == [Action.NO_OP]
    assert fold_drift(events) == folded.drift


def test_what_only_the_server_knows_is_not_drift():
    old = ResourceState(urn("b"), BUCKET, custom=True, inputs={"location": "EU"}, outputs={"size": 1})
    new = ResourceState(urn("b"), BUCKET, custom=True, inputs={"location": "EU"}, outputs={"size": 2})
    assert fold_drift([step(Op.REFRESH, "b", old, new, phase=Phase.DONE)]) == ()


def test_another_spelling_that_the_provider_calls_equal_is_not_drift():
    old, seen = state("files", bucket="acme-files"), state("files", bucket="b/acme-files")
    assert fold(step(Op.REFRESH, "files", old, seen, phase=Phase.DONE), summary()).drift == ()


def test_what_is_derived_from_a_difference_is_not_shown_beside_it():
    old, seen = state("files", labels={"team": "data"}), state("files", labels={"team": "ml"})
    both = {"labels.team": PropertyDiffKind.UPDATE, "effectiveLabels.team": PropertyDiffKind.UPDATE}
    (found,) = fold(step(Op.REFRESH, "files", old, seen, phase=Phase.DONE, **both), summary()).drift
    assert [one.path for one in found.properties] == ["labels.team"]


def test_a_difference_in_what_only_the_server_fills_in_shows_what_the_cloud_says():
    old, seen = state("files"), state("files")
    old, seen = replace(old, outputs={"size": 1}), replace(seen, outputs={"size": 2})
    (found,) = fold(step(Op.REFRESH, "files", old, seen, phase=Phase.DONE, size="update"), summary()).drift
    assert [(one.path, one.action, one.before, one.after) for one in found.properties] == [
        ("size", PropertyAction.CHANGE, 1, 2)
    ]


@pytest.mark.parametrize("op", [Op.SAME, Op.UPDATE])
def test_a_setting_that_nobody_names_any_more_is_told_when_it_stays(op):
    old = state(
        "files",
        title="a",
        labels={"team": "data", "x": "y"},
        website={"page": "index"},
        cors=[{"age": 1}],
        deletionPolicy="DELETE",
    )
    old = replace(old, outputs=old.inputs, inputs={**old.inputs, "dropped": "by the provider"})
    new = state("files", title="a", labels={"team": "data"})
    detailed = {"labels.x": PropertyDiffKind.DELETE} if op is Op.UPDATE else {}
    told = fold(step(op, "files", old, new, **detailed), summary(**{op.value: 1})).warnings
    kept = ["website", "cors"] if op is Op.UPDATE else ["labels.x", "website", "cors"]
    assert [text.partition(" is ")[0] for text in told] == [f"files: `{path}`" for path in kept]


def test_changes_know_their_component_and_the_line_they_come_from():
    parent = urn("storage", "envctl:index:Storage")
    place = SourceSpan(Path("environments/dev.yaml"), 7)
    folded = fold(
        step(
            Op.CREATE,
            "storage",
            new=state("storage", "envctl:index:Storage", custom=False),
            type_="envctl:index:Storage",
        ),
        step(Op.CREATE, "b", new=state("b", parent=parent, location="EU")),
        summary(create=2),
        source=lambda urn_, path: place if path == "location" and urn_ == urn("b") else None,
    )
    component, bucket = folded.changes
    assert component.component
    assert component.group is None
    assert bucket.group == parent
    assert bucket.properties[0].source == place


def test_a_secret_that_changes_shows_no_payload():
    old, new = state("b", token=Opaque.SECRET), state("b", token=Opaque.SECRET)
    (change,) = fold(step(Op.UPDATE, "b", old, new, token="update"), summary(update=1)).changes
    assert [(p.before, p.after) for p in change.properties] == [(Opaque.SECRET, Opaque.SECRET)]


def test_the_last_exports_win():
    folded = fold(OutputsEvent({"a": 1}), OutputsEvent({"a": 2}), summary())
    assert folded.outputs == {"a": 2}


def test_a_replacement_that_was_begun_and_is_no_longer_wanted_is_a_deletion():
    old = state("b")
    folded = fold(
        step(Op.DELETE_REPLACED, "b", old, logical=False),
        step(Op.REMOVE_PENDING_REPLACE, "b", old, logical=False),
        summary(),
    )
    assert folded.changes[0].action is Action.DELETE
