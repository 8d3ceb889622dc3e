"""The custom packages of an environment as the API will get them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from envctl.spec.loader import Loaded


def desired_packages(loaded: Loaded) -> dict[str, str]:
    """Name to extras and specifier, from every requirements file of the environment and its inline packages.

    Raises:
        InvalidInputError: a file is missing or wrong, or holds what the API cannot express.
    """
    return {}
