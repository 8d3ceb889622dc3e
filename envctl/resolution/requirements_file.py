"""Requirements files, read as pip reads them, with the place of everything.

Source: pip's "Requirements File Format" and `pip/_internal/req/req_file.py` (23.2.1): continuation lines,
comments, `${NAME}` variables, options, nested `-r` and `-c` relative to the file that names them.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from envctl.diagnostics import Diagnostic, Hint, Severity, SourceSpan
from envctl.masking import learn, learn_address
from envctl.resolution.dependency import InvalidRequirementError, parse_requirement
from envctl.resolution.index.credentials import without_credentials
from envctl.resolution.markers import InvalidMarkerError, marker_applies
from envctl.resolution.protocol import Target
from envctl.resolution.requirements import IndexOptions, RequirementLine, RequirementsInput

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

# Patterns as text: `re` compiles them where they are first needed, and most lists need few of them.
_COMMENT = r"(^|\s+)#.*$"
_VARIABLE = r"\$\{([A-Z0-9_]+)\}"
_OPTION = r"(--[a-z-]+|-[a-z])(?:\s*=\s*|\s+|(?<=-[a-z]))?(.*)"
_TRAILING_OPTION = r"\s+--[a-z-]+(?:[=\s]|$)"
_HASH = r"--hash[=\s]\s*(\S+)"
_CONTROL = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]"
_URL = r"[a-z][a-z0-9+.-]*:"
_REMOTE = r"(?:[A-Za-z0-9][\w.-]*\s*(?:\[[^\]]*\])?\s*@\s*)?(?:(?:git|hg|svn|bzr)\+|https?://)"
_FILES = {"-r": "requirement", "--requirement": "requirement", "-c": "constraint", "--constraint": "constraint"}
_PROBE = Target(python="3.11.8", pip="23.2.1")
_INDEX_HINT = Hint("name the index under `packages.index` of the environment file")


class _Reading:
    """What has been read so far."""

    __slots__ = ("constraints", "diagnostics", "environment", "extra_index_urls", "index_url", "lines")

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment
        self.lines: list[RequirementLine] = []
        self.constraints: list[RequirementLine] = []
        self.diagnostics: list[Diagnostic] = []
        self.index_url: str | None = None
        self.extra_index_urls: list[str] = []


def load_requirements(paths: Sequence[Path], environment: Mapping[str, str] | None = None) -> RequirementsInput:
    """Everything that the files say, in order. Problems are diagnostics, never exceptions.

    Args:
        paths: requirements files, or `pyproject.toml` with an optional `#GROUP` after the name.
        environment: for `${NAME}`; the process's own when None.
    """
    reading = _Reading(os.environ if environment is None else environment)
    for path in paths:
        if path.name.partition("#")[0].endswith(".toml"):
            _read_pyproject(reading, path)
        else:
            _read_file(reading, path, None, (), constraint=False)
    return _finished(reading)


def parse_requirements(text: str, file: Path, environment: Mapping[str, str] | None = None) -> RequirementsInput:
    """Everything that a text says, as if it stood in `file`; nested files are looked for beside it."""
    reading = _Reading(os.environ if environment is None else environment)
    _read_text(reading, text, file, (file.resolve(),), constraint=False)
    return _finished(reading)


def _finished(reading: _Reading) -> RequirementsInput:
    return RequirementsInput(
        tuple(reading.lines),
        tuple(reading.constraints),
        tuple(reading.diagnostics),
        IndexOptions(reading.index_url, tuple(reading.extra_index_urls)),
    )


def _read_pyproject(reading: _Reading, path: Path) -> None:
    from envctl.resolution.pyproject_file import load_pyproject

    found = load_pyproject(path)
    reading.lines.extend(found.lines)
    reading.diagnostics.extend(found.diagnostics)


def _read_file(
    reading: _Reading, path: Path, named_at: SourceSpan | None, above: tuple[Path, ...], *, constraint: bool
) -> None:
    real = path.resolve()
    if real in above:
        chain = " -> ".join(one.name for one in (*above[above.index(real) :], real))
        reading.diagnostics.append(
            Diagnostic(
                "requirements-cycle",
                "Requirements files include each other in a circle",
                chain,
                named_at or SourceSpan(path, 1),
                (Hint("remove one of the `-r` lines"),),
            )
        )
        return
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        reading.diagnostics.append(
            Diagnostic(
                "requirements-unreadable",
                "A requirements file cannot be read",
                f"{path}: {error.strerror or error}",
                named_at or SourceSpan(path, 1),
            )
        )
        return
    except UnicodeDecodeError as error:
        reading.diagnostics.append(
            Diagnostic(
                "requirements-unreadable",
                "A requirements file cannot be read",
                f"{path} is not UTF-8 text: byte {error.start} is {error.object[error.start]:#04x}",
                named_at or SourceSpan(path, 1),
                (Hint("save the file as UTF-8"),),
            )
        )
        return
    _read_text(reading, text, path, (*above, real), constraint=constraint)


def _read_text(reading: _Reading, text: str, path: Path, above: tuple[Path, ...], *, constraint: bool) -> None:
    for line in _logical_lines(text, path):
        bad = None if line.text.isprintable() else re.search(_CONTROL, line.text)
        if bad is not None:
            reading.diagnostics.append(
                _invalid(line, f"the line holds the invisible character U+{ord(bad[0]):04X}", bad[0])
            )
            continue
        shown = _without_secrets(line)
        expanded = _expand(reading, line.text, shown)
        if expanded is None:
            continue
        if expanded.startswith("-"):
            _read_option(reading, shown, expanded, path, above, constraint=constraint)
        else:
            _read_requirement(reading, shown, expanded, constraint=constraint)


def _without_secrets(line: SourceSpan) -> SourceSpan:
    """The line as reports may show it: these end in logs of CI, and users and passwords stand in addresses."""
    for word in line.text.split() if "@" in line.text else ():
        learn_address(word)
    text = without_credentials(line.text)
    if text == line.text:
        return line
    return SourceSpan(line.file, line.line, line.column, line.column + len(text), text)


def _logical_lines(text: str, path: Path) -> Iterator[SourceSpan]:
    """Lines joined at trailing backslashes, without comments; a span's `text` is the joined line."""
    pending, start, first = "", 0, ""
    for number, raw in enumerate(text.split("\n"), start=1):
        line = raw.removesuffix("\r")
        if not pending:
            start, first = number, line
        comment_only = line.lstrip().startswith("#")
        if line.endswith("\\") and not comment_only:
            pending += line[:-1] + " "
            continue
        whole = pending + ("" if comment_only else line)
        pending = ""
        stripped = _without_comment(whole)
        if stripped:
            column = len(first) - len(first.lstrip()) + 1
            yield SourceSpan(path, start, column, column + len(stripped), stripped)
    stripped = _without_comment(pending)
    if stripped:
        yield SourceSpan(path, start, 1, 1 + len(stripped), stripped)


