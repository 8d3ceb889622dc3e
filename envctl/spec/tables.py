"""The tables of `envctl/data/composer`: limits of Google's API per generation, each with source and date in its file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from envctl.image_versions import image_versions
from envctl.spec.source import parse_table

Range = tuple[float | None, float | None]
"""Lowest and highest value, both included; None where there is no limit."""


@dataclass(frozen=True, slots=True)
class ComponentLimits:
    """What one Airflow component may have; None where Google states no limit. cpu in vCPU, the rest in GB.

    `cpu_even` stands for the rule "0.5, 1, or a multiple of 2".
    """

    cpu: Range
    memory: Range
    memory_per_cpu: Range
    count: Range | None = None
    storage: Range | None = None
    cpu_step: float | None = None
    cpu_even: bool = False
    memory_step: float | None = None
    storage_step: float | None = None


@dataclass(frozen=True, slots=True)
class AirflowOptions:
    """Airflow settings that cannot be overridden, or only within limits; keys are `section-option`."""

    blocked: frozenset[str]
    blocked_sections: frozenset[str]
    blocked_in_generation_3: frozenset[str]
    blocked_in_airflow_3: frozenset[str]
    limited_in_generation_3: Mapping[str, Range]
    instead: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class VariableNames:
    """Names of environment variables: the pattern, what looks like a setting, and what Composer keeps for itself."""

    pattern: str
    setting: str
    min_length: int
    reserved: frozenset[str]


@dataclass(frozen=True, slots=True)
class ImmutableField:
    """A key that is fixed at creation, and the provider's property behind it."""

    key: str
    property: str


@dataclass(frozen=True, slots=True)
class Generations:
    """Keys of one generation only, keys of none, and keys that are fixed at creation."""

    only: Mapping[str, int]
    never: Mapping[str, str]
    immutable: Mapping[int, tuple[ImmutableField, ...]]


@dataclass(frozen=True, slots=True)
class Images:
    """Image versions known to exist on a day (ISO date)."""

    as_of: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Limits:
    """Single limits; lengths of prefixes are bits, windows are hours."""

    maintenance_hours_per_week: float
    maintenance_hours_per_slot: float
    metadata_days: tuple[int, int]
    label_count: int
    snapshot_hours_from_utc: int
    internal_prefix: int
    internal_default: str
    subnet_prefix: tuple[int, int]
    master_prefix: int
    cloud_sql_prefix: int
    composer_network_prefix: int
    resilience_first_version: tuple[int, ...]
    resilience_count: int


@cache
def workload_limits() -> Mapping[int, Mapping[str, ComponentLimits]]:
    """Limits per generation and component; components by their key in the file."""
    table = _load("workloads")
    return {
        int(generation): {name: _component(row) for name, row in rows.items()} for generation, rows in table.items()
    }


@cache
def airflow_options() -> AirflowOptions:
    """Which Airflow settings Composer keeps for itself."""
    table = _load("airflow-config")
    blocked = table["blocked"]
    return AirflowOptions(
        blocked=_keys({section: names for section, names in blocked.items() if names != ["*"]}),
        blocked_sections=frozenset(section for section, names in blocked.items() if names == ["*"]),
        blocked_in_generation_3=_keys(table["blocked_in_generation_3"]),
        blocked_in_airflow_3=_keys(table["blocked_in_airflow_3"]),
        limited_in_generation_3={key: _range(value) for key, value in table["limited_in_generation_3"].items()},
        instead=table["instead"],
    )


@cache
def variable_names() -> VariableNames:
    """How environment variables may be called."""
    table = _load("environment-variables")
    return VariableNames(table["name"], table["setting"], table["min_length"], frozenset(table["reserved"]))


@cache
def generations() -> Generations:
    """What belongs to which generation."""
    table = _load("generations")
    immutable = {
        int(generation): tuple(ImmutableField(row["key"], row["property"]) for row in rows)
        for generation, rows in table["immutable"].items()
    }
    return Generations(table["only"], table["never"], immutable)


def images() -> Images:
    """The image versions of living generations that are known to exist."""
    table = image_versions()
    return Images(table.as_of, tuple(name for name in table.releases if not name.startswith("composer-1.")))


@cache
def limits() -> Limits:
    """Single limits."""
    table = _load("limits")
    networks = table["networks"]
    first_version = tuple(int(part) for part in table["resilience"]["first_version_of_generation_2"].split("."))
    return Limits(
        maintenance_hours_per_week=table["maintenance"]["hours_per_week"],
        maintenance_hours_per_slot=table["maintenance"]["hours_per_slot"],
        metadata_days=(table["retention"]["metadata_days"][0], table["retention"]["metadata_days"][1]),
        label_count=table["labels"]["count"],
        snapshot_hours_from_utc=table["snapshots"]["hours_from_utc"],
        internal_prefix=networks["internal_prefix"],
        internal_default=networks["internal_default"],
        subnet_prefix=(networks["subnet_prefix"][0], networks["subnet_prefix"][1]),
        master_prefix=networks["master_prefix"],
        cloud_sql_prefix=networks["cloud_sql_prefix"],
        composer_network_prefix=networks["composer_network_prefix"],
        resilience_first_version=first_version,
        resilience_count=table["resilience"]["count"],
    )


def _load(name: str) -> dict[str, Any]:
    return parse_table(files("envctl.data").joinpath("composer", f"{name}.yaml").read_text("utf-8"))


def _component(row: Mapping[str, Any]) -> ComponentLimits:
    step = row.get("cpu_step")
    return ComponentLimits(
        cpu=_range(row["cpu"]),
        memory=_range(row["memory"]),
        memory_per_cpu=_range(row["per_cpu"]),
        count=_range(row["count"]) if "count" in row else None,
        storage=_range(row["storage"]) if "storage" in row else None,
        cpu_step=None if step == "even" else step,
        cpu_even=step == "even",
        memory_step=row.get("memory_step"),
        storage_step=row.get("storage_step"),
    )


def _range(pair: list[float | None]) -> Range:
    return pair[0], pair[1]


def _keys(sections: Mapping[str, list[str]]) -> frozenset[str]:
    return frozenset(f"{section}-{name}" for section, names in sections.items() for name in names)
