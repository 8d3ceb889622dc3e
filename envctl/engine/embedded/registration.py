"""A registration of the SDK, read into a goal and freed of what the engine does not do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from envctl.engine.embedded.goal import Alias, Goal
from envctl.engine.embedded.paths import PathError, parse_path
from envctl.engine.embedded.wire import WireError, read_struct, read_value
from envctl.engine.urns import is_provider

if TYPE_CHECKING:
    from pulumi.runtime.proto.resource_pb2 import RegisterResourceRequest


class UnsupportedError(Exception):
    """The program uses a feature of Pulumi that the embedded engine does not have; the text names it."""


def read_goal(request: RegisterResourceRequest) -> Goal:
    """The goal of a registration.

    Raises:
        UnsupportedError: it uses an option that the embedded engine would have to ignore.
    """
    if unsupported := _unsupported(request):
        raise UnsupportedError(
            f"the option `{unsupported}` is not supported by the embedded engine; `--engine pulumi` has it"
        )
    try:
        inputs = read_struct(request.object)
        trigger = read_value(request.replacement_trigger) if request.HasField("replacement_trigger") else None
        for path in (*request.ignoreChanges, *request.replaceOnChanges):
            parse_path(path)
    except (WireError, PathError) as error:
        raise UnsupportedError(str(error)) from error
    dependencies = {name: tuple(sorted(entry.urns)) for name, entry in request.propertyDependencies.items()}
    everything = tuple(sorted(request.dependencies))
    if not dependencies and everything:
        dependencies = dict.fromkeys(inputs, everything)
    return Goal(
        type=request.type,
        name=request.name,
        custom=request.custom,
        parent=request.parent,
        inputs=inputs,
        provider=request.provider,
        version=request.version,
        protect=request.protect if request.HasField("protect") else None,
        retain_on_delete=request.retainOnDelete if request.HasField("retainOnDelete") else None,
        delete_before_replace=request.deleteBeforeReplace if request.deleteBeforeReplaceDefined else None,
        dependencies=everything,
        property_dependencies={name: urns for name, urns in dependencies.items() if urns},
        deleted_with=request.deletedWith,
        ignore_changes=tuple(request.ignoreChanges),
        replace_on_changes=tuple(request.replaceOnChanges),
        additional_secret_outputs=tuple(request.additionalSecretOutputs),
        import_id=request.importId,
        custom_timeouts=_timeouts(request),
        replacement_trigger=trigger,
        aliases=_aliases(request),
    )


def _aliases(request: RegisterResourceRequest) -> tuple[Alias, ...]:
    specified = [
        Alias(urn=alias.urn)
        if alias.urn
        else Alias(
            name=alias.spec.name,
            type=alias.spec.type,
            parent=alias.spec.parentUrn,
            no_parent=alias.spec.noParent,
            project=alias.spec.project,
            stack=alias.spec.stack,
        )
        for alias in request.aliases
    ]
    return (*(Alias(urn=urn) for urn in request.aliasURNs), *specified)


def _unsupported(request: RegisterResourceRequest) -> str:
    hooks = request.hooks
    used = {
        "remote component": request.remote,
        "transforms": bool(request.transforms),
        "state_migrations": bool(request.state_migrations),
        "replace_with": bool(request.replace_with),
        "hide_diffs": bool(request.hideDiffs),
        "env_var_mappings": bool(request.envVarMappings),
        "plugin_download_url": bool(request.pluginDownloadURL),
        "package reference": bool(request.packageRef),
        "hooks": any(bool(getattr(hooks, name.name)) for name in hooks.DESCRIPTOR.fields),
        "import of a provider": bool(request.importId) and is_provider(request.type),
        "replace_on_changes of a provider": bool(request.replaceOnChanges) and is_provider(request.type),
    }
    return next((name for name, is_used in used.items() if is_used), "")


_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def _timeouts(request: RegisterResourceRequest) -> dict[str, float]:
    given = request.customTimeouts
    texts = {"create": given.create, "update": given.update, "delete": given.delete}
    return {name: _duration(text) for name, text in texts.items() if text}


def _duration(text: str) -> float:
    """Seconds of a Go duration (`1h30m`)."""
    parts = _DURATION.findall(text)
    if "".join(number + unit for number, unit in parts) != text:
        raise UnsupportedError(f"the custom timeout `{text}` is not a duration such as `1h30m`")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)
