from __future__ import annotations

from typing import Any

import pulumi
import pytest
from embedded_bench import STACK, Bench
from memory_cloud import THING
from programs import Group, Thing

from envctl.engine.embedded.engine import EmbeddedEngine
from envctl.engine.events import Op, Phase, PropertyDiffKind, StepEvent, SummaryEvent
from envctl.plan.values import Opaque
from envctl.provider.protocol import ProviderError

Options = pulumi.ResourceOptions


def urn(name: str) -> str:
    return f"urn:pulumi:dev::shop::{THING}::{name}"


def things(*names: str, **inputs: Any) -> Any:
    def program() -> None:
        for name in names:
            Thing(name, name=name, **inputs)

    return program


def test_vanished_resources_go_dependents_first(bench: Bench) -> None:
    def chain() -> None:
        a = Thing("a", name="a")
        b = Thing("b", name="b", source=a.link)
        Thing("c", name="c", opts=Options(depends_on=[b]))

    assert bench.up(chain).ok
    assert bench.up(things()).ok
    assert bench.cloud.called("delete") == ["c", "b", "a"]
    assert bench.ops() == [(Op.DELETE, "c"), (Op.DELETE, "b"), (Op.DELETE, "a")]


def test_a_replacement_creates_first_and_deletes_last(bench: Bench) -> None:
    def program(kind: str) -> Any:
        def run() -> None:
            base = Thing("base", kind=kind)
            Thing("user", name="user", source=base.link)

        return run

    assert bench.up(program("one")).ok
    old = next(id_ for id_ in bench.cloud.things if id_.startswith("things/base"))
    assert bench.up(program("two")).ok, bench.messages()
    assert [method for method, _ in bench.cloud.calls] == ["create", "update", "delete"]
    assert bench.ops() == [
        (Op.CREATE_REPLACEMENT, "base"),
        (Op.REPLACE, "base"),
        (Op.UPDATE, "user"),
        (Op.DELETE_REPLACED, "base"),
    ]
    assert old not in bench.cloud.things
    assert bench.cloud.things["things/user"]["source"] == "mem://" + next(
        id_ for id_ in bench.cloud.things if id_.startswith("things/base")
    )
    summary = next(e for e in bench.events if isinstance(e, SummaryEvent))
    assert summary.changes == {Op.REPLACE: 1, Op.UPDATE: 1, Op.SAME: 1}
    replaced = next(s for s in bench.steps() if s.op is Op.REPLACE)
    assert replaced.replace_keys == ("kind",)
    assert replaced.detailed_diff == {"kind": PropertyDiffKind.UPDATE_REPLACE}
    assert bench.preview(program("two")).ok
    assert bench.ops() == []


def test_deleting_first_takes_those_along_that_must_be_replaced_with_it(bench: Bench) -> None:
    def program(kind: str) -> Any:
        def run() -> None:
            base = Thing("base", name="base", kind=kind, exclusive=True)
            Thing("bound", name="bound", kind=base.uid, exclusive=True)  # immutable: must be replaced, too
            Thing("loose", name="loose", source=base.uid)  # mutable: is updated
            Thing("after", name="after", opts=Options(depends_on=[base]))

        return run

    assert bench.up(program("one")).ok
    assert bench.preview(program("two")).ok
    planned = bench.ops()
    assert bench.up(program("two")).ok, bench.messages()
    calls = [call for call in bench.cloud.calls if call[0] != "read"]
    assert calls[:3] == [("delete", "bound"), ("delete", "base"), ("create", "base")]
    assert ("update", "loose") in calls
    assert not any(name == "after" for _, name in calls)
    assert sorted(planned) == sorted(bench.ops())
    assert bench.ops().index((Op.DELETE_REPLACED, "bound")) < bench.ops().index((Op.CREATE_REPLACEMENT, "bound"))
    assert bench.preview(program("two")).ok
    assert bench.ops() == []


def test_the_option_delete_before_replace_wins_over_the_provider(bench: Bench) -> None:
    def program(kind: str) -> Any:
        return lambda: Thing("a", name="a", kind=kind, opts=Options(delete_before_replace=True)) and None

    assert bench.up(program("one")).ok
    assert bench.up(program("two")).ok, bench.messages()
    assert [method for method, _ in bench.cloud.calls] == ["delete", "create"]


