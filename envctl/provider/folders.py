"""A place that holds things by name, where states lie: a folder of files, or a prefix of a Cloud Storage bucket.

Addresses are those of Pulumi's own backends (`file://`, `gs://`). The bucket is asked as the CLI asks it: with the
credentials of the machine, and at STORAGE_EMULATOR_HOST when that is set (gocloud.dev, `blob/gcsblob`).
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from envctl.errors import OutsideError
from envctl.google.refusals import read_refusal
from envctl.google.repeating import Found, Repeating
from envctl.google.transport import Answer, Query, Transport
from envctl.private_files import private_folder

_OBJECTS = "storage/storage/v1"
_UPLOADS = "storage/upload/storage/v1"
_NOT_FOUND = 404
_PRECONDITION = 412


class Folder(Protocol):
    """Things by name; names may hold slashes. Every method raises `OutsideError` when the place does not answer."""

    @property
    def where(self) -> str:
        """The address, for people."""
        ...

    def names(self, prefix: str = "") -> list[str]:
        """Names that begin so, in order."""
        ...

    def read(self, name: str) -> bytes | None:
        """The content; None when there is none of that name."""
        ...

    def write(self, name: str, content: bytes, *, new: bool = False) -> bool:
        """Replaces the content at once and for good; with `new` only where there is none. Says whether it did."""
        ...

    def remove(self, name: str) -> None:
        """Takes it away, if it is there."""
        ...


@dataclass(frozen=True, slots=True)
class FileFolder:
    """Files below a folder, each readable by its owner alone."""

    path: Path

    @property
    def where(self) -> str:
        """The folder."""
        return str(self.path)

    def names(self, prefix: str = "") -> list[str]:
        """Files below the folder; what a killed writer left is none."""
        found = (path.relative_to(self.path).as_posix() for path in self.path.rglob("*") if path.is_file())
        return sorted(name for name in found if name.startswith(prefix) and not name.endswith(_UNFINISHED))

    def read(self, name: str) -> bytes | None:
        """The file's content."""
        try:
            return (self.path / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise _failed("read", self.path / name, error) from error

    def write(self, name: str, content: bytes, *, new: bool = False) -> bool:
        """Writes beside it, then links or renames."""
        path = self.path / name
        temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}{_UNFINISHED}")
        try:
            private_folder(path.parent)
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(descriptor)
            if new:
                path.hardlink_to(temporary)
            else:
                temporary.replace(path)
        except FileExistsError:
            return False
        except OSError as error:
            raise _failed("written", path, error) from error
        finally:
            with suppress(OSError):
                temporary.unlink()
        return True

    def remove(self, name: str) -> None:
        """Removes the file, and folders that are empty then."""
        path = self.path / name
        try:
            path.unlink(missing_ok=True)
            for parent in path.parents:
                if parent == self.path or self.path not in parent.parents:
                    return
                parent.rmdir()
        except OSError as error:
            if path.exists():
                raise _failed("removed", path, error) from error


_UNFINISHED = ".envctl-unfinished"


@dataclass(frozen=True, slots=True)
class BucketFolder:
    """Objects of a bucket; `prefix` is "" or ends with a slash."""

    transport: Transport
    bucket: str
    prefix: str = ""

    @property
    def where(self) -> str:
        """The address."""
        return f"gs://{self.bucket}/{self.prefix}".rstrip("/")

    def names(self, prefix: str = "") -> list[str]:
        """Objects of the prefix, page by page."""
        found: list[str] = []
        query: dict[str, str] = {"prefix": self.prefix + prefix, "fields": "items(name),nextPageToken"}
        while True:
            body = self._accepted(self.transport.call("GET", _OBJECTS, f"b/{self.bucket}/o", query), "listed").body
            found += [item["name"].removeprefix(self.prefix) for item in (body or {}).get("items", [])]
            token = (body or {}).get("nextPageToken")
            if not token:
                return sorted(found)
            query["pageToken"] = token

    def read(self, name: str) -> bytes | None:
        """The object's content."""
        answer = self._call("GET", name, {"alt": "media"})
        return None if answer.status == _NOT_FOUND else self._accepted(answer, "read", name).content

    def write(self, name: str, content: bytes, *, new: bool = False) -> bool:
        """Uploads in one request; `new` is the API's `ifGenerationMatch=0`."""
        query = {"uploadType": "media", "name": self.prefix + name}
        path = f"b/{self.bucket}/o"
        if not new:
            self._accepted(self.transport.call("POST", _UPLOADS, path, query, content), "written", name)
            return True
        query["ifGenerationMatch"] = "0"

        def look() -> bool | None:
            return True if self.read(name) == content else None

        answer = Repeating.of(self.transport).create(_UPLOADS, path, query, content, look)
        if isinstance(answer, Found):
            return True
        if answer.status == _PRECONDITION:
            return False
        self._accepted(answer, "written", name)
        return True

    def remove(self, name: str) -> None:
        """Deletes the object."""
        answer = self._call("DELETE", name)
        if answer.status != _NOT_FOUND:
            self._accepted(answer, "removed", name)

    def _call(self, verb: str, name: str, query: Query | None = None) -> Answer:
        return self.transport.call(verb, _OBJECTS, f"b/{self.bucket}/o/{quote(self.prefix + name, safe='')}", query)

    def _accepted(self, answer: Answer, done: str, name: str = "") -> Answer:
        refusal = read_refusal(answer)
        if refusal is None:
            return answer
        raise OutsideError(
            f"The bucket of the states cannot be {done}",
            detail=f"{self.where}/{name}: {refusal.described}".replace("/:", ":"),
            hints=("`envctl doctor ENV` judges the rights on it (caller.pulumi-state)",),
            code="backend-unreachable",
        )


def _failed(done: str, path: Path, error: OSError) -> OutsideError:
    return OutsideError(f"A file cannot be {done}", detail=f"{path}: {error.strerror}", code="record-file")


def open_folder(address: str, environment: Mapping[str, str] | None = None) -> Folder | None:
    """The folder of a backend's address; None for one that is neither `file://` nor `gs://`.

    Raises:
        OutsideError: there are no Google credentials.
    """
    scheme, _, rest = address.partition("://")
    if scheme == "file":
        return FileFolder(Path(rest))
    if scheme != "gs":
        return None
    bucket, _, prefix = rest.partition("/")
    prefix = prefix.strip("/")
    transport = _storage_transport(os.environ if environment is None else environment)
    return BucketFolder(transport, bucket, f"{prefix}/" if prefix else "")


def _storage_transport(environment: Mapping[str, str]) -> Transport:
    """The way to Cloud Storage that the CLI takes, whatever the provider is told."""
    from envctl.google.http_transport import HttpTransport, google_address
    from envctl.google.identity import Caller, Identity, google_identity

    def at_google(service: str) -> str:
        return google_address(service, {})

    if host := environment.get("STORAGE_EMULATOR_HOST"):
        base = host if "://" in host else f"http://{host}"
        bare = HttpTransport(
            lambda service: f"{base.rstrip('/')}/{service.partition('/')[2]}/", Identity(lambda: "emulator")
        )
        return Repeating(bare)
    return Repeating(HttpTransport(at_google, google_identity(Caller(), environment, at_google)))
