"""The list of a bucket's objects: prefixes, folders, globs, offsets, versions, pages."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any

from envctl.sandbox.failures import invalid
from envctl.sandbox.services.storage_versions import versions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envctl.sandbox.backend import Call
    from envctl.sandbox.cloud import Cloud


def listed(cloud: Cloud, call: Call) -> tuple[list[Mapping[str, Any]], list[str], str]:
    """Resources, folders and the token of the next page that a call of `objects.list` asks for."""
    cloud.buckets.find(call["bucket"])
    prefix, delimiter = call.query("prefix"), call.query("delimiter")
    first, end = call.query("startOffset"), call.query("endOffset")
    glob = _glob(call.query("matchGlob"))
    trailing = call.query("includeTrailingDelimiter") == "true"
    older = call.query("versions") == "true"
    entries: dict[str, Mapping[str, Any] | None] = {}
    for resource in versions(cloud, call["bucket"], prefix, older=older):
        name: str = resource["name"]
        if (first and name < first) or (end and name >= end) or (glob and not glob.fullmatch(name)):
            continue
        folder = _folder(name, prefix, delimiter)
        if folder:
            entries.setdefault(folder, None)
        if not folder or (trailing and folder == name):
            entries[f"{name}#{resource['generation']}"] = resource
    keys = sorted(entries, key=_position)
    keys = keys[_start(call, keys) :]
    size = call.number("maxResults", 1000)
    token = base64.b64encode(keys[size - 1].encode()).decode() if len(keys) > size else ""
    shown = [(key, entries[key]) for key in keys[:size]]
    resources = [resource for _, resource in shown if resource is not None]
    return resources, [key for key, resource in shown if resource is None], token


def _folder(name: str, prefix: str, delimiter: str) -> str:
    rest = name[len(prefix) :]
    return prefix + rest.partition(delimiter)[0] + delimiter if delimiter and delimiter in rest else ""


def _position(key: str) -> tuple[str, int]:
    name, mark, generation = key.rpartition("#")
    return (name, int(generation)) if mark and generation.isdigit() else (key, 0)


def _start(call: Call, keys: list[str]) -> int:
    """Where the page begins: after the last entry of the page before, there or not."""
    try:
        after = base64.b64decode(call.query("pageToken"), validate=True).decode()
    except ValueError as error:
        raise invalid("Invalid argument: pageToken") from error
    return sum(1 for key in keys if _position(key) <= _position(after)) if after else 0


def _glob(pattern: str) -> re.Pattern[str] | None:
    """A pattern of `matchGlob`: `*` and `?` within a folder, `**` across, `[a-z]`, `{a,b}`.

    https://cloud.google.com/storage/docs/json_api/v1/objects/list#list-objects-and-prefixes-using-glob, read 2026-11.
    """
    if not pattern:
        return None
    parts: list[str] = []
    depth = 0
    for token in re.findall(r"\*\*/?|\[!?[^\]]+\]|\\.|.", pattern, re.DOTALL):
        match token:
            case "**/":
                parts.append("(?:.*/)?")
            case "**":
                parts.append(".*")
            case "*":
                parts.append("[^/]*")
            case "?":
                parts.append("[^/]")
            case "{":
                parts.append("(?:")
                depth += 1
            case "}" if depth:
                parts.append(")")
                depth -= 1
            case "," if depth:
                parts.append("|")
            case _ if token.startswith("[") and len(token) > 2:
                inner = token[1:-1].replace("\\", r"\\")
                parts.append(f"[^{inner[1:]}]" if inner.startswith("!") else f"[{inner}]")
            case _:
                parts.append(re.escape(token.removeprefix("\\") if len(token) == 2 else token))
    try:
        return re.compile("".join(parts), re.DOTALL)
    except re.error as error:
        raise invalid(f"Invalid argument: matchGlob '{pattern}'") from error
