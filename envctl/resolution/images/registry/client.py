"""A registry over HTTP: manifests, and blobs into files, each held against its digest.

Source: "OCI Distribution Specification" 1.1 and "Token Authentication Specification" of the distribution project,
2026-11. A registry that asks who is there is asked for an anonymous token first; only where that does not suffice, and
the registry is Google's, with the credentials of this machine.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from urllib.parse import urlsplit

import httpx

from envctl.errors import OutsideError
from envctl.masking import learn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from types import TracebackType

    from envctl.resolution.images.registry.reference import ImageReference

_INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
_MANIFESTS = ("application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json")
_MOST_DOCUMENT = 8 * 1024 * 1024
_TRIES = 6
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_PARAMETER = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')
_GOOGLES = (".pkg.dev", "gcr.io")


class Layer(NamedTuple):
    """A layer of an image: digest and size of the blob in bytes."""

    digest: str
    size: int


class Manifest(NamedTuple):
    """An image of one platform.

    Attributes:
        digest: of the manifest that was asked for, which for several platforms is the index.
        config: the image's own description: environment variables among it.
        layers: from the bottom up.
    """

    digest: str
    config: Mapping[str, Any]
    layers: tuple[Layer, ...]


class Registry:
    """One repository of a registry. Use it as a context manager.

    Args:
        reference: the image.
        google_token: an access token of whoever runs envctl; asked only by Google's own registries.
        transport: how to get there; the network when None.
    """

    def __init__(
        self,
        reference: ImageReference,
        google_token: Callable[[], str | None] | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._reference = reference
        self._google_token = google_token
        self._authorization = ""
        self._as_google = False
        timeout = httpx.Timeout(30.0, read=60.0)
        self._client = httpx.Client(transport=transport, timeout=timeout, follow_redirects=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def manifest(self, architecture: str = "amd64") -> Manifest:
        """The image for Linux on an architecture, its digests verified.

        Raises:
            OutsideError: there is none, the registry does not answer, or says something other than its digests.
        """
        document, digest = self._document("manifests", self._reference.wanted)
        if self._reference.digest and digest != self._reference.digest:
            raise _lies(self._reference, f"asked for {self._reference.digest}, the answer has {digest}")
        chosen = document
        if document.get("mediaType") in _INDEXES or "manifests" in document:
            wanted = _platform(self._reference, document, architecture)
            chosen, found = self._document("manifests", wanted)
            if found != wanted:
                raise _lies(self._reference, f"asked for {wanted}, the answer has {found}")
        try:
            layers = tuple(Layer(_digest(one["digest"]), int(one["size"])) for one in chosen["layers"])
            wanted = _digest(chosen["config"]["digest"])
        except (KeyError, TypeError, ValueError) as error:
            text = f"its manifest is none of the OCI's or Docker's second schema ({error!r})"
            raise _unreadable(self._reference, text) from error
        config, found = self._document("blobs", wanted)
        if found != wanted:
            raise _lies(self._reference, f"asked for {wanted}, the answer has {found}")
        return Manifest(digest, config, layers)

    def download(self, layer: Layer, path: Path, progress: Callable[[int], None]) -> None:
        """A blob as a file, verified. What is there of it already is not fetched again.

        Args:
            layer: the blob.
            path: of the file; until it is whole it is called `NAME.partial`, and a later call goes on from there.
            progress: told the bytes that are there, again and again.

        Raises:
            OutsideError: the registry does not answer, sends other bytes than the digest says, or more than the size.
        """
        partial = path.with_name(f"{path.name}.partial")
        tries = 0
        while True:
            there = partial.stat().st_size if partial.exists() else 0
            if there == layer.size:
                break
            if there > layer.size:
                partial.unlink()
                continue
            try:
                self._append(layer, partial, there, progress)
                tries = 0
            except httpx.TransportError as error:
                tries = tries + 1 if partial.exists() and partial.stat().st_size == there else 1
                if tries >= _TRIES:
                    raise _no_answer(self._reference, str(error) or type(error).__name__) from error
        found = _digest_of(partial)
        if found != layer.digest:
            partial.unlink()
            raise _lies(self._reference, f"the layer {layer.digest} has the digest {found}")
        partial.replace(path)

    def _append(self, layer: Layer, partial: Path, there: int, progress: Callable[[int], None]) -> None:
        headers = (
            {"Range": f"bytes={there}-", "Accept-Encoding": "identity"} if there else {"Accept-Encoding": "identity"}
        )
        with self._asked(f"{self._reference.base}/blobs/{layer.digest}", headers) as response:
            begins = there if response.status_code == httpx.codes.PARTIAL_CONTENT.value else 0
            if begins and not response.headers.get("Content-Range", "").startswith(f"bytes {there}-"):
                raise _lies(self._reference, f"asked for the bytes from {there} on, the answer has other ones")
            with partial.open("ab" if begins else "wb") as stream:
                size = begins
                for part in response.iter_raw():
                    size += len(part)
                    if size > layer.size:
                        raise _lies(self._reference, f"the layer {layer.digest} is longer than its {layer.size} bytes")
                    stream.write(part)
                    progress(size)
        if size < layer.size and size == begins:
            raise httpx.ReadError(f"the answer ends after {size} of {layer.size} bytes")

    def _document(self, kind: str, wanted: str) -> tuple[dict[str, Any], str]:
        """A manifest or a configuration, with the digest of its bytes."""
        headers = {"Accept": ", ".join((*_MANIFESTS, *_INDEXES))} if kind == "manifests" else {}
        try:
            with self._asked(f"{self._reference.base}/{kind}/{wanted}", headers) as response:
                content = bytearray()
                for part in response.iter_bytes():
                    content += part
                    if len(content) > _MOST_DOCUMENT:
                        raise _unreadable(self._reference, f"its {kind[:-1]} has more than 8 MB")
                said = response.headers.get("Docker-Content-Digest")
        except httpx.TransportError as error:
            raise _no_answer(self._reference, str(error) or type(error).__name__) from error
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        if said is not None and said.startswith("sha256:") and said != digest:
            raise _lies(self._reference, f"it says {said} of bytes that have {digest}")
        try:
            document = json.loads(bytes(content))
        except ValueError as error:
            raise _unreadable(self._reference, f"its {kind[:-1]} is no JSON ({error})") from error
        if not isinstance(document, dict):
            raise _unreadable(self._reference, f"its {kind[:-1]} is no JSON object")
        return document, digest

    def _asked(self, url: str, headers: Mapping[str, str]) -> _Answer:
        """An answer that is open; asks for a token and once more where the registry wants one."""
        while True:
            sent = {**headers, **({"Authorization": self._authorization} if self._authorization else {})}
            response = self._client.send(self._client.build_request("GET", url, headers=sent), stream=True)
            if response.status_code in (200, 206):
                return _Answer(response)
            challenge = response.headers.get("WWW-Authenticate", "")
            response.close()
            if response.status_code not in (401, 403) or not self._log_in(challenge):
                raise _refused(self._reference, response)

    def _log_in(self, challenge: str) -> bool:
        """Whether there is a new authorization to ask with: an anonymous one first, then that of this machine."""
        scheme, _, rest = challenge.partition(" ")
        said = dict(_PARAMETER.findall(rest))
        basic = ""
        if self._authorization or scheme.lower() == "basic":
            if self._as_google or not self._is_googles() or self._google_token is None:
                return False
            token = self._google_token()
            if not token:
                return False
            learn(token)
            self._as_google = True
            basic = "Basic " + base64.b64encode(f"oauth2accesstoken:{token}".encode()).decode()
        if scheme.lower() == "basic" or (not challenge and basic):
            self._authorization = basic
            return True
        if scheme.lower() != "bearer" or "realm" not in said:
            return False
        realm = urlsplit(said["realm"])
        if realm.scheme != "https" and realm.hostname != urlsplit(self._reference.base).hostname:
            raise _unreadable(self._reference, "it sends to another host for a token, without encryption")
        if basic and realm.hostname != urlsplit(self._reference.base).hostname:
            return False  # credentials go to the registry itself and to nobody else
        query = {key: said[key] for key in ("service", "scope") if key in said}
        answer = self._client.get(said["realm"], params=query, headers={"Authorization": basic} if basic else {})
        try:
            document = answer.json()
            token = document.get("token") or document["access_token"]
        except (ValueError, KeyError, AttributeError, TypeError):
            return False
        learn(token)
        self._authorization = f"Bearer {token}"
        return True

    def _is_googles(self) -> bool:
        host = self._reference.host
        return host.endswith(_GOOGLES)


class _Answer:
    """A response that is closed in the end."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response

    def __enter__(self) -> httpx.Response:
        return self._response

    def __exit__(self, *_: object) -> None:
        self._response.close()


