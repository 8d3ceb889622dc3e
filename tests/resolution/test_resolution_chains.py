from __future__ import annotations

import json
from pathlib import Path

import pytest
from inline_snapshot import snapshot
from worlds import choice_of, image_of, source_of

from envctl.report.deps_chains import chains_document, render_chains, render_chains_markdown
from envctl.resolution.chains import Chains, explain_package
from envctl.resolution.check import CheckOptions
from envctl.resolution.findings import Cause, Verdict
from envctl.resolution.requirements_file import parse_requirements
from envctl.resolution.resolver import Limits
from envctl.resolution.universe import IndexUnavailableError

IMAGE = image_of(
    {
        "apache-airflow": ["2.10.5+composer", "provider", "yaml>=5"],
        "provider": ["1.0", "core>=2"],
        "core": ["2.0"],
        "yaml": ["6.0"],
        "linter": ["1.0", "yaml>=5"],
        "lonely": ["1.0"],
    }
)
INDEX = {
    "new": {"1.0": ["middle"]},
    "middle": {"1.0": ["yaml<6"]},
    "core": {"1.0": []},
    "old": {"1.0": ["core<2"]},
    "yaml": {"5.4": []},
}


def explained(package: str, text: str, options: CheckOptions | None = None, **index) -> Chains:
    return explain_package(
        package,
        "list.txt",
        parse_requirements(text, Path("list.txt"), {}),
        choice_of(IMAGE),
        source_of({**INDEX, **index}),
        options or CheckOptions(),
    )


def test_the_chain_from_a_line_to_what_moves():
    found = explained("Yaml", "lonely\nnew\n")
    assert (found.before, found.after, found.result.verdict) == ("6.0", "5.4", Verdict.OVERRIDE)
    assert found.asked == (Cause("yaml<6", "middle 1.0", ("new==1.0", "middle==1.0"), "list.txt:2"),)
    assert found.moving == found.asked
    assert [(one.by, one.chain) for one in found.held] == [
        ("apache-airflow 2.10.5+composer", ("apache-airflow==2.10.5+composer",)),
        ("linter 1.0", ("linter==1.0",)),
    ]
    assert render_chains(found) == snapshot("""\
yaml: preinstalled at 6.0; the build brings 5.4
  list.txt on composer-2.99.0-airflow-2.10.5 (Python 3.11.8, pip 23.2.1): override

asked for by the list
  list   new==1.0 -> middle==1.0 requires yaml<6  (list.txt:2); 6.0 does not satisfy it

held by the image
  image  apache-airflow==2.10.5+composer requires yaml>=5
  image  linter==1.0 requires yaml>=5
""")


def test_both_sides_of_a_clash():
    found = explained("core", "new\nold\n")
    assert found.result.verdict is Verdict.CONFLICT
    assert found.after is None
    assert [one.package for one in found.conflicts] == ["core"]
    assert found.held[0].chain == ("apache-airflow==2.10.5+composer", "provider==1.0")
    assert render_chains(found) == snapshot("""\
core: preinstalled at 2.0; the list clashes about it
  list.txt on composer-2.99.0-airflow-2.10.5 (Python 3.11.8, pip 23.2.1): conflict

clash about core
  old 1.0 (list.txt:2) requires core<2, but the image holds core 2.0, and provider 1.0 of the image
  requires core>=2.
  list   old==1.0 requires core<2  (list.txt:2)
  image  apache-airflow==2.10.5+composer -> provider==1.0 requires core>=2

held by the image
  image  apache-airflow==2.10.5+composer -> provider==1.0 requires core>=2
""")
    assert render_chains_markdown(found) == snapshot("""\
### envctl: core

`core` preinstalled at 2.0; the list clashes about it. list.txt on composer-2.99.0-airflow-2.10.5 (Python 3.11.8, pip 23.2.1): **conflict**.

**clash about core**: old 1.0 (list.txt:2) requires core&lt;2, but the image holds core 2.0, and provider 1.0 of the image requires core&gt;=2.

|  | from | line | chain | requires |
|---|---|---|---|---|
| clash | list | list.txt:2 | `old==1.0` | <code>core&lt;2</code> |
| clash | image |  | `apache-airflow==2.10.5+composer` → `provider==1.0` | `core>=2` |
|  | image |  | `apache-airflow==2.10.5+composer` → `provider==1.0` | `core>=2` |
""")


@pytest.mark.parametrize("package", ["old", "provider", "core"])
def test_every_package_on_the_way_takes_part_in_a_clash(package):
    assert [one.package for one in explained(package, "new\nold\n").conflicts] == ["core"]


