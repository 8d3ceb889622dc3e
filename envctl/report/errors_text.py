"""An error that ends a command, as text."""

from __future__ import annotations

from envctl.errors import EnvctlError
from envctl.report.style import PLAIN, Style, printable


def render_error(error: EnvctlError, style: Style = PLAIN) -> str:
    """Code, summary, detail and hints; commands inside a hint stand alone on an indented line."""
    lines = [f"{style(f'error[{error.code}]', 'red', 'bold')}: {style(printable(error.summary), 'bold')}"]
    lines += [f"  {line}" for line in printable(error.detail).splitlines()]
    for hint in error.hints:
        first, *rest = printable(hint).splitlines()
        lines += ["", f"{style('hint', 'cyan', 'bold')}: {first}", *rest]
    return "\n".join(lines) + "\n"