def _without_comment(line: str) -> str:
    return (re.sub(_COMMENT, "", line) if "#" in line else line).strip()


def _expand(reading: _Reading, text: str, line: SourceSpan) -> str | None:
    expanded = text
    secret = "://" in text
    for name in dict.fromkeys(re.findall(_VARIABLE, text) if "${" in text else ()):
        value = reading.environment.get(name)
        if not value:
            reading.diagnostics.append(
                Diagnostic(
                    "requirements-variable-missing",
                    "A requirements file uses an environment variable that is not set",
                    f"`${{{name}}}` has no value.",
                    line,
                    (Hint(f"set {name} before the command"),),
                )
            )
            return None
        if secret:  # a variable in an address is a user or a password
            learn(value)
        expanded = expanded.replace(f"${{{name}}}", value)
    return expanded


def _read_option(
    reading: _Reading, line: SourceSpan, text: str, path: Path, above: tuple[Path, ...], *, constraint: bool
) -> None:
    match = re.match(_OPTION, text)
    name, value = (match[1], match[2].strip().strip("'\"")) if match else (text, "")
    kind = _FILES.get(name)
    if kind is not None:
        if not value or re.match(_URL, value, re.IGNORECASE):
            reading.diagnostics.append(
                Diagnostic(
                    "requirements-unreadable",
                    "A requirements file cannot be read",
                    f"`{line.text}` does not name a local file.",
                    line,
                )
            )
            return
        _read_file(reading, path.parent / value, line, above, constraint=constraint or kind == "constraint")
    elif name in ("-e", "--editable"):
        reading.diagnostics.append(_not_expressible(line, "an editable install"))
    elif name in ("-i", "--index-url"):
        reading.index_url = value
        reading.diagnostics.append(_option_lost(line, name, _INDEX_HINT))
    elif name == "--extra-index-url":
        reading.extra_index_urls.append(value)
        reading.diagnostics.append(_option_lost(line, name, _INDEX_HINT))
    else:
        reading.diagnostics.append(_option_lost(line, name, None))