def _platform(reference: ImageReference, index: Mapping[str, Any], architecture: str) -> str:
    """The digest of the manifest for Linux on an architecture."""
    offered: list[str] = []
    try:
        for entry in index["manifests"]:
            platform = entry.get("platform") or {}
            name = f"{platform.get('os', 'linux')}/{platform.get('architecture', architecture)}"
            if name == f"linux/{architecture}":
                return _digest(entry["digest"])
            offered.append(name)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise _unreadable(reference, f"its index is none of the OCI's or Docker's ({error!r})") from error
    raise _unreadable(reference, f"it is there for {', '.join(offered) or 'no platform'}, not for linux/{architecture}")


def _digest(text: str) -> str:
    if not _DIGEST.fullmatch(text):
        raise ValueError(f"{text[:80]!r} is no digest of sha256")
    return text


def _digest_of(path: Path) -> str:
    with path.open("rb") as stream:
        return f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}"


def _lies(reference: ImageReference, detail: str) -> OutsideError:
    return OutsideError(
        "The registry sends something else than it says",
        detail=f"{reference}: {detail}.",
        hints=(
            "Nothing of it was taken. Try again; if it stays so, something between here and the registry changes it.",
        ),
        code="registry-digest",
    )


def _unreadable(reference: ImageReference, detail: str) -> OutsideError:
    return OutsideError("The image cannot be read", detail=f"{reference}: {detail}.", code="registry-image")


def _no_answer(reference: ImageReference, cause: str) -> OutsideError:
    return OutsideError(
        "The registry does not answer",
        detail=f"{reference}: {cause}.",
        hints=("What was fetched is kept: the same command goes on from there.",),
        code="registry-unreachable",
    )


def _refused(reference: ImageReference, response: httpx.Response) -> OutsideError:
    hints = (
        ("Name an image that is there; `envctl images add NAME --from-registry REF` takes any.",)
        if response.status_code == httpx.codes.NOT_FOUND.value
        else ("Log in with `gcloud auth application-default login`, or name an image that anybody may read.",)
    )
    return OutsideError(
        "The registry refuses the image",
        detail=f"{reference}: {response.status_code} {response.reason_phrase}".rstrip() + ".",
        hints=hints,
        code="registry-refused",
    )
