"""What a profile supplies where the file is silent.

A profile never sets a field that is fixed at creation, so an environment grows from `trial` to `standard` to
`critical` in place; a test compares the table with the list of such fields.
"""

from __future__ import annotations

from envctl.spec.model import Environment, Profile, Resilience, Size
from envctl.spec.tree import KeyPath

_DEFAULTS: dict[Profile, dict[str, object]] = {
    Profile.TRIAL: {"size": Size.SMALL, "resilience": Resilience.STANDARD, "protect": False},
    Profile.STANDARD: {"size": Size.SMALL, "resilience": Resilience.STANDARD, "protect": False},
    Profile.CRITICAL: {"size": Size.MEDIUM, "resilience": Resilience.HIGH, "protect": True},
}


def apply(spec: Environment) -> tuple[Environment, dict[KeyPath, str]]:
    """The environment with the defaults of its profile, and what supplied each filled value."""
    missing = {key: value for key, value in _DEFAULTS[spec.profile].items() if getattr(spec, key) is None}
    origin = f"profile {spec.profile}"
    return spec.model_copy(update=missing), {(key,): origin for key in missing}
