"""All rules over one file."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

from envctl.diagnostics import Diagnostic, SourceSpan
from envctl.spec.codes import problem
from envctl.spec.rules.airflow import check_airflow_config, check_airflow_objects, check_environment_variables
from envctl.spec.rules.generations import check_generation_keys
from envctl.spec.rules.images import check_image
from envctl.spec.rules.literal_secrets import check_literal_secrets
from envctl.spec.rules.members import check_members
from envctl.spec.rules.moves import check_moves
from envctl.spec.rules.names import check_labels, check_names
from envctl.spec.rules.network import check_network, check_ranges
from envctl.spec.rules.ownership import check_existing, check_imports, check_own_labels, check_reserved_keys
from envctl.spec.rules.packages import check_packages, check_policies
from envctl.spec.rules.references import (
    check_bindings,
    check_foundation,
    check_integrations,
    check_secret_references,
)
from envctl.spec.rules.schedules import check_schedules
from envctl.spec.rules.subject import Subject, Violation
from envctl.spec.rules.workloads import check_resilience, check_workloads
from envctl.spec.tree import KeyPath, at, key_span, nearest_span

Rule = Callable[[Subject], Iterator[Violation]]

RULES: tuple[Rule, ...] = (
    check_image,
    check_generation_keys,
    check_workloads,
    check_resilience,
    check_airflow_config,
    check_environment_variables,
    check_airflow_objects,
    check_literal_secrets,
    check_network,
    check_ranges,
    check_members,
    check_names,
    check_labels,
    check_moves,
    check_own_labels,
    check_reserved_keys,
    check_existing,
    check_imports,
    check_packages,
    check_policies,
    check_schedules,
    check_foundation,
    check_bindings,
    check_secret_references,
    check_integrations,
)


def check(subject: Subject, missing: Collection[KeyPath], defaults: Mapping[KeyPath, str]) -> list[Diagnostic]:
    """What the rules object to.

    Args:
        subject: the file.
        missing: paths that were left out because they are wrong already; nothing is said about them again.
        defaults: values that the profile supplied; the place of an objection to one is the profile.
    """
    found = [violation for rule in RULES for violation in rule(subject)]
    return [
        problem(each.code, each.detail, _place(subject, each, defaults), each.hints, each.severity)
        for each in found
        if each.code == "literal-secret" or not any(_overlap(each.path, path) for path in missing)
    ]


def _overlap(one: KeyPath, other: KeyPath) -> bool:
    """Whether one path lies at or below the other: what is said about a block depends on all of its keys."""
    shared = min(len(one), len(other))
    return one[:shared] == other[:shared]


def _place(subject: Subject, violation: Violation, defaults: Mapping[KeyPath, str]) -> SourceSpan:
    path = violation.path
    if path in defaults and at(subject.tree, path) is None:
        path = ("profile",)
    return key_span(subject.tree, path) if violation.at_key else nearest_span(subject.tree, path)
