"""From a goal to steps, as Pulumi's step generator decides.

Source of the decisions: `pkg/resource/deploy/step_generator.go` of Pulumi 3.256. The planner reads the state and
asks the provider to check and to compare; it changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from envctl.engine.embedded.goal import Alias, Goal
from envctl.engine.embedded.graph import dependents_of
from envctl.engine.embedded.paths import PathError, contains, keep_old, parse_path
from envctl.engine.embedded.resource import Resource
from envctl.engine.embedded.steps import Row, Step
from envctl.engine.embedded.values import Value, has_unknown, mark_like, plain
from envctl.engine.events import Op, PropertyDiffKind
from envctl.engine.protocol import StackRef
from envctl.engine.urns import is_provider, make_urn, name_of, package_of, provider_urn, type_of
from envctl.plan.values import Opaque
from envctl.provider.protocol import CheckFailure, Provider


class GoalError(Exception):
    """The goal cannot be reached; the text is for the user."""


@dataclass(frozen=True, slots=True)
class _Difference:
    """What separates a resource from its goal."""

    changes: bool = False
    detailed: Mapping[str, PropertyDiffKind] = None  # type: ignore[assignment]
    keys: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    delete_before_replace: bool = False


_NONE = _Difference(detailed={})


class Planner:
    """Decides the steps of one run. Not for several threads at once: the caller holds a lock.

    Args:
        rows: the state at the start.
        provider: is asked to check and compare.
        preview: whether nothing will be done; then problems are told but do not end the plan.
        warn: told (URN, severity, message).
    """

    def __init__(
        self,
        stack: StackRef,
        rows: Sequence[tuple[int, Resource]],
        provider: Provider,
        *,
        preview: bool,
        warn: Callable[[str, str, str], None],
    ) -> None:
        self._stack = stack
        self._provider = provider
        self._preview = preview
        self._warn = warn
        self.prior = [Row(number, resource) for number, resource in rows]
        self.olds = {row.resource.urn: row for row in self.prior if not row.resource.delete}
        self.goals: dict[str, Goal] = {}
        self.planned: dict[str, Op] = {}
        """URNs of this program, with the step that was chosen."""
        self.removed: dict[int, tuple[str, ...]] = {}
        """Rows deleted ahead of a replacement, with the inputs that were the reason."""
        self.news: dict[str, Resource] = {}
        self.moved: dict[str, str] = {}
        """URNs of this program whose row was found by an alias, with the URN that the state had."""

    # -- registration

    def announce(self, goal: Goal) -> tuple[str, Goal]:
        """The URN of a goal, and the goal with what its parent hands down.

        Raises:
            GoalError: the parent is not known, or the URN was registered before.
        """
        if goal.parent and goal.parent not in self.goals:
            raise GoalError(f"its parent {goal.parent} is not registered")
        urn = make_urn(self._stack, goal.parent, goal.type, goal.name)
        if urn in self.goals:
            raise GoalError(f"two resources are called {goal.name} (type {goal.type}); names must differ within a type")
        goal = goal.inherit(self.goals.get(goal.parent))
        self.goals[urn] = goal
        return urn, goal

    def find_moved(self, urn: str, goal: Goal) -> str | None:
        """The earlier URN that an alias leads to; the URN itself wins, as in Pulumi's `getOldResource`.

        Raises:
            GoalError: what it leads to belongs to another resource of this program.
        """
        if (claimant := self._claimed(urn)) is not None:
            raise GoalError(f"{claimant} has an alias that leads to it: one resource of the state cannot be both")
        if urn in self.olds:
            return None
        known = self.olds.keys() | set(self.moved.values())  # what was moved is in `olds` under its new URN
        earlier = next((alias for alias in self._earlier_urns(goal) if alias in known), None)
        if earlier is None:
            return None
        other = earlier if earlier in self.goals else self._claimed(earlier)
        if other is not None:
            raise GoalError(f"its alias leads to {earlier}, which is taken by {other}")
        self.moved[urn] = earlier
        return earlier

    def _claimed(self, urn: str) -> str | None:
        return next((new for new, old in self.moved.items() if old == urn), None)

    def _earlier_urns(self, goal: Goal) -> list[str]:
        """What the goal may have been called: its own aliases, and what the alias of its parent makes of them."""
        own = [self._earlier_urn(goal, alias) for alias in goal.aliases]
        parent = self.moved.get(goal.parent)
        if parent is None:
            return own
        named = [(goal.type, goal.name), *((type_of(urn), name_of(urn)) for urn in own)]
        before, now = name_of(parent), name_of(goal.parent)
        inherited = [
            make_urn(self._stack, parent, type_, before + name.removeprefix(now) if name.startswith(now) else name)
            for type_, name in named
        ]
        return [*own, *inherited]

    def _earlier_urn(self, goal: Goal, alias: Alias) -> str:
        parent = self.moved.get(alias.parent, alias.parent) or goal.parent
        stack = StackRef(alias.project or self._stack.project, alias.stack or self._stack.stack)
        return alias.urn or make_urn(
            stack, "" if alias.no_parent else parent, alias.type or goal.type, alias.name or goal.name
        )

    def rename(self, renamed: Callable[[Resource], Resource]) -> None:
        """Takes over new URNs of rows: what the state calls otherwise from now on."""
        self.prior = [Row(row.number, renamed(row.resource)) for row in self.prior]
        self.olds = {row.resource.urn: row for row in self.prior if not row.resource.delete}

    def check_provider(self, goal: Goal) -> None:
        """Raises `GoalError` when the resource's provider is not part of this program."""
        if goal.custom and not is_provider(goal.type) and provider_urn(goal.provider) not in self.goals:
            raise GoalError(f"its provider {goal.provider} is not registered")

    def parent_provider(self, goal: Goal) -> str:
        """The provider that a resource takes over from its parent, "" when there is none of its package."""
        parent = self.goals.get(goal.parent)
        if parent is None or not parent.provider:
            return ""
        same = type_of(provider_urn(parent.provider)) == "pulumi:providers:" + package_of(goal.type)
        return parent.provider if same else ""

    def wanted(self, urn: str, goal: Goal, old: Resource | None) -> Resource:
        """The row that the goal asks for, before any provider has spoken."""
        return Resource(
            urn=urn,
            type=goal.type,
            custom=goal.custom,
            inputs=goal.inputs,
            parent=goal.parent,
            provider=goal.provider if goal.custom else "",
            protect=bool(goal.protect),
            retain_on_delete=bool(goal.retain_on_delete),
            dependencies=goal.dependencies,
            property_dependencies=goal.property_dependencies,
            deleted_with=goal.deleted_with,
            additional_secret_outputs=goal.additional_secret_outputs,
            custom_timeouts=goal.custom_timeouts,
            import_id=goal.import_id,
            ignore_changes=goal.ignore_changes,
            replace_on_changes=goal.replace_on_changes,
            replacement_trigger=goal.replacement_trigger,
            created=old.created if old else "",
            modified=old.modified if old else "",
            extra={} if old is None else old.extra,
        )

    def is_import(self, urn: str, goal: Goal) -> bool:
        """Whether the resource is to be adopted by its id first."""
        old = self.olds.get(urn)
        if not (goal.custom and goal.import_id):
            return False
        return old is None or old.resource.external or (old.resource.import_id or old.resource.id) != goal.import_id

    def plan(self, urn: str, goal: Goal) -> list[Step]:
        """The steps that lead to the goal, in order.

        Raises:
            GoalError: the inputs are refused, or a protected resource stands in the way.
        """
        old = self.olds.get(urn)
        new = self.wanted(urn, goal, old.resource if old else None)
        if goal.custom:
            new = replace(new, inputs=self._checked(urn, goal, new.inputs, old))
        steps = self._decide(urn, goal, old, new)
        final = steps[-1]
        self.planned[urn] = Op.REPLACE if any(step.op is Op.REPLACE for step in steps) else final.op
        self.news[urn] = final.resource
        if earlier := self.moved.get(urn):
            steps = [replace(step, moved_from=earlier) if step.urn == urn else step for step in steps]
        return steps

    def _decide(self, urn: str, goal: Goal, old: Row | None, new: Resource) -> list[Step]:
        if old is None:
            return [Step(Op.CREATE, new=new)]
        if old.number in self.removed:
            keys = self.removed[old.number]
            return [Step(Op.REPLACE, old, new), Step(Op.CREATE_REPLACEMENT, old, new, replace_keys=keys)]
        if old.resource.external:
            return [
                Step(Op.CREATE_REPLACEMENT, old, new, keep_old=True),
                Step(Op.REPLACE, old, new),
            ]
        difference = self._difference(goal, old, new)
        if difference.replaces or old.resource.pending_replacement:
            return self._replacement(urn, goal, old, new, difference)
        if difference.changes or old.resource.init_errors:
            return [
                Step(
                    Op.UPDATE,
                    old,
                    new,
                    diffs=difference.keys,
                    detailed=difference.detailed,
                    ignore_changes=goal.ignore_changes,
                )
            ]
        return [Step(Op.SAME, old, new)]

    # -- inputs

    def _checked(self, urn: str, goal: Goal, inputs: dict[str, Value], old: Row | None) -> dict[str, Value]:
        """Inputs that the provider has checked and completed, on top of the last ones where those count."""
        counts = old is not None and not old.resource.external and old.number not in self.removed
        if old is not None and goal.ignore_changes:
            inputs, impossible = keep_old(inputs, old.resource.inputs, goal.ignore_changes)
            if impossible:
                self._warn(
                    urn, "info", f"cannot ignore changes in added or removed elements of {', '.join(impossible)}"
                )
        return self._check(urn, goal, inputs, old.resource.inputs if old is not None and counts else {})

    def _check(self, urn: str, goal: Goal, inputs: dict[str, Value], before: dict[str, Value]) -> dict[str, Value]:
        if is_provider(goal.type):
            return {**inputs, "version": goal.version} if goal.version else inputs
        checked = self._provider.check(urn, goal.type, plain(before), plain(inputs))
        if checked.failures:
            raise GoalError("\n".join(_spoken(failure) for failure in checked.failures))
        return mark_like(dict(checked.inputs), inputs)

    # -- comparison

    def _difference(self, goal: Goal, old: Row, new: Resource) -> _Difference:
        before = old.resource
        if before.taint:
            return _Difference(changes=True, detailed={}, replaces=("id",))
        if self._triggered(before, new):
            return _Difference(changes=True, detailed={}, replaces=("replacementTrigger",))
        if bool(before.provider) != bool(new.provider):
            return _Difference(changes=True, detailed={}, replaces=("provider",))
        if not new.custom or is_provider(new.type):
            keys = _changed_keys(before.inputs, new.inputs)
            return _Difference(changes=bool(keys), detailed={}, keys=keys) if keys else _NONE
        return self._compare(before, new.inputs, goal.ignore_changes, goal.replace_on_changes)

    def _triggered(self, before: Resource, new: Resource) -> bool:
        if has_unknown(new.replacement_trigger) and not self._preview:
            raise GoalError("its replacement trigger is not known")
        if new.replacement_trigger is None or before.replacement_trigger is None:
            return False
        return before.replacement_trigger != new.replacement_trigger

    def _compare(
        self, before: Resource, inputs: dict[str, Value], ignore: tuple[str, ...], replace_on: tuple[str, ...]
    ) -> _Difference:
        diff = self._provider.diff(
            before.urn,
            before.type,
            before.id or "",
            plain(before.inputs),
            plain(before.outputs),
            plain(inputs),
            ignore,
        )
        if not diff.changes:
            return _NONE
        detailed = {path: PropertyDiffKind(kind.value) for path, kind in diff.detailed.items()}
        replaces = list(diff.replaces)
        watched = [parse_path(path) for path in replace_on]
        for path, kind in detailed.items():
            parsed = _parsed(path)
            if any(contains(prefix, parsed) for prefix in watched):
                detailed[path] = kind if kind.replaces else PropertyDiffKind(f"{kind.value}-replace")
            if detailed[path].replaces and str(parsed[0]) not in replaces:
                replaces.append(str(parsed[0]))
        keys = tuple(dict.fromkeys(str(_parsed(path)[0]) for path in detailed))
        return _Difference(
            True, detailed, keys or _changed_keys(before.inputs, inputs), tuple(replaces), diff.delete_before_replace
        )

    # -- replacement

    def _replacement(self, urn: str, goal: Goal, old: Row, new: Resource, difference: _Difference) -> list[Step]:
        if new.protect and old.resource.protect:
            self._refuse_protected(urn, "replaced")
        if goal.import_id:
            raise GoalError(
                "an imported resource cannot be replaced while its `import_` option is set; "
                f"it would be replaced because of {', '.join(difference.replaces)}"
            )
        if new.custom:  # defaults that came from the old resource no longer hold
            new = replace(new, inputs=self._check(urn, goal, goal.inputs, {}))
        create = Step(
            Op.CREATE_REPLACEMENT,
            old,
            new,
            diffs=difference.keys,
            replace_keys=difference.replaces,
            detailed=difference.detailed,
        )
        mark = replace_step(create, Op.REPLACE)
        delete_first = difference.delete_before_replace
        if goal.delete_before_replace is not None:
            delete_first = goal.delete_before_replace
        if not delete_first and not old.resource.pending_replacement:
            return [replace_step(create, Op.CREATE_REPLACEMENT, keep_old=True), mark]
        steps = self._condemned(old)
        if not old.resource.pending_replacement:
            steps.append(
                Step(
                    Op.DELETE_REPLACED,
                    old,
                    diffs=difference.keys,
                    replace_keys=difference.replaces,
                    detailed=difference.detailed,
                    then_create=True,
                )
            )
        return [*steps, mark, create]

    def _refuse_protected(self, urn: str, verb: str) -> None:
        """Refuses to lose a protected resource; a preview says so and goes on to show why it would be lost."""
        text = f"{urn} is protected and would be {verb}; take the protection away first, in a run of its own"
        if not self._preview:
            raise GoalError(text)
        self._warn(urn, "error", text)

    def _condemned(self, root: Row) -> list[Step]:
        """Deletions that must come before the deletion of `root`: dependents that its loss would replace."""
        gone = {root.resource.urn}
        condemned: list[tuple[Row, tuple[str, ...]]] = []
        numbers = {id(row.resource): row for row in self.prior}
        resources = [row.resource for row in self.prior]
        start = next((row.resource for row in self.prior if row.number == root.number), root.resource)
        for dependent in dependents_of(resources, start, self.planned.keys()):
            keys = self._lost_with(dependent, gone)
            if keys is not None:
                condemned.append((numbers[id(dependent)], keys))
                gone.add(dependent.urn)
        steps: list[Step] = []
        for row, keys in reversed(condemned):
            if row.number in self.removed:
                continue
            if row.resource.protect and not row.resource.delete:
                self._refuse_protected(row.resource.urn, f"replaced together with {root.resource.urn}")
            self.removed[row.number] = keys
            steps.append(
                Step(
                    Op.DELETE_REPLACED,
                    row,
                    replace_keys=keys,
                    abandon=row.resource.deleted_with in gone,
                    then_create=not row.resource.delete,
                )
            )
        return steps

    def _lost_with(self, row: Resource, gone: set[str]) -> tuple[str, ...] | None:
        """The inputs because of which the row must be replaced when `gone` are, None when it need not be."""
        if not row.custom or row.external:
            return None
        if row.provider and provider_urn(row.provider) in gone:
            return ()
        inputs = {
            key: Opaque.UNKNOWN if gone.intersection(row.property_dependencies.get(key, ())) else value
            for key, value in row.inputs.items()
        }
        if not any(gone.intersection(urns) for urns in row.property_dependencies.values()) or is_provider(row.type):
            return None
        difference = self._compare(row, inputs, row.ignore_changes, row.replace_on_changes)
        return difference.replaces or None


def replace_step(step: Step, op: Op, *, keep_old: bool = False) -> Step:
    """The step under another name."""
    return replace(step, op=op, keep_old=keep_old)


def _parsed(path: str) -> tuple[str | int, ...]:
    try:
        return parse_path(path)
    except PathError:
        return (path,)


def _changed_keys(old: Mapping[str, Value], new: Mapping[str, Value]) -> tuple[str, ...]:
    return tuple(key for key in {**old, **new} if old.get(key) != new.get(key) or (key in old) != (key in new))


def _spoken(failure: CheckFailure) -> str:
    return f"{failure.property}: {failure.reason}" if failure.property else failure.reason
