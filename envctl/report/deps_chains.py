"""Why a package is there and who holds it, as text, Markdown and JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from envctl.report.deps_text import chain_text, describe_image, doubt_lines, verdict_word, wrapped
from envctl.report.markdown import cell, code, table
from envctl.report.style import PLAIN, Style, printable
from envctl.resolution.findings import Verdict
from envctl.resolution.wire import cause_document, result_document

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envctl.resolution.chains import Chains
    from envctl.resolution.findings import Cause

_MOST_CHAINS = 12


def render_chains(chains: Chains, style: Style = PLAIN) -> str:
    """The package's fate, then the clashes it takes part in, then every chain that leads to it."""
    result = chains.result
    lines = [
        f"{style(chains.package, 'bold')}: {_fate(chains)}",
        f"  {printable(result.subject)} on {describe_image(result)}: {verdict_word(result)}",
        *doubt_lines(result),
    ]
    for conflict in chains.conflicts:
        lines += ["", style(f"clash about {conflict.package}", "red", "bold")]
        lines += wrapped(printable(conflict.summary), "  ")
        lines += [chain_text(cause) for cause in conflict.causes]
    for title, causes in _sides(chains):
        if causes:
            lines += ["", style(title, "bold"), *(_line(chains, cause) for cause in causes[:_MOST_CHAINS])]
        if len(causes) > _MOST_CHAINS:
            lines.append(f"  ... and {len(causes) - _MOST_CHAINS} more: `--format json` has them all")
    return "\n".join(lines) + "\n"


def render_chains_markdown(chains: Chains) -> str:
    """A table of every chain, those of clashes first."""
    result = chains.result
    head = f"{code(chains.package)} {cell(_fate(chains))}. {cell(result.subject)} on {cell(describe_image(result))}"
    lines = [f"### envctl: {cell(chains.package)}", "", f"{head}: **{verdict_word(result)}**."]
    lines += ["", f"> {cell(result.doubt)}"] if result.doubt else []
    for conflict in chains.conflicts:
        lines += ["", f"**clash about {cell(conflict.package)}**: {cell(conflict.summary)}"]
    rows = [_row("clash", cause) for conflict in chains.conflicts for cause in conflict.causes]
    rows += [
        _row("moves it" if cause in chains.moving else "", cause) for _, causes in _sides(chains) for cause in causes
    ]
    if rows:
        lines += ["", *table(("", "from", "line", "chain", "requires"), rows)]
    return "\n".join([*lines, ""])


def chains_document(chains: Chains) -> dict[str, Any]:
    """The document `envctl.deps-explain/v1`; `result` is as those of `envctl.deps/v1`."""
    return {
        "format": "envctl.deps-explain/v1",
        "package": chains.package,
        "preinstalled": chains.before,
        "after": chains.after,
        "clashes": [conflict.package for conflict in chains.conflicts],
        "asked": [cause_document(cause) for cause in chains.asked],
        "moving": [cause_document(cause) for cause in chains.moving],
        "held": [cause_document(cause) for cause in chains.held],
        "result": result_document(chains.result),
    }


def _sides(chains: Chains) -> tuple[tuple[str, Sequence[Cause]], ...]:
    rest = "lines that do not clash" if chains.result.conflicts else "the list"
    return (f"asked for by {rest}", chains.asked), ("held by the image", chains.held)


def _fate(chains: Chains) -> str:
    before = f"preinstalled at {chains.before}" if chains.before else _not_there(chains)
    if chains.result.conflicts:
        return f"{before}; the list clashes" + (" about it" if chains.conflicts else ", but not about it")
    if chains.after is None:
        return f"{before}; {_absence(chains)}"
    if chains.after == chains.before:
        return f"{before}, and stays"
    return f"{before}; the build brings {chains.after}"


def _not_there(chains: Chains) -> str:
    record = chains.result.record
    return "not preinstalled" if record is None or record.complete else "not known to be preinstalled"


def _absence(chains: Chains) -> str:
    """Why there is no version after the build, where nothing clashes."""
    match chains.result.verdict:
        case Verdict.CONFLICT | Verdict.INVALID:
            return "the build will fail"
        case Verdict.TIMEOUT_RISK:
            return "the build will likely run out of time"
        case Verdict.UNKNOWN:
            return "what the build makes of it is not known"
        case Verdict.OK | Verdict.OVERRIDE:
            return "the build brings none"


def _line(chains: Chains, cause: Cause) -> str:
    return chain_text(cause) + (f"; {chains.before} does not satisfy it" if cause in chains.moving else "")


def _row(mark: str, cause: Cause) -> tuple[str, ...]:
    side = "image" if cause.preinstalled else "list"
    via = " → ".join(map(code, cause.chain)) or cell(cause.by)
    return (mark, side, cell(cause.source or ""), via, code(cause.requirement))
