"""The Composer environment itself."""

from __future__ import annotations

from envctl.composer import Links, environment_arguments, environment_fields
from envctl.spec.model import Environment
from envctl.spec.names import OWNER_LABEL
from envctl.stacks.components import Group
from envctl.stacks.declaration import Options, Resource, Timeouts
from envctl.stacks.scope import Scope

ENVIRONMENT = "environment"
"""Logical name of the environment; also the key of its bucket in the file."""

# A create takes 25 minutes and up to an hour on a bad day, an image upgrade longer; the provider would give up
# at two hours, and a given-up create is the hardest state to mend.
_TIMEOUTS = Timeouts(create=150, update=180, delete=90)

PACKAGES = "config.softwareConfig.pypiPackages"
"""Owned by the API client: the program neither sets nor compares it."""

PROVENANCE = ("labels.envctl-version", "labels.envctl-commit", f"labels.{OWNER_LABEL}")
"""Labels that say whose the environment is, and which envctl and which commit made it: written once, never compared.

An update takes minutes, and every new commit, every new envctl and a new `id` would cost one per environment.
"""


def environment_resource(scope: Scope, spec: Environment, links: Links, depends_on: tuple[str, ...]) -> Resource:
    """The environment, after everything it needs."""
    return Resource(
        name=ENVIRONMENT,
        type="gcp:composer/environment:Environment",
        parent=Group.COMPOSER,
        inputs=environment_arguments(scope.name, spec, links),
        origin=(),
        fields={
            "name": ("name",),
            "project": ("project",),
            "region": ("region",),
            **environment_fields(spec.image_version),
        },
        options=Options(
            depends_on=depends_on,
            protect=scope.protect,
            delete_before_replace=True,
            ignore_changes=(PACKAGES, *PROVENANCE, *(spec.adopted.ignore if spec.adopted else ())),
            timeouts=_TIMEOUTS,
        ),
    )
