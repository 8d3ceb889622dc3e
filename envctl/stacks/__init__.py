"""The Pulumi programs: from a loaded file to resources.

`environment_declarations` and `foundation_declarations` are pure; `environment_program` and `foundation_program`
wrap them for an engine and import the Pulumi SDK only when they run.
"""

from __future__ import annotations

from collections.abc import Callable

from envctl.spec.loader import Loaded
from envctl.stacks.context import BindingTarget, ProgramContext, ProviderArguments
from envctl.stacks.declaration import StackProgram
from envctl.stacks.program import environment_declarations, foundation_declarations

__all__ = [
    "BindingTarget",
    "ProgramContext",
    "ProviderArguments",
    "environment_declarations",
    "environment_program",
    "foundation_declarations",
    "foundation_program",
]


def environment_program(loaded: Loaded, context: ProgramContext) -> Callable[[], None]:
    """The program of an environment's stack, to be called once inside a stack.

    Everything but the registration happens here, so that a wrong file fails before an engine starts.
    """
    return _runnable(environment_declarations(loaded, context), context)


def foundation_program(loaded: Loaded, context: ProgramContext) -> Callable[[], None]:
    """The program of a foundation's stack, to be called once inside a stack."""
    return _runnable(foundation_declarations(loaded, context), context)


def _runnable(program: StackProgram, context: ProgramContext) -> Callable[[], None]:
    def run() -> None:
        from importlib.metadata import version

        from envctl.stacks.register import register

        register(program, context.secrets, version("pulumi-gcp"))

    return run
