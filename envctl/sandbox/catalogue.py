"""The services of the emulator, and the names of what they do not do."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

from envctl.sandbox.tables import read_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from envctl.sandbox.cloud import Cloud
    from envctl.sandbox.routing import Service


def load_services(cloud: Cloud) -> tuple[Service, ...]:
    """All services, bound to a cloud."""
    from envctl.sandbox.services import (
        artifactregistry,
        bigquery,
        cloudbilling,
        cloudkms,
        cloudresourcemanager,
        composer,
        compute,
        container,
        iam,
        iamcredentials,
        logging,
        monitoring,
        orgpolicy,
        secretmanager,
        serviceusage,
        storage,
    )

    modules = (
        composer,
        storage,
        iam,
        cloudresourcemanager,
        serviceusage,
        cloudkms,
        compute,
        container,
        secretmanager,
        artifactregistry,
        logging,
        monitoring,
        orgpolicy,
        bigquery,
        iamcredentials,
        cloudbilling,
    )
    return tuple(module.declare(cloud) for module in modules)


@cache
def _methods() -> Mapping[str, Sequence[Any]]:
    text = read_table("sandbox/methods.json")
    return json.loads(text)["services"]


def method_named(service: str, verb: str, path: str) -> str:
    """The id of the method that a request means in Google's discovery documents; empty when there is none."""
    segments = path.strip("/").split("/")
    best = ""
    for method, method_verb, template in _methods().get(service, ()):
        if method_verb == verb and _fits(template.split("/"), segments):
            best = method
            if ":" in template.rpartition("/")[2]:
                break
    return best


def _fits(template: Sequence[str], segments: Sequence[str]) -> bool:
    if len(template) != len(segments):
        return False
    for part, segment in zip(template, segments, strict=True):
        if part.startswith("{"):
            custom = part.rpartition("}")[2]
            if custom and not segment.endswith(custom):
                return False
        elif part != segment:
            return False
    return True
