"""The shipped tables: they are read, they fit the models, they name their sources."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest

from envctl.spec import tables
from envctl.spec.image import parse_image
from envctl.spec.model import Environment
from envctl.spec.names import BUCKET_NAME_LENGTH, bounded, bucket_name, secret_name, service_account_email
from envctl.spec.nearest import nearest
from envctl.spec.rules.schedules import cron_problem
from envctl.spec.shape import keys_of, models_at

FOLDER = files("envctl.data").joinpath("composer")


def is_key(path: str) -> bool:
    *above, last = path.split(".")
    return any(last in keys_of(model) for model in models_at(Environment, tuple(above)))


def test_every_table_names_its_source_and_a_date() -> None:
    for table in FOLDER.iterdir():
        comments = "\n".join(line for line in table.read_text("utf-8").splitlines() if line.lstrip().startswith("#"))
        assert "ource" in comments, table.name
        assert "202" in comments or "as_of: 202" in table.read_text("utf-8"), table.name


def test_tables_speak_of_keys_that_exist() -> None:
    found = tables.generations()
    keys = {*found.only, *found.never, *(each.key for fields in found.immutable.values() for each in fields)}
    assert {key for key in keys if not is_key(key)} == set()
    for generation, rows in tables.workload_limits().items():
        assert generation in {2, 3}
        assert {row for row in rows if not is_key(f"workloads.{row}")} == set()


def test_images_are_well_formed_sorted_and_cover_the_catalogue() -> None:
    images = tables.images()
    parsed = [parse_image(name) for name in images.names]
    assert all(image is not None and not image.moving and image.generation in {2, 3} for image in parsed)
    assert len(set(images.names)) == len(images.names)
    catalogue = json.loads(files("envctl.data").joinpath("images", "index.json").read_text("utf-8"))["images"]
    known = {name for image in catalogue for name in (image["name"], *image["pairs"])}
    assert {name for name in known if not name.startswith("composer-1")} <= set(images.names)


def test_blocked_and_limited_settings_are_apart() -> None:
    options = tables.airflow_options()
    blocked = options.blocked | options.blocked_in_generation_3 | options.blocked_in_airflow_3
    assert not blocked & set(options.limited_in_generation_3)
    assert set(options.instead) <= blocked


@pytest.mark.parametrize(
    ("name", "generation", "moving"),
    [
        ("composer-3-airflow-2.10.5-build.10", 3, False),
        ("composer-3-airflow-2.10.5", 3, True),
        ("composer-2.13.8-airflow-2.10.5", 2, False),
        ("composer-2-airflow-2.10.5", 2, True),
        ("composer-2.13.8-airflow-2", 2, True),
        ("composer-2.0.0-preview.1-airflow-2.1.4", 2, False),
        ("composer-latest-airflow-2.10.5", None, True),
    ],
)
def test_image_versions(name: str, generation: int | None, moving: bool) -> None:
    image = parse_image(name)
    assert image is not None
    assert (image.generation, image.moving) == (generation, moving)


@pytest.mark.parametrize(
    "name", ["", "composer-3", "airflow-2.10.5", "composer-3-airflow-2.10.5-build.", "composer-3-airflow-2.10.5 "]
)
def test_texts_that_are_no_image_version(name: str) -> None:
    assert parse_image(name) is None


@pytest.mark.parametrize(
    "schedule", ["0 3 * * *", "*/15 0-6/2 1,15 JAN-MAR mon", "59 23 31 12 7", "0 0 * * 1-5"], ids=lambda text: text
)
def test_schedules(schedule: str) -> None:
    assert cron_problem(schedule) is None


@pytest.mark.parametrize(
    "schedule",
    ["", "* * * *", "60 * * * *", "* * 0 * *", "* * * * 8", "5-1 * * * *", "*/0 * * * *", "a * * * *", "@daily"],
)
def test_texts_that_are_no_schedule(schedule: str) -> None:
    assert cron_problem(schedule)


def test_computed_names_fit() -> None:
    assert bucket_name("acme-data", "dev", "staging") == "acme-data-dev-staging"
    long = bucket_name("p" * 30, "e" * 60, "key")
    assert len(long) == BUCKET_NAME_LENGTH
    assert long != bucket_name("p" * 30, "e" * 60, "kez")
    assert bounded("abc", 3) == "abc"
    assert secret_name("dev", "crm") == "dev-crm"
    assert service_account_email("composer-dev", "acme") == "composer-dev@acme.iam.gserviceaccount.com"


@pytest.mark.parametrize(
    ("word", "meant"),
    [("bukets", "buckets"), ("imageversion", "imageVersion"), ("image_version", "imageVersion"), ("xyz", None)],
)
def test_nearest_word(word: str, meant: str | None) -> None:
    assert nearest(word, keys_of(Environment)) == meant
