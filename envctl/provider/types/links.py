"""When two names of a Google Cloud resource mean the same."""

from __future__ import annotations

import re
from typing import Any

_PROJECT = re.compile(r"projects/([^/]+)/")


def relative(link: str) -> str:
    """A self link without scheme, host and version: `projects/...`."""
    found = re.search(r"projects/.*", link)
    return found.group(0) if found else link


def same_link(old: Any, new: Any) -> bool:
    """Self link, relative name and plain name of one resource; a project's number equals its id here.

    Two projects cannot be told apart when one is given by number: Google answers with either.
    """
    if not isinstance(old, str) or not isinstance(new, str) or not old or not new:
        return False
    if "/" not in old or "/" not in new:
        return old.rsplit("/", 1)[-1] == new.rsplit("/", 1)[-1]
    left, right = relative(old), relative(new)
    if left == right:
        return True
    projects = [_PROJECT.match(text) for text in (left, right)]
    if all(projects) and any(match is not None and match.group(1).isdigit() for match in projects):
        return _PROJECT.sub("", left, count=1) == _PROJECT.sub("", right, count=1)
    return False


def same_text_any_case(old: Any, new: Any) -> bool:
    """Names that an API writes in capitals, such as the location of a bucket."""
    return isinstance(old, str) and isinstance(new, str) and old.lower() == new.lower()
