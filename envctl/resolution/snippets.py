"""Code to paste when a package cannot live in the image: an environment of its own for the tasks that need it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def virtualenv_snippet(requirements: Sequence[str], python: str) -> str:
    """A task in a virtual environment on the worker: pure Python, small packages.

    Args:
        requirements: what the task needs.
        python: minor version of the image's Python.
    """
    listed = ", ".join(f'"{one}"' for one in requirements)
    return f'''\
from airflow.operators.python import PythonVirtualenvOperator


def work():
    """Imports go inside: this code runs apart from Airflow."""


task = PythonVirtualenvOperator(
    task_id="work",
    python_callable=work,
    requirements=[{listed}],
    python_version="{python}",
    system_site_packages=False,
)
'''


def kubernetes_snippet(requirements: Sequence[str], python: str) -> str:
    """A task in a pod of its own: for anything; an image with the packages built in starts faster."""
    listed = " ".join(f"'{one}'" for one in requirements)
    return f"""\
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator

task = KubernetesPodOperator(
    task_id="work",
    name="work",
    namespace="composer-user-workloads",
    image="python:{python}-slim",
    cmds=["sh", "-c"],
    arguments=["pip install {listed} && python /app/main.py"],
    config_file="/home/airflow/composer_kube_config",
)
"""
