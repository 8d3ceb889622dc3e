"""Pages of checks: one for `envctl explain ID`, all of them for docs/checks.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from envctl.report.style import PLAIN, Style

if TYPE_CHECKING:
    from envctl.doctor.model import Page


def render_page(page: Page, style: Style = PLAIN) -> str:
    """One page for a terminal."""
    lines = [style(page.id, "bold"), page.title, "", page.text]
    if page.related:
        lines += ["", f"See also: {', '.join(page.related)}"]
    return "\n".join(lines) + "\n"


def render_checks() -> str:
    """docs/checks.md: the page of every check, then every error signature."""
    from envctl.doctor.model import UNRECOGNISED
    from envctl.doctor.registry import check_ids, checks

    lines = [
        "# Checks of the doctor",
        "",
        "Generated from the checks and the IAM tables; `envctl explain ID` prints the same pages.",
        "",
        f"{len(check_ids())} checks in {len(checks())} modules, {len(_signatures())} error signatures.",
        "",
    ]
    for identifier in check_ids():
        lines += _section(identifier, 2)
    lines += ["# Error signatures", "", "`envctl doctor --error TEXT` ranks these.", ""]
    lines += _section(UNRECOGNISED, 2)
    for row in _signatures():
        lines += _section(row["id"], 2)
    return "\n".join(lines).rstrip("\n") + "\n"


def _section(identifier: str, level: int) -> Iterator[str]:
    from envctl.doctor.registry import page_of

    page = page_of(identifier)
    assert page is not None
    yield f"{'#' * level} `{page.id}`"
    yield ""
    yield f"**{page.title}**"
    yield ""
    for paragraph in page.text.split("\n\n"):
        fields = [line.partition(": ") for line in paragraph.splitlines()]
        if len(fields) > 1 and all(sign and name[:1].isupper() and len(name) < 30 for name, sign, _ in fields):
            yield from (f"- {name}: {value}" for name, _, value in fields)
        else:
            yield from paragraph.splitlines()
        yield ""


def _signatures() -> tuple[Mapping[str, Any], ...]:
    from envctl.iam_roles import load_table

    return (*load_table("signatures")["rows"], *load_table("wild-texts")["rows"])
