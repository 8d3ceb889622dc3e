"""No command lets a secret out: each secret that can enter is planted, and looked for wherever something was written.

A sentinel has a core of letters and figures amid characters that encodings change. The core is looked for, so that
half a secret is found as well as a whole one, and inside everything that base64 could have made, at every offset.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from projects import call, workspace_of, write_project
from pulumi_twins import use_cli
from typer._click.core import Command
from typer._types import TyperChoice
from typer.core import TyperGroup

from envctl.actions.clouds import CloudName, SandboxCloud, open_cloud
from envctl.actions.workspace import Workspace
from envctl.cli import run
from envctl.commands.console import CONSOLE
from envctl.commands.line import command_for
from envctl.masking import forget_secrets

CORES = {
    "variable": "QzVariableSentinel7",
    "passphrase": "QzPassphraseSentinel7",
    "index": "QzIndexSentinel7",
    "netrc": "QzNetrcSentinel7",
    "pip": "QzPipconfSentinel7",
    "list": "QzRequirementsSentinel7",
    "proxy": "QzProxySentinel7",
    "token": "QzAccessTokenSentinel7",
    "webhook": "QzWebhookSentinelOfTheEnvironment7",
    "key": "QzByItsKeySentinel7",
    "address": "QzAddressSentinel7",
    "argument": "QzArgumentSentinel7",
}
SECRETS = {name: f"p/{core}@x&\"é+' z" for name, core in CORES.items()}
WEBHOOK = f"https://hooks.slack.com/services/T024/B024/{CORES['webhook']}"
REGION = "europe-west1"
IMAGE = "composer-2.13.8-airflow-2.10.5"
NEWER = "composer-2.15.3-airflow-2.10.5"
DEV = """\
project: acme-data-dev
region: europe-west1
imageVersion: composer-3-airflow-2.10.5-build.10
profile: trial
serviceAccount: {name: composer-dev}
airflow:
  variables: {TEAM: data}
packages: {requirements: [list.txt]}
userWorkloads:
  secrets:
    crm: {data: {PASSWORD: {env: CRM_SETTING}}}
buckets:
  staging: {location: EU}
"""
WRONG = f"""\
project: acme-data-dev
region: europe-west1
imageVersion: composer-3-airflow-2.10.5-build.10
serviceAccount: {{name: composer-wrong}}
labels: {{Team: "{WEBHOOK}"}}
airflow:
  env: {{DB_PASSWORD: "{CORES["key"]}", BACKUP_DB: "postgres://u:{CORES["address"]}/p@ss@h/db", sizee: 1}}
  config: {{core-sql: "host=h password={CORES["key"]} user=u"}}
