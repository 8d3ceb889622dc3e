"""Fixes for missing rights: gcloud commands, YAML for the file, or what `envctl up` will do."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from envctl.doctor.check import by_up, command, spec_change
from envctl.doctor.model import Fix
from envctl.doctor.policies import PolicyBinding
from envctl.doctor.resources import split_name
from envctl.iam_roles import Binding
from envctl.iam_targets import HOST_PROJECT_NUMBER, PROJECT_NUMBER, BindingCondition

_DIVIDERS: Final = (",", ":", ";", "|", "~", "#", "%", ":~:", ";~;", "|~|")
_LISTS: Final = {"deployer": "deployers", "dag_author": "dagAuthors", "airflow_user": "users", "operator": "operators"}


def fixes_for(binding: Binding, member: str, environment: str, project: str) -> Iterator[Fix]:
    """Ways to give a member what a binding stands for, the best first."""
    condition = binding.condition and replace(binding.condition, expression=filled(binding.condition.expression))
    if binding.managed:
        place = binding.target or binding.resource or "the resource"
        where = f" where {condition.expression}" if condition else ""
        yield by_up(f"+ {binding.role} on {place} for {member}{where}   (envctl up {environment})")
    elif condition is not None:
        pass  # files give roles without conditions: more than the row
    elif binding.principal in _LISTS and binding.target == "project" and "<" not in member:
        yield spec_change(f"access:\n  {_LISTS[binding.principal]}: [{_quoted(member)}]")
    elif binding.principal == "env_sa" and binding.target == "project":
        yield spec_change(
            f"iam:\n  extraBindings:\n    - {{role: {binding.role}, on: projects/{project}, members: [environment]}}"
        )
    if binding.resource and (text := grant_command(binding.resource, member, binding.role, condition)):
        yield command(text)


def _quoted(text: str) -> str:
    return f'"{text}"' if any(sign in text for sign in "/*{}[],&#") else text


def filled(text: str) -> str:
    """A text with `${projectNumber}` as a placeholder for people."""
    return text.replace(HOST_PROJECT_NUMBER, "HOST_PROJECT_NUMBER").replace(PROJECT_NUMBER, "PROJECT_NUMBER")


def _condition_flag(condition: BindingCondition) -> str:
    """The flag of a condition, with another divider where its text has commas ("gcloud topic escaping", 2026-08)."""
    pairs = (f"expression={condition.expression}", f"title={condition.title}")
    divider = next(sign for sign in _DIVIDERS if not any(sign in pair for pair in pairs))
    head = "" if divider == "," else f"^{divider}^"
    return f"--condition={shlex.quote(head + divider.join(pairs))}"


def again_command(resource: str, member: str, binding: PolicyBinding) -> str | None:
    """The command that gives a binding of a policy to another member; None where its condition was not to be read."""
    condition = binding.condition
    if condition is None:
        return grant_command(resource, member, binding.role)
    if condition.expression is None:
        return None
    return grant_command(resource, member, binding.role, BindingCondition(condition.title, condition.expression))


def grant_command(resource: str, member: str, role: str, condition: BindingCondition | None = None) -> str | None:
    """The gcloud command that binds a role, under just this condition; None for resources without one."""
    service, relative = split_name(resource)
    parts = relative.split("/")
    tail = f"--member={shlex.quote(member)} --role={shlex.quote(role)}"
    if condition is not None:
        tail = f"{tail} {_condition_flag(condition)}"
    match service, parts:
        case "cloudresourcemanager.googleapis.com", ["projects", project]:
            return f"gcloud projects add-iam-policy-binding {shlex.quote(project)} {tail}{'' if condition else ' --condition=None'}"
        case "iam.googleapis.com", ["projects", project, "serviceAccounts", email]:
            home = "" if project == "-" else f" --project={shlex.quote(project)}"
            return f"gcloud iam service-accounts add-iam-policy-binding {shlex.quote(email)}{home} {tail}"
        case "cloudkms.googleapis.com", [
            "projects",
            project,
            "locations",
            location,
            "keyRings",
            ring,
            "cryptoKeys",
            key,
        ]:
            return (
                f"gcloud kms keys add-iam-policy-binding {shlex.quote(key)} --keyring={shlex.quote(ring)} "
                f"--location={shlex.quote(location)} --project={shlex.quote(project)} {tail}"
            )
        case "compute.googleapis.com", ["projects", project, "regions", region, "subnetworks", name]:
            return (
                f"gcloud compute networks subnets add-iam-policy-binding {shlex.quote(name)} "
                f"--region={shlex.quote(region)} --project={shlex.quote(project)} {tail}"
            )
        case "storage.googleapis.com", ["projects", "_", "buckets", bucket]:
            return f"gcloud storage buckets add-iam-policy-binding {shlex.quote('gs://' + bucket)} {tail}"
        case "secretmanager.googleapis.com", ["projects", project, "secrets", name]:
            return f"gcloud secrets add-iam-policy-binding {shlex.quote(name)} --project={shlex.quote(project)} {tail}"
        case "artifactregistry.googleapis.com", ["projects", project, "locations", location, "repositories", name] if (
            condition is None  # gcloud takes none there
        ):
            return (
                f"gcloud artifacts repositories add-iam-policy-binding {shlex.quote(name)} "
                f"--location={shlex.quote(location)} --project={shlex.quote(project)} {tail}"
            )
        case _:
            return None
