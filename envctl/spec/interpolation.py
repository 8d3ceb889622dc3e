"""`${path.to.value}`: values that are made of other values of the same environment.

Only the files speak: no shell variables, no clock, no calls. `$${` stands for a literal `${`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from envctl.diagnostics import Diagnostic, Hint, SourceSpan
from envctl.spec import names
from envctl.spec.codes import problem
from envctl.spec.nearest import nearest
from envctl.spec.tree import Entries, Items, KeyPath, Leaf, Node, Scalar, at, show, text_at

_TOKEN = re.compile(r"\$\$\{|\$\{(?P<inside>[^{}]*)(?P<close>\})?")
_SEGMENT = re.compile(r"(?P<key>[A-Za-z_][A-Za-z0-9_-]*)|\[(?P<index>[0-9]{1,6})\]")
_OUTSIDE = re.compile(r"\s*(env|file|secret|var|local|data)\s*[:.]", re.IGNORECASE)


_Make = Callable[..., str]


class _Failed:
    """Marks a reference whose problem is already noted."""


_FAILED = _Failed()


def interpolate(root: Entries, name: str) -> tuple[Entries, frozenset[KeyPath], tuple[Diagnostic, ...]]:
    """The tree with every reference replaced, the paths where that failed, and why.

    Args:
        root: the tree after merging.
        name: what `${name}` stands for when the file has no `name` of its own.

    A value that is nothing but one reference takes the type of what it refers to; inside longer text it becomes text.
    A value whose reference fails keeps its text.
    """
    run = _Run(root, name)
    done = run.rebuild(root, ())
    assert isinstance(done, Entries)
    failed = frozenset(path for path, value in run.done.items() if isinstance(value, _Failed))
    return done, failed, tuple(run.problems)


@dataclass(slots=True)
class _Run:
    root: Entries
    name: str
    problems: list[Diagnostic] = field(default_factory=list[Diagnostic])
    done: dict[KeyPath, Scalar | _Failed] = field(default_factory=dict[KeyPath, "Scalar | _Failed"])
    open: list[KeyPath] = field(default_factory=list[KeyPath])

    def rebuild(self, node: Node, path: KeyPath) -> Node:
        if isinstance(node, Leaf):
            if not (isinstance(node.value, str) and "${" in node.value):
                return node
            value = self.leaf(path, node)
            return node if isinstance(value, _Failed) else replace(node, value=value)
        if isinstance(node, Items):
            return replace(node, items=tuple(self.rebuild(item, (*path, i)) for i, item in enumerate(node.items)))
        rebuilt = {key: replace(e, node=self.rebuild(e.node, (*path, key))) for key, e in node.entries.items()}
        return replace(node, entries=rebuilt)

    def leaf(self, path: KeyPath, leaf: Leaf) -> Scalar | _Failed:
        """The value of the leaf at `path`, its own references replaced; each leaf is worked out once."""
        if not (isinstance(leaf.value, str) and "${" in leaf.value):
            return leaf.value
        if path not in self.done:
            self.open.append(path)
            try:
                self.done[path] = self.expand(leaf.value, leaf.span)
            finally:
                self.open.pop()
        return self.done[path]

    def expand(self, text: str, span: SourceSpan) -> Scalar | _Failed:
        parts: list[str] = []
        last, failed = 0, False
        for token in _TOKEN.finditer(text):
            parts.append(text[last : token.start()])
            last = token.end()
            if token.group() == "$${":
                parts.append("${")
                continue
            value = self.reference(token, _narrow(span, token.group()))
            if isinstance(value, _Failed):
                failed = True
            elif token.group() == text:
                return value
            else:
                parts.append(_as_text(value))
        return _FAILED if failed else "".join((*parts, text[last:]))

    def reference(self, token: re.Match[str], span: SourceSpan) -> Scalar | _Failed:
        inside = token.group("inside")
        if _OUTSIDE.match(inside) and at(self.root, (inside.strip().split(".")[0],)) is None:
            hints = ["for values of task pods, `userWorkloads.secrets` can name a variable of the caller"]
            return self.fail(problem("reference-outside", f"`{token.group()}` is not in the files.", span, hints))
        path = _parse(inside) if token.group("close") else None
        if path is None:
            detail = f"`{inside}` is not a path." if inside.strip() else "The reference is empty."
            detail = detail if token.group("close") else "The closing `}` is missing."
            return self.fail(problem("reference-syntax", detail, span))
        return self.lookup(path, span)

    def lookup(self, path: KeyPath, span: SourceSpan) -> Scalar | _Failed:
        if path in self.open:
            circle = " -> ".join(show(p) for p in (*self.open[self.open.index(path) :], path))
            return self.fail(problem("reference-cycle", circle, span))
        found = at(self.root, path)
        if isinstance(found, Leaf):
            return self.leaf(path, found)
        if found is not None:
            return self.fail(problem("reference-not-a-value", f"`{show(path)}` is a block.", span))
        computed = self.computed(path, span)
        if computed is not None:
            return computed
        return self.fail(
            problem("reference-unknown", f"There is no `{show(path)}`.", span, self.suggestions(path, span))
        )

    def computed(self, path: KeyPath, span: SourceSpan) -> str | _Failed | None:
        """A name that envctl itself would give; None when `path` names none."""
        match path:
            case ("name",):
                return self.name
            case ("buckets", str(key), "name") | ("secrets", "create", str(key), "name") if (
                at(self.root, (*path[:-1], "existing")) is not None
            ):
                return self.made_of(span, str, show((*path[:-1], "existing")))
            case ("buckets", str(key), "name") if at(self.root, ("buckets", key)) is not None:
                return self.made_of(
                    span,
                    lambda project, name: names.bucket_name(project, name, self.naming_key(path)),
                    "project",
                    "name",
                )
            case ("secrets", "create", str(key), "name") if at(self.root, ("secrets", "create", key)) is not None:
                return self.made_of(span, lambda name: names.secret_name(name, self.naming_key(path)), "name")
            case ("serviceAccount", "email") if at(self.root, ("serviceAccount", "name")) is not None:
                return self.made_of(span, names.service_account_email, "serviceAccount.name", "project")
            case _:
                return None

    def naming_key(self, path: KeyPath) -> str:
        """The key that a default name is made of: the one that a moved entry had before."""
        *entry, _ = path
        return text_at(self.root, *entry, "moved", "from") or str(entry[-1])

    def made_of(self, span: SourceSpan, make: _Make, *paths: str) -> str | _Failed:
        """What `make` makes of the values at `paths`; failed without a word when one is absent, for that is said elsewhere."""
        values: list[str] = []
        for path in paths:
            place: KeyPath = tuple(path.split("."))
            if place != ("name",) and not isinstance(at(self.root, place), Leaf):
                return _FAILED
            value = self.lookup(place, span)
            if isinstance(value, _Failed):
                return value
            values.append(_as_text(value))
        return make(*values)

    def suggestions(self, path: KeyPath, span: SourceSpan) -> list[Hint]:
        """The closest existing path that differs in one segment."""
        for depth in range(len(path)):
            parent = at(self.root, path[:depth])
            if isinstance(parent, Entries) and str(path[depth]) not in parent.entries:
                close = nearest(str(path[depth]), parent.entries)
                candidate = (*path[:depth], close or "", *path[depth + 1 :])
                if close and self.exists(candidate, span):
                    better = show(candidate)
                    return [Hint(f"did you mean `${{{better}}}`?", replacement=f"${{{better}}}")]
                return []
        return []

    def exists(self, path: KeyPath, span: SourceSpan) -> bool:
        """Whether a reference to `path` would work; nothing is noted when it would not."""
        noted = len(self.problems)
        works = at(self.root, path) is not None or isinstance(self.computed(path, span), str)
        del self.problems[noted:]
        return works

    def fail(self, diagnostic: Diagnostic) -> _Failed:
        self.problems.append(diagnostic)
        return _FAILED


def _parse(inside: str) -> KeyPath | None:
    """`a.b[0]` as a path; None when it is not one."""
    text, position = inside.strip(), 0
    path: list[str | int] = []
    while position < len(text):
        match = _SEGMENT.match(text, position)
        if match is None:
            return None
        path.append(match["key"] if match["key"] is not None else int(match["index"]))
        position = match.end()
        if position < len(text) and text[position] == ".":
            position += 1
            if position == len(text) or text[position] == "[":
                return None
        elif position < len(text) and text[position] != "[":
            return None
    return tuple(path) if path and isinstance(path[0], str) else None


def _as_text(value: Scalar) -> str:
    """How a value reads inside longer text: as YAML writes it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _narrow(span: SourceSpan, token: str) -> SourceSpan:
    """The place of the reference inside the value's line, when it can be found there."""
    start = span.text.find(token, max(span.column - 1, 0))
    return span._replace(column=start + 1, end_column=start + len(token) + 1) if start >= 0 else span
