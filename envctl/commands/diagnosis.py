"""explain: the page of anything that envctl says."""

from __future__ import annotations

from typing import Annotated

import typer

from envctl.commands.console import CONSOLE


def register(app: typer.Typer) -> None:
    """Adds the verbs."""
    app.command()(explain)


def explain(
    identifier: Annotated[str, typer.Argument(metavar="ID", help="An error code, a diagnostic, a check or a policy.")],
) -> None:
    """Show the page of an error, a diagnostic, a check or a policy."""
    from envctl.actions.explain import explain as look
    from envctl.report.page_text import render_page

    page = look(identifier)
    CONSOLE.emit(render_page(page.id, page.kind, page.title, page.text, CONSOLE.style()))
