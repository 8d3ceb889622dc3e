"""Artifact Registry repositories and their members."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from envctl.google.operations import OperationStyle
from envctl.provider.behaviours import top_keys
from envctl.provider.iam_member import PolicyMember
from envctl.provider.spec import Behaviour, Change, Rule, Run, TypeSpec
from envctl.provider.types.links import same_link, same_text_any_case


@dataclass(frozen=True, slots=True)
class Repository(Behaviour):
    """A repository. Creating and deleting are operations, a PATCH answers at once."""

    def update(self, run: Run, change: Change, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """One PATCH with a mask."""
        credentials = "remoteRepositoryConfig.upstreamCredentials.usernamePasswordCredentials"
        mask = [key for key in top_keys(run, change).values() if key != "remoteRepositoryConfig"]
        mask += [
            f"{credentials}.{name}"
            for name in ("username", "passwordSecretVersion")
            if change.touches(f"{credentials}.{name}")
        ]
        sent = {key: body[key] for key in {item.split(".", 1)[0] for item in mask} if key in body}
        run.call("PATCH", run.spec.path, {"updateMask": ",".join(mask)}, sent)
        return self.settled(run)

    def outputs(self, run: Run, answer: Mapping[str, Any], outputs: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """The short name, and where pip and docker find it."""
        outputs["name"] = run.fill("{repositoryId}")
        host = f"{run.fill('{location}')}-{str(outputs.get('format', 'generic')).lower()}.pkg.dev"
        outputs.setdefault("registryUri", run.fill(f"{host}/{{project}}/{{repositoryId}}"))
        return outputs


def _policies_in(policies: Any) -> dict[str, Any]:
    return {policy["id"]: policy for policy in policies or ()}


def _policies_out(policies: Any) -> list[Any]:
    return [{"id": name, **policy} for name, policy in sorted((policies or {}).items())]


TYPES = (
    TypeSpec(
        "gcp:artifactregistry/repository:Repository",
        service="artifactregistry/v1",
        path="projects/{project}/locations/{location}/repositories/{repositoryId}",
        collection="projects/{project}/locations/{location}/repositories",
        create_query={"repository_id": "{repositoryId}"},
        imports=("{project}/{location}/{repositoryId}", "{location}/{repositoryId}", "{repositoryId}"),
        identity=("project", "location", "repositoryId"),
        labels="labels",
        style=OperationStyle.GOOGLE,
        rules={
            "format": Rule(same=same_text_any_case),
            "cleanupPolicies": Rule(encode=_policies_in, decode=_policies_out),
            "deletionPolicy": Rule(skip=True),
        },
        behaviour=Repository(),
    ),
    TypeSpec(
        "gcp:artifactregistry/repositoryIamMember:RepositoryIamMember",
        service="artifactregistry/v1",
        path="projects/{project}/locations/{location}/repositories/{repository|base}",
        id="projects/{project}/locations/{location}/repositories/{repository|base}/{role}/{member}",
        imports=(
            "projects/{project}/locations/{location}/repositories/{repository} {role} {member} {title}",
            "projects/{project}/locations/{location}/repositories/{repository} {role} {member}",
        ),
        identity=("project", "location", "repository"),
        rules={"repository": Rule(same=same_link)},
        behaviour=PolicyMember("projects/{project}/locations/{location}/repositories/{repository|base}"),
    ),
)
