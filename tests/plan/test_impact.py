from __future__ import annotations

import tomllib
from importlib import resources

from plans import touch

from envctl.plan.impact import impact_of
from envctl.plan.model import Action, Effect

ENVIRONMENT = "gcp:composer/environment:Environment"


def test_an_image_upgrade_ends_running_tasks():
    impact = impact_of(ENVIRONMENT, Action.UPDATE, [touch("config.softwareConfig.imageVersion")])
    assert set(impact.effects) == {Effect.REBUILD, Effect.RESTART, Effect.TASKS_KILLED}
    assert impact.source.startswith("Google documentation")


def test_labels_end_nothing():
    assert impact_of(ENVIRONMENT, Action.UPDATE, [touch("labels.team")]).effects == ()


def test_the_worker_minimum_ends_nothing_and_its_memory_does():
    assert impact_of(ENVIRONMENT, Action.UPDATE, [touch("config.workloadsConfig.worker.minCount")]).effects == ()
    memory = impact_of(ENVIRONMENT, Action.UPDATE, [touch("config.workloadsConfig.worker.memoryGb")])
    assert Effect.TASKS_KILLED in memory.effects


def test_requests_one_after_the_other_add_their_minutes():
    one = impact_of(ENVIRONMENT, Action.UPDATE, [touch("labels.team")])
    two = impact_of(ENVIRONMENT, Action.UPDATE, [touch("labels.team"), touch("config.softwareConfig.envVariables.A")])
    more = impact_of(ENVIRONMENT, Action.UPDATE, [touch("labels.team"), touch("labels.tier")])
    assert two.minutes[1] > one.minutes[1] == more.minutes[1]


def test_a_replaced_environment_loses_data():
    for action in (Action.CREATE_THEN_DELETE, Action.DELETE_THEN_CREATE, Action.DELETE):
        assert Effect.DATA_LOST in impact_of(ENVIRONMENT, action).effects


def test_an_unknown_type_has_no_impact():
    assert impact_of("gcp:pubsub/topic:Topic", Action.CREATE).minutes == (0, 0)


def test_every_row_names_known_words_and_a_source():
    table = tomllib.loads(resources.files("envctl.data").joinpath("impact.toml").read_text("utf-8"))
    for row in table["row"]:
        assert row["source"] in table["sources"]
        assert set(row["actions"]) <= {action.value for action in Action}
        assert set(row.get("effects", ())) <= {effect.value for effect in Effect}
        assert 0 <= row["minutes"][0] <= row["minutes"][1]


def test_fewer_workers_may_end_tasks_and_more_workers_end_none():
    path = "config.workloadsConfig.worker.maxCount"
    assert Effect.TASKS_KILLED in impact_of(ENVIRONMENT, Action.UPDATE, [touch(path, 8, 6)]).effects
    assert impact_of(ENVIRONMENT, Action.UPDATE, [touch(path, 6, 8)]).effects == ()


def test_a_bucket_that_is_emptied_first_says_so():
    bucket = "gcp:storage/bucket:Bucket"
    assert "all its objects" in impact_of(bucket, Action.DELETE, inputs={"forceDestroy": True}).note
    assert "refuses" in impact_of(bucket, Action.DELETE, inputs={"forceDestroy": False}).note
