"""Measures of the doctor: `python benchmarks/bench_doctor.py`.

- evaluator: 1,000 principals x 300 permissions against a project policy of 1,500 bindings; at most 2 s.
- offline: one environment, all checks, facts from a bundle, the whole process from start to exit; at most 1 s.
- live: the same against the emulator, nothing made yet; at most 40 calls and 3 s. The heaviest environment, with everything
  made, is counted by `tests/doctor/test_doctor_calls.py`.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from envctl.doctor.evaluate import Evaluator
from envctl.doctor.policies import parse_allow_policy
from envctl.doctor.principals import Directory, Group
from envctl.doctor.roles import RoleCatalogue
from envctl.doctor.world import World
from envctl.iam_roles import load_table

PROJECT = "//cloudresourcemanager.googleapis.com/projects/acme"


def bench_evaluator() -> None:
    """One matrix of verdicts, evidence included."""
    choose = random.Random(7)
    people = [f"user:u{n}@example.com" for n in range(1000)]
    names = sorted({row["role"] for row in load_table("bindings")["rows"]})
    groups = {f"group:g{n}@example.com": Group(frozenset(choose.sample(people, 30))) for n in range(60)}
    members = [*people, *groups, "domain:example.org", "allAuthenticatedUsers"]
    bindings = []
    for _ in range(1500):
        binding = {"role": choose.choice(names), "members": choose.sample(members, 12)}
        if choose.random() < 0.1:
            moment = f"20{choose.randint(20, 30)}-01-01T00:00:00Z"
            binding["condition"] = {"title": "t", "expression": f'request.time < timestamp("{moment}")'}
        bindings.append(binding)
    permissions = sorted({item for row in load_table("bindings")["rows"] for item in row["permissions"]})
    permissions += [f"compute.instances.{n}" for n in range(300)]
    started, worked = time.perf_counter(), time.process_time()
    world = World(
        policies={PROJECT: parse_allow_policy({"version": 3, "bindings": bindings})},
        roles=RoleCatalogue(),
        now=datetime(2026, 11, 20, tzinfo=UTC),
        parents={PROJECT: None},
        directory=Directory(groups=groups),
    )
    evaluator = Evaluator(world)
    answers = 0
    for person in people:
        access = evaluator.access(person, PROJECT)
        for permission in permissions[:300]:
            answers += bool(access.verdict(permission))
    print(
        f"evaluator: {answers} verdicts in {time.perf_counter() - started:.2f} s, {time.process_time() - worked:.2f} s of its own work (at most 2 s)"
    )


FILE = """
project: acme-data
region: europe-west1
imageVersion: composer-2.13.8-airflow-2.10.5
serviceAccount: {name: composer-prod}
secrets: {backend: secret-manager}
encryption: {key: {create: true}}
integrations: [bigquery]
access: {users: [group:analysts@example.com], deployers: [user:dev@example.com]}
"""
PROGRAM = """
import sys
from pathlib import Path
from envctl.actions.doctor import DiagnoseRequest, diagnose
from envctl.report.doctor_formats import DoctorFormat, write_doctor
from envctl.spec.loader import load
from envctl.spec.project import load_project
root, facts = Path(sys.argv[1]), Path(sys.argv[2])
report = diagnose(DiagnoseRequest(loaded=load(load_project(root), "prod"), operations=("create", "update", "packages", "upgrade"), facts=facts))
print(len(report.findings), len(write_doctor(report, DoctorFormat.TEXT)))
"""


def bench_whole() -> None:
    """A doctor's run on facts of a file, and how those are collected."""
    from envctl.actions.clouds import InProcessTransport
    from envctl.actions.doctor import DiagnoseRequest, collect, diagnose
    from envctl.google.transport import Answer
    from envctl.sandbox import control
    from envctl.sandbox.cloud import Cloud
    from envctl.spec.loader import load
    from envctl.spec.project import load_project

    class Counting(InProcessTransport):
        calls = 0

        def call(self, *arguments: object, **named: object) -> Answer:
            self.calls += 1
            return super().call(*arguments, **named)  # type: ignore[arg-type]

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "environments").mkdir()
        (root / "envctl.yaml").write_text("name: acme\n")
        (root / "environments" / "prod.yaml").write_text(FILE)
        loaded = load(load_project(root), "prod")
        cloud = Cloud()
        control.seed(cloud, {"projects": [{"id": "acme-data", "apis": "all"}]})
        secret = {"title": "t", "expression": 'resource.name.startsWith("projects/1/secrets/a")'}
        binding = {"role": "roles/viewer", "members": ["user:dev@example.com"], "condition": secret}
        place = "//cloudresourcemanager.googleapis.com/projects/acme-data"
        control.seed(cloud, {"policies": {place: {"bindings": [binding]}}})
        transport = Counting(cloud)
        request = DiagnoseRequest(
            loaded=loaded, operations=("create",), transport=transport, caller="user:dev@example.com"
        )
        started = time.perf_counter()
        diagnose(request)
        print(f"live: {transport.calls} calls in {time.perf_counter() - started:.2f} s (at most 40 calls, 3 s)")
        facts = root / "facts.json"
        facts.write_text(collect(request))
        best, work = float("inf"), float("inf")
        for _ in range(5):
            started, worked = time.perf_counter(), os.times()
            subprocess.run([sys.executable, "-c", PROGRAM, str(root), str(facts)], check=True, capture_output=True)
            best = min(best, time.perf_counter() - started)
            ended = os.times()
            spent = ended.children_user + ended.children_system - worked.children_user - worked.children_system
            work = min(work, spent)
        print(f"offline: whole process in {best:.2f} s, {work:.2f} s of its own work, best of 5 (at most 1 s)")


if __name__ == "__main__":
    bench_evaluator()
    bench_whole()
