"""What the Automation API raises, as envctl's errors: the one place that reads the CLI's words."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from envctl.errors import EnvctlError, OutsideError, RefusedError

T = TypeVar("T")


def plan_violated(detail: str) -> RefusedError:
    """A run did, or would have done, something else than Pulumi's update plan says."""
    return RefusedError(
        "The apply would leave the plan; it stopped",
        detail=detail,
        hints=("look at the preview again",),
        code="plan-violated",
    )


_KNOWN: tuple[tuple[str, Callable[[str], EnvctlError]], ...] = (
    (
        r"incorrect passphrase|message authentication failed",
        lambda text: RefusedError(
            "The passphrase is wrong",
            detail=text,
            hints=("set PULUMI_CONFIG_PASSPHRASE, or PULUMI_CONFIG_PASSPHRASE_FILE, to the one of this stack",),
            code="passphrase-wrong",
        ),
    ),
    (
        r"passphrase must be set|PULUMI_CONFIG_PASSPHRASE",
        lambda text: RefusedError(
            "There is no passphrase for the state's secrets",
            detail=text,
            hints=("set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE",),
            code="passphrase-missing",
        ),
    ),
    (
        r"the stack is currently locked|Another update is currently in progress|ConcurrentUpdate",
        lambda text: RefusedError(
            "The stack is locked",
            detail=text,
            hints=("wait for the other run; after a kill, remove its lock with\n    envctl state unlock ENV",),
            code="stack-locked",
        ),
    ),
    (
        r"violates plan|resource .* is not in the plan|plan has no|resource violates",
        plan_violated,
    ),
    (
        r"no resource plugin|failed to load plugin|could not find plugin|unable to find plugin|plugin .* not found",
        lambda text: OutsideError(
            "A Pulumi plugin is missing",
            detail=text,
            hints=("install it with\n    envctl setup",),
            code="plugin-missing",
        ),
    ),
    (
        r"invalid_grant|Reauthentication is needed|token (has )?expired|could not find default credentials|UNAUTHENTICATED|Error 401",
        lambda text: OutsideError(
            "The Google credentials are missing or have expired",
            detail=text,
            hints=("log in with\n    gcloud auth application-default login",),
            code="credentials",
        ),
    ),
    (
        r"PULUMI_ACCESS_TOKEN must be set",
        lambda text: OutsideError(
            "Nobody is logged in to the state backend",
            detail=text,
            hints=("log in with\n    pulumi login", "or set PULUMI_ACCESS_TOKEN"),
            code="backend-login",
        ),
    ),
    (
        r"failed to load checkpoint|unexpected end of JSON input",
        lambda text: RefusedError(
            "The state cannot be read",
            detail=text,
            hints=(
                "take over what runs, by its file; the broken state is set aside\n    envctl import ENV",
                "Pulumi keeps the state of the run before as `.pulumi/stacks/PROJECT/ENV.json.bak` in the backend",
                "import a copy of your own\n    envctl state import ENV FILE",
            ),
            code="state-unreadable",
        ),
    ),
    (
        r"could not list bucket|\.pulumi/meta\.yaml|unable to open bucket|failed to (open|read) bucket|storage: bucket doesn't exist|no such file or directory",
        lambda text: OutsideError("The state backend cannot be reached", detail=text, code="backend-unreachable"),
    ),
    (
        r"the current deployment has \d+ resource\(s\) with pending operations",
        lambda text: RefusedError(
            "An earlier run was cut off",
            detail=text,
            hints=("look at what it left with\n    envctl state repair ENV",),
            code="pending-operations",
        ),
    ),
)


def translated_failures(act: Callable[[], T]) -> T:
    """What `act` returns.

    Raises:
        RefusedError: locked, wrong passphrase, plan left, pending operations.
        OutsideError: everything else that Pulumi says.
    """
    from pulumi.automation import CommandError, ConcurrentUpdateError, StackNotFoundError

    try:
        return act()
    except EnvctlError:
        raise
    except StackNotFoundError as error:
        raise OutsideError("Pulumi does not know the stack", detail=_last_lines(error), code="stack-missing") from error
    except ConcurrentUpdateError as error:
        raise _KNOWN[2][1](_last_lines(error)) from error
    except CommandError as error:
        raise translate_text(_last_lines(error)) from error


def translate_text(text: str) -> EnvctlError:
    """The error that a message of the CLI means."""
    for pattern, make in _KNOWN:
        if re.search(pattern, text, re.IGNORECASE):
            return make(text)
    return OutsideError("Pulumi failed", detail=text, code="pulumi-failed")


def is_unmet_expectation(message: str) -> bool:
    """Whether this is the CLI's word for a planned step that never began.

    Under an update plan it says so of each resource that a failure or an interrupt kept it from: a consequence then,
    and only without either a violation of the plan.
    """
    return message.startswith("expected resource operations for ") and message.endswith("none were seen")


def provider_message(message: str) -> str:
    """What a provider said, without what Pulumi and Terraform's error type put around it: the URN, a list of one."""
    return re.sub(r"^(?:\w+ing urn:\S+: |1 error occurred:\s*\* )+", "", message).strip()


def _last_lines(error: Exception, count: int = 25) -> str:
    """The CLI's stderr, else the tail of what it said, without blank lines."""
    text = str(error)
    stderr = text.partition("stderr:")[2].strip()
    lines = [line.rstrip() for line in (stderr or text).splitlines() if line.strip()]
    return "\n".join(lines[-count:])
