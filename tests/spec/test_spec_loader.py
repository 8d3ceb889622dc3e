"""From a name to an environment: bases, foundations, origins, and all problems at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from spec_projects import ENVIRONMENT, MakeProject

from envctl.diagnostics import Diagnostic
from envctl.errors import InvalidInputError, UsageError
from envctl.masking import mask
from envctl.spec.loader import Loaded, concrete_names, load, load_all, load_sound
from envctl.spec.model import Environment, Foundation, Size
from envctl.spec.project import PolicyLevel, find_root, load_project

ROOT = Path(__file__).parents[2]
TODAY = "2026-11-20"


def one(folder: Path, name: str = "dev") -> Loaded:
    return load(load_project(folder), name)


def codes(error: pytest.ExceptionInfo[InvalidInputError]) -> list[str]:
    return [each.code for each in error.value.diagnostics]


def test_the_example_is_sound() -> None:
    loaded = {each.name: each for each in load_all(load_project(ROOT), today=TODAY)}
    assert set(loaded) == {"acme-data-prod", "dev", "staging", "prod"}
    assert all(each.warnings == () for each in loaded.values())
    prod = loaded["prod"]
    assert prod.environment.size is Size.MEDIUM
    assert prod.environment.airflow.variables["staging_bucket"] == "acme-data-prod-prod-staging"
    assert prod.foundation is loaded["acme-data-prod"]
    assert isinstance(loaded["acme-data-prod"].spec, Foundation)


def test_values_name_the_file_that_said_them() -> None:
    prod = load(load_project(ROOT), "prod")
    region, project = prod.origins["region",], prod.origins["project",]
    assert (region.file.as_posix(), region.text) == ("environments/base.yaml", "region: europe-west1")
    assert project.file.as_posix() == "environments/prod.yaml"
    assert prod.origins["airflow", "variables", "staging_bucket"].file.as_posix() == "environments/base.yaml"
    assert prod.defaults["size",] == "profile critical"
    assert ("size",) not in prod.origins


def test_a_chain_of_bases_lies_in_order(make_project: MakeProject) -> None:
    folder = make_project(
        {
            "environments/base.yaml": "abstract: true\nlabels: {a: base, b: base, c: base}\naccess: {users: [user:a@b.c]}\n",
            "environments/data.yaml": "extends: base\nabstract: true\nlabels: {b: data, c: data}\n",
            "environments/dev.yaml": ENVIRONMENT + "extends: data\nlabels: {c: dev, a: null}\naccess: null\n",
        }
    )
    spec = one(folder).environment
    assert spec.labels == {"b": "data", "c": "dev"}
    assert spec.access.users == []


def test_the_written_spec_has_no_profile_in_it(make_project: MakeProject) -> None:
    loaded = one(make_project({"environments/dev.yaml": ENVIRONMENT + "profile: trial\n"}))
    assert isinstance(loaded.written, Environment)
    assert (loaded.written.size, loaded.environment.size) == (None, Size.SMALL)


def test_problems_of_all_files_come_together(make_project: MakeProject) -> None:
    folder = make_project(
        {
            "environments/dev.yaml": ENVIRONMENT + "bukets: {}\n",
            "environments/prod.yaml": "a: [\n",
            "environments/test.yaml": ENVIRONMENT + "size: tiny\nworkloads: {scheduler: {count: 9}}\n",
        }
    )
    with pytest.raises(InvalidInputError) as error:
        load_all(load_project(folder))
    assert codes(error) == ["unknown-key", "yaml-syntax", "value-not-allowed", "value-out-of-range"]


def test_a_problem_of_a_base_is_said_once(make_project: MakeProject) -> None:
    files = {f"environments/{name}.yaml": ENVIRONMENT + "extends: base\n" for name in ("dev", "test", "prod")}
    folder = make_project(files | {"environments/base.yaml": "abstract: true\nbukets: {}\n"})
    with pytest.raises(InvalidInputError) as error:
        load_all(load_project(folder))
    assert codes(error) == ["unknown-key"]


def test_a_problem_of_a_foundation_stops_its_environment(make_project: MakeProject) -> None:
    folder = make_project(
        {
            "environments/dev.yaml": ENVIRONMENT + "foundation: shared\n",
            "environments/shared.yaml": "kind: foundation\nproject: acme-data-dev\nregion: nowhere\n",
        }
    )
    with pytest.raises(InvalidInputError) as error:
        one(folder)
    assert codes(error) == ["value-form"]


def test_rules_judge_the_sound_rest_and_leave_the_unsound_alone(make_project: MakeProject) -> None:
    text = (
        ENVIRONMENT.replace("composer-${name}", "X") + "workloads: {worker: {cpu: 3, memoryGb: lots}}\nlabels: {A: x}\n"
    )
    with pytest.raises(InvalidInputError) as error:
        one(make_project({"environments/dev.yaml": text}))
    assert codes(error) == ["value-form", "value-out-of-range", "wrong-type", "label-form"]


def test_wrong_required_keys_do_not_silence_the_rules(make_project: MakeProject) -> None:
    text = "imageVersion: [1]\nproject: 5\nlabels: {A: x}\nbuckets: {a: {name: '${project}'}}\n"
    with pytest.raises(InvalidInputError) as error:
        one(make_project({"environments/dev.yaml": text}))
    assert sorted(codes(error)) == [
        "label-form",
        "missing-key",
        "missing-key",
        "wrong-type",
        "wrong-type",
        "wrong-type",
    ]


def test_a_failed_reference_is_one_problem(make_project: MakeProject) -> None:
    text = ENVIRONMENT.replace("acme-data-dev", "${nope}") + "retention: {metadataDays: '${nope}'}\n"
    with pytest.raises(InvalidInputError) as error:
        one(make_project({"environments/dev.yaml": text}))
    assert codes(error) == ["reference-unknown", "reference-unknown"]


def test_a_reference_has_the_type_of_its_value(make_project: MakeProject) -> None:
    text = ENVIRONMENT + "workloads: {worker: {minCount: 2, maxCount: '${workloads.worker.minCount}'}}\n"
    worker = one(make_project({"environments/dev.yaml": text})).environment.workloads.worker
    assert worker is not None
    assert worker.max_count == 2


@pytest.mark.parametrize(
    ("name", "code", "hint"),
    [("prd", "unknown-environment", "did you mean `prod`?"), ("base", "abstract-environment", "")],
)
def test_names_that_are_no_environment(make_project: MakeProject, name: str, code: str, hint: str) -> None:
    files = {"environments/prod.yaml": ENVIRONMENT, "environments/base.yaml": "abstract: true\n"}
    with pytest.raises(UsageError) as error:
        one(make_project(files), name)
    assert error.value.code == code
    assert hint in " ".join(error.value.hints)


def test_a_foundation_is_not_an_environment() -> None:
    with pytest.raises(UsageError, match="is a foundation"):
        _ = load(load_project(ROOT), "acme-data-prod").environment


def test_an_environment_that_is_its_own_foundation(make_project: MakeProject) -> None:
    with pytest.raises(InvalidInputError) as error:
        one(make_project({"environments/dev.yaml": ENVIRONMENT + "foundation: dev\n"}))
    assert codes(error) == ["not-a-foundation"]


def test_concrete_names_leave_bases_out(make_project: MakeProject) -> None:
    files = {"dev": ENVIRONMENT, "base": "abstract: true\n", "broken": "a: [\n", "shared": "kind: foundation\n"}
    folder = make_project({f"environments/{name}.yaml": text for name, text in files.items()})
    assert concrete_names(load_project(folder)) == ("broken", "dev", "shared")


def test_project_settings(make_project: MakeProject) -> None:
    text = """\
