from __future__ import annotations

import base64
import html
import json
import string
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import envctl
from envctl.masking import (
    MASK,
    forget_secrets,
    learn,
    learn_address,
    learn_environment,
    mask,
    mask_document,
    mask_line,
    secret_kind,
    sounds_secret,
)

ROWS = json.loads((Path(envctl.__file__).parent / "data" / "secret-patterns.json").read_text())["patterns"]
LETTERS = string.ascii_letters + string.digits
BODY = "MIIEpAIBAAKCAQEAu1SU1LfVLPHCozMxH2Mo4lgOEePzNm0tRgeLezV6ffAt0gun"

# Made up; put together here, so that no scanner of this repository takes them for real.
EXAMPLES: dict[str, list[tuple[str, str]]] = {
    "private-key": [
        (f"-----BEGIN RSA PRIVATE KEY-----\n{BODY}\n{BODY}\n-----END RSA PRIVATE KEY-----", BODY),
        (f"-----BEGIN PRIVATE KEY-----\\n{BODY}\\n-----END PRIVATE KEY-----\\n", BODY),
        (f"-----BEGIN EC PRIVATE KEY-----\n{BODY}\n{BODY}", BODY),
        (f"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n{BODY}\n-----END PGP PRIVATE KEY BLOCK-----", BODY),
    ],
    "secret-in-json": [
        ('{"DB_PASSWORD": "tr0ub4dor"}', "tr0ub4dor"),
        ('{"conn_type": "mysql", "password": "a b,c"}', "a b,c"),
        ('{\\"client_secret\\": \\"tr0ub4dor\\", \\"x\\": 1}', "tr0ub4dor"),
        ('{"private_key_id": "0123456789abcdef"}', "0123456789abcdef"),
        ('"apiKey":"tr0ub4dor"', "tr0ub4dor"),
    ],
    "service-account-key": [('{"type": "service_account", "private_key": "x"}', '"private_key": "x"')],
    "google-api-key": [("key=AIza" + LETTERS[:35], LETTERS[:35])],
    "google-oauth": [("ya29." + "a0AfB_byC" * 4, "a0AfB_byC"), ("GOCSPX-" + LETTERS[:28], LETTERS[:28])],
    "google-chat-webhook": [
        (f"https://chat.googleapis.com/v1/spaces/AAAA/messages?key=k&token={LETTERS[:40]}", LETTERS[:40])
    ],
    "json-web-token": [("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmN", "dozjgNryP4J3jVmN")],
    "github-token": [("ghp_" + LETTERS[:36], LETTERS[:36]), ("github_pat_" + LETTERS[:30], LETTERS[:30])],
    "gitlab-token": [
        ("glpat-" + LETTERS[:20], LETTERS[:20]),
        ("glrt-t1_" + LETTERS[:27] + ".ab1234567", LETTERS[:27]),
        ("GR1348941" + LETTERS[:20], LETTERS[:20]),
    ],
    "slack-token": [("xoxb-" + "123456789012-abcdef", "123456789012"), ("xapp-" + "1-A02-12345-abcdef", "A02-12345")],
    "slack-webhook": [(f"https://hooks.slack.com/services/T024/B024/{LETTERS[:24]}", LETTERS[:24])],
    "teams-webhook": [
        (
            f"https://acme.webhook.office.com/webhookb2/{'1' * 8}-a@{'2' * 8}/IncomingWebhook/{LETTERS[:32]}/3",
            LETTERS[:32],
        )
    ],
    "signed-address": [
        (
            f"https://prod-1.westeurope.logic.azure.com:443/workflows/9/triggers/manual/paths/invoke?sv=1&sig={LETTERS[:43]}",
            LETTERS[:43],
        )
    ],
    "discord-webhook": [(f"https://discord.com/api/webhooks/123456/{LETTERS[:60]}", LETTERS[:60])],
    "sendgrid-key": [(f"SG.{LETTERS[:22]}.{LETTERS[:43]}", LETTERS[:43])],
    "model-api-key": [("sk-proj-" + LETTERS[:60], LETTERS[:60]), ("sk-" + LETTERS[:48], LETTERS[:48])],
    "stripe-key": [("sk_live_" + LETTERS[:24], LETTERS[:24]), ("rk_test_" + LETTERS[:24], LETTERS[:24])],
    "aws-access-key": [("AKIA" + "IOSFODNN7EXAMPLE", "IOSFODNN7EXAMPLE")],
    "databricks-token": [("dapi" + "0123456789abcdef" * 2, "0123456789abcdef")],
    "vault-token": [("hvs." + LETTERS[:30], LETTERS[:30])],
    "index-token": [("pypi-AgE" + LETTERS[:50], LETTERS[:50])],
    "authorization": [
        ("Authorization: Bearer abcdef-123456", "abcdef-123456"),
        ('{"authorization": "Basic dXNlcjpwdw=="}', "dXNlcjpwdw=="),
    ],
    "password-parameter": [
        ("host=h user=u password=s3cr3tvalue dbname=d", "s3cr3tvalue"),
        ("export DB_PASSWORD=s3cr3tvalue", "s3cr3tvalue"),
        ("Server=h;Pwd=s3cr3tvalue;", "s3cr3tvalue"),
    ],
    "address-with-password": [
        ("postgres://u:secret@h/db", "secret"),
        ("https://u:p/w@rd/x@h/simple", "p/w@rd"),
        ("redis://:hunter22@cache:6379/0", "hunter22"),
    ],
}
ORDINARY = [
    "europe-docker.pkg.dev/acme-data-dev/images/worker@sha256:" + "0123456789abcdef" * 4,
    "composer-3-airflow-2.10.5-build.10",
    "gs://acme-data-dev-staging/dags/sk-learn/model.pkl",
    "projects/acme/locations/europe-west1/keyRings/main/cryptoKeys/state-token",
    "projects/acme/secrets/db-password/versions/latest",
    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "550e8400-e29b-41d4-a716-446655440000",
    "https://example.com:8080/a@b/c",
    "https://example.com/a:b@c",
    "git+ssh://git@example.com/team/repo.git@v1",
    "serviceAccount:composer-dev@acme-data-dev.iam.gserviceaccount.com",
    "principal://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/subject/a:b@c",
    "task-" + "0123456789abcdef" * 3,
    "risk-" + "a" * 48,
    "password= is missing",
    "password=${DB_PASSWORD}",
    "postgres://u:{{ password }}",
    '{"password": "", "token_url": "https://x/token", "secret": "db-password"}',
    '{"private_key": {"type": "string"}}',
    "-----BEGIN CERTIFICATE-----",
    "Authorization: see the documentation of the header",
    "Basic roles/composer.environmentAndStorageObjectViewer",
    "https://hooks.slack.com/services",
    "https://chat.googleapis.com/v1/spaces/AAAA/messages",
    "SG.small",
    "AKIA",
    "xoxo-love-and-kisses",
    "eyJhbGciOiJIUzI1NiJ9 is a header",
    "pip install requests==2.32.3 --hash=sha256:" + "ab" * 32,
    "https://storage.googleapis.com/b/o?X-Goog-Algorithm=GOOG4-RSA-SHA256",
    "sk-learn",
    "dapifoo",
    "hvs.short",
    "glpat-",
    "ghp_abc",
]


