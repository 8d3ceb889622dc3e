"""IAM over gRPC: each call becomes the REST call that it stands for.

Google's client for `google.iam.admin.v1.IAM` speaks nothing but gRPC. The table says which REST call a method is;
it is that of the `google.api.http` annotations in iam.proto (googleapis repository, google/iam/admin/v1).
"""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from envctl.sandbox.failures import ConnectionDroppedError, Status, status_of_http
from envctl.sandbox.messages import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import grpc

    from envctl.sandbox.cloud import Cloud
    from envctl.sandbox.messages import Json

_SERVICE = "google.iam.admin.v1.IAM"


@dataclass(frozen=True, slots=True)
class Call:
    """One gRPC method as REST.

    Args:
        request: name of the request message.
        answer: name of the answer message; empty for `google.protobuf.Empty`.
        verb: HTTP verb.
        path: template; `{a.b}` is a field of the request.
        body: `*` for the rest of the request, a field's name, or empty for none (the rest becomes the query).
    """

    request: str
    answer: str
    verb: str
    path: str
    body: str = ""


_CALLS: Mapping[str, Call] = {
    "ListServiceAccounts": Call(
        "ListServiceAccountsRequest", "ListServiceAccountsResponse", "GET", "v1/{name}/serviceAccounts"
    ),
    "GetServiceAccount": Call("GetServiceAccountRequest", "ServiceAccount", "GET", "v1/{name}"),
    "CreateServiceAccount": Call(
        "CreateServiceAccountRequest", "ServiceAccount", "POST", "v1/{name}/serviceAccounts", "*"
    ),
    "PatchServiceAccount": Call(
        "PatchServiceAccountRequest", "ServiceAccount", "PATCH", "v1/{service_account.name}", "*"
    ),
    "DeleteServiceAccount": Call("DeleteServiceAccountRequest", "", "DELETE", "v1/{name}"),
    "UndeleteServiceAccount": Call(
        "UndeleteServiceAccountRequest", "UndeleteServiceAccountResponse", "POST", "v1/{name}:undelete", "*"
    ),
    "EnableServiceAccount": Call("EnableServiceAccountRequest", "", "POST", "v1/{name}:enable", "*"),
    "DisableServiceAccount": Call("DisableServiceAccountRequest", "", "POST", "v1/{name}:disable", "*"),
    "ListServiceAccountKeys": Call(
        "ListServiceAccountKeysRequest", "ListServiceAccountKeysResponse", "GET", "v1/{name}/keys"
    ),
    "GetIamPolicy": Call("GetIamPolicyRequest", "Policy", "POST", "v1/{resource}:getIamPolicy"),
    "SetIamPolicy": Call("SetIamPolicyRequest", "Policy", "POST", "v1/{resource}:setIamPolicy", "*"),
    "TestIamPermissions": Call(
        "TestIamPermissionsRequest",
        "TestIamPermissionsResponse",
        "POST",
        "v1/{resource}:testIamPermissions",
        "*",
    ),
    "ListRoles": Call("ListRolesRequest", "ListRolesResponse", "GET", "v1/{parent}/roles"),
    "GetRole": Call("GetRoleRequest", "Role", "GET", "v1/{name}"),
    "CreateRole": Call("CreateRoleRequest", "Role", "POST", "v1/{parent}/roles", "*"),
    "UpdateRole": Call("UpdateRoleRequest", "Role", "PATCH", "v1/{name}", "role"),
    "DeleteRole": Call("DeleteRoleRequest", "Role", "DELETE", "v1/{name}"),
    "UndeleteRole": Call("UndeleteRoleRequest", "Role", "POST", "v1/{name}:undelete", "*"),
    "QueryTestablePermissions": Call(
        "QueryTestablePermissionsRequest",
        "QueryTestablePermissionsResponse",
        "POST",
        "v1/permissions:queryTestablePermissions",
        "*",
    ),
}


def _message(name: str) -> Any:
    """The protobuf class of a message."""
    from google.cloud.iam_admin_v1 import types
    from google.iam.v1 import iam_policy_pb2, policy_pb2
    from google.protobuf import empty_pb2

    if not name:
        return empty_pb2.Empty
    for module in (iam_policy_pb2, policy_pb2):
        if hasattr(module, name):
            return getattr(module, name)
    return getattr(types, name).pb()