@pytest.mark.parametrize("change", ["delete", "replace", "destroy"])
def test_protected_resources_stay(bench: Bench, change: str) -> None:
    def program(kind: str = "one") -> Any:
        return lambda: Thing("a", name="a", kind=kind, opts=Options(protect=True)) and None

    assert bench.up(program()).ok
    match change:
        case "delete":
            result = bench.up(things("b"))
        case "replace":
            result = bench.up(program("two"))
        case _:
            result = bench.destroy()
    assert not result.ok
    assert result.failed == (urn("a"),)
    assert "protected" in bench.messages()[0]
    assert bench.cloud.called("delete") == []
    assert "a" in bench.names()


def test_a_preview_shows_why_a_protected_resource_would_be_lost(bench: Bench) -> None:
    def program(kind: str = "one") -> Any:
        return lambda: Thing("a", name="a", kind=kind, opts=Options(protect=True)) and None

    assert bench.up(program()).ok
    result = bench.preview(program("two"))
    assert not result.ok
    assert (Op.REPLACE, "a") in bench.ops()


def test_ignored_changes_are_not_made(bench: Bench) -> None:
    def program(**inputs: Any) -> Any:
        return lambda: (
            Thing("a", name="a", opts=Options(ignore_changes=["packages", "nested.inner"]), **inputs) and None
        )

    assert bench.up(program(packages={"x": "1"}, nested={"inner": 1, "outer": 1})).ok
    assert bench.up(program(packages={"y": "2"}, nested={"inner": 2, "outer": 1})).ok
    assert bench.ops() == []
    assert bench.up(program(nested={"inner": 3, "outer": 2})).ok
    assert bench.cloud.things["things/a"]["nested"] == {"inner": 1, "outer": 2}
    assert bench.cloud.things["things/a"]["packages"] == {"x": "1"}


def test_replace_on_changes_turns_an_update_into_a_replacement(bench: Bench) -> None:
    def program(size: int) -> Any:
        return lambda: Thing("a", size=size, opts=Options(replace_on_changes=["size"])) and None

    assert bench.up(program(1)).ok
    assert bench.up(program(2)).ok
    assert (Op.REPLACE, "a") in bench.ops()


def test_retained_resources_leave_the_state_and_stay_in_the_cloud(bench: Bench) -> None:
    assert bench.up(lambda: Thing("a", name="a", opts=Options(retain_on_delete=True)) and None).ok
    assert bench.up(things()).ok
    assert bench.names() == {"a"}
    assert all(row.type != THING for row in bench.engine.checkpoint().resources)


def test_what_dies_with_another_is_not_deleted_by_itself(bench: Bench) -> None:
    def program() -> None:
        home = Thing("home", name="home")
        Thing("guest", name="guest", opts=Options(deleted_with=home))

    assert bench.up(program).ok
    assert bench.destroy().ok
    assert bench.cloud.called("delete") == ["home"]


def test_an_existing_resource_is_imported_and_brought_to_its_goal(bench: Bench) -> None:
    bench.cloud.things["things/old"] = {"name": "old", "size": 5, "uid": "u", "password": "p"}

    def program(size: int) -> Any:
        return lambda: Thing("a", name="old", size=size, opts=Options(import_="things/old")) and None

    assert bench.preview(program(5)).ok
    assert bench.ops() == [(Op.IMPORT, "a")]
    assert bench.up(program(5)).ok
    assert bench.ops() == [(Op.IMPORT, "a")]
    assert bench.cloud.called("create") == []
    assert bench.up(program(6)).ok
    assert bench.ops() == [(Op.UPDATE, "a")]


def test_an_import_of_nothing_fails(bench: Bench) -> None:
    result = bench.up(lambda: Thing("a", name="a", opts=Options(import_="things/none")) and None)
    assert result.failed == (urn("a"),)
    assert bench.messages() == [f"there is no {THING} with the id things/none"]


