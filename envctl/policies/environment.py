"""How an environment is run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pulumi_policy import ResourceValidationArgs

from envctl.image_versions import announced_end
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
    Google announced (`envctl/data/image-ends.tsv`).
    """
    image = str(setting(args.props, "config.softwareConfig.imageVersion") or "")
    end = announced_end(image)
    if end is None:
        return None
    today = datetime.now(UTC).date()
    if end.past(today.isoformat()):
        return f"{image} reached its end on {end}."
    return f"{image} reaches its end on {end}." if end.past((today + _NEAR).isoformat()) else None


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
