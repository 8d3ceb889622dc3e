from __future__ import annotations

from dataclasses import replace

from inline_snapshot import snapshot
from plans import sample_plan, urn

from envctl.diagnostics import Severity
from envctl.plan.model import Action, Change, GateResult, GateStatus, Mode, Plan, Reason
from envctl.report.plan_markdown import render_plan_markdown
from envctl.report.plan_text import render_plan
from envctl.report.style import Style, printable


def test_a_whole_screen():
    assert render_plan(sample_plan()) == snapshot("""\
Plan for prod (project acme-data-prod, cloud sandbox, embedded engine)

unknown[deps.index-unreachable]: the package index did not answer
  hint: check the proxy

changed outside envctl
    ≠ storage.Bucket bucket-staging
        ~ labels.team: "data" → "nobody"

environment
    ~ composer.Environment prod  environments/prod.yaml:1
        ~ config.softwareConfig.imageVersion: "composer-3-airflow-2.10.5-build.10" → "composer-3-airflow-2.10.5-build.15"  environments/prod.yaml:5
        ! rebuilds the image, restarts Airflow, ends running tasks, takes 20 to 60 minutes; an upgrade cannot be undone; snapshots can be loaded into a new environment
    - storage.Bucket bucket-old  no longer declared
        ! deletes at least 1,000 objects
    . projects.IAMMember project/composer.worker/old  stays in the cloud: serviceAccount:old@acme.example is not this stack's; others may run as it
        · whoever wants it gone:
          gcloud projects remove it

stack
  -/+ kms.CryptoKey key  replaced: purpose cannot change in place
        ~ purpose: (secret) → (known after apply)  replaces

through the Composer API
    ~ install custom packages (1 in all)  environments/prod.yaml:22
        + pandas: ">=2"
        ! rebuilds the image, restarts Airflow, ends running tasks, takes 10 to 60 minutes

warning: the image is near its end

This deletes data: it is applied with `--confirm prod`, or by typing that name.

1 to change, 1 to replace, 1 to delete, 1 to leave in the cloud, 1 through the Composer API. Expected time: 30 to 120 minutes.
""")


def test_an_empty_plan_says_so():
    plan = sample_plan(changes=(), steps=(), drift=(), gates=(), warnings=())
    assert render_plan(plan) == snapshot("""\
Plan for prod (project acme-data-prod, cloud sandbox, embedded engine)

No changes. 0 resources are as the file says.
""")


def test_components_are_no_resources():
    group = Change(
        urn("envctl:group:Storage", "storage"), "envctl:group:Storage", "storage", Action.NO_OP, Reason.CHANGED
    )
    bucket = Change(
        urn("gcp:storage/bucket:Bucket", "b"), "gcp:storage/bucket:Bucket", "b", Action.NO_OP, Reason.CHANGED
    )
    plan = sample_plan(changes=(replace(group, component=True), bucket), steps=(), drift=(), gates=(), warnings=())
    assert "No changes. 1 resource is as the file says." in render_plan(plan)


def test_an_incomplete_plan_says_why():
    text = render_plan(sample_plan(incomplete=("The engine ended without a summary.",)))
    assert "incomplete and cannot be applied" in text
    assert "The engine ended without a summary." in text


def test_a_destroy_says_so():
    assert render_plan(sample_plan(mode=Mode.DESTROY)).startswith("Destroy prod")


def test_a_name_cannot_steer_the_terminal():
    evil = "b\x1b[2J\u202eevil"
    change = Change(
        urn("gcp:storage/bucket:Bucket", evil), "gcp:storage/bucket:Bucket", evil, Action.DELETE, Reason.DESTROY
    )
    text = render_plan(sample_plan(changes=(change,)))
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "b\\u001b[2J" in text


def test_markdown_cannot_be_broken_out_of():
    evil = "a|b`<script>```"
    change = Change("urn:pulumi:p::a::t:t:T::x", "t:t:T", evil, Action.DELETE, Reason.DESTROY)
    text = render_plan_markdown(sample_plan(changes=(change,)))
    table = text.split("<details>", maxsplit=1)[0]
    assert "<script>" not in table
    assert "a\\|b" in table
    assert text.count("```") == 2


def test_colours_only_when_asked():
    plan = sample_plan()
    assert "\x1b[" in render_plan(plan, Style(color=True))
    assert "\x1b[" not in render_plan(plan)


def test_text_without_control_characters_is_left_alone():
    assert printable("naïve → ok") == "naïve → ok"
    assert printable("a\tb\nc") == "a\tb\nc"


def test_verbose_shows_what_does_not_change():
    plan: Plan = sample_plan()
    same = replace(plan.changes[1], action=Action.NO_OP, properties=())
    text = render_plan(replace(plan, changes=(plan.changes[0], same)), verbose=True)
    assert "composer.Environment prod" in text


def test_a_refused_plan_promises_no_time():
    refused = GateResult("ownership.foreign", "ownership", GateStatus.FAILED, Severity.ERROR, "it exists already")
    told = render_plan(sample_plan(gates=(refused,)))
    assert "Expected time" not in told
    assert "Nothing of it is done" in told
