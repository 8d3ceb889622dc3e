"""Pieces of Pulumi programs."""

from __future__ import annotations

from typing import Any

import pulumi
from memory_cloud import THING


class Thing(pulumi.CustomResource):
    """A thing, declared by its token."""

    uid: pulumi.Output[str]
    link: pulumi.Output[str]
    password: pulumi.Output[str]

    def __init__(self, logical: str, /, *, opts: pulumi.ResourceOptions | None = None, **inputs: Any) -> None:
        props = {"uid": None, "link": None, "password": None, **inputs}
        super().__init__(
            THING, logical, props, pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(version="1.2.3"))
        )


class Group(pulumi.ComponentResource):
    """A component."""

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("shop:index:Group", name, None, opts)
