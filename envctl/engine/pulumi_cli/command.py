"""Finding the Pulumi CLI, and the versions that go together."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from envctl.errors import OutsideError

if TYPE_CHECKING:
    from envctl.engine.pulumi_cli.process import OwnedCommand

MINIMUM = (3, 230, 0)
"""The oldest CLI whose `preview --refresh` and events envctl was tested with; 3.256.0 is the one of the tests."""
PINNED = "3.256.0"
"""What `envctl setup` installs."""

_SETUP = "install it once for envctl with\n    envctl setup"


def install_root() -> Path:
    """Where `envctl setup` puts the CLI: below the user's data folder."""
    from platformdirs import user_data_path

    return user_data_path("envctl") / "pulumi" / PINNED


def find_command() -> OwnedCommand:
    """The CLI on PATH, else the one of `envctl setup`.

    Raises:
        OutsideError: there is none, it does not run, or it is too old.
    """
    from subprocess import CalledProcessError

    from pulumi.automation import InvalidVersionError
    from semver import VersionInfo

    from envctl.engine.pulumi_cli.process import OwnedCommand

    on_path = shutil.which("pulumi")
    installed = install_root() / "bin" / "pulumi"
    if on_path is None and not installed.is_file():
        raise OutsideError(
            "The Pulumi CLI is not installed",
            detail="`--cloud gcp` and `--engine pulumi` run on it; nothing called pulumi is on PATH.",
            hints=(_SETUP, "or try everything without it: add `--cloud sandbox`"),
            code="pulumi-missing",
        )
    where = on_path or str(installed)
    try:
        return OwnedCommand(root=None if on_path else str(install_root()), version=VersionInfo(*MINIMUM))
    except InvalidVersionError as error:
        raise OutsideError(
            "The Pulumi CLI is too old",
            detail=f"{where}: {error}",
            hints=(f"envctl needs {'.'.join(map(str, MINIMUM))} or newer; {_SETUP}",),
            code="pulumi-too-old",
        ) from error
    except (OSError, ValueError, CalledProcessError) as error:
        raise OutsideError("The Pulumi CLI does not run", detail=f"{where}: {error}", code="pulumi-broken") from error
