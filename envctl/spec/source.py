"""Text of a YAML file -> tree with places, by the rules of YAML 1.2 (core schema).

libyaml parses; everything that YAML 1.1 readers guess (`no` as false, `1:30` as ninety, dates) stays text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml
from yaml._yaml import CParser  # pyright: ignore[reportMissingModuleSource, reportAttributeAccessIssue, reportUnknownVariableType]

from envctl.diagnostics import Diagnostic, Hint, SourceSpan
from envctl.spec.codes import problem
from envctl.spec.tree import Entries, Entry, Items, Leaf, Node, Scalar, plain

MAX_BYTES = 1024 * 1024
MAX_NODES = 50_000
MAX_DEPTH = 30

_PLAIN = "plain"
_QUOTED = "quoted"
_TEXT_TAG = "tag:yaml.org,2002:str"
_COLLECTION_TAGS = {"tag:yaml.org,2002:map", "tag:yaml.org,2002:seq", _PLAIN, _QUOTED}
_LINE_BREAKS = re.compile("\r\n|[\r\n\x85\u2028\u2029]")

# YAML 1.2.2, section 10.3.2 "Tag Resolution" of the core schema (https://yaml.org/spec/1.2.2/, 2021-10-01).
_NULL = {"", "~", "null", "Null", "NULL"}
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_MAX_DIGITS = 300


class _Parser(CParser, yaml.resolver.BaseResolver):
    """libyaml's composer that says of each scalar whether it was quoted, and guesses nothing."""

    def __init__(self, text: str) -> None:
        CParser.__init__(self, text)
        yaml.resolver.BaseResolver.__init__(self)

    def resolve(self, kind: type[yaml.Node], value: str | None, implicit: object) -> str:  # noqa: ARG002
        if kind is yaml.ScalarNode and isinstance(implicit, tuple) and not implicit[0]:
            return _QUOTED
        return _PLAIN


@dataclass(frozen=True, slots=True)
class Source:
    """A file that was read: its tree, None when nothing could be made of it, and its problems."""

    file: Path
    tree: Entries | None
    diagnostics: tuple[Diagnostic, ...]


def load_source(path: Path, shown: Path) -> Source:
    """The tree of the file at `path`, shown to people as `shown`; never raises for what the file holds."""
    whole = SourceSpan(shown, 1)
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        return Source(shown, None, (problem("file-unreadable", error.strerror or str(error), whole),))
    if len(data) > MAX_BYTES:
        size = path.stat().st_size / 1024 / 1024
        detail = f"It has {size:.1f} MiB; up to {MAX_BYTES // 1024 // 1024} MiB are read."
        return Source(shown, None, (problem("file-too-large", detail, whole),))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        detail = f"Byte {error.start + 1} ({data[error.start]:#04x}) on line {line} is not UTF-8."
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            detail = "The file is UTF-16."
        return Source(shown, None, (problem("file-not-utf8", detail, SourceSpan(shown, line)),))
    return parse_source(text, shown)


def parse_source(text: str, file: Path) -> Source:
    """The tree of YAML text; an empty text is an empty mapping."""
    lines = _LINE_BREAKS.split(text)
    try:
        parser = _Parser(text)
        root = parser.get_single_node()
    except yaml.YAMLError as error:
        return Source(file, None, (_syntax_problem(error, file, lines),))
    except UnicodeEncodeError:
        detail = "The text holds a lone surrogate, which is no character."
        return Source(file, None, (problem("file-not-utf8", detail, SourceSpan(file, 1)),))
    if root is None:
        return Source(file, Entries({}, SourceSpan(file, 1)), ())
    building = _Building(file, lines)
    if not isinstance(root, yaml.MappingNode):
        if isinstance(root, yaml.ScalarNode) and root.tag == _PLAIN and root.value in _NULL:
            return Source(file, Entries({}, SourceSpan(file, 1)), ())
        return Source(file, None, (problem("yaml-not-a-mapping", "", building.span(root)),))
    try:
        tree = building.node(root, 0, SourceSpan(file, 1))
    except _GivenUpError as stop:
        return Source(file, None, (*building.problems, stop.diagnostic))
    assert isinstance(tree, Entries)
    return Source(file, tree, tuple(building.problems))


def parse_table(text: str) -> dict[str, Any]:
    """A shipped table as plain values, read by the same rules as the user's files.

    Raises:
        ValueError: the table is not sound YAML, which is a bug of envctl.
    """
    source = parse_source(text, Path("table"))
    if source.tree is None or source.diagnostics:
        raise ValueError(f"shipped table: {source.diagnostics}")
    table = plain(source.tree)
    assert isinstance(table, dict)
    return cast("dict[str, Any]", table)


