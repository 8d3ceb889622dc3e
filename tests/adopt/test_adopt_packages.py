"""Packages that are spelled otherwise are no change; those that a file cannot hold are left alone as a whole."""

from __future__ import annotations

import pytest
from projects import plan, workspace_of
from raw_worlds import HOME, PROJECT, REGION, api, change, plain_three

from envctl.actions.adopt import adopt
from envctl.actions.adopt_looking import Wanted
from envctl.operations.packages import plan_packages

SOFTWARE = "config.softwareConfig.pypiPackages"


@pytest.mark.parametrize(
    ("desired", "live"),
    [
        ({"ruamel-yaml": ">=1"}, {"ruamel.yaml": ">=1"}),
        ({"flask": "[b,a]>=1,<3"}, {"flask": "[a,b]<3,>=1"}),
        ({}, {}),
        ({}, None),
    ],
)
def test_the_same_packages_in_other_words_are_no_step(desired, live):
    assert plan_packages(desired, live, None) is None


@pytest.mark.parametrize(
    ("desired", "live"),
    [
        ({"flask": ">=1"}, {"flask": ">=2"}),
        ({"flask": ">=1"}, {"flask": "[a]>=1"}),
        ({"flask": ">=1"}, None),
        ({}, {"flask": ""}),
        ({"flask": "not a specifier"}, {"flask": ">=1"}),
    ],
)
def test_other_packages_are_a_step(desired, live):
    assert plan_packages(desired, live, None) is not None


def test_a_package_that_no_file_can_hold_leaves_all_of_them_alone(tmp_path):
    (tmp_path / "environments").mkdir()
    (tmp_path / "envctl.yaml").write_text("name: acme\n")
    workspace = workspace_of(tmp_path)
    plain_three(workspace)
    packages = {"pandas": "", "odd": "[x]==1.0; bogus"}
    change(workspace, "old", SOFTWARE, {"config": {"softwareConfig": {"pypiPackages": packages}}})
    done = adopt(workspace, Wanted("old", PROJECT, REGION, "old"))
    assert "packages" in {item.name for item in done.left}
    assert done.pending == ()
    assert plan(workspace_of(tmp_path), "old", gates=False).plan.empty
    live = api(workspace, "GET", f"composer/v1/{HOME}/environments/old")
    assert live["config"]["softwareConfig"]["pypiPackages"] == packages