def test_a_look_at_a_foreign_resource_never_deletes_it(bench: Bench) -> None:
    bench.cloud.things["things/theirs"] = {"name": "theirs", "size": 5, "uid": "u", "password": "p"}

    def program() -> None:
        look = Thing("look", opts=Options(id="things/theirs"))
        Thing("mine", name="mine", source=look.uid)

    assert bench.up(program).ok, bench.messages()
    assert bench.cloud.things["things/mine"]["source"] == "u"
    assert bench.up(program).ok
    assert bench.destroy().ok
    assert bench.names() == {"theirs"}


def test_secret_inputs_and_sensitive_outputs_are_masked_everywhere(bench: Bench) -> None:
    def program() -> None:
        a = Thing(
            "a",
            name="a",
            login=True,
            token=pulumi.Output.secret("s3cret"),
            nested={"key": pulumi.Output.secret("s3cret")},
        )
        Thing("b", name="b", source=a.password, opts=Options(additional_secret_outputs=["uid"]))
        pulumi.export("token", pulumi.Output.secret("s3cret"))

    assert bench.up(program).ok
    assert bench.cloud.things["things/a"]["token"] == "s3cret"
    assert bench.cloud.things["things/b"]["source"] == bench.cloud.things["things/a"]["password"]
    assert "s3cret" not in repr(bench.events)
    assert bench.cloud.things["things/a"]["password"] not in repr(bench.events)
    state = "".join(path.read_text() for path in bench.directory.rglob("*") if path.is_file())
    assert "s3cret" not in state
    b = next(row for row in bench.engine.checkpoint().resources if row.urn == urn("b")).as_event()
    assert b.inputs["source"] is Opaque.SECRET
    assert b.outputs["uid"] is Opaque.SECRET
    assert bench.engine.outputs() == {"token": Opaque.SECRET}
    assert bench.preview(program).ok
    assert bench.ops() == []


def test_explicit_providers_are_resources_of_the_stack(bench: Bench) -> None:
    def program(region: str) -> Any:
        def run() -> None:
            provider = pulumi.ProviderResource("mem", "here", {"region": region}, Options(version="1.2.3"))
            group = Group("g", opts=Options(providers=[provider]))
            Thing("a", name="a", opts=Options(provider=provider))
            Thing("b", name="b", opts=Options(parent=group))

        return run

    assert bench.preview(program("x")).ok, bench.messages()
    assert bench.up(program("x")).ok, bench.messages()
    rows = {row.urn.rsplit("::", 1)[1]: row for row in bench.engine.checkpoint().resources}
    assert rows["here"].inputs == {"region": "x", "version": "1.2.3"}
    assert rows["a"].provider == rows["b"].provider == f"{rows['here'].urn}::{rows['here'].id}"
    assert bench.up(program("y")).ok
    assert bench.ops() == []
    assert [s.op for s in bench.steps() if s.type.startswith("pulumi:providers")] == [Op.UPDATE]
    assert bench.destroy().ok