name: acme
envctl: ">=0.1"
backend: gs://acme-state
secretsProvider: gcpkms://projects/p/locations/l/keyRings/r/cryptoKeys/k
impersonate: deployer@acme-data.iam.gserviceaccount.com
billingProject: acme-tools
index: {url: https://pypi.acme.example/simple}
policies: {levels: {no-public-network: advisory}}
"""
    folder = make_project({"envctl.yaml": text, "environments/dev.yml": ENVIRONMENT})
    project = load_project(folder)
    assert (project.name, project.backend, project.required_version) == ("acme", "gs://acme-state", ">=0.1")
    assert project.policy_levels == {"no-public-network": PolicyLevel.ADVISORY}
    assert project.index.url == "https://pypi.acme.example/simple"
    assert project.impersonate == "deployer@acme-data.iam.gserviceaccount.com"
    assert project.billing_project == "acme-tools"
    assert project.files == {"dev": folder / "environments" / "dev.yml"}


@pytest.mark.parametrize(
    "line",
    ["impersonate: ann@acme.example", "impersonate: deployer", "billingProject: Acme Tools", "billingProject: 12"],
)
def test_a_caller_that_cannot_be_is_named_with_its_place(make_project: MakeProject, line: str) -> None:
    folder = make_project({"envctl.yaml": f"name: acme\n{line}\n"})
    with pytest.raises(InvalidInputError) as caught:
        load_project(folder)
    (found,) = caught.value.diagnostics
    assert found.span is not None
    assert (found.span.file.name, found.span.line) == ("envctl.yaml", 2)


def test_the_project_is_found_from_below(make_project: MakeProject) -> None:
    folder = make_project({"environments/dev.yaml": ENVIRONMENT})
    assert find_root(folder / "environments") == folder


def test_outside_of_a_project_the_way_in_is_named(tmp_path: Path) -> None:
    for search in (find_root, load_project):
        with pytest.raises(UsageError) as error:
            search(tmp_path)
        assert error.value.code == "no-project"
        assert "envctl init" in error.value.hints[0]


TEXTS = st.text(alphabet="ab:-[]{}&*'\"#$ \n0.", max_size=50)
LINES = st.lists(
    st.sampled_from(
        [
            "project: acme-data-dev",
            "region: europe-west1",
            "imageVersion: composer-2.15.3-airflow-2.10.5",
            "serviceAccount: {name: composer-dev}",
            "extends: dev",
            "kind: foundation",
            "abstract: false",
            "network: {vpc: {subnet: 300.0.0.0/8}}",
            "airflow: {env: {A: ${labels.x}}}",
            "labels: {x: ${airflow.env.A}, '': ''}",
            "buckets: {a: {lifecycle: [1]}, b: null}",
            "workloads: {worker: {cpu: 0.3}, web: 1}",
            "profile: critical",
            "access: {users: [1, '', 'user:', x]}",
            "maintenance: {start: 2026, hours: .5, days: [MO]}",
            "snapshots: {schedule: '* * * * */9', location: x, timeZone: UTC-1}",
            "packages: {inline: {a: b}, requirements: [/, '', '\\0']}",
            "policies: [{policy: a, reason: b, until: c}]",
            "userWorkloads: {secrets: {a: {data: {b: {env: 1}}}}}",
        ]
    ),
    max_size=12,
    unique=True,
).map("\n".join)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None, max_examples=150
)
@given(TEXTS | LINES)
def test_any_file_loads_or_is_diagnosed(make_project: MakeProject, text: str) -> None:
    project = load_project(make_project({"environments/dev.yaml": text}))
    found: tuple[Diagnostic, ...] = ()
    try:
        (loaded,) = load_all(project, ["dev"], TODAY)
    except InvalidInputError as error:
        found = error.diagnostics
    else:
        assert loaded.spec.project
    assert all(each.span is not None for each in found)


SECRETS = [
    "AIzaSyA1234567890abcdefghijklmnopqrstuv",
    "ya29.a0AfB_byC1234567890abcdef",
    "ghp_0123456789abcdefghijklmnopqrstuvwxyz",
    "AKIAIOSFODNN7EXAMPLE",
    "postgres://user:pa55word@host/db",
    "xoxb-123456789012-abcdef",
    '{"type": "service_account"}',
]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize(
    "line", ["labels: {team: %s}", "airflow: {env: {SOME: %s}}", "size: %s", "zzz: %s", "access: {users: [%s]}"]
)
def test_secrets_are_found_and_never_repeated(make_project: MakeProject, secret: str, line: str) -> None:
    import json

    text = ENVIRONMENT + line % json.dumps(secret) + "\n"
    with pytest.raises(InvalidInputError) as error:
        one(make_project({"environments/dev.yaml": text}))
    assert "literal-secret" in codes(error)
    assert secret not in repr(error.value.diagnostics)
    assert secret.lower() not in repr(error.value.diagnostics).lower()


@pytest.mark.parametrize("text", ["https://example.com/a:b@c", "gs://bucket/x", "AKIA", "-----BEGIN CERTIFICATE-----"])
def test_harmless_texts_stay(text: str) -> None:
    assert mask(text) == text


LAKE = "buckets: {lake: {name: acme-lake}}\n"


def test_a_file_that_names_what_another_one_names_is_refused_alone(make_project: MakeProject) -> None:
    folder = make_project(
        {
            "environments/dev.yaml": ENVIRONMENT + LAKE,
            "environments/prod.yaml": ENVIRONMENT + LAKE,
            "environments/fine.yaml": ENVIRONMENT,
            "environments/wrong.yaml": ENVIRONMENT + "bukets: {}\n",
            "environments/broken.yaml": "a: [\n",
            "environments/lost.yaml": "extends: nowhere\n",
        }
    )
    for name, other in (("dev", "environments/prod.yaml:5"), ("prod", "environments/dev.yaml:5")):
        with pytest.raises(InvalidInputError) as error:
            load(load_project(folder), name)
        assert codes(error) == ["named-by-two-files"]
        assert other in error.value.diagnostics[0].detail
    assert load(load_project(folder), "fine").name == "fine"


def test_a_name_that_is_free_again_is_free_at_once(make_project: MakeProject) -> None:
    folder = make_project({"environments/dev.yaml": ENVIRONMENT + LAKE, "environments/prod.yaml": ENVIRONMENT + LAKE})
    project = load_project(folder)
    with pytest.raises(InvalidInputError):
        load(project, "dev")
    (folder / "environments" / "prod.yaml").write_text(ENVIRONMENT + LAKE.replace("acme-lake", "acme-pond"))
    assert load(project, "dev").name == "dev"
    (folder / "environments" / "prod.yaml").write_text(ENVIRONMENT + LAKE)
    with pytest.raises(InvalidInputError):
        load(project, "dev")


def test_one_name_for_many_files_is_said_in_a_line(make_project: MakeProject) -> None:
    folder = make_project({f"environments/e{number}.yaml": ENVIRONMENT + LAKE for number in range(9)})
    with pytest.raises(InvalidInputError) as error:
        load(load_project(folder), "e0")
    (found,) = error.value.diagnostics
    assert found.detail.endswith(
        "and so do environments/e1.yaml:5 and environments/e2.yaml:5 and environments/e3.yaml:5 and 5 more."
    )


def test_neighbours_are_those_whose_files_are_right_by_themselves(make_project: MakeProject) -> None:
    folder = make_project(
        {
            "environments/base.yaml": "abstract: true\nbukets: {}\n",
            "environments/dev.yaml": ENVIRONMENT + LAKE,
            "environments/prod.yaml": ENVIRONMENT + LAKE,
            "environments/on-base.yaml": ENVIRONMENT + "extends: base\n",
            "environments/on-wrong.yaml": ENVIRONMENT + "foundation: ground\n",
            "environments/ground.yaml": "kind: foundation\nproject: acme-data-dev\nregion: nowhere\n",
            "environments/broken.yaml": "a: [\n",
        }
    )
    assert [each.name for each in load_sound(load_project(folder))] == ["dev", "prod"]
