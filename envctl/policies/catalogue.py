"""Every rule, shipped ones and those of a project's own `policies/` folder."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from envctl.errors import InvalidInputError
from envctl.policies import access, cost, data, environment, network
from envctl.policies.rule import Rule

SHIPPED: tuple[Rule, ...] = (*network.RULES, *data.RULES, *access.RULES, *environment.RULES, *cost.RULES)


def load_rules(folder: Path | None = None) -> tuple[Rule, ...]:
    """The shipped rules, then `RULES` of every `*.py` file in a project's folder, in the order of their names.

    Raises:
        InvalidInputError: a file cannot be imported, has no `RULES`, or claims the id of another rule.
    """
    rules = list(SHIPPED)
    known = {rule.id for rule in rules}
    for path in sorted(folder.glob("*.py")) if folder is not None and folder.is_dir() else ():
        if path.stem.startswith("_"):
            continue
        for rule in _rules_in(path):
            if rule.id in known:
                raise InvalidInputError((), f"{path}: the rule {rule.id} exists already")
            known.add(rule.id)
            rules.append(rule)
    return tuple(rules)


def _rules_in(path: Path) -> tuple[Rule, ...]:
    name = f"envctl_project_policies_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise InvalidInputError((), f"{path} cannot be imported: {type(error).__name__}: {error}") from error
    rules = getattr(module, "RULES", None)
    if not isinstance(rules, tuple) or not all(isinstance(rule, Rule) for rule in rules):
        raise InvalidInputError((), f"{path} has no RULES: a tuple of envctl.policies.rule.Rule")
    return rules
