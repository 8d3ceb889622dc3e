"""Programs as the Automation API runs them, without the noise of their ends."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.empty_pb2 import Empty

from envctl.engine.protocol import Program


def as_inline(program: Program) -> Program:
    """The program for Pulumi's in-process language server.

    When the CLI stops a run it goes away at once, and calls of the program that still wait fail. The server would
    stop the event loop under the program then, and fail again when it logs that: tracebacks on stderr, a loop and
    sockets left open. Here the program's tasks are cancelled, and what cannot be logged any more is dropped.
    """

    def run() -> None:
        from pulumi.runtime import settings

        engine = settings.get_engine()
        settings.SETTINGS.engine = _Forgiving(engine)  # pyright: ignore[reportAttributeAccessIssue]
        asyncio.get_running_loop().set_exception_handler(_end)
        program()

    return run


@dataclass(frozen=True, slots=True)
class _Forgiving:
    """The engine service of a CLI that may be gone."""

    engine: Any

    def Log(self, request: Any) -> Any:  # noqa: N802  (the name of the gRPC method)
        """Logs, if anybody listens."""
        try:
            return self.engine.Log(request)
        except grpc.RpcError:
            return Empty()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.engine, name)


def _end(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Ends the program when the CLI is gone; it has told what failed."""
    if isinstance(context.get("exception"), grpc.RpcError):
        for task in asyncio.all_tasks(loop):
            task.cancel()
