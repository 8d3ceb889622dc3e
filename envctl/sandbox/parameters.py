"""Query parameters: those that a method has, those that change an answer here, and the refusal of all others by name.

A parameter that no method of Google's has is refused as Google's front ends do. One that Google has and the emulator does
not is answered 501, unless its value asks for nothing. `_HONOURED` says what is read; a test holds it against what the
methods really read, and against every parameter of the discovery documents.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import cache
from typing import TYPE_CHECKING

from envctl.sandbox.failures import ApiError, Status
from envctl.sandbox.payloads import Check, query_of, standard_parameters

if TYPE_CHECKING:
    from envctl.sandbox.messages import Request
    from envctl.sandbox.routing import Match

# Pattern of methods -> parameters that they read. All patterns that fit count.
_HONOURED: Mapping[str, str] = {
    "artifactregistry.*.create": "repositoryId",
    "artifactregistry.*.getIamPolicy": "options.requestedPolicyVersion",
    "artifactregistry.*.packages.list": "pageSize pageToken",
    "artifactregistry.*.repositories.list": "pageSize pageToken filter",
    "artifactregistry.*.patch": "updateMask",
    "cloudkms.*.cryptoKeys.create": "cryptoKeyId skipInitialVersionCreation",
    "cloudkms.*.getIamPolicy": "options.requestedPolicyVersion",
    "cloudkms.*.keyRings.create": "keyRingId",
    "cloudkms.*.list": "pageSize pageToken filter",
    "cloudkms.*.patch": "updateMask",
    "cloudresourcemanager.projects.list": "pageSize pageToken filter parent",
    "cloudresourcemanager.projects.search": "pageSize pageToken query",
    "composer.*.environments.patch": "updateMask",
    "composer.*.imageVersions.list": "includePastReleases",
    "composer.*.list": "pageSize pageToken",
    "compute.*.getIamPolicy": "optionsRequestedPolicyVersion",
    "compute.*": "requestId",
    "compute.*.aggregatedList": "maxResults pageToken filter",
    "compute.*.list": "maxResults pageToken filter",
    "iam.policies.createPolicy": "policyId",
    "iam.*.getIamPolicy": "options.requestedPolicyVersion",
    "iam.*.keys.list": "keyTypes",
    "iam.policies.delete": "etag",
    "iam.policies.listPolicies": "pageSize pageToken",
    "iam.projects.roles.delete": "etag",
    "iam.projects.roles.list": "pageSize pageToken view showDeleted",
    "iam.projects.roles.patch": "updateMask",
    "iam.projects.serviceAccounts.list": "pageSize pageToken",
    "iam.roles.list": "pageSize pageToken view",
    "logging.*.buckets.create": "bucketId",
    "logging.*.list": "pageSize pageToken",
    "logging.*.patch": "updateMask",
    "logging.*.update": "updateMask",
    "monitoring.*.list": "pageSize pageToken",
    "monitoring.*.notificationChannels.delete": "force",
    "monitoring.*.patch": "updateMask",
    "monitoring.projects.timeSeries.list": "filter view interval.startTime interval.endTime",
    "secretmanager.*.secrets.create": "secretId",
    "secretmanager.*.secrets.delete": "etag",
    "secretmanager.*.getIamPolicy": "options.requestedPolicyVersion",
    "secretmanager.*.list": "pageSize pageToken filter",
    "secretmanager.*.patch": "updateMask",
    "serviceusage.services.batchGet": "names",
    "serviceusage.services.list": "pageSize pageToken filter",
    "storage.*.getIamPolicy": "optionsRequestedPolicyVersion",
    "storage.*.testIamPermissions": "permissions",
    "storage.buckets.*": (
        "ifMetagenerationMatch ifMetagenerationNotMatch projection predefinedAcl predefinedDefaultObjectAcl"
    ),
    "storage.buckets.insert": "project",
    "storage.buckets.list": "project prefix maxResults pageToken",
    "storage.objects.*": (
        "generation ifGenerationMatch ifGenerationNotMatch ifMetagenerationMatch ifMetagenerationNotMatch projection "
        "predefinedAcl destinationPredefinedAcl sourceGeneration ifSourceGenerationMatch ifSourceGenerationNotMatch "
        "ifSourceMetagenerationMatch ifSourceMetagenerationNotMatch"
    ),
    "storage.objectAccessControls.*": "generation",
    "storage.objects.insert": "name contentEncoding",
    "storage.objects.list": (
        "delimiter endOffset includeTrailingDelimiter matchGlob maxResults pageToken prefix startOffset versions"
    ),
}

# Parameters that change no answer here, whatever their value, and why that is the truth.
_WITHOUT_EFFECT: Mapping[str, str] = {
    "*/userProject": "says who pays",
    "*/returnPartialSuccess": "no answer here is partial",
    "cloudresourcemanager.projects.list/showDeleted": "no project here is deleted",
    "container.*/projectId": "replaced by the path (reference of container v1)",
    "container.*/zone": "replaced by the path",
    "container.*/clusterId": "replaced by the path",
    "container.*/nodePoolId": "replaced by the path",
    "container.*/operationId": "replaced by the path",
    "iam.roles.list/showDeleted": "predefined roles are not deleted",
    "logging.*.sinks.*/uniqueWriterIdentity": "each project has one writer",
    "orgpolicy.*.list/pageSize": "the API does not page these lists yet (reference, 2026-08)",
    "orgpolicy.*.list/pageToken": "the API does not page these lists yet",
}
_STANDARD_READ = frozenset({"access_token", "alt", "fields", "prettyPrint"})
_STANDARD_WITHOUT_EFFECT = frozenset(
    {"$.xgafv", "key", "oauth_token", "quotaUser", "uploadType", "upload_protocol", "userIp"}
)
_ALTERNATIVES = ("json", "media", "")


@cache
def honoured(method: str) -> frozenset[str]:
    """The query parameters that a method reads, beside those that all have."""
    fitting = (names for pattern, names in _HONOURED.items() if fnmatchcase(method, pattern))
    return frozenset(name for names in fitting for name in names.split())


def without_effect(method: str, name: str) -> bool:
    """Whether a query parameter that a method of Google's has changes nothing here, for a reason that is written down."""
    return any(fnmatchcase(f"{method}/{name}", pattern) for pattern in _WITHOUT_EFFECT)


