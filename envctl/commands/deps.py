"""deps check, explain, fix, lock, matrix, upgrade: the clash check."""

from __future__ import annotations

from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from envctl.commands.console import CONSOLE
from envctl.commands.options import AllowUnknown, EnvironmentNames, Output, PlanFormat, TableFormat
from envctl.commands.parameters import Argument, Option
from envctl.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    import typer

    from envctl.actions.deps import CheckRequest


class DepsFormat(StrEnum):
    """Ways to write a report."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"
    SARIF = "sarif"
    JUNIT = "junit"
    GITHUB = "github"


Files = Annotated[
    list[Path] | None,
    Option("-r", "--requirement", metavar="FILE", help="A requirements file or pyproject.toml[#GROUP]; repeatable."),
]
Image = Annotated[
    str | None, Option("--image", metavar="IMAGE", help="Image version; for environments instead of their own.")
]
Bundles = Annotated[
    list[str] | None,
    Option("--bundle", metavar="NAME=FILE", help="A DAG bundle, checked alone and together; repeatable."),
]
AsOf = Annotated[
    datetime | None,
    Option(
        "--as-of", formats=["%Y-%m-%d"], metavar="DATE", help="As if today were this day: later uploads do not count."
    ),
]
IndexUrl = Annotated[str | None, Option("--index-url", metavar="URL", help="The package index.")]
Offline = Annotated[bool, Option("--offline", help="Use the cache alone.")]
Nearest = Annotated[bool, Option("--nearest", help="For an unknown image, let the list most like it answer.")]


def register(app: typer.Typer) -> None:
    """Adds the group."""
    import typer

    group = typer.Typer(help="Would Composer's own pip build this list of packages?", no_args_is_help=True)
    for verb in verbs():
        group.command()(verb)
    app.add_typer(group, name="deps")


def verbs() -> tuple[Callable[..., int | None], ...]:
    """The commands of the group; each is called as its function."""
    return (check, explain, fix, lock, matrix, upgrade)


def check(
    environments: EnvironmentNames = None,
    files: Files = None,
    image: Image = None,
    bundle: Bundles = None,
    as_of: AsOf = None,
    index_url: IndexUrl = None,
    offline: Offline = False,
    nearest: Nearest = False,
    certify: Annotated[bool, Option("--certify", help="Ask the image's real pip as well.")] = False,
    allow_unknown: AllowUnknown = False,
    format_: Annotated[DepsFormat, Option("--format", help="How to write it.")] = DepsFormat.TEXT,
    output: Output = None,
) -> int:
    """Say what Composer's pip would say, why, and the smallest edit that works."""
    from envctl.actions.deps import check_dependencies
    from envctl.report.deps_formats import DepsFormat as Writer
    from envctl.report.deps_formats import write_report

    request = _request(environments, files, image, bundle, as_of, index_url, offline, nearest, certify=certify)
    report = check_dependencies(request, CONSOLE.say)
    CONSOLE.emit(write_report(report, Writer(format_.value), CONSOLE.style()), output)
    return report.exit_code(allow_unknown=allow_unknown)


def explain(
    package: Annotated[str, Argument(metavar="PACKAGE", help="A package of the list, of the image, or of both.")],
    environments: EnvironmentNames = None,
    files: Files = None,
    image: Image = None,
    bundle: Bundles = None,
    as_of: AsOf = None,
    index_url: IndexUrl = None,
    offline: Offline = False,
    nearest: Nearest = False,
    format_: Annotated[PlanFormat, Option("--format", help="How to write it.")] = PlanFormat.TEXT,
    output: Output = None,
) -> None:
    """Show why a package is there and who holds it: every chain from a line of the list or from Airflow."""
    from envctl.actions.deps import explain_dependency
    from envctl.report.deps_chains import chains_document, render_chains, render_chains_markdown

    request = _request(environments, files, image, bundle, as_of, index_url, offline, nearest)
    found = explain_dependency(request, package)
    match format_:
        case PlanFormat.TEXT:
            CONSOLE.emit(render_chains(found, CONSOLE.style()), output)
        case PlanFormat.MARKDOWN:
            CONSOLE.emit(render_chains_markdown(found), output)
        case PlanFormat.JSON:
            CONSOLE.emit_json(chains_document(found), output)


def fix(
    environments: EnvironmentNames = None,
    files: Files = None,
    image: Image = None,
    as_of: AsOf = None,
    index_url: IndexUrl = None,
    offline: Offline = False,
    nearest: Nearest = False,
    write: Annotated[bool, Option("--write", help="Edit the files; comments and order stay.")] = False,
    drop: Annotated[bool, Option("--drop", help="Let the edit delete lines that the image does not satisfy.")] = False,
) -> int:
    """Show the smallest edit that makes the list work, as a diff; `--write` makes it."""
    import difflib

    from envctl.actions.deps import fix_dependencies
    from envctl.report.deps_text import doubt_notes, render_details, render_report

    request = _request(environments, files, image, None, as_of, index_url, offline, nearest)
    done = fix_dependencies(request._replace(drop=drop), write=write)
    if not done.edited:
        CONSOLE.emit(render_report(done.report, CONSOLE.style()))
        CONSOLE.emit(render_details(done.report, CONSOLE.style()))
        return done.report.exit_code()
    for edited in done.edited:
        diff = difflib.unified_diff(
            edited.before.splitlines(keepends=True),
            edited.after.splitlines(keepends=True),
            f"{edited.path} (now)",
            f"{edited.path} (fixed)",
        )
        CONSOLE.emit("".join(diff))
    for doubt in doubt_notes(done.report):
        CONSOLE.warn(f"note: {doubt}")
    if done.written:
        CONSOLE.say("Written.")
        return ExitCode.DONE
    CONSOLE.say("Add --write to make this edit.")
    return ExitCode.NEGATIVE


