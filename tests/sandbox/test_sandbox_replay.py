"""Recorded traffic of the real APIs, played against the emulator; every difference is known and explained."""

from __future__ import annotations

import re
from typing import Any

import pytest
from replay import PROJECT, RECORDINGS, Replay

_IAM = f"https://iam.googleapis.com/v1/projects/{PROJECT}/serviceAccounts"
_NETWORK = {
    "method": "POST",
    "url": f"https://compute.googleapis.com/compute/v1/projects/{PROJECT}/global/networks",
    "body": {"name": "default", "autoCreateSubnetworks": True},
}


def image(version: str, **more: Any) -> dict[str, Any]:
    return {"settings": {"defaultImage": version}, **more}


SEEDS: dict[str, dict[str, Any]] = {
    "composer-basic": image("composer-3-airflow-2.11.1-build.14"),
    "composer-minimal": image(
        "composer-3-airflow-2.10.5-build.19",
        requests=[{"method": "POST", "url": _IAM, "body": {"accountId": "porch-sync"}}],
    ),
    "composer-v1alpha1": image("composer-2.11.3-airflow-2.10.2"),
    "composer-gcloud": image("composer-2.11.3-airflow-2.10.2"),
    "composer-gcloud-labels": image("composer-2.11.3-airflow-2.10.2"),
    "iam-account-flapping": {"settings": {"flappingReads": 4}},
    "container-minimal": {"requests": [_NETWORK]},
    "container-update": {"requests": [_NETWORK]},
    "container-nodepool": {"requests": [_NETWORK]},
}
# The name of the recorded environment shows in the names of its bucket and cluster.
UNIQUE = {"composer-gcloud": "18279b9389abcdef"}
SEEDS["composer-gcloud"] = image("composer-2.11.2-airflow-2.10.2")

NEWER_DEFAULTS = (
    r"\.(dnsCacheConfig|anonymousAuthenticationConfig|controlPlaneEgress|hpaProfile|networkTierConfig"
    r"|autoprovisioningNodePoolDefaults|enableK8s(Certs|Tokens)ViaDns|podAutoscaling)\b"
)

# recording, difference, reason
ACCEPTED: list[tuple[str, str, str]] = [
    (".*-cassette", r": : null -> ", "the recorder replaced the bodies of 404s"),
    (
        "artifactregistry-cassette",
        r"\.(satisfiesPzi|vulnerabilityScanningConfig) is not in the recording",
        "fields of 2025, the recording is of 2024",
    ),
    (
        "composer-basic",
        r"GET sa-.*: status 404 -> 200",
        "reads that miss a new account come in no fixed order; `flappingReads` gives a simple one",
    ),
    (
        "serviceusage-.*",
        r"\.config\.(documentation\.summary|title|usage\.requirements)",
        "the emulator knows the titles of few APIs and the descriptions of none",
    ),
    ("container-.*", r"\.progress is missing", "progress of operations is shown by their status only"),
    ("container-.*", r"podIpv4(Cidr|Range)|defaultPodIpv4RangeUtilization", "the emulator allocates no addresses"),
    ("container-.*", r"clusterIpv4Cidr", "the emulator allocates no addresses"),
    ("container-.*", r"\.(locations|instanceGroupUrls)\[\d\]", "Google gives the zones of a region in any order"),
    ("container-.*", r"enableComponents", "the list of monitored components is that of 2026-04"),
    (
        "container-(minimal|update)",
        r"\.(currentMasterVersion|currentNodeVersion|initialClusterVersion|version)\b",
        "the version is that of 2026-04",
    ),
    (
        "container-(minimal|update)",
        NEWER_DEFAULTS,
        "defaults are those of 2026-04",
    ),
]


def recorded_policy(name: str) -> dict[str, Any]:
    """The first project policy of a recording, as the cloud must have it before."""
    for _, url, _, _, response in Replay(name).exchanges():
        if url.partition("?")[0].endswith(":getIamPolicy"):
            return response
    raise AssertionError(name)


def prepared(name: str) -> Replay:
    replay = Replay(name, SEEDS.get(name, {}), UNIQUE.get(name, Replay.unique))
    if name == "composer-basic":
        policy = recorded_policy(name)
        members = {member for binding in policy["bindings"] for member in binding["members"]}
        store = replay.cloud.backend.store
        with replay.cloud.exclusive():
            for member in members:
                kind, _, email = member.partition(":")
                if kind == "serviceAccount" and email.endswith(f"@{PROJECT}.iam.gserviceaccount.com"):
                    store.put("serviceAccounts", email, {"email": email, "uniqueId": email, "projectId": PROJECT})
            resource = f"//cloudresourcemanager.googleapis.com/projects/{PROJECT}"
            store.put("policies", resource, {**policy, "etag": "abcdef0123A="})
            replay.etags[f"/v1/projects/{PROJECT}"] = "abcdef0123A="
    return replay


@pytest.mark.parametrize("name", sorted(path.stem for path in RECORDINGS.glob("*.jsonl")))
def test_recorded_traffic_gets_the_recorded_answers(name: str) -> None:
    found = prepared(name).differences()
    accepted = [pattern for recording, pattern, _ in ACCEPTED if re.fullmatch(recording, name)]
    assert [text for text in found if not any(re.search(pattern, text) for pattern in accepted)] == []


def test_no_accepted_difference_is_out_of_date() -> None:
    names = sorted(path.stem for path in RECORDINGS.glob("*.jsonl"))
    found = {name: prepared(name).differences() for name in names}
    for recording, pattern, reason in ACCEPTED:
        texts = [text for name in names if re.fullmatch(recording, name) for text in found[name]]
        assert any(re.search(pattern, text) for text in texts), (recording, pattern, reason)
