"""The user's project: `envctl.yaml` at its root, and which environment files exist beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from envctl import __version__
from envctl.diagnostics import Diagnostic, SourceSpan, sort_diagnostics
from envctl.errors import InvalidInputError, UsageError
from envctl.image_versions import project_folder, read_versions_beside, user_folder
from envctl.masking import learn_address
from envctl.spec.codes import problem
from envctl.spec.source import load_source
from envctl.spec.tree import nearest_span, text_entries

PROJECT_FILE = "envctl.yaml"
ENVIRONMENTS = "environments"
_SUFFIXES = (".yaml", ".yml")


class PolicyLevel(StrEnum):
    """What a violated policy does."""

    DISABLED = "disabled"
    ADVISORY = "advisory"
    MANDATORY = "mandatory"


@dataclass(frozen=True, slots=True)
class IndexSettings:
    """The package index of the whole project: an address, or a `pip.conf` (path relative to the root)."""

    url: str | None = None
    pip_conf: str | None = None


@dataclass(frozen=True, slots=True)
class Project:
    """What holds for all environments of a project.

    Attributes:
        root: absolute folder of `envctl.yaml`.
        name: the Pulumi project's name.
        id: what marks its objects in the cloud as its own; None until `write_project_id` of `envctl.spec.project_id`.
        backend: address of the Pulumi state backend; None keeps it below `.envctl/`.
        secrets_provider: how secrets in the state are encrypted, in Pulumi's words.
        impersonate: address of the service account to act as on Google Cloud.
        billing_project: the project whose quota requests to Google Cloud count against.
        index: where packages come from besides the public index.
        required_version: a PEP 440 specifier for envctl itself; empty for any.
        policy_levels: level of a policy by its id, where it differs from the profile's.
        files: absolute path of each file below `environments/`, by stem; bases and foundations included.
        doubled: stems that two files claim.
    """

    root: Path
    name: str
    id: str | None = None
    backend: str | None = None
    secrets_provider: str = "passphrase"
    impersonate: str | None = None
    billing_project: str | None = None
    index: IndexSettings = IndexSettings()
    required_version: str = ""
    policy_levels: Mapping[str, PolicyLevel] = field(default_factory=dict[str, PolicyLevel])
    files: Mapping[str, Path] = field(default_factory=dict[str, Path])
    doubled: Mapping[str, tuple[Path, ...]] = field(default_factory=dict[str, tuple[Path, ...]])


def find_root(start: Path) -> Path:
    """The closest folder at or above `start` that holds `envctl.yaml`.

    Raises:
        UsageError: there is none.
    """
    start = start.resolve()
    if not start.is_dir():
        raise UsageError("There is no such folder", detail=str(start), code="no-project")
    for folder in (start, *start.parents):
        if (folder / PROJECT_FILE).is_file():
            return folder
    raise _no_project(start)


def load_project(root: Path) -> Project:
    """The project whose `envctl.yaml` lies in `root`.

    Raises:
        UsageError: there is no such file.
        InvalidInputError: the file is wrong, or asks for another envctl.
    """
    from envctl.spec.binding import bind
    from envctl.spec.settings import ProjectSettings

    root = root.resolve()
    path = root / PROJECT_FILE
    if not path.is_file():
        raise _no_project(root)
    source = load_source(path, Path(PROJECT_FILE))
    diagnostics: list[Diagnostic] = list(source.diagnostics)
    if source.tree is None:
        raise InvalidInputError(diagnostics, "envctl.yaml has problems")
    tree = source.tree
    bound = bind(tree, ProjectSettings, text_entries({"name": "stand-in"}))
    diagnostics += bound.diagnostics
    settings = bound.value
    learn_address(settings.index.url or "" if settings and settings.index else "")
    if settings and settings.envctl and (refusal := _version_problem(settings.envctl, nearest_span(tree, ("envctl",)))):
        diagnostics.append(refusal)
    if settings is None or diagnostics:
        raise InvalidInputError(sort_diagnostics(diagnostics), "envctl.yaml has problems")
    read_versions_beside(user_folder(), project_folder(root))
    files, doubled = _environment_files(root / ENVIRONMENTS)
    return Project(
        root=root,
        name=settings.name,
        id=settings.id,
        backend=settings.backend,
        secrets_provider=settings.secrets_provider,
        impersonate=settings.impersonate,
        billing_project=settings.billing_project,
        index=IndexSettings(settings.index.url, settings.index.pip_conf) if settings.index else IndexSettings(),
        required_version=settings.envctl,
        policy_levels={key: PolicyLevel(level) for key, level in settings.policies.levels.items()},
        files=files,
        doubled=doubled,
    )


def _no_project(folder: Path) -> UsageError:
    return UsageError(
        "This is not an envctl project",
        detail=f"There is no {PROJECT_FILE} in {folder}.",
        hints=("start one with\n    envctl init", "or name the project's folder with `-C DIR`"),
        code="no-project",
    )


def _environment_files(folder: Path) -> tuple[dict[str, Path], dict[str, tuple[Path, ...]]]:
    by_stem: dict[str, list[Path]] = {}
    if folder.is_dir():
        for path in sorted(folder.iterdir()):
            if path.suffix in _SUFFIXES and not path.name.startswith("."):
                by_stem.setdefault(path.stem, []).append(path)
    files = {stem: paths[0] for stem, paths in by_stem.items()}
    return files, {stem: tuple(paths) for stem, paths in by_stem.items() if len(paths) > 1}


def _version_problem(specifier: str, span: SourceSpan) -> Diagnostic | None:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        wanted = SpecifierSet(specifier)
    except InvalidSpecifier:
        return problem("value-form", f"`{specifier}` is not a version specifier such as `>=0.1,<1`.", span)
    if wanted.contains(__version__, prereleases=True):
        return None
    return problem("envctl-version", f"This is envctl {__version__}; the project asks for `{specifier}`.", span)
