"""How an environment is run."""

from __future__ import annotations

import tomllib
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib import resources

from pulumi_policy import ResourceValidationArgs

from envctl.policies.rule import ENVIRONMENT, PRODUCTION, Level, Levels, Rule, setting

_NEAR = timedelta(days=90)


def _maintenance_window(args: ResourceValidationArgs) -> str | None:
    """Google may work on an environment only in a window that you chose.

    Without one, maintenance may fall into your busiest hour.
    """
    if not setting(args.props, "config.maintenanceWindow.recurrence"):
        return "The environment has no maintenance window."
    return None


def _protected(args: ResourceValidationArgs) -> str | None:
    """A production environment cannot be deleted or replaced by accident.

    Protection stands in the state: every delete is refused until the file gives it up.
    """
    return None if args.opts.protect else "The environment is not protected against deletion."


def _image_supported(args: ResourceValidationArgs) -> str | None:
    """The image is not at its end, nor close to it.

    An environment whose image is past its end can no longer be updated; ends are known for the versions that
    Google announced (`envctl/data/image-ends.toml`).
    """
    image = str(setting(args.props, "config.softwareConfig.imageVersion") or "")
    end = _end_of(image)
    if end is None:
        return None
    today = datetime.now(UTC).date()
    if end <= today:
        return f"{image} reached its end on {end}."
    return f"{image} reaches its end on {end}." if end - today <= _NEAR else None


@cache
def _ends() -> tuple[tuple[str, date], ...]:
    text = resources.files("envctl.data").joinpath("image-ends.toml").read_text("utf-8")
    return tuple((row["prefix"], row["end"]) for row in tomllib.loads(text)["version"])


def _end_of(image: str) -> date | None:
    return next((end for prefix, end in _ends() if image.startswith(prefix)), None)


RULES = (
    Rule(
        "maintenance-window",
        PRODUCTION,
        "write `maintenance: {start: ..., hours: 4, days: [FR, SA, SU]}`",
        {ENVIRONMENT: _maintenance_window},
    ),
    Rule("protected-production", PRODUCTION, "write `protect: true`", {ENVIRONMENT: _protected}),
    Rule(
        "image-not-near-end",
        Levels(Level.ADVISORY, Level.ADVISORY, Level.MANDATORY),
        "set `imageVersion` to a newer one; `envctl deps upgrade ENV --to IMAGE` shows what moves",
        {ENVIRONMENT: _image_supported},
    ),
)