def test_the_rest_of_a_list_that_clashes_is_told_apart():
    found = explained("yaml", "new\nold\n")
    assert found.conflicts == ()
    assert [one.chain for one in found.asked] == [("new==1.0", "middle==1.0")]
    assert "the list clashes, but not about it" in render_chains(found)


def test_what_the_image_satisfies_stays_and_nothing_moves_it():
    found = explained("core", "core>=1\n")
    assert (found.before, found.after, found.moving) == ("2.0", "2.0", ())
    assert found.asked == (Cause("core>=1", "list", (), "list.txt:1"),)


def test_what_the_list_asks_of_airflow_is_the_images_affair():
    found = explained("core", "plugin\n", plugin={"1.0": ["apache-airflow>=2"]})
    assert found.asked == ()
    assert [one.by for one in found.held] == ["provider 1.0"]


def test_extras_are_steps_of_a_chain_only_once():
    beam = {"1.0": {"requires": ['api ; extra == "gcp"'], "extras": ["gcp"]}}
    found = explained("api", "beam[gcp]\n", beam=beam, api={"1.0": []})
    assert (found.before, found.after) == (None, "1.0")
    assert [one.chain for one in found.asked] == [("beam==1.0",)]


def test_packages_that_lead_to_each_other_end():
    found = explained("ring", "ring\n", ring={"1.0": ["rong"]}, rong={"1.0": ["ring"]})
    assert {one.chain for one in found.asked} == {(), ("ring==1.0", "rong==1.0")}


def test_a_package_that_nothing_leads_to():
    assert not explained("nothing", "new\n").involved
    assert explained("lonely", "new\n").involved


def test_a_list_that_cannot_be_sent_has_no_chains():
    found = explained("core", "core==\n")
    assert found.result.verdict is Verdict.INVALID
    assert not found.involved


def test_a_list_with_a_package_that_no_index_knows_has_no_chains():
    found = explained("core", "nobody-knows\n")
    assert found.result.verdict is Verdict.INVALID
    assert not found.involved


def test_nothing_stays_after_a_build_that_runs_out_of_time():
    found = explained("lonely", "new\n", CheckOptions(limits=Limits(rounds=1)))
    assert (found.result.verdict, found.result.conflicts) == (Verdict.TIMEOUT_RISK, ())
    assert (found.before, found.after) == ("1.0", None)
    assert render_chains(found).startswith("lonely: preinstalled at 1.0; the build will likely run out of time\n")


@pytest.mark.parametrize("package", ["core", "yaml", "lonely"])
@pytest.mark.parametrize("text", ["old\n", "core==1.0\n"])
def test_nothing_stays_after_a_build_that_fails_for_causes_nobody_looked_for(package, text):
    found = explained(package, text, CheckOptions(explain=False))
    assert (found.result.verdict, found.result.conflicts) == (Verdict.CONFLICT, ())
    assert found.after is None
    assert "; the build will fail\n" in render_chains(found)


def test_the_document():
    document = json.loads(json.dumps(chains_document(explained("core", "old\n"))))
    assert document["format"] == "envctl.deps-explain/v1"
    assert (document["preinstalled"], document["after"], document["clashes"]) == ("2.0", None, ["core"])
    assert document["held"][0]["chain"] == ["apache-airflow==2.10.5+composer", "provider==1.0"]
    assert document["result"]["verdict"] == "conflict"


def test_an_index_that_is_dead_is_an_error():
    with pytest.raises(IndexUnavailableError):
        explain_package(
            "yaml",
            "list.txt",
            parse_requirements("new\n", Path("list.txt"), {}),
            choice_of(IMAGE),
            source_of(INDEX, dead=["middle"]),
            CheckOptions(),
        )


def test_a_package_named_list_takes_no_part_in_what_the_list_asks_for():
    found = explained("list", "core==1.0\nlist\n", list={"1.0": []})
    assert "list" in {cause.by for conflict in found.result.conflicts for cause in conflict.causes}
    assert found.conflicts == ()
    assert "the list clashes, but not about it" in render_chains(found)


def test_a_package_named_image_takes_no_part_in_what_the_image_pins():
    found = explain_package(
        "image",
        "list.txt",
        parse_requirements("air\nimage\n", Path("list.txt"), {}),
        choice_of(image_of({}, pip="20.0.2")),
        source_of({"air": {"1.0": ["apache-airflow<2"]}, "image": {"1.0": []}}),
        CheckOptions(),
    )
    assert "image" in {cause.by for conflict in found.result.conflicts for cause in conflict.causes}
    assert found.conflicts == ()


def test_a_package_named_as_a_side_takes_part_in_its_own_clash():
    found = explained("list", "list\n", list={"1.0": ["core<2"]})
    assert [one.package for one in found.conflicts] == ["core"]
