"""Files of an HTML index page (PEP 503, 592, 629, 658, 714, and `data-upload-time`).

Anchors are found with regular expressions that know quoted attributes and comments, not with a full HTML
parser: a page of four thousand anchors must not cost more than the network does.
"""

from __future__ import annotations

import re
from functools import lru_cache
from html import unescape
from urllib.parse import unquote, urljoin

from envctl.resolution.index.filenames import is_published
from envctl.resolution.index.page import ListedFile
from envctl.resolution.index.times import normalised_time

_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_TAG_REST = r"""((?:[^>"']|"[^"]*"|'[^']*')*)>"""
_ANCHOR = re.compile(r"<a\s+" + _TAG_REST, re.IGNORECASE)
_BASE = re.compile(r"<base\s+" + _TAG_REST, re.IGNORECASE)
_META = re.compile(r"<meta\s+" + _TAG_REST, re.IGNORECASE)
_ATTRIBUTE = re.compile(r"""([^\s=>"'/]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+)))?""")
_SHA256 = re.compile(r"(?:^|&)sha256=([0-9a-fA-F]{64})(?:&|$)")


class GarbageError(Exception):
    """The answer is no index page; the text is one sentence without a full stop."""


def parse_simple_html(text: str, page_url: str) -> list[ListedFile]:
    """Every anchor of the page as a file, in the page's order.

    Args:
        text: the page.
        page_url: the address the page came from (after redirects), for relative links.

    Raises:
        GarbageError: no HTML, a web page that lists no files, or an unknown repository version.
    """
    if not text.startswith("<"):
        raise GarbageError("the page is neither HTML nor JSON" if text else "the page is empty")
    if "<!--" in text:
        text = _COMMENT.sub("", text)
    first = _ANCHOR.search(text)
    head = text[: first.start()] if first else text
    _check_repository_version(head)
    base = _base_url(head, page_url)
    files: list[ListedFile] = []
    for match in _ANCHOR.finditer(text):
        file = _file(_attributes(match[1]), base)
        if file is not None:
            files.append(file)
    if files and not any(is_published(file.filename) for file in files):
        raise GarbageError("the answer is a web page whose links lead to no wheel and no sdist")
    return files


@lru_cache(maxsize=512)
def _unescaped(value: str) -> str:
    """The same few Requires-Python values stand on every line of a page."""
    return unescape(value)


def _attributes(rest: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, double, single, bare in _ATTRIBUTE.findall(rest):
        value = double or single or bare
        found.setdefault(name.lower(), _unescaped(value) if "&" in value else value)
    return found


def _file(attributes: dict[str, str], base: str) -> ListedFile | None:
    href = attributes.get("href", "").strip()
    if not href:
        return None
    url, _, fragment = href.partition("#")
    plain = url.startswith(("https://", "http://")) and url.isascii() and "[" not in url
    absolute = url if plain else _joined(base, url)
    if absolute is None:
        return None
    last = absolute.partition("?")[0].rstrip("/").rpartition("/")[2]
    digest = _SHA256.search(fragment) if fragment else None
    return ListedFile(
        filename=unquote(last) if "%" in last else last,
        url=absolute,
        sha256=digest[1].lower() if digest else None,
        requires_python=attributes.get("data-requires-python") or None,
        yanked=attributes.get("data-yanked"),
        upload_time=normalised_time(attributes.get("data-upload-time")),
        core_metadata=_advertised(attributes.get("data-core-metadata", attributes.get("data-dist-info-metadata"))),
    )


def _advertised(value: str | None) -> str | None:
    """PEP 714: `true`, or a hash such as `sha256=...`; `false` advertises nothing."""
    if value is None or value.strip().lower() == "false":
        return None
    digest = _SHA256.search(value.strip())
    return digest[1].lower() if digest else ""


def _joined(base: str, url: str) -> str | None:
    """None for an address that no client could ask; only brackets and other than ASCII make one invalid."""
    try:
        return urljoin(base, url)
    except ValueError:
        return None


def _base_url(head: str, page_url: str) -> str:
    match = _BASE.search(head)
    if match is None:
        return page_url
    return _joined(page_url, _attributes(match[1]).get("href", "")) or page_url


def _check_repository_version(head: str) -> None:
    for match in _META.finditer(head):
        attributes = _attributes(match[1])
        if attributes.get("name", "").lower() == "pypi:repository-version":
            check_repository_version(attributes.get("content", ""))


def check_repository_version(value: str) -> None:
    """PEP 629: a client must not guess at a repository version whose major number it does not know."""
    if value and value.strip().partition(".")[0] != "1":
        raise GarbageError(f"the index speaks repository version {value.strip()[:20]!r}, only 1.x is known")