def _read_requirement(reading: _Reading, line: SourceSpan, text: str, *, constraint: bool) -> None:
    options = re.search(_TRAILING_OPTION, text) if "--" in text else None
    hashes: tuple[str, ...] = ()
    if options is not None:
        hashes = tuple(re.findall(_HASH, text[options.start() :]))
        if not constraint and not any(one.code == "requirement-hash-dropped" for one in reading.diagnostics):
            reading.diagnostics.append(_hashes_lost(line))
        text = text[: options.start()].strip()
    if ("+" in text or "://" in text) and re.match(_REMOTE, text):
        reading.diagnostics.append(_not_expressible(line, "a URL"))
        return
    if text.startswith((".", "/", "file:")) or text.endswith((".whl", ".tar.gz", ".zip")) or "\\" in text:
        reading.diagnostics.append(_not_expressible(line, "a file or folder"))
        return
    try:
        dependency, marker = parse_requirement(text)
        if marker:
            marker_applies(marker, _PROBE)
    except InvalidRequirementError as error:
        reading.diagnostics.append(_invalid(line, without_credentials(str(error))))
        return
    except InvalidMarkerError:
        reading.diagnostics.append(_invalid(line, "what follows `;` is no environment marker"))
        return
    if dependency.url is not None:
        reading.diagnostics.append(_not_expressible(line, "a URL"))
        return
    shown = text.partition(";")[0].strip()
    into = reading.constraints if constraint else reading.lines
    into.append(RequirementLine(shown, dependency, marker, line, hashes))


def _invalid(line: SourceSpan, reason: str, hidden: str = "") -> Diagnostic:
    shown = line.text.replace(hidden, "\N{REPLACEMENT CHARACTER}") if hidden else line.text
    span = SourceSpan(line.file, line.line, line.column, line.end_column, shown)
    return Diagnostic("requirement-invalid", "A line is not a requirement", f"`{shown}`: {reason}.", span)


def _not_expressible(line: SourceSpan, what: str) -> Diagnostic:
    return Diagnostic(
        "requirement-not-expressible",
        "Composer's package map takes names with versions from an index only",
        f"`{line.text}` is {what}.",
        line,
        (
            Hint("publish the package to an Artifact Registry Python repository and list it by name"),
            Hint("or put pure Python code into the `dags/` or `plugins/` folder of the environment's bucket"),
        ),
    )


def _option_lost(line: SourceSpan, name: str, hint: Hint | None) -> Diagnostic:
    return Diagnostic(
        "requirements-option-ignored",
        "Composer's package map has no pip options",
        f"`{name}` has no effect on the build.",
        line,
        (hint,) if hint else (),
        Severity.WARNING,
    )


def _hashes_lost(line: SourceSpan) -> Diagnostic:
    return Diagnostic(
        "requirement-hash-dropped",
        "Composer's package map has no hashes",
        "Options after requirements, hashes included, are left out of what is sent; this is said once.",
        line,
        severity=Severity.NOTE,
    )
