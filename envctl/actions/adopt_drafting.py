"""A file for a live environment, written until its program and the cloud agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envctl.actions.adopt_looking import Compared, Wanted, live_environment, look_at_cloud
from envctl.actions.adopt_neighbours import Left, look_around
from envctl.actions.program import Program, build_program
from envctl.diagnostics import SourceSpan
from envctl.errors import InvalidInputError
from envctl.masking import mask
from envctl.private_files import write_private
from envctl.spec.rules.literal_secrets import secret_at
from envctl.spec.source import load_source
from envctl.spec.tree import Entries, KeyPath, key_span, show, spans
from envctl.spec.writing import write_document
from envctl.stacks.adoption import output_at
from envctl.stacks.environment import ENVIRONMENT, PACKAGES
from envctl.stacks.reading import Document, pruned, read_environment

if TYPE_CHECKING:
    from envctl.actions.workspace import Workspace

_FIXED = frozenset({"project", "region", "imageVersion", "serviceAccount", "name"})
_ROUNDS = 40
_HEAD = """\
Written by `envctl import` from the live environment; from here on this file is the truth.
What is not said here was left to Google, or is listed under `adopted`."""
_CURE = "put it into Secret Manager, and let DAGs read it as a variable or a connection: `{secret: NAME}`"
_LEFT = f"""
Left out, for no file may hold a secret. The environment still has it: {_CURE},
then take it out of the environment, and change it, for whoever saw the environment saw it."""


@dataclass(frozen=True, slots=True)
class Drafted:
    """A file's text, and what it takes over, leaves out, ignores, and what it does not speak of."""

    text: str
    imported: tuple[str, ...]
    absent: tuple[Left, ...]
    ignored: tuple[Left, ...]
    left: tuple[Left, ...]


class Drafting:
    """Writes a file until its program and the cloud agree."""

    def __init__(self, workspace: Workspace, wanted: Wanted, draft: Path) -> None:
        files = {**workspace.project.files, wanted.stem: draft}
        self.workspace = replace(workspace, project=replace(workspace.project, files=files))
        self.wanted = wanted
        self.draft = draft
        self.dropped: list[Left] = []
        self.secrets: list[str] = []

    def run(self) -> Drafted:
        """The file, and what it says and leaves.

        Raises:
            OutsideError: the cloud cannot be read.
            InvalidInputError: the file would have to say what envctl does not accept.
        """
        live = live_environment(self.workspace, self.wanted)
        bucket = str(output_at(live.outputs, "storageConfig.bucket") or "").removeprefix("gs://")
        around = look_around(self.workspace.cloud.transport(), live.inputs, bucket)
        document = {**read_environment(self.wanted.stem, live.inputs), **around.document}
        document = pruned(self.without_literals(document))
        document["adopted"] = {"labels": False}
        self.write(document)
        document = self.accepted(document)
        program = build_program(self.workspace, self.workspace.load(self.wanted.stem))
        found = look_at_cloud(self.workspace, program)
        absent = [Left(name, reason) for name, reason in found.absent.items()]
        absent += [
            Left(name, f"it is there, and differs in {', '.join(paths)}")
            for name, paths in found.differing.items()
            if name != ENVIRONMENT
        ]
        ignored = _ignorable(found, program)
        if any(item.name == "packages" for item in self.dropped):
            ignored.append(Left(PACKAGES, "the file would say nothing"))
        document["adopted"] = pruned(
            {
                "labels": False,
                "without": [item.name for item in absent] or None,
                "ignore": [item.name for item in ignored] or None,
            }
        )
        self.write(document)
        gone = {item.name for item in absent}
        return Drafted(
            self.draft.read_text("utf-8"),
            imported=tuple(name for name in found.ids if name not in gone),
            absent=tuple(absent),
            ignored=tuple(ignored),
            left=(*self.dropped, *around.left),
        )

    def without_literals(self, value: Any, path: KeyPath = ()) -> Any:
        """The document without secrets that the environment holds in the open; each is named, and stays where it is."""
        if isinstance(value, Mapping):
            kept = {key: self.without_literals(item, (*path, key)) for key, item in value.items()}
            if path == ("packages",) and kept != value:  # they are set as one whole
                return None
            return kept
        if isinstance(value, list):
            items = [self.without_literals(item, (*path, index)) for index, item in enumerate(value)]
            return [item for item in items if item is not None]
        kind = secret_at(path, value) if isinstance(value, str) and path[0] not in _FIXED else None
        if kind is None:
            return value
        name = show(path)
        self.secrets.append(f"{name}: looks like {kind}")
        self.dropped.append(Left(name, f"literal-secret: it looks like {kind}; {_CURE}"))
        return None

    def write(self, document: Document) -> None:
        """Writes the draft, with what a reader must know above the lists of `adopted`."""
        comments: dict[KeyPath, str] = {
            ("adopted", "without"): "Was not there, or not like this. Take a line away, and the next `up` makes it.",
            (
                "adopted",
                "ignore",
            ): "Stays as it is in the cloud. Take a line away, and this file (or its profile) counts.",
        }
        head = "\n".join([_HEAD, *((_LEFT, *self.secrets) if self.secrets else ())])
        write_private(self.draft, write_document(document, comments, head).encode())

    def accepted(self, document: Document) -> Document:
        """The document without the values that envctl refuses, each of them named."""
        for _ in range(_ROUNDS):
            try:
                self.workspace.load(self.wanted.stem)
            except InvalidInputError as error:
                document = self.cleaned(document, error)
                self.write(document)
            else:
                return document
        raise AssertionError("a file of this size has fewer problems")

    def cleaned(self, document: Document, error: InvalidInputError) -> Document:
        """The document without the first value that was refused. Raises the error again when a file cannot do without."""
        source = load_source(self.draft, self.draft.relative_to(self.workspace.root))
        assert source.tree is not None
        for problem in error.diagnostics:
            if problem.severity.value != "error" or problem.span is None:
                continue
            path = _path_at(source.tree, problem.span)
            if not path or path[0] in _FIXED:
                raise error
            if path[0] == "packages":  # they are set as one whole: with one missing, envctl would uninstall it
                path = ("packages",)
            self.dropped.append(Left(".".join(map(str, path)), f"{problem.code}: {problem.summary}"))
            return pruned(_less(document, path))
        raise error


