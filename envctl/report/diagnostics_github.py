"""Problems of files as workflow commands, which GitHub shows at the lines of a pull request.

Form: "Workflow commands for GitHub Actions" (docs.github.com/actions/reference/workflow-commands-for-github-actions).
"""

from __future__ import annotations

from collections.abc import Sequence

from envctl.diagnostics import Diagnostic, Severity

_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}


def render_diagnostics_github(diagnostics: Sequence[Diagnostic], folder: str = "") -> str:
    """One command a line.

    Args:
        diagnostics: what was found.
        folder: the project's folder as the repository's root sees it, for projects that are not at the root.
    """
    return "".join(_command(each, folder) + "\n" for each in diagnostics)


def _command(diagnostic: Diagnostic, folder: str) -> str:
    properties = {"title": f"{diagnostic.code}: {diagnostic.summary}"}
    if (span := diagnostic.span) is not None:
        prefix = f"{folder.rstrip('/')}/" if folder and folder != "." else ""
        properties = (
            {"file": prefix + span.file.as_posix(), "line": str(span.line), "col": str(span.column)}
            | ({"endColumn": str(span.end_column)} if span.end_column else {})
            | properties
        )
    message = "\n".join(
        [diagnostic.detail or diagnostic.summary]
        + [f"hint: {hint.text}" + (f"\n    {hint.command}" if hint.command else "") for hint in diagnostic.hints]
    )
    listed = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return f"::{_COMMANDS[diagnostic.severity]} {listed}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
