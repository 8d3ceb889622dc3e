from __future__ import annotations

from typing import Any

import pulumi
from embedded_bench import Bench
from programs import Group, Thing

from envctl.engine.events import Op, OutputsEvent, SummaryEvent


def shop(kind: str = "plain", size: int = 1) -> Any:
    def program() -> None:
        group = Group("front")
        base = Thing("base", name="base", kind=kind)
        Thing("left", name="left", source=base.link, size=size, opts=pulumi.ResourceOptions(parent=group))
        Thing("right", name="right", opts=pulumi.ResourceOptions(depends_on=[base], parent=group))
        pulumi.export("uid", base.uid)

    return program


def test_one_life(bench: Bench) -> None:
    assert bench.preview(shop()).ok
    assert bench.ops() == [(Op.CREATE, "base"), (Op.CREATE, "left"), (Op.CREATE, "right")] or len(bench.ops()) == 3
    assert not bench.cloud.things
    assert not bench.directory.exists()

    assert bench.up(shop()).ok, bench.messages()
    assert bench.names() == {"base", "left", "right"}
    assert bench.cloud.things["things/left"]["source"] == "mem://things/base"
    assert bench.engine.outputs() == {"uid": bench.cloud.things["things/base"]["uid"]}
    first = bench.engine.serial()

    assert bench.preview(shop()).ok
    assert bench.ops() == []
    summary = next(e for e in bench.events if isinstance(e, SummaryEvent))
    assert summary.changes == {Op.SAME: 5}
    assert bench.up(shop()).ok
    assert bench.engine.serial() == first

    assert bench.up(shop(size=2)).ok
    assert bench.ops() == [(Op.UPDATE, "left")]
    assert bench.cloud.things["things/left"]["size"] == 2

    assert bench.preview(shop(kind="other", size=2)).ok
    assert bench.destroy().ok
    assert bench.names() == set()
    assert bench.engine.checkpoint().resources == []


def test_outputs_known_after_apply_are_unknown_in_a_preview(bench: Bench) -> None:
    bench.preview(shop())
    from envctl.plan.values import Opaque

    outputs = next(e for e in bench.events if isinstance(e, OutputsEvent))
    assert outputs.outputs == {"uid": Opaque.UNKNOWN}
    left = next(s for s in bench.steps() if s.urn.endswith("::left"))
    assert left.new is not None
    assert left.new.inputs["source"] is Opaque.UNKNOWN