def _path_at(tree: Entries, place: SourceSpan) -> KeyPath:
    """The deepest path whose key or value begins at a place; empty when there is none."""
    start = (place.line, place.column)
    found = [
        path
        for path, span in spans(tree)
        if path and start in {(each.line, each.column) for each in (span, key_span(tree, path))}
    ]
    return max(found, key=len, default=())


def _less(value: Any, path: KeyPath) -> Any:
    """A document without the value at a path, and without a list whose last value that was: an empty one says more."""
    head, rest = path[0], path[1:]
    if isinstance(value, Mapping):
        less = {key: _less(item, rest) if rest else None for key, item in value.items() if key == head}
        return {key: item for key, item in {**value, **less}.items() if key != head or item not in (None, [])}
    items = list(value)
    assert isinstance(head, int)
    items[head : head + 1] = [_less(items[head], rest)] if rest else []
    return items


def _ignorable(found: Compared, program: Program) -> list[Left]:
    """Properties of the environment that differ, as paths that exist on both sides, with what the file would say."""
    kept: dict[str, Left] = {}
    live = found.live[ENVIRONMENT].inputs if ENVIRONMENT in found.live else {}
    declared = program.declared.resource(ENVIRONMENT).inputs
    for path in found.differing.get(ENVIRONMENT, ()):
        keys = path.partition("[")[0].split(".")
        while len(keys) > 1 and not (
            isinstance(output_at(live, ".".join(keys[:-1])), Mapping)
            and isinstance(output_at(declared, ".".join(keys[:-1])), Mapping)
        ):
            keys.pop()
        name = ".".join(keys)
        kept[name] = Left(name, f"the file would say {_short(output_at(declared, name))}")
    return list(kept.values())


def _short(value: Any) -> str:
    return "nothing" if value is None else mask(str(value))[:60]
