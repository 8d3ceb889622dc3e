"""Airflow commands of an environment: variables, connections and pools, kept as Airflow's database would.

The emulator runs no Airflow. It answers the few commands with which a control plane client sets an environment
up; every other command ends with exit code 2 and says that it was not run.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from envctl.sandbox.failures import invalid, not_found
from envctl.sandbox.routing import Route
from envctl.sandbox.services.composer import environment_name, require_state
from envctl.sandbox.services.composer_images import installed_packages
from envctl.sandbox.services.storage_versions import read_object, write_object

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from envctl.sandbox.backend import Call
    from envctl.sandbox.cloud import Cloud
    from envctl.sandbox.messages import Json
    from envctl.sandbox.services.composer import Environments

STATE = "composer.airflow"
_EXECUTIONS = "composer.executions"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command printed, how it ended, and the state it leaves."""

    lines: tuple[str, ...] = ()
    code: int = 0
    state: Mapping[str, Any] | None = None


def empty_state() -> Json:
    """An Airflow database without anything of the user's."""
    pool = {"slots": 128, "description": "Default pool", "include_deferred": False}
    return {"variables": {}, "connections": {}, "pools": {"default_pool": pool}}


def trigger_capture(cloud: Cloud, environment: Mapping[str, Any], name: str) -> Outcome:
    """What `dags trigger` does for the one DAG that the emulator knows: it writes what the DAG's run would write."""
    bucket: str = environment["storageConfig"]["bucket"]
    dag = read_object(cloud, bucket, f"dags/{name}.py") or b""
    result = re.search(rb"^\"\"\"Written by `envctl images capture`.* Result: (data/[a-z0-9_]+\.json)\"\"\"", dag)
    if result is None:
        return Outcome(("The sandbox runs no Airflow; not run: airflow dags trigger",), 2)
    written = installed_packages(environment["config"]["softwareConfig"])
    if written is None:
        return Outcome(("The sandbox knows no package of this image; not run: airflow dags trigger",), 2)
    write_object(cloud, bucket, result[1].decode(), json.dumps(written).encode(), "application/json", {})
    return Outcome((f"Created <DagRun {name}>",))


@dataclass(frozen=True, slots=True)
class AirflowCommands:
    """The methods that run commands."""

    cloud: Cloud
    environments: Environments

    def execute(self, call: Call) -> Json:
        """Run a command; its output is fetched by polling."""
        environment = self.environments.find(call.backend, environment_name(call))
        require_state(environment, "RUNNING")
        command, subcommand = call.body.get("command", ""), call.body.get("subcommand", "")
        if not command:
            raise invalid("Found 1 problem:\n\t1) Airflow command must not be empty.")
        parameters: Sequence[str] = call.body.get("parameters", ())
        state = call.store.get(STATE, environment["name"]) or empty_state()
        outcome = self._run(environment, command, subcommand, parameters, state)
        if outcome.state is not None:
            call.store.put(STATE, environment["name"], outcome.state)
        execution = call.backend.new_uuid("execution")
        namespace = f"composer-{environment['uuid'][:8]}"
        record: Json = {
            "environment": environment["name"],
            "command": [command, subcommand, *parameters],
            "lines": list(outcome.lines),
            "code": outcome.code,
        }
        call.store.put(_EXECUTIONS, execution, record)
        return {
            "executionId": execution,
            "pod": f"airflow-scheduler-{execution[:8]}",
            "podNamespace": namespace,
        }

    def poll(self, call: Call) -> Json:
        """The lines of a command from a line number on, and its end."""
        record = self._execution(call)
        first = max(int(call.body.get("nextLineNumber") or 1), 1)
        lines = [
            {"lineNumber": number, "content": line} for number, line in enumerate(record["lines"], 1) if number >= first
        ]
        ended: Json = {"exitCode": record["code"]} if record["code"] else {}
        shown: Json = {"outputEnd": True, "exitInfo": ended}
        if lines:
            shown["output"] = lines
        return shown

    def stop(self, call: Call) -> Json:
        """Stop a command; it has always ended already."""
        self._execution(call)
        return {"isDone": True, "output": ["The command has already ended."]}

    def _execution(self, call: Call) -> Mapping[str, Any]:
        self.environments.find(call.backend, environment_name(call))
        record = call.store.get(_EXECUTIONS, call.body.get("executionId", ""))
        if record is None:
            raise not_found(f"Execution not found: {call.body.get('executionId', '')}")
        return record

    def _run(
        self,
        environment: Mapping[str, Any],
        command: str,
        subcommand: str,
        parameters: Sequence[str],
        state: Mapping[str, Any],
    ) -> Outcome:
        if command == "version":
            image: str = environment["config"]["softwareConfig"]["imageVersion"]
            return Outcome((f"{image.partition('-airflow-')[2].partition('-build')[0]}+composer",))
        if (command, subcommand) == ("variables", "import") and parameters:
            content = read_object(self.cloud, environment["storageConfig"]["bucket"], _in_bucket(parameters[0]))
            if content is None:
                return Outcome((f"Missing variables file: {parameters[0]}",), 1)
            given: Mapping[str, Any] = json.loads(content)
            values = {key: value if isinstance(value, str) else json.dumps(value) for key, value in given.items()}
            variables = {**state["variables"], **values}
            return Outcome(
                (f"{len(values)} of {len(values)} variables successfully updated.",),
                0,
                {**state, "variables": variables},
            )
        if (command, subcommand) == ("dags", "trigger") and parameters:
            return trigger_capture(self.cloud, environment, parameters[0])
        if (command, subcommand) == ("dags", "delete") and parameters:
            return Outcome((f"Removed 1 record(s) of {parameters[0]}",))
        handler = _COMMANDS.get((command, subcommand))
        if handler is None:
            return Outcome((f"The sandbox runs no Airflow; not run: airflow {command} {subcommand}".rstrip(),), 2)
        return handler(state, parameters)