def test_every_row_of_the_table_has_a_source_a_date_and_an_example() -> None:
    assert [row["id"] for row in ROWS] == list(EXAMPLES)
    for row in ROWS:
        assert row["source"]
        assert row["date"] == "2026-11-30"


@pytest.mark.parametrize(
    ("row", "text", "secret"), [(row, *example_) for row in ROWS for example_ in EXAMPLES[row["id"]]]
)
def test_what_looks_like_a_secret_is_named_and_hidden(row: dict[str, str], text: str, secret: str) -> None:
    assert secret_kind(text) is not None
    if row.get("masks", True):
        for around in ("{}", "it said {} and more", "two: {} {}", '("{}")'):
            shown = mask(around.replace("{}", text))
            assert secret not in shown
            assert MASK in shown
            assert mask(shown) == shown
        assert secret not in json.dumps(mask_document({"a": [text]}))
        assert secret not in mask_line(f"  key: {text}")


@pytest.mark.parametrize("text", ORDINARY)
def test_what_is_ordinary_stays(text: str) -> None:
    assert mask(text) == text
    assert secret_kind(text) is None


@pytest.mark.parametrize(
    "key",
    [
        "DB_PASSWORD",
        "password",
        "dbPassword",
        "apiKey",
        "API_TOKEN",
        "smtp-smtp_password",
        "DB_PASSWORD_2",
        "token-prod",
        "SLACK_WEBHOOK_URL",
        "client_secret",
    ],
)
def test_keys_that_sound_like_secrets(key: str) -> None:
    assert sounds_secret(key)


@pytest.mark.parametrize(
    "key",
    [
        "token_url",
        "smtp-smtp_password_secret",
        "sql_alchemy_conn_cmd",
        "keyboard",
        "secretary",
        "passwordless",
        "tokens_per_minute",
        "monkey",
        "imageVersion",
    ],
)
def test_keys_that_do_not(key: str) -> None:
    assert not sounds_secret(key)


secrets_ = st.text(min_size=8, max_size=40).filter(lambda text: len(text.strip()) >= 8 and not text.isalnum())


def spellings(value: str) -> list[str]:
    raw = value.encode()
    packed = [base64.b64encode(before + raw + b"!").decode() for before in (b"", b"u", b"u:", b"me:")]
    return [
        value,
        json.dumps(value),
        json.dumps(value, ensure_ascii=False),
        json.dumps(json.dumps({"a": value})),
        quote(value),
        quote(value, safe=""),
        quote_plus(value),
        quote(value, safe="").lower() if value.islower() else quote(value),
        html.escape(value),
        repr(value),
        base64.b64encode(raw).decode(),
        base64.urlsafe_b64encode(raw).decode(),
        *packed,
        *(each.replace("+", "-").replace("/", "_") for each in packed),
    ]