nonsense: {{apiToken: "{CORES["key"]}", hook: "{WEBHOOK}"}}
"""
BROKEN = f'project: acme\nairflow: {{env: {{DB_PASSWORD: "{CORES["key"]}\n'


def tell(server_path: str, authorization: str) -> bytes:
    return f"401 at {server_path}: the header said {authorization}".encode()


class Echo(BaseHTTPRequestHandler):
    """Refuses everything, and says what it was sent: as an API does that is badly behaved."""

    def answer(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        sent = self.rfile.read(length).decode("utf-8", "replace")
        said = f"{self.path} with {self.headers.get('authorization')} was not wanted: {sent}"
        body = json.dumps({"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": said}}).encode()
        self.send_response(400)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = answer  # noqa: N815

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
        """Says nothing."""


@pytest.fixture(scope="module")
def echo() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, echo: str) -> Path:
    """A user's folder with a secret in every place from which envctl takes one; the project lies in it."""
    home = tmp_path / "home"
    (home / "tmp").mkdir(parents=True)
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_", "GOOGLE_", "ENVCTL_"))]:
        monkeypatch.delenv(name)
    for name, value in {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "TMPDIR": str(home / "tmp"),
        "ENVCTL_CLOUD": "sandbox",
        "NO_COLOR": "1",
        "CRM_SETTING": SECRETS["variable"],
        "PULUMI_CONFIG_PASSPHRASE": SECRETS["passphrase"],
        "GOOGLE_OAUTH_ACCESS_TOKEN": CORES["token"],
        "http_proxy": f"http://me:{SECRETS['proxy']}@127.0.0.1:9",
        "no_proxy": "*",
        "PIP_INDEX_URL": f"http://me:p%2F{CORES['index']}%40x@{echo}/simple",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("tempfile.tempdir", str(home / "tmp"))
    (home / ".netrc").write_text(f"machine 127.0.0.1 login me password {CORES['netrc']}\n")
    (home / ".config" / "pip").mkdir(parents=True)
    (home / ".config" / "pip" / "pip.conf").write_text(
        f"[global]\nextra-index-url = http://me:{CORES['pip']}%2Fp@ss@{echo}/extra\n"
    )
    project = write_project(home / "project", dev=DEV, qa=DEV.replace("composer-dev", "composer-qa"))
    (project / "environments" / "wrong.yaml").write_text(WRONG)
    (project / "environments" / "broken.yaml").write_text(BROKEN)
    for folder in (project, project / "environments"):
        (folder / "list.txt").write_text("requests\n")
        (folder / "wrong.txt").write_text(
            f"--extra-index-url http://me:p/{CORES['list']}@x@{echo}/more\n"
            f"requests @ https://me:{CORES['list']}/y@host/requests.whl\n"
            f"git+https://me:{CORES['list']}@host/repo.git\nbad line {CORES['list'][:0]}\n"
        )
    (project / "fault.json").write_text("{}")
    (project / "image.txt").write_text("apache-airflow==2.10.5\nrequests==2.32.3\n")
    forget_secrets()
    return home


class Finder:
    """Looks for cores in texts and files."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.own = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}

    def in_text(self, text: str) -> list[str]:
        decoded = "\n".join(_decoded(text))
        return [name for name, core in CORES.items() if core in text or core in decoded]

    def in_files(self) -> list[str]:
        """Every file with a secret that the user did not write; the emulated cloud keeps what it was given."""
        found: list[str] = []
        for path in self.home.rglob("*"):
            if not path.is_file() or path.name.startswith("sandbox.json"):
                continue
            content = path.read_bytes()
            if self.own.get(path) != content:
                found += [f"{path.relative_to(self.home)}: {name}" for name in self.in_text(content.decode("latin-1"))]
        return found

    def open_to_others(self) -> list[str]:
        """Everything below `.envctl/` that others can read, or get into."""
        top = self.home / "project" / ".envctl"
        return [
            f"{path.relative_to(self.home)} {path.stat().st_mode & 0o777:o}"
            for path in (top, *top.rglob("*"))
            if path.exists() and path.stat().st_mode & 0o077
        ]


def _decoded(text: str) -> Iterator[str]:
    for run_ in re.findall(r"[A-Za-z0-9+/_-]{12,}", text):
        standard = run_.replace("-", "+").replace("_", "/")
        for offset in range(4):
            part = standard[offset:]
            part = part[: len(part) // 4 * 4]
            with contextlib.suppress(ValueError):
                yield base64.b64decode(part).decode("latin-1")


@pytest.fixture
def envctl(home: Path, capsys: pytest.CaptureFixture[str]):
    """Runs a command line as a process of its own would, and says what it let out."""
    finder = Finder(home)
    CONSOLE.set_up()

    def call_(*arguments: str) -> tuple[int, str]:
        forget_secrets()
        code = int(run(["-C", str(home / "project"), *arguments]))
        captured = capsys.readouterr()
        told = captured.out + captured.err
        assert finder.in_text(told) == [], (arguments, told)
        assert finder.in_files() == [], arguments
        if captured.out.startswith(("{", "[")):
            json.loads(captured.out)  # what is hidden in a document leaves it one
        return code, told

    call_.finder = finder  # type: ignore[attr-defined]
    return call_


def sandbox(home: Path) -> SandboxCloud:
    cloud = open_cloud(CloudName.SANDBOX, home / "project")
    assert isinstance(cloud, SandboxCloud)
    return cloud


def order_fault(home: Path, method: str) -> None:
    """An API that repeats what it was sent; ordered past the command line, which would have to show it."""
    said = f"value {SECRETS['variable']} ({base64.b64encode(SECRETS['variable'].encode()).decode()}) is not allowed"
    fault = {"kind": "fail", "method": method, "status": "INVALID_ARGUMENT", "message": said}
    sandbox(home).control("POST", "fault", fault)


def act(workspace: Workspace, method: str, path: str, body: Any) -> None:
    """One request behind envctl's back, its operation followed to the end."""
    name = call(workspace, method, path, body)["name"]
    for _ in range(20):
        if call(workspace, "GET", "/".join([*path.split("/")[:2], name])).get("done"):
            return
    raise AssertionError(name)


def make_foreign_environment(home: Path) -> None:
    """An environment that nobody made for envctl, with a live webhook in it."""
    workspace = workspace_of(home / "project")
    base = f"projects/acme-data-dev/locations/{REGION}"
    for service in ("cloudresourcemanager", "iam", "compute", "composer", "storage"):
        act(workspace, "POST", f"serviceusage/v1/projects/acme-data-dev/services/{service}.googleapis.com:enable", {})
    account = {"accountId": "runner", "serviceAccount": {"displayName": "made by hand"}}
    call(workspace, "POST", "iam/v1/projects/acme-data-dev/serviceAccounts", account)
    config = {
        "nodeConfig": {"serviceAccount": "runner@acme-data-dev.iam.gserviceaccount.com"},
        "softwareConfig": {
            "imageVersion": "composer-3-airflow-2.10.5-build.10",
            "envVariables": {"STAGE": "old", "ALERTS": WEBHOOK, "DB_PASSWORD": CORES["key"]},
        },
    }
    body = {"name": f"{base}/environments/old", "config": config}
    act(workspace, "POST", f"composer/v1/{base}/environments", body)


def put_by_hand(home: Path) -> None:
    """Somebody sets a secret as an environment variable in the console."""
    workspace = workspace_of(home / "project")
    name = f"projects/acme-data-dev/locations/{REGION}/environments/dev"
    path = f"composer/v1/{name}?updateMask=config.softwareConfig.envVariables"
    variables = {"DB_PASSWORD": CORES["key"], "DATABASE": f"postgres://u:{CORES['address']}@h/db", "HOOK": WEBHOOK}
    act(workspace, "PATCH", path, {"config": {"softwareConfig": {"envVariables": variables}}})


def commands(group: TyperGroup, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Command]]:
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