def checked_query(match: Match, request: Request) -> Request:
    """The request with its query parameters under their usual names.

    Raises:
        ApiError: 400 for a parameter that the method does not have or whose value is not of its type, 501 for one that the
            emulator does not implement.
    """
    method = match.route.method
    known = query_of(match.service.name, match.version, method)
    if known is None:
        return request
    named: dict[str, Sequence[str]] = {}
    for given, values in request.query.items():
        name = given if given in known else _usual(given)
        named[name] = values
        if match.version == "upload" and given == "upload_id":
            # The address of an upload that goes on, made by the server: in no document.
            named[given] = named.pop(name)
        elif name not in known:
            _check_standard(method, given, values[-1])
        else:
            if known[name] == "b":
                named[name] = [value.lower() for value in values]  # Google's own clients write `True`
            _check_known(method, name, known[name], named[name])
    # The same object, unless something had to be changed: tests watch what is read of it.
    return request if named == dict(request.query.items()) else replace(request, query=named)


def _usual(name: str) -> str:
    """A name as documents spell it: camelCase, system parameters without `$`."""
    if name in standard_parameters():
        return name
    bare = name.removeprefix("$")
    if bare in standard_parameters():
        return bare
    return re.sub(r"_([a-z0-9])", lambda match: match[1].upper(), name)


def _check_known(method: str, name: str, kind: str, values: Sequence[str]) -> None:
    single = kind.removeprefix("[")
    for value in values:
        if value or single == "s":
            Check({}).value(single, value, name)
    if name in honoured(method) or without_effect(method, name):
        return
    if any(value not in {"", "false", "0"} for value in values):
        raise ApiError(Status.UNIMPLEMENTED, f"The sandbox does not implement the parameter {name} of {method}.")


def _check_standard(method: str, given: str, value: str) -> None:
    name = _usual(given)
    if name not in standard_parameters():
        text = f'Invalid JSON payload received. Unknown name "{given}": Cannot bind query parameter. '
        text += f"Field '{given}' could not be found in request message."
        violation = {"description": text}
        detail = {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]}
        raise ApiError(Status.INVALID_ARGUMENT, text, details=(detail,))
    if name == "alt" and value.partition(";")[0] not in _ALTERNATIVES:
        raise ApiError(Status.UNIMPLEMENTED, f"The sandbox does not implement alt={value} of {method}.")
    if name not in _STANDARD_READ | _STANDARD_WITHOUT_EFFECT and value:
        raise ApiError(Status.UNIMPLEMENTED, f"The sandbox does not implement the parameter {name} of {method}.")
