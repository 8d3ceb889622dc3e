"""The `id` of a project: a random word in `envctl.yaml` that marks what the project owns in the cloud."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from envctl.diagnostics import Diagnostic, Hint
from envctl.errors import EnvctlError, OutsideError
from envctl.spec.codes import problem
from envctl.spec.project import PROJECT_FILE, Project, load_project
from envctl.spec.source import load_source, parse_source
from envctl.spec.tree import Entries, key_span, plain, text_at, without

_LENGTH = 12


def new_project_id() -> str:
    """A word that no other project has: 12 characters, about 61 bits from the system's random numbers."""
    import secrets
    import string

    rest = string.ascii_lowercase + string.digits
    return secrets.choice(string.ascii_lowercase) + "".join(secrets.choice(rest) for _ in range(_LENGTH - 1))


def check_project_id(project: Project, offered: str | None = None) -> tuple[Diagnostic, ...]:
    """The advice to give the project an id, with the line to add; nothing when it has one.

    Args:
        project: as loaded.
        offered: the id to offer; a new one when not given.
    """
    if project.id is not None:
        return ()
    tree = load_source(project.root / PROJECT_FILE, Path(PROJECT_FILE)).tree
    place = key_span(tree, ("name",)) if tree is not None else None
    line = f"id: {offered or new_project_id()}"
    detail = "Nothing in the cloud says that it belongs to this project; the next `up` writes an id."
    return (problem("project-id-missing", detail, place, [Hint(f"add this line to {PROJECT_FILE}", line, line)]),)


def write_project_id(project: Project) -> Project:
    """The project with an id; when its `envctl.yaml` has none, a new one is written there, below `name`.

    The rest of the file stays byte for byte. Of several processes that come at once, one writes and all get its id.

    Raises:
        InvalidInputError: the file was changed meanwhile, and is wrong now.
        OutsideError: the file cannot be written, or is written in a way that has no room for one more line.
    """
    import fcntl

    path = project.root / PROJECT_FILE
    try:
        with path.open("rb") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            now = load_project(project.root)
            if now.id is None:
                identity = new_project_id()
                _replace(path, _with_id(path.read_bytes(), identity))
                now = load_project(project.root)
    except OSError as error:
        raise _not_written(f"{path}: {error.strerror}.") from error
    return now


def _with_id(content: bytes, identity: str) -> bytes:
    """The file's bytes with one more line."""
    before = _tree(content)
    assert before is not None, "the file was loaded a moment ago"
    line = key_span(before, ("name",)).line
    lines = content.splitlines(keepends=True)
    ending = b"\r\n" if lines[line - 1].endswith(b"\r\n") else b"\n"
    if not lines[line - 1].endswith((b"\n", b"\r")):
        lines[line - 1] += ending
    lines.insert(line, f"id: {identity}".encode() + ending)
    written = b"".join(lines)
    # A name over several lines, or a file in braces, reads differently with a line in its middle.
    after = _tree(written)
    if after is None or plain(without(after, ("id",))) != plain(before) or text_at(after, "id") != identity:
        raise _not_written(f"{PROJECT_FILE} has no line of its own for `name`.", identity)
    return written


def _tree(content: bytes) -> Entries | None:
    return parse_source(content.decode("utf-8-sig"), Path(PROJECT_FILE)).tree


def _replace(path: Path, content: bytes) -> None:
    """Puts new content in the place of a file: the old or the new is there at any moment."""
    path = path.resolve()
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(path.stat().st_mode)
        temporary.replace(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink()
        raise


def _not_written(detail: str, identity: str | None = None) -> EnvctlError:
    return OutsideError(
        f"The project's id cannot be written into {PROJECT_FILE}",
        detail=detail,
        hints=(f"add this line to {PROJECT_FILE} yourself\n    id: {identity or new_project_id()}",),
        code="project-id-unwritable",
    )