def verbs() -> dict[str, tuple[tuple[str, ...], bool]]:
    """Every command with its formats, and whether it writes files."""
    root = command_for([])
    assert isinstance(root, TyperGroup)
    found: dict[str, tuple[tuple[str, ...], bool]] = {}
    for name, command in commands(root):
        options = {option: parameter for parameter in command.params for option in parameter.opts}
        kind = options["--format"].type if "--format" in options else None
        assert kind is None or isinstance(kind, TyperChoice)
        choices = tuple(getattr(choice, "value", str(choice)) for choice in kind.choices) if kind else ()
        found[name] = (choices, "--output" in options)
    return found


LISTED = ("-r", "list.txt", "--image", IMAGE)
OLD = ("old", "--project", "acme-data-dev", "--region", REGION)
FAULT = '{"kind": "fail", "method": "storage.buckets.list", "status": "UNAVAILABLE"}'
LINES: dict[str, list[list[str]]] = {
    "init": [["fresh"]],
    "validate": [[], ["dev"], ["wrong"], ["broken"]],
    "show": [["dev"], ["wrong"], ["saved.json"]],
    "schema": [[]],
    "preview": [["dev", "--out", "saved.json"], ["dev", "qa"], ["wrong"], ["broken"], ["dev", "--destroy"]],
    "up": [["dev", "--yes"], ["--plan", "saved.json"], ["wrong", "--yes"], ["qa", "--yes"]],
    "destroy": [["qa", "--yes"]],
    "drift": [["dev"], []],
    "status": [["dev"], []],
    "history": [["dev"], ["qa"]],
    "import": [[*OLD, "--dry-run"], [*OLD, "--yes"]],
    "diff": [["dev", "qa"], ["dev", "old", "--live"], ["dev", "wrong"]],
    "eject": [["dev", "ejected"]],
    "state list": [["dev"], ["old"]],
    "state show": [["dev", "environment"], ["old", "environment"], ["dev", "nothing"]],
    "state export": [["dev"], ["old"]],
    "state import": [["dev", "exported.json", "--yes"], ["dev", "list.txt", "--yes"]],
    "state rename": [["dev", "qa"]],
    "state migrate": [["--to", "gs://acme-states"]],
    "cache dir": [[]],
    "cache clean": [[]],
    "state move": [["dev", "bucket-staging", "bucket-other"]],
    "state forget": [["dev", "bucket-other", "--yes"]],
    "state unlock": [["dev"]],
    "state repair": [["dev"]],
    "deps check": [["-r", "wrong.txt", "--image", IMAGE], list(LISTED), [*LISTED, "--offline"], ["dev"]],
    "deps explain": [["requests", *LISTED]],
    "deps fix": [list(LISTED), ["-r", "wrong.txt", "--image", IMAGE]],
    "deps lock": [list(LISTED)],
    "deps matrix": [[IMAGE, "-r", "list.txt"]],
    "deps upgrade": [["--to", NEWER, *LISTED]],
    "images list": [[]],
    "images show": [[IMAGE]],
    "images diff": [[IMAGE, NEWER]],
    "images add": [["image.txt", "--name", "composer-2.99.0-airflow-2.10.5"]],
    "images update": [["--from", "list.txt", "--offline"]],
    "images lock": [["--check"]],
    "images capture": [["dev", "--yes"]],
    "doctor": [["dev", "--allow-unknown"], ["--error", f"it said password={CORES['argument']}"], ["dev", "--offline"]],
    "iam": [["dev"], ["wrong"]],
    "explain": [["literal-secret"]],
    "sandbox serve": [],  # serves until it is told to stop: a test of its own
    "sandbox env": [["--url", "http://127.0.0.1:9"]],
    "sandbox reset": [[]],
    "sandbox seed": [["fault.json"]],
    "sandbox fault": [[FAULT], [], ["--clear"]],
    "sandbox call": [
        ["GET", "storage/storage/v1/b?project=acme-data-dev"],
        ["GET", f"composer/v1/projects/acme-data-dev/locations/{REGION}/environments/old"],
        ["POST", f"x/y?password={CORES['argument']}"],
    ],
    "sandbox clock": [[], ["--advance", "5"]],
    "setup": [[]],
}
"""Lines for each command: one that works, and ways in which it fails. A command that is not here fails the test."""