def rest_request(call: Call, fields: Json, metadata: Mapping[str, str]) -> Request:
    """The REST request of a gRPC call whose message is given as JSON, keys in snake case."""
    rest = json.loads(json.dumps(fields))

    def take(match: re.Match[str]) -> str:
        node, (*path, last) = rest, match[1].split(".")
        for name in path:
            node = node.get(name, {})
        return quote(str(node.pop(last, "")), safe="/@")

    path = re.sub(r"\{([\w.]+)\}", take, call.path).replace("//", "/")
    body: object = None
    query: list[tuple[str, str]] = []
    if call.body == "*":
        body = _camel(rest)
    elif call.body:
        body = _camel(rest.pop(call.body, {}))
    if call.body != "*":
        query = list(_flat(_camel(rest)))
    headers = {key: value for key, value in metadata.items() if key == "authorization"}
    url = f"https://iam.googleapis.com/{path}?{urlencode(query)}"
    return Request.to(call.verb, url, body=body, headers=headers)


def _camel(value: Any) -> Any:
    if isinstance(value, dict):
        return {_camel_name(key): _camel(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_camel(item) for item in value]
    return value


def _camel_name(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(word.capitalize() for word in tail)


def _flat(value: Json, prefix: str = "") -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for key, item in value.items():
        if isinstance(item, dict):
            pairs += _flat(item, f"{prefix}{key}.")
        elif isinstance(item, list):
            pairs += [(prefix + key, str(entry)) for entry in item]
        else:
            pairs.append((prefix + key, "true" if item is True else str(item)))
    return pairs


def serve_iam(cloud: Cloud, host: str) -> tuple[grpc.Server, int]:
    """Serve IAM over gRPC in threads of its own.

    Returns:
        The running server and its port.
    """
    import grpc

    class Handler(grpc.GenericRpcHandler):
        def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
            service, _, name = handler_call_details.method.strip("/").rpartition("/")
            if service != _SERVICE:
                return None
            call = _CALLS.get(name)
            if call is None:
                return grpc.unary_unary_rpc_method_handler(_unimplemented(name))
            return grpc.unary_unary_rpc_method_handler(
                _behaviour(cloud, call),
                request_deserializer=_message(call.request).FromString,
                response_serializer=_message(call.answer).SerializeToString,
            )

    server = grpc.server(ThreadPoolExecutor(4, "envctl-sandbox-grpc"), handlers=[Handler()])
    port = server.add_insecure_port(f"{host}:0")
    server.start()
    return server, port


def _unimplemented(name: str) -> Callable[[bytes, grpc.ServicerContext], Any]:
    import grpc

    def behaviour(request: bytes, context: grpc.ServicerContext) -> Any:
        del request
        context.abort(grpc.StatusCode.UNIMPLEMENTED, f"The sandbox does not implement {_SERVICE}.{name}.")

    return behaviour


def _behaviour(cloud: Cloud, call: Call) -> Callable[[Any, grpc.ServicerContext], Any]:
    import grpc
    from google.protobuf import json_format

    def behaviour(request: Any, context: grpc.ServicerContext) -> Any:
        fields = json_format.MessageToDict(request, preserving_proto_field_name=True)
        metadata = {str(key): str(value) for key, value in context.invocation_metadata()}
        if "origin" in metadata:
            # Browsers speak no gRPC; a proxy between could, for a page.
            context.abort(grpc.StatusCode.PERMISSION_DENIED, f"Pages of {metadata['origin']} may not ask this server.")
        try:
            response = cloud.handle(rest_request(call, fields, metadata))
        except ConnectionDroppedError:
            context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
        answer = response.json() or {}
        if response.status >= 400:
            error = answer["error"]
            status = Status(error["status"]) if "status" in error else status_of_http(response.status)
            context.abort(getattr(grpc.StatusCode, status.value), error["message"])
        return json_format.ParseDict(answer, _message(call.answer)(), ignore_unknown_fields=True)

    return behaviour
