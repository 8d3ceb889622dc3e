"""The custom PyPI packages of an environment: an operation of their own.

They do not travel with the environment's other fields: a package build that fails would taint the environment
in Pulumi's state, and the operation can be awaited again by its name.
"""

from __future__ import annotations

from collections.abc import Mapping

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from envctl.diagnostics import SourceSpan
from envctl.google.refusals import read_refusal
from envctl.google.transport import Transport
from envctl.operations.composer_api import (
    SERVICE,
    Waiter,
    ask_update,
    refused,
    running_operation,
    wait_for,
)
from envctl.plan.impact import impact_of
from envctl.plan.model import Action, OperationStep, PropertyAction, PropertyChange, StepMoment
from envctl.plan.property_diff import diff_properties

STEP_ID = "packages"
_TYPE = "gcp:composer/environment:Environment"
_NOT_NOW = 400
"""How Composer refuses a change while another one runs, and one that changes nothing."""
_PATH = "config.softwareConfig.pypiPackages"


def plan_packages(
    desired: Mapping[str, str], live: Mapping[str, str] | None, source: SourceSpan | None
) -> OperationStep | None:
    """The step that brings the live packages to the desired ones, or None when they are equal.

    Both map names to extras and specifier (`{"pandas": "[gcp]>=2"}`), as the API does; they are equal when they mean
    the same, for a rebuild because of another spelling (`ruamel.yaml`, `ruamel-yaml`) would be one for nothing.
    `live` is None when the environment does not exist yet.
    """
    before: dict[str, str] = {str(canonicalize_name(name)): text for name, text in (live or {}).items()}
    if _meaning(before) == _meaning(desired):
        return None
    whole = PropertyChange(_PATH, PropertyAction.CHANGE, before, dict(desired))
    return OperationStep(
        id=STEP_ID,
        title=f"install custom packages ({len(desired)} in all)" if desired else "remove all custom packages",
        moment=StepMoment.AFTER,
        properties=diff_properties(before, desired),
        impact=impact_of(_TYPE, Action.UPDATE, [whole]),
        source=source,
    )


def _meaning(packages: Mapping[str, str]) -> dict[str, object]:
    """Packages as what they ask for; a text that is no requirement stands for itself."""
    found: dict[str, object] = {}
    for name, text in packages.items():
        try:
            asked = Requirement(f"{name}{text}")
        except InvalidRequirement:
            found[canonicalize_name(name)] = text
        else:
            extras = frozenset(map(canonicalize_name, asked.extras))
            found[canonicalize_name(name)] = (extras, asked.specifier, str(asked.marker or ""), asked.url)
    return found


def apply_packages(transport: Transport, environment: str, desired: Mapping[str, str], waiter: Waiter) -> None:
    """Sets exactly the desired packages with one PATCH and awaits the operation.

    An update that an earlier run left running is awaited first: the API takes one at a time.

    Args:
        transport: the way to the cloud.
        environment: `projects/P/locations/R/environments/E`.
        desired: the whole map; a name that is left out is uninstalled.
        waiter: how to wait, and who is told the operation's name.

    Raises:
        OutsideError: the API refused, or the build failed; the API's own message is in the detail.
        DetachedError: the wait was given up; the operation goes on.
    """
    earlier = running_operation(transport, environment)
    if earlier is not None:
        wait_for(transport, earlier, waiter, "An update of an earlier run failed")
        if _meaning(_installed(transport, environment)) == _meaning(desired):
            return  # it was this very change; the API refuses one that changes nothing
    body = {"config": {"softwareConfig": {"pypiPackages": dict(desired)}}}
    answer = ask_update(transport, environment, "config.softwareConfig.pypiPackages", body)
    refusal = read_refusal(answer)
    if refusal is not None and refusal.code == _NOT_NOW and _already_sent(transport, environment, desired, waiter):
        return
    refused(answer, "The custom packages were refused")
    wait_for(transport, str(answer.body["name"]), waiter, "The custom packages could not be installed")


def _already_sent(transport: Transport, environment: str, desired: Mapping[str, str], waiter: Waiter) -> bool:
    """Whether a refused update is there all the same: the answer to its first try was lost, and its second came late."""
    ours = running_operation(transport, environment)
    if ours is not None:
        wait_for(transport, ours, waiter, "The custom packages could not be installed")
    return _meaning(_installed(transport, environment)) == _meaning(desired)


def _installed(transport: Transport, environment: str) -> dict[str, str]:
    answer = transport.call("GET", SERVICE, environment)
    refused(answer, "The environment cannot be read")
    return dict(answer.body.get("config", {}).get("softwareConfig", {}).get("pypiPackages", {}))
