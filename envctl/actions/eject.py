"""`eject`: a plain Pulumi project of one stack, with its state, that runs without envctl."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envctl.actions.letting_go import frozen
from envctl.actions.program import build_program
from envctl.errors import OutsideError, RefusedError
from envctl.private_files import write_private
from envctl.spec.writing import write_document
from envctl.stacks.ejection import caller_secrets, program_source

if TYPE_CHECKING:
    from envctl.actions.workspace import Workspace

_README = """\
# {stack}

A plain Pulumi project, written by `envctl eject {stack}`. It declares what envctl declared, under the same URNs, and
needs Pulumi and the packages of `requirements.txt`, nothing of envctl.

## Taking the state over

    python -m venv venv && venv/bin/pip install -r requirements.txt
    pulumi login                          # where the state is to live
    pulumi stack init {stack}{secrets_provider}
{passphrase}{settings}    pulumi stack import --file state.json
    pulumi preview                        # nothing to do

{state}
From then on envctl must not apply this stack any more: two tools with two states undo each other's work. Take
`environments/{stack}.yaml` away, or keep it for `envctl deps check` and `envctl doctor`, which change nothing.

## What is not here

Custom packages, Airflow variables, connections and pools: they go through the Composer API, not through Pulumi.
The program ignores changes of the packages.
"""


_STATE = "state.json"


@dataclass(frozen=True, slots=True)
class Ejected:
    """The project that was written: its folder, its files, and how many resources its state holds."""

    directory: Path
    files: tuple[str, ...]
    resources: int


def eject(workspace: Workspace, environment: str, directory: Path) -> Ejected:
    """Writes a Pulumi project that declares and knows what the stack does.

    Raises:
        RefusedError: the folder holds something.
        OutsideError: the folder cannot be written, or the cloud cannot be read.
        InvalidInputError: the file has problems.
    """
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise RefusedError(
            "The folder is not empty",
            detail=f"{directory} holds something, and eject overwrites nothing.",
            code="eject-not-empty",
        )
    files, count = render_project(workspace, environment)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            if name == _STATE:  # it holds what went into resources
                write_private(directory / name, text.encode())
            else:
                (directory / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutsideError(
            "The file cannot be written", detail=f"{directory}: {error.strerror}", code="file-unwritable"
        ) from error
    return Ejected(directory, tuple(files), count)


def render_project(workspace: Workspace, environment: str) -> tuple[dict[str, str], int]:
    """The files of the project by name, and the number of resources in its state."""
    loaded = workspace.load(environment)
    program = build_program(workspace, loaded)
    engine = workspace.engine(environment)
    state: Mapping[str, Any] | None = engine.export_state() if engine.serial() else None
    rows = (state or {}).get("deployment", {}).get("resources") or []
    provider = version("pulumi-gcp")
    name = workspace.project.name
    secrets = caller_secrets(program.declared)
    settings: dict[str, Any] = {
        **_encryption(state),
        "config": {"gcp:project": loaded.spec.project, "gcp:region": loaded.spec.region},
    }
    files = {
        "Pulumi.yaml": write_document(
            {
                "name": name,
                "description": f"{environment}, ejected from envctl",
                "runtime": {"name": "python", "options": {"virtualenv": "venv"}},
            }
        ),
        f"Pulumi.{environment}.yaml": write_document(settings),
        "__main__.py": program_source(frozen(workspace, loaded, program, rows), f"{name}/{environment}", provider),
        "requirements.txt": f"pulumi=={version('pulumi')}\npulumi-gcp=={provider}\n",
        "README.md": _readme(workspace, environment, state, secrets),
    }
    if state is None:
        return files, 0
    files[_STATE] = json.dumps(state, indent=2, sort_keys=True) + "\n"
    return files, len(state["deployment"].get("resources") or [])


def _encryption(state: Mapping[str, Any] | None) -> dict[str, str]:
    """What the stack's settings say of its secrets: the salt, so that the same passphrase opens the state."""
    providers = ((state or {}).get("deployment") or {}).get("secrets_providers") or {}
    salt = (providers.get("state") or {}).get("salt")
    return {"encryptionsalt": salt} if salt else {}


def _readme(workspace: Workspace, stack: str, state: Mapping[str, Any] | None, secrets: tuple[str, ...]) -> str:
    chosen = workspace.project.secrets_provider
    encrypted = bool(_encryption(state))
    key = f"`.envctl/{workspace.cloud.name.value}/` keeps it when PULUMI_CONFIG_PASSPHRASE was not set"
    return _README.format(
        stack=stack,
        secrets_provider="" if chosen == "passphrase" else f" --secrets-provider {chosen}",
        passphrase=f"    export PULUMI_CONFIG_PASSPHRASE=...   # envctl's own: {key}\n" if encrypted else "",
        settings="".join(f"    pulumi config set --secret {name}\n" for name in secrets),
        state="`state.json` is the stack's state as envctl exported it; secrets in it are encrypted.\n"
        if state
        else "The stack was never applied, so there is no `state.json`: leave the import out.\n",
    )
