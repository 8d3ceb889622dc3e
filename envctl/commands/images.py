"""images list, show, diff, add: the catalogue of preinstalled packages."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from envctl.commands.console import CONSOLE
from envctl.commands.deps import Nearest
from envctl.commands.options import Output, TableFormat
from envctl.errors import EnvctlError

Format = Annotated[TableFormat, typer.Option("--format", help="How to write it.")]
Image = Annotated[str, typer.Argument(metavar="IMAGE", help="An image version or an alias of one.")]


def register(app: typer.Typer) -> None:
    """Adds the group."""
    group = typer.Typer(help="The catalogue of images and their preinstalled packages.", no_args_is_help=True)
    group.command("list")(list_)
    for verb in (show, diff, add):
        group.command()(verb)
    app.add_typer(group, name="images")


def list_(format_: Format = TableFormat.TEXT, output: Output = None) -> None:
    """List every image with its Python, pip, source and date."""
    from envctl.actions.images import list_images
    from envctl.report.deps_images import images_document, render_images

    records = list_images(_root())
    if format_ is TableFormat.JSON:
        CONSOLE.emit_json(images_document(records), output)
    else:
        CONSOLE.emit(render_images(records, CONSOLE.style()), output)


def show(image: Image, nearest: Nearest = False, format_: Format = TableFormat.TEXT, output: Output = None) -> None:
    """Show one image with every preinstalled package."""
    from envctl.actions.images import show_image
    from envctl.report.deps_images import image_document, render_image

    choice = show_image(_root(), image, nearest=nearest)
    if format_ is TableFormat.JSON:
        CONSOLE.emit_json(image_document(choice), output)
    else:
        CONSOLE.emit(render_image(choice, CONSOLE.style()), output)


def diff(before: Image, after: Image, format_: Format = TableFormat.TEXT, output: Output = None) -> None:
    """Show what was added, removed and moved between two images."""
    from envctl.actions.images import diff_images
    from envctl.report.deps_images import image_changes_document, render_image_changes

    changes = diff_images(_root(), before, after)
    if format_ is TableFormat.JSON:
        CONSOLE.emit_json(image_changes_document(changes), output)
    else:
        CONSOLE.emit(render_image_changes(changes, CONSOLE.style()), output)


def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The image version.")],
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="pip freeze, pip list --format json, pipdeptree --json, or Google's page."),
    ],
    python: Annotated[str | None, typer.Option("--python", help="The image's full Python version, if known.")] = None,
    user: Annotated[bool, typer.Option("--user", help="For all your projects, not only this one.")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Do not ask the index for what packages require.")] = False,
) -> None:
    """Add an image from a list of its packages."""
    from contextlib import ExitStack

    from envctl.actions.images import AddImageRequest, add_image
    from envctl.dependencies import open_source

    root = None if user else _root()
    request = AddImageRequest(name, file, root, datetime.now(UTC).date(), python)
    with ExitStack() as stack:
        source = None if offline else stack.enter_context(open_source())
        added = add_image(request, source)
    record = added.record
    whole = f"Added {record.name}, {record.packages} packages."
    CONSOLE.say(whole if record.complete else f"Added a part of {record.name}, {record.packages} packages.")
    if record.doubt:
        CONSOLE.warn(record.doubt if record.complete else f"{record.doubt} No verdict for it will be `ok`.")


def _root() -> Path:
    """The project's folder, or the current one: the shipped catalogue needs no project."""
    from envctl.spec.project import find_root

    try:
        return find_root(CONSOLE.directory)
    except EnvctlError:
        return CONSOLE.directory
