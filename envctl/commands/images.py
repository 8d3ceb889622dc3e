"""images list, show, diff, add, capture, update, lock: the catalogue of preinstalled packages."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from envctl.commands.console import CONSOLE
from envctl.commands.deps import Nearest
from envctl.commands.options import Cloud, CloudChoice, EnvironmentName, Output, TableFormat, Yes
from envctl.errors import EnvctlError, ExitCode, UsageError

if TYPE_CHECKING:
    from envctl.resolution.image_adding import AddedImage
    from envctl.resolution.images.registry.reading import LayerProgress

_SAID_EVERY = 50_000_000
"""Bytes between two words about a large layer."""

Format = Annotated[TableFormat, typer.Option("--format", help="How to write it.")]
Image = Annotated[str, typer.Argument(metavar="IMAGE", help="An image version or an alias of one.")]


def register(app: typer.Typer) -> None:
    """Adds the group."""
    group = typer.Typer(help="The catalogue of images and their preinstalled packages.", no_args_is_help=True)
    group.command("list")(list_)
    for verb in (show, diff, add, capture, update, lock):
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
        str | None,
        typer.Argument(
            metavar="[FILE]",
            help="pip freeze, list or inspect, pipdeptree, or Google's page; with --from-registry, the image to read.",
        ),
    ] = None,
    from_registry: Annotated[
        bool,
        typer.Option("--from-registry", help="Read the packages out of the image itself; Google's, if none is named."),
    ] = False,
    python: Annotated[str | None, typer.Option("--python", help="The image's full Python version, if known.")] = None,
    user: Annotated[bool, typer.Option("--user", help="For all your projects, not only this one.")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Do not ask the index for what packages require.")] = False,
) -> None:
    """Add an image from a list of its packages, or from the image itself."""
    from contextlib import ExitStack

    from envctl.actions.images import AddImageRequest, ReadImageRequest, add_image, add_registry_image
    from envctl.dependencies import open_source

    root, today = None if user else _root(), datetime.now(UTC).date()
    if from_registry:
        if python or offline:
            raise UsageError(
                "`--from-registry` reads Python from the image itself", detail="It needs the network, too."
            )
        read = add_registry_image(ReadImageRequest(name, file or "", root, today), progress=_Bytes())
        CONSOLE.say(f"Read {read.read.reference}, {read.read.digest}.")
        _say_added(read.added)
        return
    if file is None:
        raise UsageError(
            "Name the list, or add `--from-registry`", detail=f"{name} alone says nothing of its packages."
        )
    with ExitStack() as stack:
        source = None if offline else stack.enter_context(open_source())
        added = add_image(AddImageRequest(name, Path(file), root, today, python), source)
    _say_added(added)


def capture(environment: EnvironmentName, cloud: Cloud = CloudChoice.GCP, yes: Yes = False) -> None:
    """Add the image of a running environment, as a DAG in it sees its packages."""
    from envctl.actions.capture import capture_image, capture_subject
    from envctl.commands.selection import open_workspace_of

    workspace = open_workspace_of(cloud, None)
    subject = capture_subject(workspace, environment)
    if not yes:
        CONSOLE.confirm(
            f"A DAG of one task is uploaded to gs://{subject.bucket}, run once in {subject.environment} "
            f"({subject.image}), and removed."
        )
    _say_added(capture_image(workspace, subject, today=datetime.now(UTC).date(), say=CONSOLE.say))


def _say_added(added: AddedImage) -> None:
    record = added.record
    whole = f"Added {record.name}, {record.packages} packages."
    CONSOLE.say(whole if record.complete else f"Added a part of {record.name}, {record.packages} packages.")
    stated, assumed = "as stated", "assumed"
    CONSOLE.say(
        f"Python {record.python} ({stated if record.python_stated else assumed}), "
        f"pip {record.pip} ({stated if record.pip_stated else assumed})."
    )
    if record.doubt:
        CONSOLE.warn(record.doubt if record.complete else f"{record.doubt} No verdict for it will be `ok`.")


class _Bytes:
    """Says how much of an image is here: at every layer, and now and then within a large one."""

    def __init__(self) -> None:
        self._layer = 0
        self._said = 0

    def __call__(self, now: LayerProgress) -> None:
        if now.layer != self._layer or now.done - self._said >= _SAID_EVERY:
            self._layer, self._said = now.layer, now.done
            CONSOLE.say(f"layer {now.layer} of {now.layers}, {now.done / 1e6:,.1f} of {now.size / 1e6:,.1f} MB")


def update(
    places: Annotated[
        list[str] | None,
        typer.Option(
            "--from", metavar="URL|FILE", help="A page to read instead of Google's; may be given several times."
        ),
    ] = None,
    user: Annotated[bool, typer.Option("--user", help="For all your projects, not only this one.")] = False,
    offline: Annotated[
        bool, typer.Option("--offline", help="Take what packages require from the cache alone.")
    ] = False,
    format_: Format = TableFormat.TEXT,
    output: Output = None,
) -> None:
    """Add every image of Google's pages, and their ends of support."""
    from envctl.actions.images import UpdateImagesRequest, update_images
    from envctl.dependencies import open_source
    from envctl.report.images_update import images_update_document, render_images_update

    request = UpdateImagesRequest(tuple(places or ()), _root(), datetime.now(UTC).date(), user, offline)
    with open_source(offline=offline) as source:
        done = update_images(request, source)
    if format_ is TableFormat.JSON:
        CONSOLE.emit_json(images_update_document(done), output)
    else:
        CONSOLE.emit(render_images_update(done, CONSOLE.style()), output)


def lock(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit code 1 where the lock differs.")] = False,
) -> None:
    """Pin the catalogue in images.lock, so that every machine gives the same verdicts."""
    from envctl.actions.images import lock_images

    done = lock_images(_root(), write=not check)
    for sign, names in (("+", done.added), ("-", done.removed), ("~", done.changed)):
        for name in names:
            CONSOLE.emit(f"{sign} {name}")
    verb = "pins" if not check else "agrees with" if done.same else "differs from"
    CONSOLE.say(f"{done.path.name} {verb} {len(done.lock.images)} images, {done.lock.digest}.")
    if check and not done.same:
        raise typer.Exit(ExitCode.NEGATIVE)


def _root() -> Path:
    """The project's folder, or the current one: the shipped catalogue needs no project."""
    from envctl.spec.project import find_root

    try:
        return find_root(CONSOLE.directory)
    except EnvctlError:
        return CONSOLE.directory
