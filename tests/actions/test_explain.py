from __future__ import annotations

import ast
import os
import re
from pathlib import Path

import pytest

from envctl.actions.explain import error_pages, explain, known_ids, package_pages
from envctl.errors import UsageError

ROOT = Path(__file__).parents[2]


def codes_in_source():
    found = set()
    for path in (ROOT / "envctl").rglob("*.py"):
        text = path.read_text("utf-8")
        for call in re.finditer(r"Error\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*?\bcode=\"([a-z0-9-]+)\"", text):
            found.add(call.group(1))
        found.update(re.findall(r"^    code(?:: str)? = \"([a-z-]+)\"", text, re.MULTILINE))
    return found


def test_every_error_has_a_page():
    from envctl.spec.codes import CODES

    assert codes_in_source() - set(error_pages()) - set(CODES) == set()


def test_every_page_belongs_to_an_error():
    text = "\n".join(path.read_text("utf-8") for path in (ROOT / "envctl").rglob("*.py"))
    assert [code for code in error_pages() if f'"{code}"' not in text] == []


def test_the_page_of_errors_is_up_to_date():
    lines = [
        "# Errors that end a command",
        "",
        "Written from `envctl/data/errors.toml`; `envctl explain CODE` shows an entry.",
        "",
    ]
    for code, text in sorted(error_pages().items()):
        lines += [f"## {code}", "", text, ""]
    assert (ROOT / "docs" / "errors.md").read_text("utf-8") == "\n".join(lines)


def said_in_source():
    """First arguments of every `Diagnostic(...)` and `Notice(...)`, and what a name there was given before."""
    found = set()
    for path in (ROOT / "envctl").rglob("*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or getattr(node.func, "id", "") not in {"Diagnostic", "Notice"}:
                continue
            (first, *_) = node.args or [keyword.value for keyword in node.keywords if keyword.arg == "code"]
            if isinstance(first, ast.Name):
                given = [n.value for n in ast.walk(tree) if isinstance(n, ast.Assign) and first.id in _names(n)]
                found |= {c.value for value in given for c in _values(value)}
            else:
                found.add(ast.literal_eval(first))
    return found


def _names(assignment):
    return {target.id for target in assignment.targets if isinstance(target, ast.Name)}


def _values(value):
    branches = [value.body, value.orelse] if isinstance(value, ast.IfExp) else [value]
    return [branch for branch in branches if isinstance(branch, ast.Constant)]


def test_every_diagnostic_and_notice_has_a_page():
    from envctl.spec.codes import CODES

    said = said_in_source()
    assert {"package-conflict", "package-timeout-risk", "yanked", "facts-format"} <= said
    assert said - set(package_pages()) - set(CODES) == set()
    assert set(package_pages()) - said == set()
    assert not set(package_pages()) & {*CODES, *error_pages()}


def test_every_answer_of_a_gate_has_a_page():
    from envctl.resolution.findings import Verdict

    for verdict in Verdict:
        assert explain(f"packages.{verdict.value}").text
    assert "existing: NAME" in explain("ownership.foreign").text


def test_the_page_of_package_codes_is_up_to_date():
    lines = [
        "# Codes of the clash check",
        "",
        "Written from `envctl/data/package-codes.toml`; `envctl explain CODE` shows an entry. Codes of environment files",
        "are in [codes.md](codes.md), errors that end a command in [errors.md](errors.md).",
        "",
    ]
    for code, page in sorted(package_pages().items()):
        lines += [f"## {code}", "", f"{page['title']}.", "", page["text"], ""]
    written = "\n".join(lines)
    path = ROOT / "docs" / "package-codes.md"
    if "ENVCTL_UPDATE" in os.environ:
        path.write_text(written, "utf-8")
    assert path.read_text("utf-8") == written


@pytest.mark.parametrize(
    "identifier", ["plan-stale", "yanked", "packages.conflict", "yaml-tab", "no-all-users", "policy.no-all-users"]
)
def test_pages(identifier):
    page = explain(identifier)
    assert page.text
    assert page.id.endswith(identifier)


def test_every_known_id_has_a_page():
    for identifier in known_ids():
        assert explain(identifier).text, identifier


def test_an_unknown_id_names_the_nearest():
    with pytest.raises(UsageError) as caught:
        explain("plan-stalle")
    assert caught.value.hints == ("did you mean `plan-stale`?",)


def test_the_name_of_a_package_leads_to_the_command_that_explains_it():
    with pytest.raises(UsageError) as caught:
        explain("apache-airflow-providers-google")
    assert "    envctl deps explain apache-airflow-providers-google dev" in caught.value.hints[0]
    with pytest.raises(UsageError) as caught:
        explain("no package?")
    assert caught.value.hints == ()
