"""Property paths (`config.nodeConfig.tags[0]`, `labels["a.b"]`, `nodes[*].name`) and what Pulumi does along them."""

from __future__ import annotations

from collections.abc import Iterable

from envctl.engine.embedded.values import Secret, Value, secret

Path = tuple[str | int, ...]

ANY = "*"


class PathError(ValueError):
    """A property path that cannot be read."""


def parse_path(text: str) -> Path:
    """The elements of a path; raises `PathError` where Pulumi's own parser would."""
    parts: list[str | int] = []
    rest = text
    while rest:
        if rest[0] == ".":
            if len(rest) == 1 or not parts:
                raise PathError(f"`{text}` is not a property path")
            rest = rest[1:]
        elif rest[0] == "[":
            part, rest = _bracket(text, rest)
            parts.append(part)
        else:
            end = next((i for i, char in enumerate(rest) if char in ".["), len(rest))
            parts.append(rest[:end])
            rest = rest[end:]
    if not parts:
        raise PathError("a property path cannot be empty")
    return tuple(parts)


def _bracket(text: str, rest: str) -> tuple[str | int, str]:
    if rest.startswith('["'):
        key: list[str] = []
        index = 2
        while index < len(rest) and rest[index] != '"':
            index += rest[index] == "\\"
            key.append(rest[index : index + 1])
            index += 1
        if not rest.startswith('"]', index):
            raise PathError(f"`{text}` has an open bracket")
        return "".join(key), rest[index + 2 :]
    end = rest.find("]")
    inner = rest[1:end] if end > 0 else ""
    if inner == ANY:
        return ANY, rest[end + 1 :]
    if not inner.isdigit():
        raise PathError(f"`{text}` has a bracket that holds neither a number nor a quoted key")
    return int(inner), rest[end + 1 :]


def format_path(path: Path) -> str:
    """The path as text, keys quoted where they must be."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part.replace("_", "a").isalnum() or part == ANY:
            text += f".{part}" if text else part
        else:
            quoted = part.replace("\\", "\\\\").replace('"', '\\"')
            text += f'["{quoted}"]'
    return text


def contains(path: Path, other: Path) -> bool:
    """Whether `other` lies at or below `path`; `*` in `path` stands for any one element."""
    if len(path) > len(other):
        return False
    return all(a in (ANY, b) for a, b in zip(path, other, strict=False))


def keep_old(new: dict[str, Value], old: dict[str, Value], paths: Iterable[str]) -> tuple[dict[str, Value], list[str]]:
    """New inputs with every path set back to its old value (`ignoreChanges`), and the paths where that is impossible.

    A path that only the new inputs have is removed; elements of lists are never added or removed.
    """
    result: Value = new
    impossible: list[str] = []
    for text in paths:
        changed, done = _reset(parse_path(text), old, result)
        if done:
            result = changed
        else:
            impossible.append(text)
    return result, impossible


def _reset(path: Path, old: Value, new: Value) -> tuple[Value, bool]:
    if isinstance(new, Secret):
        changed, done = _reset(path, old.value if isinstance(old, Secret) else old, new.value)
        return (new if changed is new.value else Secret(changed)), done
    if isinstance(old, Secret):
        old = _secret_parts(old.value)
    head, tail = path[0], path[1:]
    if head == ANY:
        return _reset_all(tail, old, new)
    if isinstance(head, int):
        return _reset_index(head, tail, old, new)
    return _reset_key(head, tail, old, new)


def _secret_parts(value: Value) -> Value:
    """The container with every element secret: what is taken out of a secret stays one."""
    if isinstance(value, dict):
        return {key: secret(item) for key, item in value.items()}
    return [secret(item) for item in value] if isinstance(value, list) else secret(value)


def _reset_key(key: str, tail: Path, old: Value, new: Value) -> tuple[Value, bool]:
    old_object, new_object = isinstance(old, dict), isinstance(new, dict)
    if not tail:
        if old_object and key in old:
            return ({**new, key: old[key]}, True) if new_object else (new, False)
        if new_object and key in new:
            return {k: v for k, v in new.items() if k != key}, True
        return new, True
    if not (old_object and new_object):
        return new, not old_object and not new_object
    if key in old and key not in new:
        return new, False
    if key not in new:
        return new, True
    changed, done = _reset(tail, old.get(key), new[key])
    return ({**new, key: changed} if changed is not new[key] else new), done


def _reset_index(index: int, tail: Path, old: Value, new: Value) -> tuple[Value, bool]:
    old_list, new_list = isinstance(old, list), isinstance(new, list)
    if not (old_list and new_list):
        return new, not old_list and not new_list
    if index >= len(old) or index >= len(new):
        return new, not tail and index >= len(old) and index >= len(new)
    changed, done = _reset(tail, old[index], new[index]) if tail else (old[index], True)
    return [*new[:index], changed, *new[index + 1 :]], done


def _reset_all(tail: Path, old: Value, new: Value) -> tuple[Value, bool]:
    if not tail:
        if isinstance(new, dict):
            return (dict(old) if isinstance(old, dict) else new), True
        if isinstance(new, list):
            if not isinstance(old, list):
                return new, True
            shared = min(len(old), len(new))
            return [*old[:shared], *new[shared:]], len(old) == len(new)
        return new, False
    if isinstance(old, dict) and isinstance(new, dict):
        result = dict(new)
        for key, value in old.items():
            if key not in new:
                return new, False
            result[key], done = _reset(tail, value, new[key])
            if not done:
                return new, False
        return result, True
    if isinstance(old, list) and isinstance(new, list):
        items = list(new)
        for index, (a, b) in enumerate(zip(old, new, strict=False)):
            items[index], done = _reset(tail, a, b)
            if not done:
                return new, False
        return items, len(old) == len(new)
    return new, False