@given(secrets_)
@example('p/w@rd"\\é+ \n&<x')
@example("a\u2028b-c-d-e-f")
def test_a_learnt_value_is_hidden_in_every_spelling(value: str) -> None:
    forget_secrets()
    learn(value)
    for spelled in spellings(value):
        assert spelled not in mask(f"before {spelled} after")
        assert MASK in mask(f"before {spelled} after")


def test_lines_of_a_learnt_key_are_hidden_one_by_one_and_inside_json() -> None:
    learn(f"-----BEGIN THING-----\n{BODY}\nend")
    assert mask(f"  {BODY}") == f"  {MASK}"
    learn(json.dumps({"client_email": "a@b.c", "private_key_secret": "x", "password": "tr0ub4dor&3"}))
    assert mask("it is tr0ub4dor&3 of a@b.c") == f"it is {MASK} of a@b.c"


def test_a_secret_that_is_an_ordinary_word_is_hidden_only_where_it_stands_alone() -> None:
    learn("airflow", "123456", "abc", "true")
    assert mask("composer-3-airflow-2.10.5, airflow.cfg and airflow_home") == (
        "composer-3-airflow-2.10.5, airflow.cfg and airflow_home"
    )
    assert mask("password is airflow.") == f"password is {MASK}."
    assert mask_document({"count": 123456, "pin": "123456", "word": "abc", "is": "true"}) == {
        "count": 123456,
        "pin": MASK,
        "word": "abc",
        "is": "true",
    }
    assert json.loads(mask('{"count": 123456}')) == {"count": 123456}


def test_a_document_stays_one() -> None:
    learn('quo"te\\d, {x}')
    document = {
        "a": 'it is quo"te\\d, {x}',
        'quo"te\\d, {x}': [1, None, True],
        "n": {"DB_PASSWORD": "short", "secret": "db"},
    }
    shown = mask_document(document)
    assert shown == {"a": f"it is {MASK}", MASK: [1, None, True], "n": {"DB_PASSWORD": MASK, "secret": "db"}}


@pytest.mark.parametrize("password", ["plain-one-1", "p/w@rd-1", "p%2Fw%40rd-1", "a:b:c-1", "q?x#y-1"])
def test_what_stands_before_the_at_of_an_address_is_learnt(password: str) -> None:
    learn_address(f"https://me:{password}@index.example/simple")
    assert password not in mask(f"the password {password} was refused")
    assert "me" in mask("me was refused")


def test_addresses_without_a_password_teach_nothing() -> None:
    for address in ("https://h:8080/x@y", "ssh://git@host/x", "https://host/a@b", "me@host", ""):
        learn_address(address)
    assert mask("8080/x git host/a me") == "8080/x git host/a me"


def test_variables_that_sound_like_secrets_are_learnt() -> None:
    learn_environment({
        "PWD": "/srv/some-project", "HOME": "/srv/some-home", "GOOGLE_APPLICATION_CREDENTIALS": "/srv/key-file.json",
        "CI_JOB_TOKEN": "job-token-77", "PIP_EXTRA_INDEX_URL": "https://me:index-pw-7@h/a https://other:index-pw-8@h/b",
        "ENVCTL_SANDBOX_TOKEN": "printed-for-others-1", "GOOGLE_OAUTH_ACCESS_TOKEN": "envctl-sandbox",
    })  # fmt: skip
    text = "/srv/some-project /srv/some-home /srv/key-file.json printed-for-others-1 envctl-sandbox"
    assert mask(text) == text
    assert mask("job-token-77 index-pw-7 index-pw-8") == f"{MASK} {MASK} {MASK}"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (
            "  env: {API_TOKEN: abc, B_PASSWORD: 'd, e', X: y}",
            f"  env: {{API_TOKEN: {MASK}, B_PASSWORD: {MASK}, X: y}}",
        ),
        ('DB_PASSWORD: "half of it', f"DB_PASSWORD: {MASK}"),
        ("token = abcdef # why", f"token = {MASK}"),
        (BODY, MASK),
        ("db: {secret: my-name}", "db: {secret: my-name}"),
        ("retry_token: 3", "retry_token: 3"),
        ("smtp_password: {secret: x}", "smtp_password: {secret: x}"),
    ],
)
def test_a_line_of_a_file_hides_what_its_keys_say(line: str, shown: str) -> None:
    assert mask_line(line) == shown


def test_a_large_text_without_secrets_takes_no_time_to_speak_of() -> None:
    import time

    for text in (
        "x" * 300_000,
        "a" * 100_000 + "://" + "b" * 100_000 + "@",
        "://a:b" * 30_000,
        '"key": "x", ' * 20_000,
    ):
        started = time.process_time()
        mask(text)
        mask_line(text[:20_000])
        assert time.process_time() - started < 2.0
