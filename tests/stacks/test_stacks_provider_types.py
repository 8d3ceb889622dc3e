"""The declarations against the provider's own types: tokens, property names, and what a new provider changes."""

from __future__ import annotations

import collections.abc
import importlib
import json
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from stacks_recording import CONTEXT, EVERYTHING_2, EVERYTHING_3, FOUNDATION, load_environment, load_foundation

from envctl.stacks import environment_declarations, foundation_declarations
from envctl.stacks.declaration import CallerSecret, Ref, Resource

# The provider's own modules warn about deprecated types while they are imported.
pytestmark = pytest.mark.filterwarnings(r"ignore:gcp\..* has been deprecated:DeprecationWarning")

SURFACE = Path(__file__).parent / "cases" / "provider_types.json"


def all_resources() -> list[Resource]:
    return [
        *environment_declarations(load_environment(EVERYTHING_3), CONTEXT).resources,
        *environment_declarations(load_environment(EVERYTHING_2), CONTEXT).resources,
        *foundation_declarations(load_foundation(FOUNDATION), CONTEXT).resources,
    ]


def resource_class(token: str) -> type:
    _, module, name = token.split(":")
    return getattr(importlib.import_module(f"pulumi_gcp.{module.split('/')[0]}"), name)


def input_class(token: str) -> type:
    found = resource_class(token)
    return getattr(importlib.import_module(found.__module__), f"{found.__name__}Args")


def fields_of(cls: type) -> Mapping[str, Any]:
    from pulumi._types import input_type_types

    return input_type_types(cls)


def class_inside(annotation: Any) -> type | None:
    """The `...Args` class inside an annotation such as `Sequence[Union[XArgs, XArgsDict, Output]]`."""
    from pulumi._types import is_input_type

    if isinstance(annotation, type) and is_input_type(annotation):
        return annotation
    for part in typing.get_args(annotation):
        found = class_inside(part)
        if found is not None:
            return found
    return None


def is_map(annotation: Any) -> bool:
    return typing.get_origin(annotation) is collections.abc.Mapping


def problems(value: Any, annotation: Any, where: str) -> Iterator[str]:
    """What the provider would not know, and values of another shape than it declares."""
    if isinstance(value, Ref | CallerSecret):
        return
    inner = class_inside(annotation)
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from problems(item, inner or typing.get_args(annotation)[0], f"{where}[{index}]")
    elif isinstance(value, Mapping) and inner is not None:
        known = fields_of(inner)
        for key, item in value.items():
            if key not in known:
                yield f"{where}.{key}: {inner.__name__} has no such property"
            else:
                yield from problems(item, known[key], f"{where}.{key}")
    elif isinstance(value, Mapping):
        if not is_map(annotation):
            yield f"{where}: a block where the provider wants {annotation}"
    elif inner is not None:
        yield f"{where}: {value!r} where the provider wants {inner.__name__}"
    elif isinstance(annotation, type) and not _fits(value, annotation):
        yield f"{where}: {value!r} where the provider wants {annotation.__name__}"


def _fits(value: Any, wanted: type) -> bool:
    if wanted is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, wanted) and (wanted is bool or not isinstance(value, bool))


def touched(value: Any, annotation: Any) -> Iterator[type]:
    """The provider's classes that a value reaches."""
    inner = class_inside(annotation)
    if isinstance(value, list):
        for item in value:
            yield from touched(item, inner)
    elif isinstance(value, Mapping) and inner is not None:
        yield inner
        for key, item in value.items():
            yield from touched(item, fields_of(inner)[key])


def surface() -> dict[str, dict[str, str]]:
    """Every class that the declarations reach, with all its properties and their kinds."""
    found: dict[str, dict[str, str]] = {}
    for resource in all_resources():
        for cls in touched(resource.inputs, input_class(resource.type)):
            name = f"{cls.__module__.split('.')[1]}.{cls.__name__}"
            found[name] = {key: _kind(annotation) for key, annotation in sorted(fields_of(cls).items())}
    return dict(sorted(found.items()))


def _kind(annotation: Any) -> str:
    inner = class_inside(annotation)
    if inner is not None:
        many = typing.get_origin(annotation) is collections.abc.Sequence
        return f"[{inner.__name__}]" if many else inner.__name__
    if isinstance(annotation, type):
        return annotation.__name__
    origin = typing.get_origin(annotation)
    return getattr(origin, "__name__", str(origin))


@pytest.mark.parametrize("token", sorted({resource.type for resource in all_resources()}))
def test_the_token_is_the_one_of_the_generated_class(token: str) -> None:
    assert resource_class(token).pulumi_type == token  # type: ignore[attr-defined]


def test_every_input_is_a_property_of_the_provider_and_has_its_shape() -> None:
    found = [
        problem
        for resource in all_resources()
        for problem in problems(resource.inputs, input_class(resource.type), f"{resource.type} {resource.name}")
    ]
    assert found == []


def test_a_wrong_name_or_shape_is_found() -> None:
    cls = input_class("gcp:composer/environment:Environment")
    wrong = {"config": {"sizeOfIt": "x", "nodeConfig": "n"}, "name": 3}
    assert list(problems(wrong, cls, "env")) == [
        "env.config.sizeOfIt: EnvironmentConfigArgs has no such property",
        "env.config.nodeConfig: 'n' where the provider wants EnvironmentConfigNodeConfigArgs",
        "env.name: 3 where the provider wants str",
    ]


def test_the_provider_has_the_properties_that_were_reviewed() -> None:
    """Fails with the list of what a new pulumi-gcp adds, drops or retypes: review it, then record it anew.

    To record: `python tests/stacks/test_stacks_provider_types.py`.
    """
    reviewed = json.loads(SURFACE.read_text())
    now = surface()
    changes = [
        f"{cls}.{name}: {reviewed.get(cls, {}).get(name, 'absent')} -> {now.get(cls, {}).get(name, 'absent')}"
        for cls in sorted({*reviewed, *now})
        for name in sorted({*reviewed.get(cls, {}), *now.get(cls, {})})
        if reviewed.get(cls, {}).get(name) != now.get(cls, {}).get(name)
    ]
    assert changes == []


def test_every_reference_names_a_declared_resource_and_an_output_that_it_has() -> None:
    from envctl.stacks.declaration import references

    for program in (
        environment_declarations(load_environment(EVERYTHING_3), CONTEXT),
        environment_declarations(load_environment(EVERYTHING_2), CONTEXT),
        foundation_declarations(load_foundation(FOUNDATION), CONTEXT),
    ):
        seen: set[str] = set()
        for resource in program.resources:
            for ref in references(resource.inputs):
                assert ref.resource in seen, f"{resource.name} refers to {ref.resource} before it is declared"
                _check_output(program.resource(ref.resource).type, ref.top)
            assert set(resource.options.depends_on) <= seen, resource.name
            seen.add(resource.name)
        for ref in references(program.exports):
            _check_output(program.resource(ref.resource).type, ref.top)


def _check_output(token: str, output: str) -> None:
    if output == "id":
        return
    names = {
        getattr(value.fget, "_pulumi_name", name)
        for name, value in vars(resource_class(token)).items()
        if isinstance(value, property)
    }
    assert output in names, f"{token} has no output {output}"


if __name__ == "__main__":
    SURFACE.parent.mkdir(exist_ok=True)
    SURFACE.write_text(json.dumps(surface(), indent=0, separators=(",", ":")) + "\n")
