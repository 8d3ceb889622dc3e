"""Airflow's settings, environment variables, variables, connections and pools."""

from __future__ import annotations

import re
from collections.abc import Iterator

from envctl.diagnostics import Hint
from envctl.spec.model import Environment, SecretReference, SecretsBackendKind
from envctl.spec.rules.subject import Subject, Violation, hints
from envctl.spec.tables import airflow_options, variable_names

# SoftwareConfig.airflow_config_overrides of the Composer API v1: section and option joined by a hyphen; no hyphen or
# bracket in the section, no `=`, `;` in the option, no dot in either; options in snake_case.
_SETTING = re.compile(r"[A-Za-z_][A-Za-z0-9_]*-[a-z_][a-z0-9_]*")
# Airflow's own rule for connection ids (airflow.models.connection.sanitize_conn_id, 2.10).
_CONNECTION = re.compile(r"[A-Za-z0-9_!#(){}$/\\.:*+@-]{1,250}")
_SECRET = re.compile(r"(projects/[^/]+/secrets/)?[A-Za-z0-9_-]{1,255}(/versions/(latest|[0-9]+))?")


def check_airflow_config(subject: Subject) -> Iterator[Violation]:
    """Form of the keys, blocked options, limited values."""
    if not isinstance(subject.spec, Environment):
        return
    options = airflow_options()
    image = subject.image
    for key, value in subject.spec.airflow.config.items():
        path = ("airflow", "config", key)
        if not _SETTING.fullmatch(key):
            yield Violation(
                "airflow-config-form", path, f"`{key}` is not `section-option`.", _better_key(key), at_key=True
            )
            continue
        section = key.split("-", 1)[0]
        blocked = (
            section in options.blocked_sections
            or key in options.blocked
            or (subject.generation == 3 and key in options.blocked_in_generation_3)
            or (image is not None and image.airflow[:1] == (3,) and key in options.blocked_in_airflow_3)
        )
        if blocked:
            detail = f"Composer sets `{key}` itself and refuses another value."
            yield Violation("airflow-config-blocked", path, detail, hints(options.instead.get(key)), at_key=True)
        elif subject.generation == 3 and key in options.limited_in_generation_3:
            low, high = options.limited_in_generation_3[key]
            number = int(value) if re.fullmatch(r"-?[0-9]{1,12}", value) else None
            if number is None or (low is not None and number < low) or (high is not None and number > high):
                bounds = " and ".join(
                    text for text in (f"at least {low:g}" if low else "", f"at most {high:g}" if high else "") if text
                )
                yield Violation("value-out-of-range", path, f"In generation 3 `{key}` is a whole number, {bounds}.")


def _better_key(key: str) -> tuple[Hint, ...]:
    for separator in (".", "__", "/", ":"):
        section, found, option = key.partition(separator)
        if found and _SETTING.fullmatch(better := f"{section.lower()}-{option.lower()}"):
            return (Hint(f"write `{better}`", replacement=better),)
    return ()


def check_environment_variables(subject: Subject) -> Iterator[Violation]:
    """Names that Composer refuses or keeps for itself."""
    if not isinstance(subject.spec, Environment):
        return
    table = variable_names()
    for name in subject.spec.airflow.env:
        path = ("airflow", "env", name)
        if not re.fullmatch(table.pattern, name) or len(name) < table.min_length:
            detail = (
                f"`{name}` must be letters, digits and `_`, not begin with a digit, and have two characters or more."
            )
            yield Violation("env-name-form", path, detail, at_key=True)
        elif name in table.reserved:
            yield Violation("env-name-reserved", path, f"Composer sets `{name}` itself.", at_key=True)
        elif re.fullmatch(table.setting, name):
            _, section, option = name.split("__", 2)
            better = f"{section.lower()}-{option.lower()}"
            detail = f"`{name}` is how Airflow reads a setting; Composer refuses it here."
            yield Violation(
                "env-name-reserved",
                path,
                detail,
                (Hint(f"write it under `airflow.config` as `{better}`"),),
                at_key=True,
            )


def check_airflow_objects(subject: Subject) -> Iterator[Violation]:
    """Ids of connections, names of secrets, pools."""
    if not isinstance(subject.spec, Environment):
        return
    airflow = subject.spec.airflow
    references: list[tuple[tuple[str, ...], SecretReference]] = []
    for key, connection in airflow.connections.items():
        if not _CONNECTION.fullmatch(key):
            yield Violation(
                "value-form", ("airflow", "connections", key), f"`{key}` is not a connection id.", at_key=True
            )
        references.append((("airflow", "connections", key), connection))
    for key, variable in airflow.variables.items():
        if isinstance(variable, SecretReference):
            references.append((("airflow", "variables", key), variable))
    for path, reference in references:
        if not _SECRET.fullmatch(reference.secret):
            detail = (
                f"`{reference.secret}` is not `projects/PROJECT/secrets/NAME` or the name of a secret of the project."
            )
            yield Violation("value-form", (*path, "secret"), detail)
        elif subject.spec.secrets is not None and subject.spec.secrets.backend is SecretsBackendKind.SECRET_MANAGER:
            expected = f"{subject.spec.secrets.prefix}-{path[1]}-{path[2]}"
            if _short_name(reference.secret, subject.spec.project) != expected:
                detail = f"For this, Airflow looks for a secret called `{expected}` in {subject.spec.project}."
                yield Violation("secret-never-read", (*path, "secret"), detail, (Hint(f"call it `{expected}`"),))
    for key in airflow.pools:
        if not key.strip() or len(key) > 256:
            yield Violation(
                "value-form", ("airflow", "pools", key), "A pool's name has 1 to 256 characters.", at_key=True
            )


def _short_name(secret: str, project: str) -> str:
    """The secret's own name when it is one of the project, else the whole text."""
    return secret.removeprefix(f"projects/{project}/secrets/").partition("/versions/")[0]