ORDER = [name for name in LINES if name not in {"sandbox reset", "destroy"}] + ["destroy", "sandbox reset"]


def test_every_command_is_here() -> None:
    assert set(LINES) == set(verbs())


def test_no_command_in_no_format_lets_a_secret_out(envctl, home, monkeypatch) -> None:
    monkeypatch.chdir(home / "project")
    make_foreign_environment(home)
    codes: dict[str, set[int]] = {}
    code, told = envctl("up", "dev", "--yes")
    assert code == 0, told
    envctl("preview", "dev", "--out", "saved.json")
    envctl("state", "export", "dev", "-o", "exported.json")
    put_by_hand(home)
    order_fault(home, "composer.projects.locations.environments.userWorkloadsSecrets.create")
    for name in ORDER:
        formats, writes = verbs()[name]
        for line in LINES[name]:
            for format_ in formats or ("",):
                said = ["--format", format_] if format_ else []
                codes.setdefault(name, set()).add(envctl(*name.split(), *line, *said)[0])
                if writes:
                    envctl(*name.split(), *line, *said, "-o", f"written-{name.replace(' ', '-')}-{format_ or 'text'}")
    assert codes["up"] == {0, 3, 4, 5}, codes["up"]
    assert 0 in codes["import"]
    assert envctl.finder.open_to_others() == []
    for private in ("saved.json", "exported.json"):
        assert (home / "project" / private).stat().st_mode & 0o077 == 0


def test_the_states_hold_secrets_encrypted(envctl, home) -> None:
    make_foreign_environment(home)
    envctl("up", "dev", "--yes")
    assert envctl("import", *OLD, "--yes")[0] == 0
    stacks = home / "project" / ".envctl" / "sandbox" / "stacks"
    assert "ciphertext" in (stacks / "dev.json").read_text()
    assert "ciphertext" in (stacks / "old.json").read_text()
    text = (home / "project" / "environments" / "old.yaml").read_text()
    assert "airflow.env.ALERTS: looks like a webhook of Slack" in text
    assert "airflow.env.DB_PASSWORD: looks like a secret, by its key" in text
    assert "Secret Manager" in text
    assert "STAGE: old" in text
    code, told = envctl("preview", "old", "--expect-no-changes")
    assert code == 0, told


def test_what_an_api_repeats_is_masked_on_screen_and_in_history_journal_and_state(envctl, home) -> None:
    order_fault(home, "composer.projects.locations.environments.userWorkloadsSecrets.create")
    code, told = envctl("up", "dev", "--yes")
    assert code == 4
    assert "is not allowed" in told
    folder = home / "project" / ".envctl" / "sandbox"
    assert "is not allowed" in (folder / "journal" / "dev.jsonl").read_text()
    assert "***** (*****) is not allowed" in envctl("history", "dev", "--format", "json")[1]
    assert envctl.finder.open_to_others() == []


def test_a_bug_report_has_no_secret(envctl, home, monkeypatch) -> None:
    class Failing:
        encoding = "utf-8"

        def write(self, _: str) -> int:
            raise RuntimeError(f"cannot write {SECRETS['variable']} with {CORES['token']}")

        def flush(self) -> None: ...

        def isatty(self) -> bool:
            return False

    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", Failing())
        code, told = envctl("preview", "dev")
    assert code == 70
    assert "RuntimeError: cannot write ***** with *****" in told
    (report,) = (home / "tmp").glob("envctl-bug-*.txt")
    assert "RuntimeError: cannot write *****" in report.read_text()


