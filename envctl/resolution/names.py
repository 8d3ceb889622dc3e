"""Names of packages and extras in the one spelling that is compared."""

from __future__ import annotations

import re

from envctl.resolution.protocol import PackageName

_SEPARATORS = re.compile(r"[-_.]+")
_UNSAFE = re.compile(r"[^A-Za-z0-9.-]+")


def package_name(text: str) -> PackageName:
    """The name normalised by PEP 503: lower case, runs of `-_.` as one `-`."""
    return PackageName(_SEPARATORS.sub("-", text).lower())


def extra_name(text: str) -> str:
    """The extra normalised by PEP 685, which uses the rule of package names."""
    return _SEPARATORS.sub("-", text).lower()


def safe_extra(text: str) -> str:
    """The extra as pip before 23.3 compares it: lower case, other characters as `_`; `-` and `_` differ."""
    return _UNSAFE.sub("_", text).lower()
