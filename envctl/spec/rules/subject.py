"""What a rule looks at, and what it says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from envctl.diagnostics import Hint, Severity
from envctl.spec.image import ImageVersion, parse_image
from envctl.spec.model import Environment, Foundation, Spec
from envctl.spec.tree import Entries, Items, KeyPath, Leaf, Node, at


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that does not hold at a path; `at_key` places it under the key instead of the value."""

    code: str
    path: KeyPath
    detail: str
    hints: tuple[Hint, ...] = ()
    at_key: bool = False
    severity: Severity | None = None


@dataclass(frozen=True)
class Subject:
    """One file, as the rules see it.

    Attributes:
        name: the file's stem.
        spec: with the profile applied.
        tree: what was written, for rules about what the models do not keep.
        foundation: the foundation that the environment refers to, when it could be read.
        folder: absolute folder of the environment files; relative paths start here.
        today: ISO date, for rules about last days.
    """

    name: str
    spec: Spec
    tree: Entries
    foundation: Foundation | None
    folder: Path
    today: str

    @cached_property
    def image(self) -> ImageVersion | None:
        """The image version, when it is one."""
        return parse_image(self.spec.image_version) if isinstance(self.spec, Environment) else None

    @cached_property
    def generation(self) -> int | None:
        """2 or 3; None when rules per generation cannot be applied."""
        generation = self.image.generation if self.image else None
        return generation if generation in {2, 3} else None

    @cached_property
    def environment_name(self) -> str:
        """What the environment is called in the cloud."""
        return self.spec.name or self.name

    def written(self, *path: str | int) -> bool:
        """Whether the files say anything at `path`."""
        return at(self.tree, path) is not None


def leaves(node: Node, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Leaf]]:
    """Every single value below a node, with its path."""
    if isinstance(node, Leaf):
        yield path, node
    elif isinstance(node, Items):
        for index, item in enumerate(node.items):
            yield from leaves(item, (*path, index))
    else:
        for key, entry in node.entries.items():
            yield from leaves(entry.node, (*path, key))


def hints(*texts: str | None) -> tuple[Hint, ...]:
    """Sentences as hints; None is left out."""
    return tuple(Hint(text) for text in texts if text)


def suggestion(word: str | None) -> tuple[Hint, ...]:
    """The one hint that names what was probably meant."""
    return (Hint(f"did you mean `{word}`?", replacement=word),) if word else ()
