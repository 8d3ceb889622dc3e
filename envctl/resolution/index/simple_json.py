"""Files of a JSON index page (PEP 691, 700, 714)."""

from __future__ import annotations

import json
from typing import cast
from urllib.parse import unquote, urljoin

from envctl.resolution.index.page import ListedFile
from envctl.resolution.index.simple_html import GarbageError, check_repository_version
from envctl.resolution.index.times import normalised_time


def parse_simple_json(text: str, page_url: str) -> list[ListedFile]:
    """Every file of the page, in the page's order.

    Raises:
        GarbageError: no JSON, not the shape that PEP 691 asks for, or an unknown repository version.
    """
    try:
        document: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise GarbageError("the answer begins like JSON but cannot be read as JSON") from error
    if not isinstance(document, dict):
        raise GarbageError("the JSON answer is not an object")
    page = cast("dict[str, object]", document)
    meta = page.get("meta")
    if isinstance(meta, dict):
        check_repository_version(str(cast("dict[str, object]", meta).get("api-version", "")))
    files = page.get("files")
    if not isinstance(files, list):
        raise GarbageError("the JSON answer has no list of files")
    listed: list[ListedFile] = []
    for entry in cast("list[object]", files):
        if isinstance(entry, dict):
            file = _file(cast("dict[str, object]", entry), page_url)
            if file is not None:
                listed.append(file)
    return listed


def _file(entry: dict[str, object], page_url: str) -> ListedFile | None:
    url = entry.get("url")
    if not isinstance(url, str):
        return None
    try:
        absolute = urljoin(page_url, url).partition("#")[0]
    except ValueError:
        return None
    filename = entry.get("filename")
    return ListedFile(
        filename=filename if isinstance(filename, str) else unquote(absolute.rpartition("/")[2]),
        url=absolute,
        sha256=_sha256(entry.get("hashes")),
        requires_python=_text(entry.get("requires-python")),
        yanked=_yanked(entry.get("yanked")),
        upload_time=normalised_time(_text(entry.get("upload-time"))),
        core_metadata=_advertised(entry.get("core-metadata", entry.get("dist-info-metadata"))),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _sha256(value: object) -> str | None:
    digest = cast("dict[str, object]", value).get("sha256") if isinstance(value, dict) else None
    if isinstance(digest, str) and len(digest) == 64 and all(c in "0123456789abcdefABCDEF" for c in digest):
        return digest.lower()
    return None


def _yanked(value: object) -> str | None:
    if isinstance(value, str):
        return value
    return "" if value is True else None


def _advertised(value: object) -> str | None:
    if isinstance(value, dict):
        return _sha256(cast("object", value)) or ""
    return "" if value is True else None