class _GivenUpError(Exception):
    """The rest of the file is not worth reading."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.summary)
        self.diagnostic = diagnostic


class _Building:
    """One walk over libyaml's nodes."""

    def __init__(self, file: Path, lines: list[str]) -> None:
        self.file = file
        self.lines = lines
        self.problems: list[Diagnostic] = []
        self.count = 0
        self.open: set[int] = set()

    def span(self, node: yaml.Node) -> SourceSpan:
        """The node's place, cut to its first line."""
        start, end = node.start_mark, node.end_mark
        text = self.lines[start.line] if start.line < len(self.lines) else ""
        stop = end.column if end.line == start.line else len(text)
        return SourceSpan(self.file, start.line + 1, start.column + 1, max(stop, start.column + 1) + 1, text)

    def node(self, node: yaml.Node, depth: int, key: SourceSpan) -> Node:
        """The tree below `node`; `key` is the place of its key, where block collections are shown."""
        self.count += 1
        if self.count > MAX_NODES:
            raise _GivenUpError(problem("yaml-alias-bomb", f"More than {MAX_NODES:,} values.", key))
        if depth > MAX_DEPTH:
            raise _GivenUpError(problem("yaml-too-deep", f"More than {MAX_DEPTH} levels.", self.span(node)))
        if isinstance(node, yaml.ScalarNode):
            return Leaf(self.scalar(node), self.span(node))
        if id(node) in self.open:
            raise _GivenUpError(problem("yaml-alias-cycle", "", key))
        if node.tag not in _COLLECTION_TAGS:
            self.problems.append(problem("yaml-tag", f"The tag is `{node.tag}`.", self.span(node)))
        place = self.span(node) if getattr(node, "flow_style", None) else key
        self.open.add(id(node))
        try:
            if isinstance(node, yaml.SequenceNode):
                items = tuple(self.node(item, depth + 1, self.item_span(item)) for item in node.value)
                return Items(items, place)
            assert isinstance(node, yaml.MappingNode)
            return Entries(self.entries(node, depth), place)
        finally:
            self.open.discard(id(node))

    def item_span(self, node: yaml.Node) -> SourceSpan:
        """The place of a list item: the first key of a mapping, else the item."""
        if isinstance(node, yaml.MappingNode) and not node.flow_style and node.value:
            return self.span(node.value[0][0])
        return self.span(node)

    def entries(self, node: yaml.MappingNode, depth: int) -> dict[str, Entry]:
        found: dict[str, Entry] = {}
        for key_node, value_node in node.value:
            place = self.span(key_node)
            if not isinstance(key_node, yaml.ScalarNode) or (key_node.tag == _PLAIN and key_node.value in {"", "~"}):
                self.problems.append(problem("yaml-key", "", place))
                continue
            key = key_node.value
            if key in found:
                first = found[key].key_span
                detail = f"`{key}` stands on line {first.line} already."
                self.problems.append(problem("duplicate-key", detail, place))
                continue
            found[key] = Entry(place, self.node(value_node, depth + 1, place))
        return found

    def scalar(self, node: yaml.ScalarNode) -> Scalar:
        text: str = node.value
        if node.tag != _PLAIN:
            if node.tag not in {_QUOTED, _TEXT_TAG}:
                self.problems.append(problem("yaml-tag", f"The tag is `{node.tag}`.", self.span(node)))
            return text
        if text in _NULL:
            return None
        if text in _BOOL:
            return _BOOL[text]
        if len(text) > _MAX_DIGITS:
            return text
        if _INTEGER.fullmatch(text):
            digits = text.lstrip("+-")
            if len(digits) > 1 and digits.startswith("0"):
                self.ambiguous(node, f"Is `{text}` decimal or octal?", digits.lstrip("0") or "0")
            return int(text)
        if _BASED.fullmatch(text):
            return int(text, 0)
        if _FLOAT.fullmatch(text):
            number = float(text)
            if number in {float("inf"), float("-inf")}:
                self.ambiguous(node, f"`{text}` is too large for a number.")
                return text
            return number
        if _NOT_FINITE.fullmatch(text):
            self.ambiguous(node, f"`{text}` is not a finite number.")
        return text

    def ambiguous(self, node: yaml.ScalarNode, detail: str, instead: str | None = None) -> None:
        hints = [Hint(f'quote it when it is text: "{node.value}"', replacement=f'"{node.value}"')]
        if instead:
            hints.append(Hint(f"write `{instead}` when it is a number", replacement=instead))
        self.problems.append(problem("yaml-ambiguous-number", detail, self.span(node), hints))


def _syntax_problem(error: yaml.YAMLError, file: Path, lines: list[str]) -> Diagnostic:
    """The parser's complaint as a diagnostic with the line that it points at."""
    if isinstance(error, yaml.reader.ReaderError):
        before = "\n".join(lines)[: error.position]
        line = before.count("\n") + 1
        code_point = error.character if isinstance(error.character, int) else ord(str(error.character)[:1] or "\0")
        detail = f"Character U+{code_point:04X} is not allowed in YAML."
        return problem("yaml-syntax", detail, SourceSpan(file, line, text=_line(lines, line - 1)))
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    said = getattr(error, "problem", None) or str(error)
    context = getattr(error, "context", None)
    index = min(mark.line, len(lines) - 1) if mark else 0
    column = mark.column if mark else 0
    text = _line(lines, index)
    span = SourceSpan(file, index + 1, column + 1, column + 2, text)
    if "single document" in f"{context}{said}":
        return problem("yaml-several-documents", "", span)
    indentation = text[: len(text) - len(text.lstrip())]
    if "\t" in indentation or text[column : column + 1] == "\t":
        place = text.index("\t")
        return problem("yaml-tab", "", SourceSpan(file, index + 1, place + 1, place + 2, text))
    sentence = f"{context}, {said}" if context else said
    return problem("yaml-syntax", f"{sentence[:1].upper()}{sentence[1:]}.", span)


def _line(lines: list[str], index: int) -> str:
    return lines[index] if 0 <= index < len(lines) else ""
