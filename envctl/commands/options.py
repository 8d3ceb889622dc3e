"""Options that several commands share, spelled once."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

from envctl.commands.parameters import Argument, Option

EnvironmentName = Annotated[str, Argument(metavar="ENV", help="Stem of a file below environments/.")]
EnvironmentNames = Annotated[
    list[str] | None,
    Argument(metavar="[ENV]...", help="Stems of files below environments/; all of them if none."),
]


class CloudChoice(StrEnum):
    """Where resources live."""

    GCP = "gcp"
    SANDBOX = "sandbox"


class EngineChoice(StrEnum):
    """Which engine runs the programs."""

    EMBEDDED = "embedded"
    PULUMI = "pulumi"


class TableFormat(StrEnum):
    """Ways to write a table."""

    TEXT = "text"
    JSON = "json"


class PlanFormat(StrEnum):
    """Ways to write a plan, and what people paste beside one."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


Cloud = Annotated[
    CloudChoice,
    Option("--cloud", envvar="ENVCTL_CLOUD", help="gcp, or envctl's own emulator.", show_default=True),
]
EngineOption = Annotated[
    EngineChoice | None,
    Option("--engine", envvar="ENVCTL_ENGINE", help="Without it: embedded for the sandbox, pulumi for gcp."),
]
Output = Annotated[Path | None, Option("--output", "-o", metavar="FILE", help="Write there instead of stdout.")]
Yes = Annotated[bool, Option("--yes", "-y", help="Do not ask for confirmation.")]
Confirm = Annotated[
    str | None,
    Option("--confirm", metavar="ENV", help="The environment whose data may be deleted; --yes is not enough for that."),
]
Refresh = Annotated[
    bool, Option("--refresh/--no-refresh", help="Read the live cloud first; packages and settings always are.")
]
Parallel = Annotated[int, Option("--parallel", min=1, max=64, help="How many resources at the same time.")]
AllowUnknown = Annotated[
    bool, Option("--allow-unknown", help="Go on although a check could not be answered; the run records it.")
]
