"""What comes with an extra: which one a missing module belongs to, and the one command that brings it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envctl.errors import OutsideError

if TYPE_CHECKING:
    from collections.abc import Sequence

DOCTOR = frozenset({"cel_expr_python", "google", "httpx", "jinja2", "requests"})
"""Modules of extra `doctor`, by the first part of their names."""
PULUMI = frozenset(
    {
        "cryptography",
        "filelock",
        "google",
        "grpc",
        "grpc_status",
        "httpx",
        "pulumi",
        "pulumi_gcp",
        "pulumi_policy",
        "requests",
        "semver",
        "uvicorn",
        "zstandard",
    }
)
"""Modules of extra `pulumi`."""
_DIAGNOSIS = frozenset({"doctor", "iam"})


def part_missing(error: ModuleNotFoundError, words: Sequence[str]) -> OutsideError | None:
    """The error to show when a module of an extra is not installed; None when it belongs to none.

    Args:
        error: the failed import.
        words: the command line, for what the command is called and which of two extras it rather needs.
    """
    module = (error.name or "").partition(".")[0].replace("-", "_")  # asked for its version, it is a distribution
    verb = next((word for word in words if not word.startswith("-")), "")
    if module in DOCTOR and (verb in _DIAGNOSIS or module not in PULUMI):
        extra = "doctor"
    elif module in PULUMI:
        extra = "pulumi"
    else:
        return None
    return OutsideError(
        "This command needs a part of envctl that is not installed",
        detail=f"`envctl {verb}` needs the extra `{extra}`: Python has no module {module} here.",
        hints=(f'install it with\n    pip install "envctl[{extra}]"',),
        code="part-missing",
    )
