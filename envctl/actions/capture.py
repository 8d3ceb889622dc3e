"""`envctl images capture`: an image's list as a running environment tells it."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from envctl.actions.live import LiveEnvironment, read_environment
from envctl.diagnostics import SourceSpan
from envctl.errors import RefusedError, UsageError
from envctl.image_versions import project_folder
from envctl.operations.capture import Capture, capture_packages
from envctl.operations.composer_api import Waiter
from envctl.resolution.image_adding import AddedImage, add_image
from envctl.resolution.names import package_name
from envctl.resolution.parsed_list import ParsedList
from envctl.resolution.protocol import RequirementMetadata
from envctl.spec.model import Environment

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from envctl.actions.workspace import Workspace


@dataclass(frozen=True, slots=True)
class CaptureSubject:
    """A running environment whose packages can be captured: its full name in the API, its image, its bucket."""

    environment: str
    name: str
    image: str
    bucket: str
    live: LiveEnvironment


def capture_subject(workspace: Workspace, environment: str) -> CaptureSubject:
    """What a capture of an environment would ask; changes nothing.

    Raises:
        OutsideError: the cloud did not answer, or refused.
        RefusedError: the environment does not exist, or does not run.
        UsageError: the file is a foundation.
    """
    loaded = workspace.load(environment)
    spec = loaded.spec
    live = read_environment(workspace, loaded)
    if live is None or not isinstance(spec, Environment):
        raise UsageError("A foundation has no image", detail=loaded.name, code="environment-in-foundation")
    if live.state != "RUNNING" or not live.image_version or not live.bucket:
        raise RefusedError(
            "The environment does not run",
            detail=f"{loaded.name} is {live.state}: a capture runs a DAG in it.",
            code="capture-not-running",
        )
    name = f"projects/{spec.project}/locations/{spec.region}/environments/{spec.name or loaded.name}"
    return CaptureSubject(loaded.name, name, live.image_version, live.bucket, live)


def capture_image(
    workspace: Workspace,
    subject: CaptureSubject,
    *,
    today: date,
    say: Callable[[str], None],
    cancel: threading.Event | None = None,
) -> AddedImage:
    """Adds the environment's image with what is installed in it: exact without custom packages, else a part.

    Raises:
        DetachedError: `cancel` was set.
        InvalidInputError: another Airflow is installed than the image's name says.
        OutsideError: the cloud refused, or the DAG did not come to an end.
    """
    waiter = Waiter(workspace.cloud.sleeper, lambda _name, _state, _elapsed: None, cancel or threading.Event())
    captured = capture_packages(workspace.cloud.transport(), subject.name, subject.bucket, waiter, say)
    custom = {package_name(name) for name in subject.live.packages}
    parsed = _parsed(captured, subject)
    kept = [at for at, (name, _) in enumerate(parsed.pins) if package_name(name) not in custom]
    return add_image(
        subject.image,
        ParsedList(
            tuple(parsed.pins[at] for at in kept),
            tuple(parsed.requires[at] for at in kept),
            (),
            tuple(parsed.spans[at] for at in kept),
        ),
        project_folder(workspace.project.root),
        None,
        python=captured.python,
        today=today,
        origin=f"captured in the environment {subject.environment}",
        partial=_why_part(subject),
    )


def _parsed(captured: Capture, subject: CaptureSubject) -> ParsedList:
    here = SourceSpan(Path(f"environment-{subject.environment}"), 1)
    return ParsedList(
        tuple((one.name, one.version) for one in captured.packages),
        tuple(
            (one.name, RequirementMetadata(one.requires, one.requires_python, one.extras)) for one in captured.packages
        ),
        (),
        tuple(here for _ in captured.packages),
    )


def _why_part(subject: CaptureSubject) -> str:
    if not subject.live.packages:
        return ""
    names = ", ".join(sorted(subject.live.packages))
    return (
        f"The environment had custom packages ({names}) when it was captured: what they replaced, and what came with "
        "them, cannot be told from the image's own."
    )