def _in_bucket(path: str) -> str:
    """The object behind a path of the mounted bucket."""
    return path.removeprefix("/home/airflow/gcs/").removeprefix("/home/airflow/gcsfuse/")


def _options(parameters: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Positional words and options of a command line; `--name value`, `--name=value`, or a bare flag."""
    words: list[str] = []
    options: dict[str, str] = {}
    pending = list(parameters)
    while pending:
        word = pending.pop(0)
        if not word.startswith("-"):
            words.append(word)
            continue
        name, equals, value = word.lstrip("-").partition("=")
        if not equals and pending and not pending[0].startswith("--") and name not in _FLAGS:
            value = pending.pop(0)
        options[name] = value
    return words, options


_FLAGS = frozenset({"json", "j", "verbose", "v", "include-deferred", "overwrite"})


def _without(state: Mapping[str, Any], kind: str, name: str) -> Json:
    return {**state, kind: {key: value for key, value in state[kind].items() if key != name}}


def _list_of(kind: str, columns: Callable[[str, Any], Json]) -> Callable[[Mapping[str, Any], Sequence[str]], Outcome]:
    def run(state: Mapping[str, Any], parameters: Sequence[str]) -> Outcome:
        _, options = _options(parameters)
        rows = [columns(name, value) for name, value in sorted(state[kind].items())]
        if options.get("output", options.get("o")) == "json":
            return Outcome((json.dumps(rows),))
        return Outcome(tuple(" | ".join(str(value) for value in row.values()) for row in rows))

    return run


def _variables_set(state: Mapping[str, Any], parameters: Sequence[str]) -> Outcome:
    words, _ = _options(parameters)
    if len(words) != 2:
        return Outcome(("airflow variables set: error: the following arguments are required: key, VALUE",), 2)
    key, value = words
    return Outcome((f"Variable {key} created",), 0, {**state, "variables": {**state["variables"], key: value}})


def _variables_get(state: Mapping[str, Any], parameters: Sequence[str]) -> Outcome:
    words, options = _options(parameters)
    key = words[0] if words else ""
    if key in state["variables"]:
        return Outcome((state["variables"][key],))
    if "default" in options:
        return Outcome((options["default"],))
    return Outcome((f"Variable {key} does not exist",), 1)


def _variables_delete(state: Mapping[str, Any], parameters: Sequence[str]) -> Outcome:
    key = parameters[0] if parameters else ""
    return Outcome((f"Variable {key} deleted",), 0, _without(state, "variables", key))


def _connections_add(state: Mapping[str, Any], parameters: Sequence[str]) -> Outcome:
    words, options = _options(parameters)
    name = words[0] if words else ""
    if not name or not options:
        return Outcome(("Must supply conn-uri or conn-json or conn-type",), 2)
    if name in state["connections"]:
        return Outcome((f"A connection with `conn_id`={name} already exists.",), 1)
    connections = {**state["connections"], name: options}
    return Outcome((f"Successfully added `conn_id`={name}",), 0, {**state, "connections": connections})


def _connections_get(state: Mapping[str, Any], parameters: Sequence[str]) -> Outcome:
    words, _ = _options(parameters)
    name = words[0] if words else ""
    if name not in state["connections"]:
        return Outcome(("Connection not found.",), 1)
    return Outcome((json.dumps([{"conn_id": name, **state["connections"][name]}]),))


def _connections_delete(state: Mapping[str, Any], parameters: Sequence[str]) -> Outcome:
    name = parameters[0] if parameters else ""
    if name not in state["connections"]:
        return Outcome((f"Did not find a connection with `conn_id`={name}",), 1)
    return Outcome((f"Successfully deleted connection with `conn_id`={name}",), 0, _without(state, "connections", name))


def _pools_set(state: Mapping[str, Any], parameters: Sequence[str]) -> Outcome:
    words, options = _options(parameters)
    if len(words) != 3 or not words[1].lstrip("-").isdigit():
        return Outcome(("airflow pools set: error: NAME slots description are required",), 2)
    pool = {"slots": int(words[1]), "description": words[2], "include_deferred": "include-deferred" in options}
    return Outcome((f"Pool {words[0]} created",), 0, {**state, "pools": {**state["pools"], words[0]: pool}})


def _pools_get(state: Mapping[str, Any], parameters: Sequence[str]) -> Outcome:
    words, _ = _options(parameters)
    name = words[0] if words else ""
    if name not in state["pools"]:
        return Outcome((f"Pool {name} does not exist",), 1)
    return Outcome((json.dumps([{"pool": name, **state["pools"][name]}]),))


def _pools_delete(state: Mapping[str, Any], parameters: Sequence[str]) -> Outcome:
    name = parameters[0] if parameters else ""
    if name == "default_pool":
        return Outcome(("default_pool cannot be deleted",), 1)
    if name not in state["pools"]:
        return Outcome((f"Pool {name} does not exist",), 1)
    return Outcome((f"Pool {name} deleted",), 0, _without(state, "pools", name))


def _variables_export(state: Mapping[str, Any], parameters: Sequence[str]) -> Outcome:
    del parameters
    return Outcome((json.dumps(state["variables"], sort_keys=True),))


_COMMANDS: Mapping[tuple[str, str], Callable[[Mapping[str, Any], Sequence[str]], Outcome]] = {
    ("variables", "list"): _list_of("variables", lambda name, _: {"key": name}),
    ("variables", "get"): _variables_get,
    ("variables", "set"): _variables_set,
    ("variables", "delete"): _variables_delete,
    ("variables", "export"): _variables_export,
    ("connections", "list"): _list_of("connections", lambda name, value: {"conn_id": name, **value}),
    ("connections", "get"): _connections_get,
    ("connections", "add"): _connections_add,
    ("connections", "delete"): _connections_delete,
    ("pools", "list"): _list_of("pools", lambda name, value: {"pool": name, **value}),
    ("pools", "get"): _pools_get,
    ("pools", "set"): _pools_set,
    ("pools", "delete"): _pools_delete,
}


def command_routes(cloud: Cloud, environments: Environments, one: str) -> tuple[Route, ...]:
    """Routes of the commands; `one` is the template of an environment."""
    api = AirflowCommands(cloud, environments)
    name = "composer.projects.locations.environments"
    return tuple(
        Route(f"{name}.{method}", "POST", f"{one}:{method}", handler, f"composer.environments.{right}")
        for method, handler, right in (
            ("executeAirflowCommand", api.execute, "executeAirflowCommand"),
            ("pollAirflowCommand", api.poll, "executeAirflowCommand"),
            ("stopAirflowCommand", api.stop, "executeAirflowCommand"),
        )
    )
