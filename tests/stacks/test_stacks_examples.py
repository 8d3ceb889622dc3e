"""The resource tree of the example environments, as a reviewer would read it."""

from __future__ import annotations

from pathlib import Path

import pytest
from stacks_recording import CONTEXT

from envctl.spec.loader import Loaded, load
from envctl.spec.model import Foundation
from envctl.spec.project import load_project
from envctl.stacks import StackProgram, environment_declarations, foundation_declarations

ROOT = Path(__file__).parents[2]
CASES = Path(__file__).parent / "cases"


def tree(program: StackProgram) -> str:
    """Groups and resources in the order of declaration; flags say what is protected and what survives a destroy."""
    lines: list[str] = []
    for component in program.components:
        lines.append(component.name)
        for resource in program.resources:
            if resource.parent == component.name:
                flags = [
                    word
                    for word, on in (
                        ("protected", resource.options.protect),
                        ("retained", resource.options.retain_on_delete),
                    )
                    if on
                ]
                lines.append("  ".join(["", resource.name, resource.type.removeprefix("gcp:"), *flags]))
    return "\n".join(lines) + "\n"


def declared(loaded: Loaded) -> StackProgram:
    if isinstance(loaded.spec, Foundation):
        return foundation_declarations(loaded, CONTEXT)
    return environment_declarations(loaded, CONTEXT)


@pytest.mark.parametrize("name", ["dev", "staging", "prod", "acme-data-prod"])
def test_the_tree_of_an_example_is_the_reviewed_one(name: str) -> None:
    """To record anew: `python tests/stacks/test_stacks_examples.py`, then read the difference."""
    assert tree(declared(load(load_project(ROOT), name))) == (CASES / f"tree_{name}.txt").read_text()


def test_a_profile_that_grows_replaces_nothing(tmp_path: Path) -> None:
    """Fields that cannot be changed in place stay as they are from trial to critical."""
    (tmp_path / "environments").mkdir()
    (tmp_path / "envctl.yaml").write_text("name: acme\n")

    def fixed(profile: str) -> dict[str, object]:
        (tmp_path / "environments" / "prod.yaml").write_text(
            "project: acme-data-prod\nregion: europe-west1\nimageVersion: composer-3-airflow-2.10.5-build.10\n"
            f"serviceAccount: {{name: composer-prod}}\nprofile: {profile}\n"
        )
        program = environment_declarations(load(load_project(tmp_path), "prod"), CONTEXT)
        inputs = dict(program.resource("environment").inputs)
        config = {key: value for key, value in inputs["config"].items() if key not in CHANGEABLE}
        return {**inputs, "config": config}

    trial = fixed("trial")
    assert trial["config"]
    assert fixed("standard") == trial
    assert fixed("critical") == trial


CHANGEABLE = {
    "environmentSize",
    "resilienceMode",
    "maintenanceWindow",
    "dataRetentionConfig",
    "recoveryConfig",
    "workloadsConfig",
    "webServerNetworkAccessControl",
}


if __name__ == "__main__":
    for each in ("dev", "staging", "prod", "acme-data-prod"):
        (CASES / f"tree_{each}.txt").write_text(tree(declared(load(load_project(ROOT), each))))
