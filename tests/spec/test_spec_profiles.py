"""Profiles fill what a file leaves open, and grow without a new environment."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from envctl.composer import Links, environment_arguments
from envctl.provider.schema import load_schema, walk_fields
from envctl.spec.model import Environment, Profile
from envctl.spec.profiles import apply, supplied
from envctl.spec.tables import generations

IMAGES = {2: "composer-2.15.3-airflow-2.10.5", 3: "composer-3-airflow-2.10.5-build.19"}
LINKS = Links(service_account="a", network="n", subnetwork="s", kms_key="k", bucket="b", labels={})
TOKEN = "gcp:composer/environment:Environment"


def written(profile: str, image: str = IMAGES[3], **more: Any) -> Environment:
    return Environment.model_validate_json(
        _json(
            {
                "project": "acme-data-dev",
                "region": "europe-west1",
                "imageVersion": image,
                "serviceAccount": {"name": "composer-dev"},
                "profile": profile,
            }
            | more
        )
    )


def _json(value: object) -> str:
    import json

    return json.dumps(value)


@pytest.mark.parametrize("profile", Profile)
def test_nothing_that_a_profile_decides_stays_open(profile: Profile) -> None:
    spec = apply(written(profile, buckets={"a": {}}))
    open_ = [spec.size, spec.resilience, spec.protect, spec.maintenance, spec.monitoring, spec.buckets["a"].retain]
    assert None not in [*open_, spec.retention.task_logs, spec.retention.metadata_days]


@pytest.mark.parametrize("profile", Profile)
def test_what_the_file_says_stands(profile: Profile) -> None:
    says = {
        "size": "large",
        "resilience": "standard",
        "protect": False,
        "retention": {"metadataDays": 365},
        "monitoring": {"alerts": False},
        "buckets": {"a": {"retain": False}},
        "maintenance": {"start": "2026-01-01T00:00:00Z", "hours": 6, "days": ["SU", "SA"]},
    }
    before = written(profile, **says)
    after = apply(before)
    assert after.retention.metadata_days == 365
    assert supplied(before) == {("retention", "taskLogs"): f"profile {profile}"}
    for name in ("size", "resilience", "protect", "monitoring", "buckets", "maintenance"):
        assert getattr(after, name) == getattr(before, name)


@pytest.mark.parametrize("profile", Profile)
def test_applying_twice_changes_nothing(profile: Profile) -> None:
    once = apply(written(profile, buckets={"a": {}}))
    assert apply(once) == once
    assert supplied(once) == {}


def fixed_properties() -> set[str]:
    """What the provider marks as fixed at creation: a change there is a new environment."""
    return {path for path, field in walk_fields(load_schema(TOKEN).fields) if field.force_new}


def test_the_table_of_fixed_keys_is_that_of_the_provider() -> None:
    listed = {field.property for fields in generations().immutable.values() for field in fields}
    # Fixed, and of generation 1 only.
    gone = {
        f"config.nodeConfig.{name}" for name in ("diskSizeGb", "machineType", "maxPodsPerNode", "oauthScopes", "zone")
    } | {"config.softwareConfig.pythonVersion"}
    covered = {
        path for path in fixed_properties() if any(path == each or path.startswith(f"{each}.") for each in listed)
    }
    assert fixed_properties() - covered == gone
    # Networks are fixed in generation 2 by a rule in the provider's code, not by its schema.
    by_code = {"config.nodeConfig.network", "config.nodeConfig.subnetwork"}
    assert {
        each for each in listed if not any(p == each or p.startswith(f"{each}.") for p in fixed_properties())
    } == by_code


@pytest.mark.parametrize("generation", IMAGES)
@pytest.mark.parametrize(("smaller", "larger"), list(pairwise(Profile)))
def test_an_environment_grows_in_place(generation: int, smaller: Profile, larger: Profile) -> None:
    fixed = {field.property for field in generations().immutable[generation]} | fixed_properties()
    private = {"mode": "private"}
    before, after = (
        dict(leaves(environment_arguments("dev", apply(written(profile, IMAGES[generation], network=private)), LINKS)))
        for profile in (smaller, larger)
    )
    changed = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    assert changed
    assert not {path for path in changed if any(path == each or path.startswith(f"{each}.") for each in fixed)}


def leaves(value: Any, path: str = "") -> Any:
    if isinstance(value, dict):
        for key, below in value.items():
            yield from leaves(below, f"{path}.{key}" if path else key)
    else:
        yield path, value


def test_what_stays_whose_it_is_gets_nothing_from_the_profile() -> None:
    spec = written("standard", buckets={"lake": {"existing": "company-lake"}, "own": {}})
    assert apply(spec).buckets["lake"].retain is None
    assert apply(spec).buckets["own"].retain is True
    assert [path for path in supplied(spec) if path[0] == "buckets"] == [("buckets", "own", "retain")]
