"""Ways of changing a resource that several types share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from envctl.provider.spec import Behaviour, Change, Run
from envctl.provider.values import get_path, set_path


def top_keys(run: Run, change: Change) -> dict[str, str]:
    """API key of every top-level field that differs, by Pulumi name, in the order of the schema."""
    keys: dict[str, str] = {}
    touched = {path.split(".", 1)[0] for path in change.paths}
    if change.labels:
        touched.add(run.spec.labels)
    for name in run.schema.fields:
        if name in touched:
            api = run.spec.labels_api if name == run.spec.labels else run.spec.rule(name).api
            keys[name] = (api or name).split(".", 1)[0]
    return keys


@dataclass(frozen=True, slots=True)
class MaskPatched(Behaviour):
    """One PATCH with `updateMask`, holding only what differs.

    `masks` gives a mask other than the field's API name; `settles` reads the resource again afterwards.
    """

    masks: Mapping[str, str] = field(default_factory=dict[str, str])
    mask_parameter: str = "updateMask"

    def update(self, run: Run, change: Change, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """One request; a path that is in the mask but not in the body is cleared by the API."""
        keys = top_keys(run, change)
        mask = ",".join(self.masks.get(name, key) for name, key in keys.items())
        sent = {key: body[key] for key in keys.values() if key in body}
        run.finish(run.call("PATCH", run.spec.path, {self.mask_parameter: mask}, sent))
        return self.settled(run)


@dataclass(frozen=True, slots=True)
class MergePatched(Behaviour):
    """One PATCH without a mask: the API merges the body, null removes (JSON merge patch)."""

    def update(self, run: Run, change: Change, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """One request with the differing top-level fields."""
        sent: dict[str, Any] = {}
        for key in dict.fromkeys(top_keys(run, change).values()):
            sent[key] = body.get(key)
        label_key = run.spec.labels_api or run.spec.labels
        if change.labels and isinstance(sent.get(label_key), dict):
            before = run.outputs.get("effectiveLabels") or {}
            sent[label_key] = {**{key: None for key in before if key not in run.labels}, **run.labels}
        run.finish(run.call("PATCH", run.spec.path, None, sent))
        return self.settled(run)


@dataclass(frozen=True, slots=True)
class FieldPatch:
    """One field (or several that belong together) that is changed by a request of its own."""

    fields: tuple[str, ...]
    mask: str
    body: tuple[str, ...]
    """API paths that are taken over from the wanted resource; absent ones are left out."""
    empty: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What stands at a path of `body` when the wanted resource has nothing there."""

    def build(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The request's body."""
        sent: dict[str, Any] = {}
        for path in self.body:
            value = get_path(body, path)
            if value is None:
                value = self.empty.get(path)
            if value is not None:
                set_path(sent, path, value)
            elif "." in path:
                parent = path.rsplit(".", 1)[0]
                if get_path(sent, parent) is None:
                    set_path(sent, parent, {})
        return sent
