"""The rules, asked about the resources of one plan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from traceback import extract_tb
from typing import Any

from pulumi_policy import PolicyCustomTimeouts, PolicyResourceOptions, ResourceValidationArgs
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE, UnknownValueError, unknown_checking_proxy

from envctl.errors import EnvctlError, ExitCode
from envctl.plan.values import JsonValue, Opaque
from envctl.policies.catalogue import SHIPPED
from envctl.policies.rule import Check, Level, NotJudgedError, Rule

SECRET = "[secret]"  # noqa: S105  (what the CLI shows to a policy pack as well)


class PolicyBrokenError(EnvctlError):
    """A rule of the project itself failed, so the plan is not judged."""

    exit_code = ExitCode.INVALID
    code = "policy-broken"


@dataclass(frozen=True, slots=True)
class Declared:
    """A resource as the plan wants it."""

    urn: str
    type: str
    name: str
    inputs: Mapping[str, JsonValue]
    protect: bool = False


@dataclass(frozen=True, slots=True)
class Excuse:
    """A rule that does not hold here, until a day, with a reason."""

    rule: str
    reason: str
    until: date


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that a resource breaks. `message` is None when its inputs are known only after apply.

    `exception` is the one that excuses it; `expired` tells that there was one.
    """

    rule: Rule
    level: Level
    resource: Declared
    message: str | None
    exception: Excuse | None = None
    expired: bool = False


def evaluate(
    rules: Iterable[Rule],
    resources: Iterable[Declared],
    profile: str,
    *,
    levels: Mapping[str, str],
    config: Mapping[str, Any] | None = None,
    exceptions: Iterable[Excuse],
    today: date,
) -> tuple[Violation, ...]:
    """Every violation, rule by rule.

    Args:
        rules: what is asked.
        resources: what the program declares.
        profile: of the environment.
        levels: levels by rule id that the project sets; they win over the profile's.
        config: settings for the rules that take some, such as a cost limit.
        exceptions: of the environment's file.
        today: the day on which exceptions are judged.

    Raises:
        PolicyBrokenError: the check of a rule that envctl does not ship raised something.
    """
    resources = tuple(resources)
    excused = {each.rule: each for each in exceptions}
    found: list[Violation] = []
    for rule in rules:
        level = Level(levels.get(rule.id, rule.levels.of(profile)))
        if level is Level.DISABLED:
            continue
        exception = excused.get(rule.id)
        holds = exception is not None and exception.until >= today
        for resource in resources:
            try:
                broken, message = _ask(rule, resource, config or {})
            except NotJudgedError as error:
                found.append(Violation(rule, Level.ADVISORY, resource, f"not judged: {error}"))
                continue
            if broken:
                found.append(
                    Violation(
                        rule,
                        level,
                        resource,
                        message,
                        exception if holds else None,
                        expired=exception is not None and not holds,
                    )
                )
    return tuple(found)


def _ask(rule: Rule, resource: Declared, config: Mapping[str, Any]) -> tuple[bool, str | None]:
    check = rule.check_for(resource.type)
    if check is None:
        return False, None
    arguments = ResourceValidationArgs(
        resource_type=resource.type,
        props=unknown_checking_proxy(_plain(resource.inputs)),
        urn=resource.urn,
        name=resource.name,
        opts=PolicyResourceOptions(
            protect=resource.protect,
            ignore_changes=[],
            delete_before_replace=None,
            aliases=[],
            custom_timeouts=PolicyCustomTimeouts(0, 0, 0),
            additional_secret_outputs=[],
        ),
        provider=None,
        config=config,
    )
    try:
        message = check(arguments)
    except UnknownValueError:
        return True, None
    except NotJudgedError:
        raise
    except Exception as error:
        if rule in SHIPPED:
            raise  # that one is a bug of envctl
        raise _broken(rule, check, resource, error) from error
    return message is not None, message


def _broken(rule: Rule, check: Check, resource: Declared, error: Exception) -> PolicyBrokenError:
    """What a project's own rule raised, with the last line of its own file that was reached."""
    _, *frames = extract_tb(error.__traceback__)  # the first one is the call in this file
    where = ""
    if frames:
        last = next(frame for frame in reversed(frames) if frame.filename == frames[0].filename)
        where = f"{last.filename}:{last.lineno}"
    elif (code := getattr(check, "__code__", None)) is not None:  # it could not even be called
        where = f"{code.co_filename}:{code.co_firstlineno}"
    return PolicyBrokenError(
        f"The policy {rule.id} failed",
        detail=f"{where}: {type(error).__name__}: {error}\nIt was asked about {resource.type} {resource.name}.".lstrip(
            ": "
        ),
        hints=("mend the rule; a check takes one argument and returns a sentence or None",),
    )


def _plain(value: JsonValue) -> Any:
    """Inputs as the SDK's proxy wants them: a sentinel for what is known only after apply."""
    if isinstance(value, Opaque):
        return UNKNOWN_STRING_VALUE if value is Opaque.UNKNOWN else SECRET
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
