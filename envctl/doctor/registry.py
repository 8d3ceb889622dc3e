"""All checks by id, and their pages."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any, Final

from envctl.doctor import unrecognised
from envctl.doctor.check import Check
from envctl.doctor.model import UNRECOGNISED, Page
from envctl.doctor.words import PRINCIPALS, command_of_row, where, who
from envctl.iam_roles import load_table

MODULES: Final = (
    "permissions",
    "workload_identity",
    "apis",
    "api_container_host",
    "constraints",
    "custom_constraints",
    "env_sa_exists",
    "access_members",
    "env_agent_exists",
    "env_explicit_sa",
    "env_state",
    "env_image_eol",
    "env_db_size",
    "env_reserved_vars",
    "airflow_debug",
    "airflow_parallelism",
    "airflow_statsd",
    "airflow_schedulers",
    "kms_location",
    "kms_state",
    "bucket_location",
    "bucket_access",
    "net_pga",
    "net_ranges",
    "net_index",
    "net_nat_delete",
    "net_dataflow_fw",
    "net_vpcsc",
    "quotas",
    "build_identity",
    "grants_default_account",
    "policy_v2ext",
    "policy_agents",
    "policy_number",
    "policy_deleted",
    "policy_basic_roles",
    "hint_library",
    "hint_right",
    "pulumi_addresses",
    "facts_policies",
    "facts_deny",
)
"""The modules of `envctl.doctor.checks`, in the order of the report."""


@cache
def checks() -> tuple[Check, ...]:
    """Every check."""
    return tuple(module.CHECK for module in _modules())


@cache
def _modules() -> tuple[ModuleType, ...]:
    return tuple(import_module(f"envctl.doctor.checks.{name}") for name in MODULES)


@cache
def _rows() -> Mapping[str, tuple[str, Mapping[str, Any]]]:
    return {
        row["id"]: (table, row)
        for table in ("signatures", "wild-texts", "preconditions", "bindings")
        for row in load_table(table)["rows"]
    }


def check_ids() -> tuple[str, ...]:
    """The ids of all checks, in the order of the report."""
    return tuple(identifier for check in checks() for identifier in check.ids)


def _document(module: ModuleType) -> tuple[str, str]:
    """Title and text of a page that is a module's documentation."""
    title, _, text = inspect.cleandoc(module.__doc__ or "").partition("\n")
    return title.rstrip("."), text.strip()


def page_of(identifier: str) -> Page | None:
    """The page of a check, of a row of the tables, or of an error signature; None for an id that is none of them."""
    if identifier == UNRECOGNISED:
        title, text = _document(unrecognised)
        return Page(identifier, title, text)
    for module, check in zip(_modules(), checks(), strict=True):
        if identifier in check.ids and len(check.ids) == 1:
            title, text = _document(module)
            found = _rows().get(identifier)
            more = f"\n\n{_row_text(*found)}" if found else ""
            return Page(identifier, title, text + more)
    found = _rows().get(identifier)
    if found is None:
        return None
    table, row = found
    return Page(identifier, _title(table, row), _row_text(table, row), tuple(row.get("check", ())))


def _title(table: str, row: Mapping[str, Any]) -> str:
    match table:
        case "bindings":
            return f"{_capital(PRINCIPALS[row['principal']])} holds {row['role']} on {where(row['resource'])}"
        case "preconditions":
            return f"{row['subject']}: {row['expect']}"
        case _:
            return f"Error text: {row['means']}"


def _row_text(table: str, row: Mapping[str, Any]) -> str:
    parts: list[tuple[str, str]] = []
    match table:
        case "bindings":
            parts = [
                ("Who", who(row["principal"])),
                ("Needed for", row["why"]),
                ("When", row["condition"]),
                ("Permissions tested", ", ".join(row["permissions"])),
                ("Other roles that will do", ", ".join(row.get("alternatives", ()))),
                ("Symptom", row.get("symptom", "")),
                ("Not evaluated", row.get("left_out", "")),
                ("Note", row.get("note", "")),
            ]
        case "preconditions":
            parts = [
                ("Expected", row["expect"]),
                ("Breaks", row["breaks"]),
                ("Symptom", row.get("symptom", "")),
                ("Not evaluated", row.get("left_out", "")),
            ]
        case _:
            parts = [
                ("Example", row["example"] if "example" in row else row["examples"][0]),
                ("Means", row["means"]),
                ("Checks that decide it", ", ".join(row["check"])),
            ]
    generations = row.get("generations")
    if generations:
        parts.append(("Generations", ", ".join(str(number) for number in generations)))
    source = row["source"]
    titles = load_table("bindings")["sources"]
    parts.append(("Source", "; ".join(titles.get(key, key) for key in source) if isinstance(source, list) else source))
    parts.append(("Confidence", row["confidence"]))
    page = "\n".join(f"{name}: {text}" for name, text in parts if text)
    command = command_of_row(row) if table == "bindings" else None
    return f"{page}\n\nGranted by hand with:\n\n    {command}" if command else page


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
