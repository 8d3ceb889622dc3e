"""Batches of Cloud Storage: up to 100 requests in one (https://cloud.google.com/storage/docs/batch, read 2026-11)."""

from __future__ import annotations

import email.parser
import http
import secrets
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from envctl.sandbox.failures import ApiError, Status, invalid
from envctl.sandbox.messages import Request, Response

if TYPE_CHECKING:
    from collections.abc import Callable
    from email.message import Message

PATH = "/batch/storage/v1"
_MOST = 100


def answer_batch(request: Request, handle: Callable[[Request], Response]) -> Response:
    """The answers to the requests of a batch, in order.

    Args:
        request: the batch.
        handle: answers one request, whose path is that of the service.

    Raises:
        ApiError: the batch is no multipart document of HTTP requests, or has too many.
    """
    head = f"Content-Type: {request.header('content-type')}\r\n\r\n".encode()
    document = email.parser.BytesParser().parsebytes(head + request.body)
    if not document.is_multipart():
        raise invalid("Failed to parse batch request, error: the body is not multipart/mixed.")
    parts = [part for part in document.get_payload() if not isinstance(part, str)]
    if len(parts) > _MOST:
        raise invalid(f"The batch request could not be processed: {len(parts)} calls are more than {_MOST}.")
    boundary = f"batch_{secrets.token_hex(12)}"
    chunks = [_chunk(boundary, part, _answered(part, request, handle)) for part in parts]
    content = b"".join([*chunks, f"--{boundary}--\r\n".encode()])
    return Response(200, {"Content-Type": f"multipart/mixed; boundary={boundary}", "Server": "UploadServer"}, content)


def _answered(part: Message, outer: Request, handle: Callable[[Request], Response]) -> Response:
    inner = part.get_payload(decode=True)
    if not isinstance(inner, bytes):
        raise invalid("Failed to parse batch request, error: a part holds no request.")
    first, _, rest = inner.replace(b"\r\n", b"\n").partition(b"\n")
    words = first.decode("latin-1").split()
    if len(words) < 2:
        raise invalid("Failed to parse batch request, error: a part does not begin with a request line.")
    fields = email.parser.BytesParser().parsebytes(rest)
    headers = {
        "authorization": outer.header("authorization"),
        **{name.lower(): str(value) for name, value in fields.items()},
    }
    body = rest.partition(b"\n\n")[2] if b"\n\n" in rest else rest.lstrip(b"\n")
    path, query = urlsplit(words[1]).path, urlsplit(words[1]).query
    # Clients write the whole address, which on the port that serves all begins with the service's prefix.
    path = path.removeprefix("/storage") if path.startswith("/storage/storage/") else path
    url = f"https://{outer.host}{path}?{query}"
    if "uploadType" in query:
        raise ApiError(Status.UNIMPLEMENTED, "Uploads and downloads are not supported in batches.")
    return handle(Request.to(words[0], url, content=body.strip(), headers=headers))


def _chunk(boundary: str, part: Message, response: Response) -> bytes:
    phrase = http.HTTPStatus(response.status).phrase
    identifier = str(part.get("Content-ID", "")).strip("<>")
    lines = [f"--{boundary}", "Content-Type: application/http"]
    if identifier:
        lines.append(f"Content-ID: <response-{identifier}>")
    lines += ["", f"HTTP/1.1 {response.status} {phrase}"]
    lines += [f"{name}: {value}" for name, value in response.headers.items()]
    lines += [f"Content-Length: {len(response.body)}", "", ""]
    return "\r\n".join(lines).encode() + response.body + b"\r\n"
