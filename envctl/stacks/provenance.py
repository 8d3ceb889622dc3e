"""From a resource, or a property of it, back to the place in the environment file."""

from __future__ import annotations

from envctl.plan.property_diff import split_path
from envctl.stacks.declaration import SpecPath, StackProgram


def logical_name(urn: str) -> str:
    """The last part of a URN; logical names themselves may hold colons."""
    return urn.split("::", 3)[-1]


def spec_path(program: StackProgram, name: str, property_path: str = "") -> SpecPath | None:
    """Where in the file a resource comes from, or the property at `property_path` of its inputs.

    The path may name more than the file holds (a leaf of a block that a rule fills): take the nearest part that
    is there. None when the program declares no such resource, or nothing in the file asks for the property.
    """
    try:
        resource = program.resource(name)
    except KeyError:
        return None
    if not property_path:
        return resource.origin
    segments = split_path(property_path)
    best: tuple[int, SpecPath] | None = None
    for covered, origin in resource.fields.items():
        start = split_path(covered)
        if segments[: len(start)] == start and (best is None or len(start) > best[0]):
            best = (len(start), (*origin, *segments[len(start) :]))
    return best[1] if best else None