def test_refused_inputs_are_all_told_by_a_preview(bench: Bench) -> None:
    result = bench.preview(things("a", "b", size=-1))
    assert set(result.failed) == {urn("a"), urn("b")}
    assert bench.messages() == ["size: must be positive"] * 2
    result = bench.up(things("a", "b", size=-1))
    assert not result.ok
    assert bench.names() == set()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (lambda: Options(hide_diffs=["size"]), "hide_diffs"),
        (lambda: Options(plugin_download_url="https://example.com"), "plugin_download_url"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(bench: Bench, options: Any, named: str) -> None:
    assert not bench.up(lambda: Thing("a", name="a", opts=options()) and None).ok
    assert named in bench.messages()[0]
    assert bench.names() == set()


def test_what_the_sdk_itself_refuses_reaches_the_caller(bench: Bench) -> None:
    with pytest.raises(Exception, match="does not support transforms"):
        bench.up(lambda: Thing("a", name="a", opts=Options(transforms=[lambda _: None])) and None)
    assert bench.names() == set()


def test_functions_of_providers_are_refused_by_name(bench: Bench) -> None:
    def program() -> None:
        Thing("a", name=pulumi.Output.from_input(pulumi.runtime.invoke("mem:index:getThing", {}).value))

    assert not bench.up(program).ok
    assert "the function `mem:index:getThing`" in bench.messages()[0]


def test_references_to_other_stacks_are_refused_by_name(bench: Bench) -> None:
    assert not bench.up(lambda: pulumi.StackReference("organization/shop/prod") and None).ok
    assert "pulumi:pulumi:StackReference is not supported" in bench.messages()[0]


def test_a_dependent_that_vanishes_while_it_would_be_replaced_is_deleted_once(bench: Bench) -> None:
    def program(kind: str, bound: bool) -> Any:
        def run() -> None:
            base = Thing("base", name="base", kind=kind, exclusive=True)
            if bound:
                Thing("bound", name="bound", kind=base.uid)

        return run

    assert bench.up(program("one", bound=True)).ok
    assert bench.preview(program("two", bound=False)).ok
    promised = bench.ops()
    assert bench.up(program("two", bound=False)).ok
    assert bench.ops() == promised
    assert bench.ops()[-1] == (Op.REMOVE_PENDING_REPLACE, "bound")
    assert bench.cloud.called("delete") == ["bound", "base"]
    assert bench.names() == {"base"}


def test_names_must_differ_within_a_type(bench: Bench) -> None:
    def program() -> None:
        Thing("a", name="x")
        Thing("a", name="y")

    assert not bench.up(program).ok
    assert "two resources are called a" in bench.messages()[0]


def test_a_refresh_finds_drift_and_a_vanished_resource_is_created_again(bench: Bench) -> None:
    assert bench.up(things("a", "b", size=1)).ok
    bench.cloud.things["things/a"]["size"] = 7
    del bench.cloud.things["things/b"]
    result = bench.preview(things("a", "b", size=1), refresh=True)
    assert result.ok
    seen = {s.urn.rsplit("::", 1)[1]: s for s in bench.steps(Phase.DONE) if s.op is Op.REFRESH}
    assert seen["b"].new is None
    assert seen["a"].detailed_diff == {"size": PropertyDiffKind.UPDATE}
    assert sorted(bench.ops()) == [(Op.CREATE, "b"), (Op.UPDATE, "a")]
    assert bench.up(things("a", "b", size=1), refresh=True).ok
    assert bench.names() == {"a", "b"}
    assert bench.cloud.things["things/a"]["size"] == 1


def test_refresh_alone_takes_the_live_values_into_the_state(bench: Bench) -> None:
    assert bench.up(things("a", size=1)).ok
    before = bench.engine.serial()
    bench.cloud.things["things/a"]["size"] = 7
    assert bench.refresh(preview=True).ok
    assert bench.engine.serial() == before
    assert bench.refresh().ok
    assert bench.engine.serial() > before
    row = next(r for r in bench.engine.checkpoint().resources if r.urn == urn("a"))
    assert row.inputs["size"] == 7
    summary = next(e for e in bench.events if isinstance(e, SummaryEvent))
    assert summary.changes == {Op.UPDATE: 1}
    serial = bench.engine.serial()
    assert bench.refresh().ok
    assert bench.engine.serial() == serial


def test_a_resource_that_cannot_be_read_stops_the_apply(bench: Bench) -> None:
    assert bench.up(things("a", "b")).ok

    def before(method: str, name: str) -> None:
        if method == "read":
            raise ProviderError("permission denied", status="PERMISSION_DENIED")

    bench.cloud.before = before
    result = bench.up(things("a"), refresh=True)
    assert not result.ok
    assert "it cannot be read: permission denied" in bench.messages()
    assert bench.names() == {"a", "b"}


def test_what_was_only_looked_at_can_become_owned(bench: Bench) -> None:
    bench.cloud.things["things/theirs"] = {"name": "theirs", "size": 5, "uid": "u"}
    assert bench.up(lambda: Thing("a", opts=Options(id="things/theirs")) and None).ok
    assert bench.up(lambda: Thing("a", name="ours") and None).ok, bench.messages()
    assert bench.names() == {"theirs", "ours"}
    assert bench.cloud.called("delete") == []
    assert bench.preview(lambda: Thing("a", name="ours") and None).ok
    assert bench.ops() == []


def test_what_is_owned_does_not_become_a_mere_look_at_something_else(bench: Bench) -> None:
    bench.cloud.things["things/theirs"] = {"name": "theirs", "size": 5, "uid": "u"}
    assert bench.up(things("a")).ok
    assert not bench.up(lambda: Thing("a", opts=Options(id="things/theirs")) and None).ok
    assert "is managed with the id things/a" in bench.messages()[0]
    assert not bench.preview(lambda: Thing("b", opts=Options(id="things/none")) and None).ok


def test_a_replacement_trigger_replaces_when_it_changes(bench: Bench) -> None:
    def program(trigger: str) -> Any:
        return lambda: Thing("a", opts=Options(replacement_trigger=trigger)) and None

    assert bench.up(program("x")).ok
    assert bench.up(program("x")).ok
    assert bench.ops() == []
    assert bench.up(program("y")).ok
    assert (Op.REPLACE, "a") in bench.ops()


def test_a_tainted_resource_is_replaced(bench: Bench) -> None:
    def program() -> None:
        Thing("a")

    assert bench.up(program).ok
    document = bench.engine.export_state()
    next(row for row in document["deployment"]["resources"] if row["type"] == THING)["taint"] = True
    bench.engine.import_state(document)
    assert bench.up(program).ok
    assert (Op.REPLACE, "a") in bench.ops()
    assert bench.up(program).ok
    assert bench.ops() == []


def test_a_protected_dependent_is_not_replaced_along(bench: Bench) -> None:
    def program(kind: str) -> Any:
        def run() -> None:
            base = Thing("base", name="base", kind=kind, exclusive=True)
            Thing("bound", name="bound", kind=base.uid, opts=Options(protect=True))

        return run

    assert bench.up(program("one")).ok
    result = bench.up(program("two"))
    assert result.failed == (urn("base"),)
    assert f"{urn('bound')} is protected" in bench.messages()[0]
    assert bench.cloud.called("delete") == []


def test_children_take_over_what_their_parent_hands_down(bench: Bench) -> None:
    def program() -> None:
        group = Group("g", opts=Options(retain_on_delete=True, protect=True))
        Thing("a", name="a", opts=Options(parent=group))
        Thing("b", name="b", opts=Options(parent=group, retain_on_delete=False, protect=False))

    assert bench.up(program).ok
    rows = {row.urn.rsplit("::", 1)[1]: row for row in bench.engine.checkpoint().resources}
    assert (rows["a"].protect, rows["a"].retain_on_delete) == (True, True)
    assert (rows["b"].protect, rows["b"].retain_on_delete) == (False, False)


def test_custom_timeouts_are_kept_in_seconds(bench: Bench) -> None:
    def program(text: str) -> Any:
        return lambda: Thing("a", opts=Options(custom_timeouts=pulumi.CustomTimeouts(create=text))) and None

    assert bench.up(program("1h30m")).ok
    row = next(r for r in bench.engine.checkpoint().resources if r.type == THING)
    assert row.custom_timeouts == {"create": 5400.0}
    assert not bench.up(program("soon")).ok
    assert "`soon` is not a duration" in bench.messages()[0]


def test_a_provider_is_configured_anew_and_never_replaced(bench: Bench) -> None:
    def program() -> None:
        pulumi.ProviderResource("mem", "here", {"kind": "x"}, Options(replace_on_changes=["kind"]))

    assert not bench.up(program).ok
    assert "replace_on_changes of a provider" in bench.messages()[0]


def test_every_step_is_announced_and_ended(bench: Bench) -> None:
    assert bench.up(things("a", "b")).ok
    begun = [(s.op, s.urn) for s in bench.steps(Phase.PRE)]
    ended = [(s.op, s.urn) for s in bench.steps(Phase.DONE)]
    assert sorted(begun) == sorted(ended)
    done = next(s for s in bench.steps(Phase.DONE) if s.urn == urn("a"))
    assert isinstance(done, StepEvent)
    assert done.new is not None
    assert done.new.id == "things/a"


def test_stacks_in_one_directory_do_not_touch_each_other(bench: Bench) -> None:
    other = EmbeddedEngine(
        type(STACK)("shop", "prod"), bench.directory, bench.engine._provider, environment=bench.environment
    )
    assert bench.up(things("a")).ok
    assert other.up(things("b"), bench.options, lambda _: None).ok
    assert bench.destroy().ok
    assert bench.names() == {"b"}