def test_a_google_api_that_repeats_the_access_token_is_masked(envctl, echo, monkeypatch) -> None:
    for name in ("COMPOSER", "RESOURCE_MANAGER", "STORAGE", "IAM_BETA", "SERVICE_USAGE"):
        monkeypatch.setenv(f"GOOGLE_{name}_CUSTOM_ENDPOINT", f"http://{echo}/v1/")
    for line in (["status", "dev"], ["preview", "dev"], ["import", *OLD, "--dry-run"], ["doctor", "dev"]):
        code, told = envctl(*line, "--cloud", "gcp")
        assert code != 0
        assert "*****" in told or "token" not in told.lower(), told


@pytest.mark.parametrize("password", ["p/{}", "p@{}", "p/{}@{}", "p#{}?{}", "{}:{}/{}@"])
@pytest.mark.parametrize("given", ["option", "variable", "envctl.yaml", "list", "pip.conf"])
def test_an_index_password_of_any_form_is_masked_in_every_format(
    envctl, home, echo, monkeypatch, given, password
) -> None:
    monkeypatch.chdir(home / "project")
    address = f"http://me:{password.replace('{}', CORES['index'])}@{echo}/simple"
    line = ["deps", "check", "-r", "list.txt", "--image", IMAGE]
    match given:
        case "option":
            line += ["--index-url", address]
        case "variable":
            monkeypatch.setenv("PIP_INDEX_URL", address)
        case "envctl.yaml":
            (home / "project" / "envctl.yaml").write_text(f"name: acme\nindex: {{url: '{address}', nonsense: 1}}\n")
            line = ["preview", "dev"]
        case "list":
            (home / "project" / "list.txt").write_text(f"-i {address}\nrequests @ {address}/r.whl\n")
        case _:
            monkeypatch.delenv("PIP_INDEX_URL")
            (home / ".config" / "pip" / "pip.conf").write_text(f"[global]\nindex-url = {address}\n")
    envctl.finder.own = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    formats = verbs()[" ".join(line[:2])][0] if line[0] == "deps" else verbs()[line[0]][0]
    for format_ in formats:
        assert envctl(*line, "--format", format_)[1]


@pytest.mark.pulumi
def test_the_pulumi_cli_and_its_files_hold_no_secret_in_the_open(envctl, home, monkeypatch) -> None:
    use_cli(monkeypatch, home / "pulumi")
    monkeypatch.delenv("http_proxy")  # gRPC would ask it, even for the loopback
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", SECRETS["passphrase"])
    order_fault(home, "composer.projects.locations.environments.userWorkloadsSecrets.create")
    code, told = envctl("up", "dev", "--yes", "--engine", "pulumi")
    assert code == 4, told
    assert "is not allowed" in told
    for line in (["history", "dev"], ["state", "export", "dev"], ["status", "dev"], ["preview", "dev"]):
        envctl(*line, "--engine", "pulumi")
    assert envctl.finder.open_to_others() == []


def test_a_served_sandbox_says_nothing_of_its_terminal(home) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "envctl", "-C", str(home / "project"), "sandbox", "serve", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    first = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    told = first + process.communicate(timeout=60)[0]
    assert "Serving on" in told
    assert Finder(home).in_text(told) == []


def test_what_earlier_versions_left_open_is_closed_at_the_next_write(envctl, home) -> None:
    envctl("up", "dev", "--yes")
    top = home / "project" / ".envctl"
    for path in (*top.rglob("*"), top):
        path.chmod(0o755 if path.is_dir() else 0o644)
    assert envctl.finder.open_to_others()
    envctl("up", "qa", "--yes")
    assert envctl.finder.open_to_others() == []


def test_a_lock_does_not_repeat_the_command_line_in_the_open(home, monkeypatch) -> None:
    from envctl.engine.embedded.lock import read_holder, stack_lock
    from envctl.engine.embedded.store import now_utc
    from envctl.masking import learn

    learn(SECRETS["variable"])
    monkeypatch.setattr(
        sys, "argv", ["envctl", "x", "--index-url", f"https://me:{CORES['index']}@h/s", SECRETS["variable"]]
    )
    path = home / "project" / ".envctl" / "locks" / "dev.json"
    with stack_lock(path, "dev", now_utc):
        text = path.read_text()
        holder = read_holder(path)
    assert holder is not None
    assert holder.host == socket.gethostname()
    assert Finder(home).in_text(text) == []
