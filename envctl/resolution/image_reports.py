"""Reports about an installation that say what each package requires: `pip inspect`, and pipdeptree as text."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from envctl.diagnostics import Diagnostic, SourceSpan
from envctl.errors import InvalidInputError
from envctl.resolution.parsed_list import ParsedList, distinct, is_version, line_problem
from envctl.resolution.protocol import RequirementMetadata

if TYPE_CHECKING:
    from collections.abc import Mapping

_TOP = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)==(\S+)")
_BRANCH = re.compile(
    r"(?P<indent>[\s\u2502\u251c\u2514\u2500|`+-]+)(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?"
    r" \[required: (?P<required>.*?), installed: (?P<installed>[^\],]+)[^\]]*\]"
)
_ABSENT = "?"


def parse_inspection(document: Mapping[str, Any], file: SourceSpan) -> ParsedList:
    """What `pip inspect` prints: packages with all that they declare, the Python, and the pip that was asked.

    Source: "pip inspect JSON output specification", documentation of pip 23.2, 2026-11.

    Raises:
        InvalidInputError: an entry is no package, or a package has two versions.
    """
    pins: list[tuple[str, str]] = []
    requires: list[tuple[str, RequirementMetadata]] = []
    problems: list[Diagnostic] = []
    entries: Any = document["installed"]
    for number, entry in enumerate(entries if isinstance(entries, list) else [], 1):
        metadata: Any = entry.get("metadata", {}) if isinstance(entry, dict) else {}
        name, version = metadata.get("name"), metadata.get("version")
        if not (isinstance(name, str) and isinstance(version, str) and is_version(version)):
            detail = f"{file.file}, entry {number} of `installed`: `{json.dumps(entry)[:80]}` is no package."
            problems.append(line_problem(detail, file))
            continue
        pins.append((name, version))
        declared = RequirementMetadata(
            tuple(map(str, metadata.get("requires_dist") or ())),
            metadata.get("requires_python"),
            tuple(map(str, metadata.get("provides_extra") or ())),
        )
        requires.append((name, declared))
    if problems:
        raise InvalidInputError(tuple(problems))
    environment: Any = document.get("environment") or {}
    spans = tuple(file for _ in pins)
    return ParsedList(
        distinct(tuple(pins), spans),
        tuple(requires),
        (),
        spans,
        str(environment.get("python_full_version") or ""),
        str(document.get("pip_version") or ""),
    )


def parse_tree(text: str, file: SourceSpan) -> ParsedList | None:
    """What pipdeptree draws; None where the text is nothing of the kind.

    A package stands under every one that requires it; what is not installed is in no image. Warnings that pipdeptree
    puts above its tree name packages of the tree again.

    Raises:
        InvalidInputError: a line of the tree cannot be read, or a package has two versions.
    """
    lines = text.removeprefix("\ufeff").splitlines()
    if not any(_BRANCH.fullmatch(line.rstrip()) for line in lines):
        return None
    pins: dict[SourceSpan, tuple[str, str]] = {}
    requires: dict[str, dict[str, None]] = {}
    above: list[tuple[int, str]] = []
    unread: list[Diagnostic] = []
    for number, raw in enumerate(lines, 1):
        line = raw.rstrip()
        span = SourceSpan(file.file, number, 1, len(line) + 1, line)
        if (top := _TOP.fullmatch(line)) is not None and is_version(top[2]):
            pins[span] = (top[1], top[2])
            requires.setdefault(top[1], {})
            above = [(0, top[1])]
        elif (branch := _BRANCH.fullmatch(line)) is not None:
            depth, name, installed = len(branch["indent"]), branch["name"], branch["installed"].strip()
            while above and above[-1][0] >= depth:
                above.pop()
            if above:
                required = "" if branch["required"].strip().lower() == "any" else branch["required"].strip()
                requires[above[-1][1]].setdefault(f"{name}{required}")
                above.append((depth, name))
                if installed != _ABSENT:
                    requires.setdefault(name, {})
                    pins[span] = (name, installed)
                else:
                    requires.setdefault(name, {})
        elif line and not line.startswith(("#", "*", "Warning!!!")) and not set(line) <= {"-", " "}:
            unread.append(line_problem(f"`{line.strip()[:80]}` is no line of a tree.", span))
    if unread:
        raise InvalidInputError(tuple(unread))
    places = tuple(pins)
    named = distinct(tuple(pins.values()), places)
    first = {name: (version, span) for (name, version), span in reversed(list(zip(named, places, strict=True)))}
    return ParsedList(
        tuple((name, version) for name, (version, _) in first.items()),
        tuple((name, RequirementMetadata(tuple(texts))) for name, texts in requires.items()),
        (),
        tuple(span for _, span in first.values()),
    )
