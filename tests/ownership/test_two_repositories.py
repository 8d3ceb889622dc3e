"""Two repositories on one Google project: whatever is edited, renamed, lost and destroyed, neither touches the other's."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from projects import plan, run, workspace_of

from envctl.actions.adopt import adopt
from envctl.actions.adopt_looking import Wanted
from envctl.actions.clouds import SandboxCloud
from envctl.actions.workspace import Workspace
from envctl.errors import InvalidInputError, NegativeVerdictError, OutsideError, RefusedError, UsageError
from envctl.plan.model import Mode
from envctl.sandbox.cloud import Cloud
from envctl.sandbox.messages import Request

PROJECT = "acme-data-dev"
REGION = "europe-west1"
HAND = f"by-hand@{PROJECT}.iam.gserviceaccount.com"
USERS = "group:analysts@acme.example"
LISTS = {
    "bucket": (f"storage/storage/v1/b?project={PROJECT}", "items"),
    "account": (f"iam/v1/projects/{PROJECT}/serviceAccounts", "accounts"),
    "environment": (f"composer/v1/projects/{PROJECT}/locations/{REGION}/environments", "environments"),
}
OF_THE_SERVER = frozenset({"etag", "metageneration", "updated", "updateTime", "state"})

NAMES = st.sampled_from(["dev", "staging"])
KEYS = st.sampled_from(["environment", "lake", "raw"])
EDITS = st.one_of(
    st.tuples(st.just("bucket"), KEYS, st.sampled_from(["", "acme-shared", "acme-by-hand"])),
    st.tuples(st.just("without"), KEYS),
    st.tuples(st.just("account"), st.booleans()),
    st.tuples(st.just("users"), st.booleans()),
    st.tuples(st.just("name"), st.sampled_from(["dev", "main"])),
)
VERBS = st.tuples(st.sampled_from(["up", "up", "up", "destroy", "lose", "rename", "import"]))
STEPS = st.lists(st.tuples(st.sampled_from([0, 1]), NAMES, st.one_of(EDITS, VERBS)), min_size=2, max_size=8)


@dataclass
class File:
    """What one environment file says."""

    buckets: dict[str, str] = field(default_factory=dict)
    by_hand: bool = False
    users: bool = False
    name: str = ""

    def text(self, stem: str) -> str:
        account = f"{{email: '{HAND}'}}" if self.by_hand else f"{{name: composer-{self.name or stem}}}"
        lines = [
            f"project: {PROJECT}",
            f"region: {REGION}",
            "imageVersion: composer-3-airflow-2.10.5-build.10",
            "profile: trial",
            f"serviceAccount: {account}",
        ]
        lines += [f"name: {self.name}"] if self.name else []
        lines += [f"access: {{users: ['{USERS}']}}"] if self.users else []
        if self.buckets:
            lines.append("buckets:")
            lines += [f"  {key}: {f'{{name: {name}}}' if name else '{}'}" for key, name in self.buckets.items()]
        return "\n".join(lines) + "\n"


class Repository:
    """A folder with an id of its own, on a cloud that others use too."""

    def __init__(self, root: Path, identity: str, emulator: Cloud) -> None:
        self.root, self.emulator = root, emulator
        self.files: dict[str, File] = {}
        (root / "environments").mkdir(parents=True)
        (root / "envctl.yaml").write_text(f"name: acme\nid: {identity}\n")

    def workspace(self) -> Workspace:
        cloud = SandboxCloud(self.root / ".envctl" / "sandbox")
        cloud._emulator = self.emulator
        return replace(workspace_of(self.root), cloud=cloud)

    def does(self, stem: str, step: tuple[Any, ...]) -> None:
        """One edit, or one command; what envctl refuses is refused."""
        said = self.files.setdefault(stem, File())
        match step:
            case ("bucket", key, name):
                said.buckets[key] = name
            case ("without", key):
                said.buckets.pop(key, None)
            case ("account", by_hand):
                said.by_hand = by_hand
            case ("users", users):
                said.users = users
            case ("name", name):
                said.name = name
            case ("rename",):
                self.files["renamed"] = self.files.pop(stem)
            case ("lose",):
                shutil.rmtree(self.root / ".envctl", ignore_errors=True)
            case (verb,):
                self.write()
                with suppress(RefusedError, InvalidInputError, UsageError, OutsideError, NegativeVerdictError):
                    self.runs(verb, stem)

    def write(self) -> None:
        for path in (self.root / "environments").iterdir():
            path.unlink()
        for stem, said in self.files.items():
            (self.root / "environments" / f"{stem}.yaml").write_text(said.text(stem))

    def runs(self, verb: str, stem: str) -> None:
        workspace = self.workspace()
        match verb:
            case "up":
                run(plan(workspace, stem))
            case "destroy":
                run(plan(workspace, stem, mode=Mode.DESTROY))
            case "import":
                adopt(workspace, Wanted(stem, PROJECT, REGION, self.files[stem].name or stem))


def ask(emulator: Cloud, method: str, path: str, body: Any = None) -> Any:
    answer = emulator.handle(Request.to(method, f"http://localhost/{path}", body=body))
    assert answer.status < 400 or answer.status == 403, answer.body
    return json.loads(answer.body) if answer.status < 400 and answer.body else {}


def objects(emulator: Cloud) -> dict[tuple[str, str], Mapping[str, Any]]:
    """Everything that somebody could own, without what the server alone writes."""
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    for kind, (path, key) in LISTS.items():
        for item in ask(emulator, "GET", path).get(key, ()):
            kept = {name: value for name, value in item.items() if name not in OF_THE_SERVER}
            found[kind, item["name"]] = kept
    return found


def members(emulator: Cloud) -> set[tuple[str, str]]:
    policy = ask(emulator, "POST", f"crm/v1/projects/{PROJECT}:getIamPolicy", {})
    return {(binding["role"], member) for binding in policy.get("bindings", ()) for member in binding["members"]}


def enable(emulator: Cloud, service: str) -> None:
    name = f"serviceusage/v1/projects/{PROJECT}/services/{service}.googleapis.com"
    started = ask(emulator, "POST", f"{name}:enable", {})
    while started.get("name", "").startswith("operations/") and not started.get("done"):
        started = ask(emulator, "GET", f"serviceusage/v1/{started['name']}")


def by_hand(emulator: Cloud) -> None:
    """What somebody made without envctl: a bucket with an object, an account, and its role."""
    for service in ("iam", "storage", "composer"):
        enable(emulator, service)
    ask(emulator, "POST", f"storage/storage/v1/b?project={PROJECT}", {"name": "acme-by-hand", "location": "EU"})
    ask(emulator, "POST", f"iam/v1/projects/{PROJECT}/serviceAccounts", {"accountId": "by-hand"})
    policy = ask(emulator, "POST", f"crm/v1/projects/{PROJECT}:getIamPolicy", {})
    policy.setdefault("bindings", []).append({"role": "roles/composer.worker", "members": [f"serviceAccount:{HAND}"]})
    ask(emulator, "POST", f"crm/v1/projects/{PROJECT}:setIamPolicy", {"policy": policy})


def play(root: Path, steps: list[tuple[int, str, tuple[Any, ...]]]) -> int:
    """Does the steps, and holds after each that only the acting repository's own objects changed; counts what was made."""
    emulator = Cloud()
    by_hand(emulator)
    repositories = [
        Repository(root / "one", "aaaaaaaaaaa1", emulator),
        Repository(root / "two", "bbbbbbbbbbb2", emulator),
    ]
    owners: dict[tuple[str, str], object] = dict.fromkeys(objects(emulator), "hand")
    granted = dict.fromkeys(members(emulator), "hand")
    made = 0
    for index, stem, step in steps:
        before, rights = objects(emulator), members(emulator)
        repositories[index].does(stem, step)
        after = objects(emulator)
        foreign = [key for key in before if owners[key] != index]
        assert {key: after.get(key) for key in foreign} == {key: before[key] for key in foreign}, (index, stem, step)
        lost = {pair for pair in rights - members(emulator) if granted[pair] != index}
        assert lost == set(), (index, stem, step)
        made += len(after.keys() - before.keys())
        owners |= dict.fromkeys(after.keys() - before.keys(), index)
        granted |= dict.fromkeys(members(emulator) - rights, index)
    return made


