"""The requirements of an sdist over HTTP: from its start where that decides, else from all of it."""

from __future__ import annotations

import hashlib
from io import BytesIO
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from envctl.resolution.index.remote_wheel import CONTENT_RANGE, check_digest, download, get_range
from envctl.resolution.index.sdist import NotStaticError, read_sdist_metadata, read_sdist_start

if TYPE_CHECKING:
    from envctl.resolution.index.page import ListedFile
    from envctl.resolution.index.transport import Transport
    from envctl.resolution.protocol import PackageName, RequirementMetadata

_START_BYTES = 64 << 10
_LARGE_BYTES = 32 << 20


def read_remote_sdist(transport: Transport, file: ListedFile, name: PackageName, version: str) -> RequirementMetadata:
    """What an sdist declares for every build, else what its files show.

    Raises:
        NotStaticError: only a build would tell, or the sdist is too large to look through.
        BrokenWheelError: pip would refuse the file.
        TransportError: the index did not give it.
    """
    if not file.filename.endswith(".zip"):
        response = get_range(transport, file.url, f"0-{_START_BYTES - 1}", _START_BYTES)
        place = CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
        if response.status == 206 and place is not None and int(place[3]) == len(response.body):
            check_digest(file, hashlib.sha256(response.body).hexdigest())
            return read_sdist_metadata(BytesIO(response.body), file.filename, name, version)
        if response.status == 206 and place is not None:
            found = read_sdist_start(response.body, file.filename, name, version)
            if found is not None:
                return found
            if int(place[3]) > _LARGE_BYTES:
                found = read_sdist_start(response.body, file.filename, name, version, alone=True)
                if found is not None:
                    return found
                raise NotStaticError("it is a large sdist whose beginning does not tell its requirements")
    with TemporaryFile() as stream:
        download(transport, file, stream)
        return read_sdist_metadata(stream, file.filename, name, version)