def lock(
    environments: EnvironmentNames = None,
    files: Files = None,
    image: Image = None,
    as_of: AsOf = None,
    index_url: IndexUrl = None,
    offline: Offline = False,
    nearest: Nearest = False,
    output: Output = None,
) -> int:
    """Write the pinned list with hashes that builds without a search."""
    from envctl.actions.deps import lock_dependencies
    from envctl.dependencies import Report
    from envctl.report.deps_text import render_report
    from envctl.resolution.lock import render_lock

    done = lock_dependencies(_request(environments, files, image, None, as_of, index_url, offline, nearest))
    if done.lock is None:
        assert done.result is not None
        CONSOLE.emit(render_report(Report((done.result,)), CONSOLE.style()))
        return done.result.exit_code() or ExitCode.NEGATIVE
    CONSOLE.emit(render_lock(done.lock), output)
    return ExitCode.DONE


def matrix(
    images: Annotated[
        list[str] | None,
        Argument(metavar="[IMAGE]...", help="Images; all supported ones with a complete list if none."),
    ] = None,
    files: Files = None,
    as_of: AsOf = None,
    index_url: IndexUrl = None,
    offline: Offline = False,
    nearest: Nearest = False,
    format_: Annotated[TableFormat, Option("--format", help="How to write it.")] = TableFormat.TEXT,
    output: Output = None,
) -> int:
    """One table: requirement files (or all environments) against images, and the newest image that works."""
    from envctl.actions.deps import matrix_dependencies
    from envctl.report.deps_formats import matrix_document, render_matrix

    found = matrix_dependencies(
        _request(None, files, "latest", None, as_of, index_url, offline, nearest), tuple(images or ())
    )
    if format_ is TableFormat.JSON:
        CONSOLE.emit_json(matrix_document(found), output)
    else:
        CONSOLE.emit(render_matrix(found, CONSOLE.style()), output)
    return found.exit_code()


def upgrade(
    to: Annotated[str, Option("--to", metavar="IMAGE", help="The image to go to.")],
    environments: EnvironmentNames = None,
    files: Files = None,
    image: Image = None,
    as_of: AsOf = None,
    index_url: IndexUrl = None,
    offline: Offline = False,
    nearest: Nearest = False,
    format_: Annotated[PlanFormat, Option("--format", help="How to write it.")] = PlanFormat.TEXT,
    output: Output = None,
) -> int:
    """Show what an image upgrade adds, removes and moves, and what the new image says to the list."""
    from envctl.actions.deps import upgrade_dependencies
    from envctl.report.deps_upgrade import render_upgrade, render_upgrade_markdown, upgrade_document

    found = upgrade_dependencies(_request(environments, files, image, None, as_of, index_url, offline, nearest), to)
    match format_:
        case PlanFormat.TEXT:
            CONSOLE.emit(render_upgrade(found, CONSOLE.style()), output)
        case PlanFormat.MARKDOWN:
            CONSOLE.emit(render_upgrade_markdown(found), output)
        case PlanFormat.JSON:
            CONSOLE.emit_json(upgrade_document(found), output)
    return found.after.exit_code()


def _request(
    environments: list[str] | None,
    files: list[Path] | None,
    image: str | None,
    bundles: list[str] | None,
    as_of: datetime | None,
    index_url: str | None,
    offline: bool,
    nearest: bool,
    *,
    certify: bool = False,
) -> CheckRequest:
    from envctl.actions.deps import CheckRequest, IndexChoice

    if environments and files:
        raise UsageError("Either environments or requirements files, not both")
    return CheckRequest(
        root=CONSOLE.directory if files else _root(),
        today=_today(),
        environments=tuple(environments or ()),
        files=tuple(files or ()),
        image=image,
        bundles=tuple(_bundle(text) for text in bundles or ()),
        nearest=nearest,
        certify=certify,
        index=IndexChoice(index_url=index_url, offline=offline, as_of=as_of.date() if as_of else None),
    )


def _root() -> Path:
    from envctl.spec.project import find_root

    return find_root(CONSOLE.directory)


def _today() -> date:
    return datetime.now(UTC).date()


def _bundle(text: str) -> tuple[str, Path]:
    name, separator, file = text.partition("=")
    if not (name and separator and file):
        raise UsageError(f"--bundle takes NAME=FILE, not {text!r}")
    return name, Path(file)
