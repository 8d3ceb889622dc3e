"""Facts as one JSON document: `doctor --collect FILE` writes it, `doctor --facts FILE` reads it.

Format `envctl.facts/v1`: `{"format", "collectedAt", "origin", "answers": [{"ask", "of", ...}]}`, where an answer
holds one of `"value"`, `"absent": true` or `"unreadable": {"permission", "cause"}`. Documented in docs/doctor.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from envctl.diagnostics import Diagnostic, Hint, SourceSpan
from envctl.doctor.facts import READERS, Absent, Answer, Facts, Known, Subject, Unreadable
from envctl.errors import InvalidInputError

FORMAT: Final = "envctl.facts/v1"
REMOVED: Final = "(removed)"

_SECRET_KEY = re.compile(
    r"private_?key|passw|secret_?(data|value|key)|token|credential|payload|api_?key|sql_alchemy_conn", re.IGNORECASE
)
_WHOLE_MAPS: Final = frozenset({"envVariables", "environmentVariables"})


def render_bundle(facts: Facts) -> str:
    """The facts as a document, secrets and keys removed."""
    answers = [
        {"ask": subject.value, "of": name, **_answer_document(answer)}
        for (subject, name), answer in sorted(facts.answers.items(), key=lambda item: (item[0][0].value, item[0][1]))
    ]
    document = {
        "format": FORMAT,
        "collectedAt": facts.collected_at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "origin": facts.origin,
        "answers": answers,
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _answer_document(answer: Answer) -> Mapping[str, Any]:
    match answer:
        case Known(value):
            return {"value": without_secrets(value)}
        case Absent():
            return {"absent": True}
        case Unreadable(permission, cause):
            return {"unreadable": {"permission": permission, "cause": cause}}


def without_secrets(value: Any, key: str = "") -> Any:
    """The same JSON with every value that may be a secret replaced; names stay, so checks still see them."""
    if isinstance(value, Mapping):
        if key in _WHOLE_MAPS:
            return dict.fromkeys(value, REMOVED)
        return {name: without_secrets(item, str(name)) for name, item in value.items()}
    if isinstance(value, list):
        return [without_secrets(item, key) for item in value]
    if isinstance(value, str) and value and _SECRET_KEY.search(key):
        return REMOVED
    return value


def parse_bundle(text: str, file: Path) -> Facts:
    """Facts from a document.

    An answer that makes no sense becomes `Unreadable`, so that what depends on it is unknown.

    Raises:
        InvalidInputError: empty, cut off, no JSON, no bundle, or a bundle of another version.
    """
    try:
        document = json.loads(text)
    except json.JSONDecodeError as problem:
        lines = text.splitlines()
        line = lines[problem.lineno - 1] if problem.lineno <= len(lines) else ""
        detail = "The file is empty." if not text.strip() else f"{problem.msg}; the file may be cut off."
        raise _refusal("The facts are not JSON", detail, file, problem.lineno, problem.colno, line) from problem
    except RecursionError as problem:
        raise _refusal("The facts are not JSON", "The document is nested too deeply.", file) from problem
    if not isinstance(document, Mapping) or not isinstance(document.get("format"), str):
        raise _refusal("The file holds no facts", 'A bundle is an object with "format": "envctl.facts/v1".', file)
    if document["format"] != FORMAT:
        detail = f"This envctl reads {FORMAT}, the file says {document['format']!r}."
        raise _refusal("The facts are of another version", detail, file)
    if not isinstance(document.get("answers"), list):
        raise _refusal("The file holds no facts", '"answers" is missing or no list.', file)
    answers: dict[tuple[Subject, str], Answer] = {}
    for item in document["answers"]:
        key, answer = _parse_answer(item)
        if key is not None:
            answers[key] = answer
    return Facts(answers, _parse_time(document.get("collectedAt")), str(document.get("origin") or file.name))


def _parse_answer(item: Any) -> tuple[tuple[Subject, str] | None, Answer]:
    known = {subject.value: subject for subject in Subject}
    if not isinstance(item, Mapping) or not isinstance(item.get("of"), str) or str(item.get("ask")) not in known:
        return None, Absent()
    subject = known[str(item["ask"])]
    key = (subject, item["of"])
    if "value" in item:
        return key, Known(item["value"])
    if item.get("absent") is True:
        return key, Absent()
    unreadable = item.get("unreadable")
    if isinstance(unreadable, Mapping):
        return key, Unreadable(str(unreadable.get("permission", READERS[subject])), str(unreadable.get("cause", "")))
    return key, Unreadable(READERS[subject], "the answer in the bundle makes no sense")


def _parse_time(text: Any) -> datetime:
    if isinstance(text, str):
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            return datetime.fromtimestamp(0, UTC)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return datetime.fromtimestamp(0, UTC)


def _refusal(
    summary: str, detail: str, file: Path, line: int = 1, column: int = 1, text: str = ""
) -> InvalidInputError:
    hint = Hint("Collect them again", command="envctl doctor ENV --collect facts.json")
    span = SourceSpan(file, line, column, text=text[:200])
    return InvalidInputError([Diagnostic("facts-format", summary, detail, span, (hint,))], "The facts cannot be used")


def load_facts(path: Path) -> Facts:
    """Facts from a bundle, or from a folder of gcloud outputs.

    Raises:
        InvalidInputError: the file cannot be read, or holds no facts.
    """
    if path.is_dir():
        from envctl.doctor.gcloud_folder import load_folder

        return load_folder(path)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as problem:
        raise _refusal("The facts cannot be read", f"{path}: {problem.strerror or problem}.", path) from problem
    except UnicodeDecodeError as problem:
        raise _refusal("The facts cannot be read", f"{path} is not UTF-8 text.", path) from problem
    return parse_bundle(text, path)
