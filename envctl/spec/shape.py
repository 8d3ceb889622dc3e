"""Which keys may stand where: questions about the models, answered from their annotations."""

from __future__ import annotations

from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Annotated, Union, get_args, get_origin

from pydantic import BaseModel

from envctl.spec.tree import KeyPath

FILE_KEYS = ("extends", "abstract")
"""Keys at the top of an environment file that speak about the file itself; no model has them."""


def models_at(model: type[BaseModel], path: KeyPath) -> tuple[type[BaseModel], ...]:
    """The blocks that may stand at `path`, walking down from `model`; none when only single values may."""
    annotations: list[object] = [model]
    for segment in path:
        annotations = [below for each in annotations for below in _step(each, segment)]
    return tuple(each for each in annotations if isinstance(each, type) and issubclass(each, BaseModel))


def keys_of(model: type[BaseModel]) -> tuple[str, ...]:
    """The keys of a block as the file writes them."""
    return tuple(field.alias or name for name, field in model.model_fields.items())


def alternatives(annotation: object) -> Iterator[object]:
    """What an annotation stands for, without `Optional`, `Union` and `Annotated`."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from alternatives(get_args(annotation)[0])
    elif origin in {Union, UnionType}:
        for each in get_args(annotation):
            if each is not NoneType:
                yield from alternatives(each)
    else:
        yield annotation


def _step(annotation: object, segment: str | int) -> Iterator[object]:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is list and isinstance(segment, int):
        yield from alternatives(arguments[0])
    elif origin is dict and isinstance(segment, str):
        yield from alternatives(arguments[1])
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name, field in annotation.model_fields.items():
            if (field.alias or name) == segment:
                yield from alternatives(field.annotation)


def list_items(model: type[BaseModel]) -> Iterator[str]:
    """Class names of the blocks that stand in lists of the model."""
    for field in model.model_fields.values():
        for each in alternatives(field.annotation):
            if get_origin(each) is list:
                for item in alternatives(get_args(each)[0]):
                    if isinstance(item, type) and issubclass(item, BaseModel):
                        yield item.__name__
