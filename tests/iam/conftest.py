from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from envctl.spec.model import Environment

MINIMAL: dict[str, Any] = {
    "project": "acme-data",
    "region": "europe-west1",
    "imageVersion": "composer-3-airflow-2.10.5-build.10",
    "serviceAccount": {"name": "composer-prod"},
}


@pytest.fixture
def environment() -> Callable[..., Environment]:
    """An environment from the smallest file plus the given blocks (camelCase, as in the file)."""

    def build(**blocks: Any) -> Environment:
        return Environment.model_validate_json(json.dumps({**MINIMAL, **blocks}))

    return build
