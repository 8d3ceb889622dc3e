"""Whatever Google accepts can be imported, and nothing is left to do afterwards."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from projects import plan, workspace_of
from raw_worlds import (
    ACCOUNT,
    HOME,
    KEY,
    NETWORK,
    PROJECT,
    REGION,
    SUBNETWORK,
    THREE,
    TWO,
    api,
    change,
    environment,
    grant,
    key,
    network,
    project,
)

from envctl.actions.adopt import adopt
from envctl.actions.adopt_looking import Wanted

TEXT = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufeff"), min_size=1, max_size=12
) | st.sampled_from(
    ["yes", "1:30", "010", "a: b", "${name}", "$${x}", "# no", '{"k": [1]}', "gs://acme-x/y", "hunter2 ", "null"]
)
LABELS = st.dictionaries(
    st.from_regex(r"[a-z][a-z0-9_-]{0,10}", fullmatch=True),
    st.from_regex(r"[a-z0-9_-]{0,10}", fullmatch=True),
    max_size=3,
)
OVERRIDES = st.dictionaries(
    st.sampled_from(
        ["core-parallelism", "webserver-rbac_x", "email-smtp_host", "api-auth_backends", "core-fernet_secret"]
    ),
    TEXT,
    max_size=3,
)
VARIABLES = st.dictionaries(
    st.sampled_from(["STAGE", "API_TOKEN", "lower_case", "A1", "DB_PASSWORD", "LANDING"]), TEXT, max_size=4
)
PACKAGES = st.dictionaries(
    st.sampled_from(["pandas", "flask-login", "ruamel.yaml", "pendulum"]),
    st.sampled_from(["", "==2.1.4", ">=1,<3", "[gcp]", "[a,b]>=1"]),
    max_size=3,
)
WINDOWS = st.none() | st.fixed_dictionaries(
    {
        "startTime": st.sampled_from(["2025-03-01T22:00:00Z", "2024-12-31T23:30:00Z"]),
        "endTime": st.sampled_from(["2025-03-02T04:00:00Z", "2025-03-02T10:00:00.500Z"]),
        "recurrence": st.sampled_from(
            ["FREQ=WEEKLY;BYDAY=SA,SU", "FREQ=WEEKLY;BYDAY=MO", "FREQ=DAILY", "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO"]
        ),
    }
)
RANGES = st.none() | st.lists(
    st.fixed_dictionaries({"value": st.sampled_from(["203.0.113.0/24", "198.51.100.7", "2001:db8::/32", "0.0.0.0/0"])}),
    min_size=1,
    max_size=2,
    unique_by=lambda item: item["value"],
)
RETENTION = st.none() | st.sampled_from(
    [
        {"airflowMetadataRetentionConfig": {"retentionMode": "RETENTION_MODE_ENABLED", "retentionDays": 90}},
        {"airflowMetadataRetentionConfig": {"retentionMode": "RETENTION_MODE_DISABLED"}},
        {"taskLogsRetentionConfig": {"storageMode": "CLOUD_LOGGING_ONLY"}},
    ]
)
SNAPSHOTS = st.none() | st.sampled_from(
    [
        {
            "enabled": True,
            "snapshotCreationSchedule": "0 4 * * *",
            "snapshotLocation": "gs://acme-snap/x",
            "timeZone": "UTC+2",
        },
        {"enabled": False},
    ]
)
MEMBERS = st.dictionaries(
    st.sampled_from(["roles/composer.user", "roles/composer.admin", "roles/viewer", "roles/logging.viewer"]),
    st.lists(
        st.sampled_from(["user:ann@acme.example", "group:data@acme.example", f"serviceAccount:{ACCOUNT}"]),
        min_size=1,
        max_size=2,
        unique=True,
    ),
    max_size=3,
)


def given_values(**values):
    return {name: value for name, value in values.items() if value not in (None, {}, [])}


@settings(
    max_examples=8,
    phases=[Phase.explicit, Phase.generate],
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    three=st.booleans(),
    private=st.booleans(),
    own_network=st.booleans(),
    encrypted=st.booleans(),
    size=st.sampled_from(["SMALL", "MEDIUM", "LARGE"]),
    labels=LABELS,
    overrides=OVERRIDES,
    variables=VARIABLES,
    packages=PACKAGES,
    window=WINDOWS,
    ranges=RANGES,
    retention=RETENTION,
    snapshots=SNAPSHOTS,
    members=MEMBERS,
)
def test_any_environment(
    three, private, own_network, encrypted, size, labels, overrides, variables, packages, window, ranges, retention,
    snapshots, members,
):  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "environments").mkdir()
        (root / "envctl.yaml").write_text("name: acme\n")
        workspace = workspace_of(root)
        # Pins are drawn at random here: whether an image takes them is not the question.
        workspace.cloud.control("POST", "seed", {"settings": {"checksPackages": False}})
        project(workspace)
        network(workspace)
        key(workspace)
        own_network = own_network or not three
        where = {"networkingType": "PRIVATE" if private else "PUBLIC"}
        if not three:
            where = {"enablePrivateEnvironment": True} if private else {}
        environment(
            workspace,
            "old",
            given_values(
                environmentSize=f"ENVIRONMENT_SIZE_{size}",
                nodeConfig=given_values(
                    serviceAccount=ACCOUNT,
                    network=NETWORK if own_network else None,
                    subnetwork=SUBNETWORK if own_network else None,
                ),
                privateEnvironmentConfig=where,
                encryptionConfig={"kmsKeyName": KEY} if encrypted else None,
                softwareConfig=given_values(
                    imageVersion=THREE if three else TWO, airflowConfigOverrides=overrides, envVariables=variables
                ),
                maintenanceWindow=window,
                webServerNetworkAccessControl={"allowedIpRanges": ranges} if ranges else None,
                dataRetentionConfig=retention,
                recoveryConfig={"scheduledSnapshotsConfig": snapshots} if snapshots else None,
            ),
            labels=labels,
        )
        if packages:
            body = {"config": {"softwareConfig": {"pypiPackages": packages}}}
            change(workspace, "old", "config.softwareConfig.pypiPackages", body)
        for role, people in members.items():
            grant(workspace, role, *people)
        live = f"composer/v1/{HOME}/environments/old"
        before = api(workspace, "GET", live)
        done = adopt(workspace, Wanted("old", PROJECT, REGION, "old"))
        assert done.pending == ()
        assert api(workspace, "GET", live) == before
        prepared = plan(workspace_of(root), "old", gates=False)
        assert prepared.plan.empty, prepared.plan
        assert prepared.plan.drift == ()
