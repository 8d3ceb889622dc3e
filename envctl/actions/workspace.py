"""The place where a command works: the project's files, a cloud, an engine, and the folder `.envctl/`."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from envctl.actions.clouds import Cloud, CloudName, custom_endpoints, open_cloud
from envctl.errors import EnvctlError, RefusedError
from envctl.operations.airflow import SettingsRecord
from envctl.operations.journal import Journal
from envctl.operations.records import LocalRecords, Records, SharedRecords
from envctl.private_files import STATE_FOLDER
from envctl.spec.loader import Loaded, load, load_all
from envctl.spec.model import Environment
from envctl.spec.project import Project, find_root, load_project

if TYPE_CHECKING:
    from envctl.engine.protocol import Engine
    from envctl.engine.pulumi_cli.engine import PulumiSettings
    from envctl.provider.translator import SandboxProvider


class EngineName(StrEnum):
    """Which engine runs the programs."""

    EMBEDDED = "embedded"
    PULUMI = "pulumi"


@dataclass(frozen=True, slots=True)
class Workspace:
    """Everything that the verbs on environments share."""

    project: Project
    cloud: Cloud
    engine_name: EngineName

    @property
    def root(self) -> Path:
        """The project's folder."""
        return self.project.root

    @property
    def directory(self) -> Path:
        """Where state and journal lie; one folder per cloud, never mixed."""
        return self.root / STATE_FOLDER / self.cloud.name.value

    def load(self, environment: str) -> Loaded:
        """The resolved file of an environment or a foundation.

        Raises:
            InvalidInputError: with every problem of the file and of what it extends.
        """
        if environment not in self.project.files and environment in self.orphans():
            command = f"envctl state rename {environment} {self._new_name(environment)} --cloud {self.cloud.name.value}"
            raise RefusedError(
                f"The file of {environment} is gone, and its stack is still there",
                detail=f"environments/{environment}.yaml does not exist; what it declared still runs.",
                hints=(
                    f"if it has another name now\n    {command}",
                    "if it is gone for good, bring it back from git, then destroy what it declares",
                    f"look at what the stack holds with\n    envctl state list {environment} --cloud {self.cloud.name.value}",
                ),
                code="stack-without-file",
            )
        return load(self.project, environment)

    def _new_name(self, orphan: str) -> str:
        """The file that an orphan was probably renamed to; NEW when none, or several, look like it."""
        from envctl.actions.renaming import renamed_from

        likely: list[str] = []
        for name in self.project.files:
            with suppress(EnvctlError):  # a base, or wrong: none that a stack can have
                if orphan in renamed_from(self, load(self.project, name)):
                    likely.append(name)
        return likely[0] if len(likely) == 1 else "NEW"

    def orphans(self) -> list[str]:
        """Stacks that were applied from here and have no file any more: renamed, or deleted without a destroy.

        Only stacks whose states lie in this folder can be seen.
        """
        folder = self.directory / ("stacks" if self.engine_name is EngineName.EMBEDDED else "pulumi")
        if not folder.is_dir():
            return []
        if self.engine_name is EngineName.EMBEDDED:
            names = [path.stem for path in folder.glob("*.json")]
        else:
            names = [path.name for path in folder.iterdir() if path.is_dir() and path.name != "backend"]
        return sorted(name for name in names if name not in self.project.files and self._holds_resources(name))

    def _holds_resources(self, stack: str) -> bool:
        try:
            rows = self.engine(stack).export_state()["deployment"].get("resources") or []
        except EnvctlError:
            return True  # unreadable is not empty
        return any(row.get("custom") and not row["type"].startswith("pulumi:") for row in rows)

    def names(self) -> list[str]:
        """Every environment and foundation of the project, foundations first.

        Raises:
            InvalidInputError: with every problem of all files.
        """
        loaded = load_all(self.project)
        return [each.name for each in sorted(loaded, key=lambda each: isinstance(each.spec, Environment))]

    def environments(self) -> list[str]:
        """Every environment of the project, foundations left out.

        Raises:
            InvalidInputError: with every problem of all files.
        """
        return [each.name for each in load_all(self.project) if isinstance(each.spec, Environment)]

    def journal(self, environment: str) -> Journal:
        """What every run on the environment did; beside the states, wherever those lie."""
        return Journal(self.records.journal(environment))

    def settings_record(self, environment: str) -> SettingsRecord:
        """The Airflow settings that the last apply made."""
        return SettingsRecord(self.records.settings(environment))

    @property
    def backend(self) -> str:
        """Address of the place where the Pulumi CLI keeps states."""
        return self.project.backend or f"file://{self.directory / 'pulumi' / 'backend'}"

    @property
    def records(self) -> Records:
        """Where journals and records of settings lie: below `.envctl/`, or beside the states of a shared backend.

        The embedded engine has no shared backend, and Pulumi Cloud has no place for them.
        """
        if self.engine_name is EngineName.EMBEDDED or not self.project.backend:
            return LocalRecords(self.directory)
        from envctl.provider.folders import open_folder

        folder = open_folder(self.project.backend)
        return LocalRecords(self.directory) if folder is None else SharedRecords(folder, self.project.name)

    def engine(self, stack: str) -> Engine:
        """The engine of one stack."""
        from envctl.engine.protocol import StackRef

        ref = StackRef(project=self.project.name, stack=stack)
        match self.engine_name:
            case EngineName.EMBEDDED:
                from envctl.engine.embedded.engine import EmbeddedEngine

                return EmbeddedEngine(ref, self.directory, self.provider(stack), git_commit=self.commit() or "")
            case EngineName.PULUMI:
                from envctl.engine.pulumi_cli.engine import PulumiEngine

                return PulumiEngine(ref, self._pulumi_settings(stack))

    def provider(self, stack: str) -> SandboxProvider:
        """The provider of envctl itself, on this cloud."""
        from envctl.provider.spec import Settings
        from envctl.provider.translator import SandboxProvider
        from envctl.stacks.program import has_own_labels

        settings = Settings()  # a stack without a file: its state says where everything is
        if stack in self.project.files:
            spec = self.load(stack).spec
            settings = Settings(project=spec.project, region=spec.region, attribution=has_own_labels(spec))
        return SandboxProvider(self.cloud.transport(), settings, self.cloud.sleeper)

    def _pulumi_settings(self, stack: str) -> PulumiSettings:
        from envctl.engine.embedded.secrets import find_passphrase
        from envctl.engine.pulumi_cli.engine import PulumiSettings

        folder = self.directory / "pulumi"
        environment: dict[str, str] = {}
        if self.project.secrets_provider == "passphrase":
            key = folder / f"{stack}.key"
            passphrase = find_passphrase(key, os.environ, create=key.exists() or not self._is_kept(stack))
            environment["PULUMI_CONFIG_PASSPHRASE"] = passphrase
        if custom_endpoints():
            environment["PULUMI_GCP_SKIP_REGION_VALIDATION"] = "true"  # it asks Google, whatever the endpoints say
        return PulumiSettings(
            directory=folder / stack,
            backend=self.backend,
            secrets_provider=self.project.secrets_provider,
            environment=environment,
            provider=self.provider(stack) if self.cloud.name is CloudName.SANDBOX else None,
            locator=lambda: self.provider(stack),
        )

    def _is_kept(self, stack: str) -> bool:
        """Whether the backend holds a state, whose secrets a new passphrase would not open."""
        from envctl.engine.protocol import StackRef
        from envctl.engine.pulumi_cli.locks import checkpoint_name
        from envctl.provider.folders import open_folder

        folder = open_folder(self.backend)
        return folder is not None and folder.read(checkpoint_name(StackRef(self.project.name, stack))) is not None

    def commit(self) -> str | None:
        """The short git commit of the project's folder, None outside a repository."""
        try:
            done = subprocess.run(  # noqa: S603
                ["git", "-C", str(self.root), "rev-parse", "--short=12", "HEAD"],  # noqa: S607
                capture_output=True,
                text=True,
                timeout=5,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None


def open_workspace(directory: Path, cloud: CloudName, engine: EngineName | None = None) -> Workspace:
    """The workspace of a command.

    The embedded engine serves the sandbox, the Pulumi CLI serves Google, unless `engine` says otherwise.

    Raises:
        UsageError: there is no project, or engine and cloud do not go together.
    """
    project = load_project(find_root(directory))
    default = EngineName.EMBEDDED if cloud is CloudName.SANDBOX else EngineName.PULUMI
    opened = open_cloud(cloud, project.root, impersonate=project.impersonate, billing_project=project.billing_project)
    return Workspace(project, opened, engine or default)
