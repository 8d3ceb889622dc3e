"""Ids of policies that nothing has: in `policies.levels` of `envctl.yaml` and in the exceptions of a file.

A misspelt id changes nothing, and nobody would notice.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from pathlib import Path

from envctl.diagnostics import Diagnostic, Hint
from envctl.spec.codes import problem
from envctl.spec.loader import Loaded
from envctl.spec.nearest import nearest
from envctl.spec.project import PROJECT_FILE, Project
from envctl.spec.source import load_source
from envctl.spec.tree import key_span


def unknown_policies(project: Project, loaded: Loaded) -> tuple[Diagnostic, ...]:
    """Warnings about ids that are neither a shipped rule's nor that of a rule of the project; runs its rules' files.

    Raises:
        InvalidInputError: a file of the project's `policies/` folder cannot be used.
    """
    if not (project.policy_levels or loaded.spec.policies):
        return ()
    from envctl.policies.catalogue import load_rules

    known = {rule.id for rule in load_rules(project.root / "policies")}
    return (*_in_levels(project, known), *_in_exceptions(loaded, known))


def unknown_policies_as_read(project: Project, loaded: Collection[Loaded]) -> tuple[Diagnostic, ...]:
    """The same without running any code of the project: ids are read from the text of its rules.

    Nothing is said when one of these files cannot be read, or builds its ids as it runs.
    """
    if not (project.policy_levels or any(each.spec.policies for each in loaded)):
        return ()
    from envctl.policies.catalogue import SHIPPED

    own = _texts_in(project.root / "policies")
    if own is None:
        return ()
    known = {*own, *(rule.id for rule in SHIPPED)}
    found = (*_in_levels(project, known), *(each for one in loaded for each in _in_exceptions(one, known)))
    return tuple(dict.fromkeys(found))


def _in_levels(project: Project, known: Collection[str]) -> Iterator[Diagnostic]:
    unknown = [each for each in project.policy_levels if each not in known]
    tree = load_source(project.root / PROJECT_FILE, Path(PROJECT_FILE)).tree if unknown else None
    for each in unknown:
        span = key_span(tree, ("policies", "levels", each)) if tree is not None else None
        yield problem("policy-unknown", f"No policy is called `{each}`.", span, _near(each, known))


def _in_exceptions(loaded: Loaded, known: Collection[str]) -> Iterator[Diagnostic]:
    for index, exception in enumerate(loaded.spec.policies):
        if exception.policy not in known:
            span = loaded.origins.get(("policies", index, "policy"))
            detail = f"No policy is called `{exception.policy}`."
            yield problem("policy-unknown", detail, span, _near(exception.policy, known))


def _near(word: str, known: Collection[str]) -> tuple[Hint, ...]:
    close = nearest(word, sorted(known))
    return (Hint(f"did you mean `{close}`?", replacement=close),) if close else ()


def _texts_in(folder: Path) -> set[str] | None:
    """The ids that stand as plain text in the files of rules; None when ids may come from elsewhere."""
    found: set[str] = set()
    for path in sorted(folder.glob("*.py")) if folder.is_dir() else ():
        if path.stem.startswith("_"):
            continue
        try:
            tree = ast.parse(path.read_bytes())
        except (OSError, SyntaxError, ValueError):
            return None
        ids = [_id_of(node) for node in ast.walk(tree) if isinstance(node, ast.Call) and _called(node) == "Rule"]
        if not ids or None in ids:
            return None
        found |= {each for each in ids if each is not None}
    return found


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _id_of(call: ast.Call) -> str | None:
    given = [*call.args[:1], *(each.value for each in call.keywords if each.arg == "id")]
    value = given[0] if given else None
    return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else None
