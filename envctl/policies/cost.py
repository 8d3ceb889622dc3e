"""What an environment costs in a month, as far as published prices tell, and the limit of the file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from pulumi_policy import ResourceValidationArgs

from envctl.policies.rule import ENVIRONMENT, EVERYWHERE, NotJudgedError, Rule, setting

LIMIT = "monthlyCostLimitUsd"
"""Key of the policy's configuration; envctl fills it from `cost.monthlyLimitUsd` of the environment's file."""

_DATABASE_GIB = 10
"""The minimum that is charged ("Cloud Composer pricing", as transcribed 2023-12)."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """USD per month at list price: the environment's fee, its components, its database."""

    fee: float
    cpu: float
    memory: float
    storage: float
    database: float
    as_of: str

    @property
    def total(self) -> float:
        """All of it."""
        return self.fee + self.cpu + self.memory + self.storage + self.database


@cache
def _prices() -> Mapping[str, Any]:
    return tomllib.loads(resources.files("envctl.data").joinpath("prices.toml").read_text("utf-8"))


def estimate(
    region: str, size: str, vcpu: float, memory_gib: float, storage_gib: float, *, hours: float | None = None
) -> Estimate:
    """The cost of a Composer 2 environment; sums are over all replicas, `hours` a month of 730 if not given.

    Raises:
        NotJudgedError: no price is known for the region or the size.
    """
    prices = _prices()["regions"].get(region)
    if prices is None or size not in prices:
        raise NotJudgedError(f"no published price is known for a {size} environment in {region}")
    month = float(_prices()["hours_per_month"]) if hours is None else hours
    return Estimate(
        fee=month * prices[size],
        cpu=month * vcpu * prices["cpu"],
        memory=month * memory_gib * prices["memory"],
        storage=month * storage_gib * prices["storage"],
        database=_DATABASE_GIB * prices["database"],
        as_of=prices["as_of"],
    )


def estimate_of(properties: Mapping[str, Any]) -> Estimate:
    """The cost of an environment with all workers that it may have.

    Raises:
        NotJudgedError: generation 3, an unknown price, or high resilience (its fee is not published).
        UnknownValueError: a size is known only after apply.
    """
    image = str(setting(properties, "config.softwareConfig.imageVersion") or "")
    if not image.startswith("composer-2"):
        raise NotJudgedError("Composer 3 is sold in DCU-hours, and no conversion is published")
    if setting(properties, "config.resilienceMode") == "HIGH_RESILIENCE":
        raise NotJudgedError("the fee of highly resilient environments is not known")
    size = str(setting(properties, "config.environmentSize") or "ENVIRONMENT_SIZE_SMALL").rpartition("_")[2].lower()
    workloads = setting(properties, "config.workloadsConfig") or {}
    vcpu = memory = storage = 0.0
    for name in workloads:
        workload = workloads[name]
        number = setting(workload, "maxCount" if name == "worker" else "count")
        count = 1.0 if number is None else float(number)
        vcpu += count * float(setting(workload, "cpu") or 0)
        memory += count * float(setting(workload, "memoryGb") or 0)
        storage += count * float(setting(workload, "storageGb") or 0)
    return estimate(str(setting(properties, "region")), size, vcpu, memory, storage)


def _within_limit(args: ResourceValidationArgs) -> str | None:
    """An environment costs no more in a month than its file allows.

    Counted at list price with every worker that it may have, without bucket, logs and network. Prices are known for
    Composer 2 in some regions (`envctl/data/prices.toml`); elsewhere the rule says that it cannot judge.
    """
    limit = args.get_config().get(LIMIT)
    if limit is None:
        return None
    found = estimate_of(args.props)
    if found.total <= float(limit):
        return None
    return f"It may cost {found.total:.0f} USD a month (prices of {found.as_of}); the limit is {float(limit):.0f} USD."


RULES = (
    Rule(
        "monthly-cost-limit",
        EVERYWHERE,
        "make it smaller, or raise `cost.monthlyLimitUsd`",
        {ENVIRONMENT: _within_limit},
    ),
)