UP = ("up",)
SAME_NAMES = [(0, "dev", UP), (1, "dev", UP), (1, "dev", ("import",)), (1, "dev", UP), (1, "dev", ("destroy",))]
SHARED_BUCKET = [
    (0, "dev", ("bucket", "lake", "acme-shared")),
    (0, "dev", UP),
    (1, "staging", ("bucket", "lake", "acme-shared")),
    (1, "staging", UP),
    (1, "staging", ("without", "lake")),
    (1, "staging", UP),
    (1, "staging", ("destroy",)),
]
LOST = [
    (0, "dev", ("bucket", "lake", "")),
    (0, "dev", UP),
    (0, "dev", ("lose",)),
    (0, "dev", UP),
    (0, "dev", ("import",)),
]
GIVEN = [(0, "dev", ("account", True)), (0, "dev", UP), (1, "staging", ("account", True)), (1, "staging", UP)]


@given(STEPS)
@example(SAME_NAMES)
@example(SHARED_BUCKET)
@example([*LOST, (0, "dev", ("destroy",))])
@example([*GIVEN, (0, "dev", ("destroy",)), (1, "staging", ("destroy",))])
@settings(max_examples=8)
def test_no_step_touches_what_another_made(steps):
    with tempfile.TemporaryDirectory() as folder:
        play(Path(folder), steps)


@pytest.mark.slow
@given(st.lists(st.tuples(st.sampled_from([0, 1]), NAMES, st.one_of(EDITS, VERBS)), min_size=6, max_size=25))
@settings(max_examples=150)
def test_no_long_story_does_either(steps):
    with tempfile.TemporaryDirectory() as folder:
        play(Path(folder), steps)


def test_the_examples_really_make_things(tmp_path):
    assert play(tmp_path, SHARED_BUCKET) >= 3
