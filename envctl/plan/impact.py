"""What a change does to running work, from the table `envctl/data/impact.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType

from envctl.plan.model import Action, Effect, Impact, PropertyChange
from envctl.plan.property_diff import same_property
from envctl.plan.values import JsonValue


@dataclass(frozen=True, slots=True)
class _Row:
    type: str
    actions: frozenset[Action]
    property: str
    input: str
    only_decrease: bool
    impact: Impact

    def matches(
        self, type_: str, action: Action, change: PropertyChange | None, inputs: Mapping[str, JsonValue]
    ) -> bool:
        if self.type != type_ or action not in self.actions or (self.input and inputs.get(self.input) is not True):
            return False
        if self.only_decrease and not (change is not None and _decreases(change)):
            return False
        return not self.property or (change is not None and same_property(self.property, change.path))


def _decreases(change: PropertyChange) -> bool:
    """Whether a number falls; one that is not known counts as falling."""
    before, after = change.before, change.after
    if isinstance(before, int | float) and isinstance(after, int | float):
        return after < before
    return True


@cache
def _rows() -> tuple[_Row, ...]:
    table = tomllib.loads(resources.files("envctl.data").joinpath("impact.toml").read_text("utf-8"))
    return tuple(
        _Row(
            row["type"],
            frozenset(Action(name) for name in row["actions"]),
            row.get("property", ""),
            row.get("input", ""),
            row.get("only") == "decrease",
            Impact(
                tuple(Effect(name) for name in row.get("effects", ())),
                (float(row["minutes"][0]), float(row["minutes"][1])),
                row.get("note", ""),
                table["sources"][row["source"]],
            ),
        )
        for row in table["row"]
    )


def impact_of(
    type_: str,
    action: Action,
    properties: Sequence[PropertyChange] = (),
    inputs: Mapping[str, JsonValue] = MappingProxyType({}),
) -> Impact:
    """Effects and expected minutes of one change.

    Each changed path of an update is a request of its own to the Composer API, one after the other: their
    minutes add up per matching row, their effects are joined. Types without a row have no effect and take no
    time worth saying. `inputs` are what the state has: some rows hold only where one of them is true.
    """
    if action is not Action.UPDATE or not properties:
        row = next((r for r in _rows() if r.matches(type_, action, None, inputs)), None)
        return row.impact if row else Impact()
    found: list[_Row] = []
    for change in properties:
        row = next((r for r in _rows() if r.matches(type_, action, change, inputs)), None)
        if row is not None and row not in found:
            found.append(row)
    effects = {effect for row in found for effect in row.impact.effects}
    return Impact(
        tuple(effect for effect in Effect if effect in effects),
        (sum(row.impact.minutes[0] for row in found), sum(row.impact.minutes[1] for row in found)),
        "; ".join(dict.fromkeys(row.impact.note for row in found if row.impact.note)),
        "; ".join(dict.fromkeys(row.impact.source for row in found)),
    )
