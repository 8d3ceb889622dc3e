from __future__ import annotations

from datetime import date

import pytest

from envctl.policies.catalogue import SHIPPED
from envctl.policies.cost import LIMIT, estimate, estimate_of
from envctl.policies.rule import Level, NotJudgedError
from envctl.policies.run import Declared, evaluate

ENVIRONMENT = "gcp:composer/environment:Environment"
RULES = [rule for rule in SHIPPED if rule.id == "monthly-cost-limit"]


def component(count, cpu=0.5, memory=1.875, storage=1):
    return {"count": count, "cpu": cpu, "memoryGb": memory, "storageGb": storage}


PROPERTIES = {
    "region": "europe-west1",
    "config": {
        "environmentSize": "ENVIRONMENT_SIZE_SMALL",
        "softwareConfig": {"imageVersion": "composer-2.13.8-airflow-2.10.5"},
        "workloadsConfig": {
            "scheduler": component(1),
            "webServer": component(1),
            "triggerer": component(1),
            "worker": {"minCount": 1, "maxCount": 2, "cpu": 0.5, "memoryGb": 1.875, "storageGb": 1},
        },
    },
}


@pytest.mark.parametrize(
    ("region", "hours", "vcpu", "memory", "storage", "lines"),
    [
        # A month of a small environment with two workers, as worked out line by line by a reader of the price table.
        (
            "europe-west1",
            730,
            2.5,
            9.375,
            5,
            {"fee": 284.70, "cpu": 91.25, "memory": 41.06, "storage": 0.73, "database": 1.90},
        ),
        # Four lines of a published reference deployment.
        ("us-central1", 730, 1.5, 6, 3, {"fee": 255.50, "cpu": 49.28, "memory": 21.90, "storage": 0.44}),
        # Google's own calculator, 4.345 hours.
        ("europe-west1", 4.345238095238095, 2, 7.5, 4, {"fee": 1.69, "cpu": 0.43, "memory": 0.20, "storage": 0.00}),
    ],
)
def test_published_totals_come_out(region, hours, vcpu, memory, storage, lines):
    found = estimate(region, "small", vcpu, memory, storage, hours=hours)
    for line, value in lines.items():
        assert getattr(found, line) == pytest.approx(value, abs=0.01), line


def test_an_environment_counts_every_worker_that_it_may_have():
    assert estimate_of(PROPERTIES).total == pytest.approx(419.64, abs=0.01)


def test_a_component_of_which_none_runs_costs_nothing():
    def with_triggerer(value):
        workloads = {**PROPERTIES["config"]["workloadsConfig"], "triggerer": value}
        return {**PROPERTIES, "config": {**PROPERTIES["config"], "workloadsConfig": workloads}}

    one, none = (estimate_of(with_triggerer(component(count))).cpu for count in (1, 0))
    assert none < one


def ask(properties, limit):
    resource = Declared("urn:pulumi:p::a::t::e", ENVIRONMENT, "e", properties)
    config = {} if limit is None else {LIMIT: limit}
    return evaluate(RULES, [resource], "standard", levels={}, config=config, exceptions=(), today=date(2026, 11, 20))


def test_only_what_costs_more_than_its_limit_is_refused():
    assert ask(PROPERTIES, None) == ()
    assert ask(PROPERTIES, 420) == ()
    (violation,) = ask(PROPERTIES, 400)
    assert violation.level is Level.MANDATORY
    assert violation.message == ("It may cost 420 USD a month (prices of 2023-12-03); the limit is 400 USD.")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"softwareConfig": {"imageVersion": "composer-3-airflow-2.10.5-build.10"}}, "DCU"),
        ({"environmentSize": "ENVIRONMENT_SIZE_LARGE"}, "no published price"),
        ({"resilienceMode": "HIGH_RESILIENCE"}, "resilient"),
    ],
)
def test_what_no_price_is_published_for_is_not_judged_and_said(change, reason):
    properties = {**PROPERTIES, "config": {**PROPERTIES["config"], **change}}
    (violation,) = ask(properties, 1)
    assert violation.level is Level.ADVISORY
    assert reason in (violation.message or "")
    with pytest.raises(NotJudgedError):
        estimate_of(properties)
