"""What is installed in an environment, as its own Python says: a DAG of one task, uploaded, run once, removed.

The task writes what `importlib.metadata` knows into `data/` of the environment's bucket. The DAG works in Airflow 2 and
3: what moved between them is looked for in both places.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from envctl.errors import DetachedError, OutsideError
from envctl.operations.airflow import airflow_command
from envctl.provider.folders import BucketFolder

if TYPE_CHECKING:
    from collections.abc import Callable

    from envctl.google.transport import Transport
    from envctl.operations.composer_api import Waiter

_DAG = '''\
"""Written by `envctl images capture`, which removes it after its one run. Result: {result}"""

import json
import platform
from datetime import datetime
from importlib import metadata

try:
    from airflow.sdk import DAG
except ImportError:
    from airflow import DAG
try:
    from airflow.providers.standard.operators.python import PythonOperator
except ImportError:
    from airflow.operators.python import PythonOperator


def capture():
    packages = []
    for one in metadata.distributions():
        head = one.metadata
        packages.append(
            {{
                "name": head["Name"],
                "version": one.version,
                "requires": list(one.requires or ()),
                "requires_python": head["Requires-Python"],
                "extras": head.get_all("Provides-Extra") or [],
            }}
        )
    with open("/home/airflow/gcs/{result}", "w") as stream:
        json.dump({{"python": platform.python_version(), "packages": packages}}, stream)


settings = {{"start_date": datetime(2024, 1, 1), "catchup": False, "is_paused_upon_creation": False}}
try:
    dag = DAG("{name}", schedule=None, **settings)
except TypeError:
    dag = DAG("{name}", schedule_interval=None, **settings)
with dag:
    PythonOperator(task_id="capture", python_callable=capture)
'''

_PAUSE = 10.0
"""Seconds between two looks."""

_LOOKS = 90
"""How often is asked whether Airflow knows the DAG, and then whether the result is there. A scheduler reads new DAGs
within five minutes by default, and a look takes some ten seconds ("dag_dir_list_interval", Airflow 2.10, 2026-11)."""


class CapturedPackage(NamedTuple):
    """A package as its metadata in the environment tells of it."""

    name: str
    version: str
    requires: tuple[str, ...]
    requires_python: str | None
    extras: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Capture:
    """What is installed: the full Python version, and each package, the first of its name on the path."""

    python: str
    packages: tuple[CapturedPackage, ...]


def capture_packages(
    transport: Transport, environment: str, bucket: str, waiter: Waiter, say: Callable[[str], None]
) -> Capture:
    """Runs the DAG and reads what it wrote; what was uploaded is removed in every case.

    Args:
        transport: to the cloud.
        environment: the API's full name.
        bucket: of the environment.
        waiter: how to wait; its `cancel` ends it.
        say: told each step.

    Raises:
        OutsideError: the bucket or a command refused, the DAG did not come up, or wrote nothing in time.
        DetachedError: `waiter.cancel` was set; what was uploaded is removed.
    """
    name = f"envctl_capture_{uuid.uuid4().hex[:12]}"
    dag, result = f"dags/{name}.py", f"data/{name}.json"
    folder = BucketFolder(transport, bucket)
    say(f"Uploading {folder.where}/{dag} ...")
    _of_bucket(lambda: folder.write(dag, _DAG.format(name=name, result=result).encode(), new=True))
    try:
        _trigger(transport, environment, name, waiter, say)
        say("Running it ...")
        content = _waited(lambda: _of_bucket(lambda: folder.read(result)), waiter, "The DAG wrote nothing")
    finally:
        say("Removing it ...")
        _of_bucket(lambda: folder.remove(dag))
        _of_bucket(lambda: folder.remove(result))
    airflow_command(transport, environment, ["dags", "delete", name, "--yes"], waiter)
    return _read(content)


def _trigger(transport: Transport, environment: str, name: str, waiter: Waiter, say: Callable[[str], None]) -> None:
    said = False

    def asked() -> bool | None:
        nonlocal said
        ended = airflow_command(transport, environment, ["dags", "trigger", name], waiter)
        if not ended.code:
            return True
        lines = "\n".join(ended.lines)
        if name not in lines:
            detail = "\n".join([*ended.lines[-10:], ended.error]).strip()
            raise OutsideError("The DAG cannot be run", detail=detail, code="airflow-command-failed")
        if not said:
            said = True
            say("Waiting until Airflow has read it; that takes up to five minutes ...")
        return None

    _waited(asked, waiter, "Airflow does not take up the DAG")


def _waited(look: Callable[[], Any], waiter: Waiter, summary: str) -> Any:
    """What a look finds in the end."""
    for _ in range(_LOOKS):
        found = look()
        if found is not None:
            return found
        waiter.sleeper.sleep(_PAUSE, waiter.cancel)
        if waiter.cancel.is_set():
            raise DetachedError("The capture was given up; what it had uploaded is removed")
    raise OutsideError(
        summary,
        detail="Its scheduler or its workers may stand still, or are busy.",
        hints=("`envctl doctor ENV` says what is wrong with an environment.",),
        code="capture-timeout",
    )


def _of_bucket(act: Callable[[], Any]) -> Any:
    try:
        return act()
    except OutsideError as error:
        raise OutsideError(
            "The environment's bucket cannot be used",
            detail=error.detail,
            hints=("Who captures needs `roles/storage.objectUser` on it.",),
            code="api-refused",
        ) from error


def _read(content: bytes) -> Capture:
    try:
        document = json.loads(content)
        seen: dict[str, CapturedPackage] = {}
        for one in document["packages"]:
            if one["name"]:
                package = CapturedPackage(
                    one["name"], one["version"], tuple(one["requires"]), one["requires_python"], tuple(one["extras"])
                )
                seen.setdefault(one["name"].lower().replace("_", "-").replace(".", "-"), package)
        return Capture(document["python"], tuple(seen.values()))
    except (ValueError, KeyError, TypeError) as error:
        raise OutsideError("What the DAG wrote cannot be read", detail=repr(error), code="capture-timeout") from error
