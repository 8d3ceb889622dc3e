"""Which client libraries in the requirements need which right of the environment's account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class LibraryRight:
    """Libraries (normalised names), the permissions that their calls need, and the role that gives them.

    `where` is `project` or `account` (the environment's account as a resource). `predicate` names the condition of
    `envctl.iam_conditions` under which the file already asks for the right.
    """

    name: str
    libraries: frozenset[str]
    permissions: tuple[str, ...]
    role: str
    where: str
    predicate: str
    spec: str


# Permissions by the libraries' reference pages on cloud.google.com/python (2026-08); roles from the shipped role data.
TABLE: Final = (
    LibraryRight(
        "Cloud KMS",
        frozenset({"google-cloud-kms"}),
        ("cloudkms.cryptoKeyVersions.useToDecrypt",),
        "roles/cloudkms.cryptoKeyDecrypter",
        "project",
        "kms-backend",
        "iam:\n  extraBindings:\n    - {role: roles/cloudkms.cryptoKeyDecrypter, on: encryption.key, members: [environment]}",
    ),
    LibraryRight(
        "Secret Manager",
        frozenset({"google-cloud-secret-manager"}),
        ("secretmanager.versions.access",),
        "roles/secretmanager.secretAccessor",
        "project",
        "reads-secrets",
        "secrets: {backend: secret-manager}",
    ),
    LibraryRight(
        "Error Reporting",
        frozenset({"google-cloud-error-reporting"}),
        ("errorreporting.errorEvents.create",),
        "roles/errorreporting.writer",
        "project",
        "",
        "iam:\n  extraBindings:\n    - {role: roles/errorreporting.writer, on: projects/PROJECT, members: [environment]}",
    ),
    LibraryRight(
        "Vault",
        frozenset({"hvac", "apache-airflow-providers-hashicorp"}),
        ("iam.serviceAccounts.signJwt",),
        "roles/iam.serviceAccountTokenCreator",
        "account",
        "vault-backend",
        "secrets: {backend: vault}",
    ),
    LibraryRight(
        "Dataflow",
        frozenset({"apache-beam", "apache-airflow-providers-apache-beam"}),
        ("dataflow.jobs.create",),
        "roles/dataflow.developer",
        "project",
        "dataflow",
        "integrations: [dataflow]",
    ),
    LibraryRight(
        "BigQuery",
        frozenset({"dbt-bigquery", "google-cloud-bigquery", "pandas-gbq", "sqlalchemy-bigquery"}),
        ("bigquery.jobs.create",),
        "roles/bigquery.jobUser",
        "project",
        "bigquery",
        "integrations: [bigquery]",
    ),
    LibraryRight(
        "a quota project",
        frozenset({"dbt-bigquery"}),
        ("serviceusage.services.use",),
        "roles/serviceusage.serviceUsageConsumer",
        "project",
        "",
        "iam:\n  extraBindings:\n    - {role: roles/serviceusage.serviceUsageConsumer, on: projects/PROJECT, members: [environment]}",
    ),
    LibraryRight(
        "Cloud SQL",
        frozenset({"cloud-sql-python-connector"}),
        ("cloudsql.instances.connect",),
        "roles/cloudsql.client",
        "project",
        "",
        "iam:\n  extraBindings:\n    - {role: roles/cloudsql.client, on: projects/PROJECT, members: [environment]}",
    ),
    LibraryRight(
        "Dataproc",
        frozenset({"google-cloud-dataproc"}),
        ("dataproc.jobs.create",),
        "roles/dataproc.editor",
        "project",
        "dataproc",
        "integrations: [dataproc]",
    ),
)
