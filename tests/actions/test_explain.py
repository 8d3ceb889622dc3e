from __future__ import annotations

import re
from pathlib import Path

import pytest

from envctl.actions.explain import error_pages, explain, known_ids
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


@pytest.mark.parametrize("identifier", ["plan-stale", "yaml-tab", "no-all-users", "policy.no-all-users"])
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
