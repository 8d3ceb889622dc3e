"""sandbox serve, env, reset, seed, fault, call, clock: the emulated cloud itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from envctl.commands.console import CONSOLE
from envctl.commands.options import Output
from envctl.errors import UsageError

if TYPE_CHECKING:
    from envctl.actions.clouds import SandboxCloud

Body = Annotated[str | None, typer.Argument(metavar="[JSON|FILE|-]", help="A JSON text, a file of it, or - for stdin.")]


def register(app: typer.Typer) -> None:
    """Adds the group."""
    group = typer.Typer(help="The emulated Google Cloud: serve it, seed it, make it fail.", no_args_is_help=True)
    group.command()(serve)
    group.command("env")(env)
    group.command()(reset)
    group.command()(seed)
    group.command()(fault)
    group.command()(call)
    group.command()(clock)
    app.add_typer(group, name="sandbox")


def serve(
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")] = 8085,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """Serve the emulator over HTTP until Ctrl-C; a port for every service beside the one with prefixes."""
    from envctl.actions.sandbox import serve_sandbox
    from envctl.commands.lifecycle import interruptible

    with interruptible("Stopping the sandbox.") as stop:
        for line in serve_sandbox(_cloud(), host, port, stop):
            CONSOLE.emit(line)


def env(
    url: Annotated[str, typer.Option("--url", help="Where `sandbox serve` listens.")] = "http://127.0.0.1:8085",
    output: Output = None,
) -> None:
    """Print what points envctl, Google's Terraform and Pulumi providers, and gcloud at a served sandbox."""
    from envctl.actions.sandbox import environment_of

    lines = [f"export {name}={value}" for name, value in environment_of(url).items()]
    CONSOLE.emit("\n".join(lines), output)


def reset() -> None:
    """Empty the sandbox. States of stacks stay; their next preview finds everything gone."""
    _cloud().control("POST", "reset", {})
    CONSOLE.say("The sandbox is empty.")


def seed(body: Body = None) -> None:
    """Put projects, policies, settings and recorded requests into the sandbox."""
    _cloud().control("POST", "seed", _document(body))
    CONSOLE.say("Seeded.")


def fault(
    body: Body = None,
    clear: Annotated[bool, typer.Option("--clear", help="Withdraw all faults and denials.")] = False,
    output: Output = None,
) -> None:
    """Order a fault, such as {"kind": "fail", "method": "storage.buckets.insert", "status": "UNAVAILABLE"}; list them without an argument."""
    cloud = _cloud()
    if clear:
        cloud.control("DELETE", "fault")
        CONSOLE.say("No faults are left.")
    elif body is None:
        CONSOLE.emit_json(cloud.control("GET", "fault"), output)
    else:
        CONSOLE.emit_json(cloud.control("POST", "fault", _document(body)), output)


def call(
    method: Annotated[str, typer.Argument(help="GET, POST, PATCH, PUT or DELETE.")],
    path: Annotated[str, typer.Argument(help="With the service's prefix: storage/storage/v1/b/BUCKET?projection=full")],
    body: Body = None,
    output: Output = None,
) -> None:
    """Send one request to the sandbox behind envctl's back, as a colleague's hand in the console would."""
    answer = _cloud().call(method.upper(), path, _document(body) if body is not None else None)
    if answer is None:
        CONSOLE.emit("", output)
    else:
        CONSOLE.emit_json(answer, output)


def clock(
    advance: Annotated[float | None, typer.Option("--advance", metavar="SECONDS", help="Move it forward.")] = None,
    output: Output = None,
) -> None:
    """Show the sandbox's clock and its running operations, or move it forward."""
    cloud = _cloud()
    if advance is None:
        CONSOLE.emit_json(cloud.control("GET", "clock"), output)
    else:
        CONSOLE.emit_json(cloud.control("POST", "clock", {"seconds": advance}), output)


def _cloud() -> SandboxCloud:
    from envctl.actions.sandbox import open_sandbox

    return open_sandbox(CONSOLE.directory)


def _document(body: str | None) -> Any:
    import sys

    if body is None:
        raise UsageError("What shall it be?", hints=("give a JSON text, a file, or - for standard input",))
    if body == "-":
        text = sys.stdin.read()
    elif body.lstrip().startswith(("{", "[")):
        text = body
    else:
        try:
            text = Path(body).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError("The file cannot be read", detail=f"{body}: {error}") from error
    try:
        return json.loads(text)
    except ValueError as error:
        raise UsageError("This is not JSON", detail=str(error)) from error
