"""Projects made of text: the files of a case, written into a folder of their own."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

ENVIRONMENT = """\
project: acme-data-dev
region: europe-west1
imageVersion: composer-3-airflow-2.10.5-build.19
serviceAccount: {name: "composer-${name}"}
"""
"""The least that an environment can say."""

MakeProject = Callable[[Mapping[str, str]], Path]


def split_case(text: str) -> tuple[str, dict[str, str]]:
    """The comment of a case and its files; the file `expected` is the screen."""
    comment, *parts = re.split(r"^-- (.+) --\n", text, flags=re.MULTILINE)
    return comment, dict(zip(parts[::2], parts[1::2], strict=True))
