"""What must not be read on a screen or a disk: the one place that knows, and takes it out of texts.

Everything that writes (console, files, journals, histories, bug reports) sends its texts through `mask`. It hides
two kinds: the secret values of this run, which whoever meets one hands to `learn`, in every form in which a text may
carry them; and what looks like a secret by the patterns of `envctl/data/secret-patterns.json`.

A secret of this run that reads like an ordinary word (`airflow`, `1234567`) is hidden only where it stands alone:
else names and numbers would vanish with it. One of less than four characters is not hidden.
"""

from __future__ import annotations

import json
import re
import threading
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

MASK = "*****"
"""Stands for what is not shown."""

_SHORTEST = 4
_TOKEN = 16
"""From here on what stands alone before the `@` of an address is a token, and no name of a user; in characters."""
_LINE = 8
"""The shortest line of a secret of several lines that is hidden by itself, in characters."""
# The last one is the token of the emulator, which takes any.
_HARMLESS = r"|true|false|none|null|[0-9]{1,4}|projects/[^/]+/secrets/\S+|envctl-sandbox"
_LOUD = ("PASS", "PWD", "SECRET", "TOKEN", "KEY", "CREDENTIAL", "WEBHOOK")
"""What the name of a variable holds when it can sound like a secret at all."""
_WORD = r"[A-Z]?[a-z]+(?:[-_ ][a-z]+)*|[A-Z]+(?:[-_][A-Z]+)*|[0-9]+"
_SOUNDS = (
    r"(^|[_\-.])(password|passwd|pwd|passphrase|secret|token|api_?key|private_?key|access_?key|client_?secret"
    r"|credentials?|webhook(_?url)?)([_\-.]?([0-9]+|prod|production|stage|staging|test|dev|old|new))?"
)
# Airflow's own way to say "the value is elsewhere" ("Setting Configuration Options", airflow.apache.org, 2.10).
_POINTER = r"-.*_(secret|cmd)"
_LINE_VALUE = r"""(?P<key>[A-Za-z0-9_.-]{1,80})["']?\s*[:=]\s*(?P<value>"[^"]*"?|'[^']*'?|[^\s,{}\[\]|>$&*!][^,}\]]*)"""
_LINE_OF_KEY = r"\s*(?=\S*[A-Z])(?=\S*[a-z])(?=\S*[0-9])[A-Za-z0-9+/=]{40,76}\s*"


class _Pattern(NamedTuple):
    """A row of the table: `anchors` are texts of which every match holds one; what does not mask only tells the kind."""

    what: str
    anchors: tuple[str, ...]
    pattern: str
    masks: bool

    def is_possible(self, text: str) -> bool:
        return any(anchor in text for anchor in self.anchors)


class _Known:
    """The secret values of this run, as one expression over all their forms."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: set[str] = set()
        self._forms: dict[str, bool] = {}
        self._expression: re.Pattern[str] | None = None

    def add(self, value: str) -> None:
        with self._lock:
            if value in self._values:
                return
            self._values.add(value)
            alone = len(value) < _LINE or bool(re.fullmatch(_WORD, value) and len(value) < 16)
            for form in _forms(value):
                self._forms[form] = self._forms.get(form, True) and alone
            self._expression = None

    def clear(self) -> None:
        with self._lock:
            self._values.clear()
            self._forms.clear()
            self._expression = None

    def expression(self) -> re.Pattern[str] | None:
        """What finds every form; None when there is nothing to find."""
        if not self._forms:
            return None
        with self._lock:
            if self._expression is None:
                longest_first = sorted(self._forms.items(), key=lambda each: (-len(each[0]), each[0]))
                self._expression = re.compile("|".join(_expression(form, alone) for form, alone in longest_first))
            return self._expression


_KNOWN = _Known()


def learn(*values: object) -> None:
    """Takes secret values of this run; what is nested gives its texts, what is no text is passed over."""
    for value in values:
        if isinstance(value, str):
            _learn_text(value)
        elif isinstance(value, dict):
            learn(*value.values())
        elif isinstance(value, list | tuple):
            learn(*value)


def learn_address(address: str) -> None:
    """Takes what stands before the `@` of an address: user and password, or a token in place of a user.

    A password that was not percent-encoded reaches to the last `@`, as whoever wrote it meant.
    """
    _, found, rest = address.partition("://")
    before, at, _ = rest.rpartition("@")
    if not found or not at or ("/" in before and ":" not in before.partition("/")[0]):
        return
    from urllib.parse import unquote

    user, colon, password = before.partition(":")
    if re.match(r"[0-9]{1,5}[/?#]", password):  # a port: the `@` stands in the path
        return
    if not colon:
        if len(before) >= _TOKEN:
            learn(before, unquote(before))
        return
    learn(password, unquote(password), f"{unquote(user)}:{unquote(password)}")


def learn_environment(environment: Mapping[str, str]) -> None:
    """Takes the variables whose names sound like secrets, and the users and passwords of addresses in all of them.

    Not the folders that a shell calls PWD and OLDPWD, names of files with credentials, and what a sandbox is opened with: that is
    printed for other terminals.
    """
    for name, value in environment.items():
        if "://" in value and "@" in value:
            for word in value.split():
                learn_address(word)
        upper = name.upper()
        if not any(word in upper for word in _LOUD) or upper in {"PWD", "OLDPWD"} or upper.startswith("ENVCTL_SANDBOX"):
            continue
        named_file = "CREDENTIAL" in upper and not value.lstrip().startswith("{")
        if not named_file and sounds_secret(name):
            learn(value)


def forget_secrets() -> None:
    """Knows no secret value any more."""
    _KNOWN.clear()


def mask(text: str) -> str:
    """The text with `MASK` in place of every secret; the same object when there is none."""
    return _masked(text, _possible(text))


def mask_document(document: Any) -> Any:
    """A JSON document with every text in it masked, keys too, and what stands under a key that sounds like a secret."""
    return _walk(document, _possible(json.dumps(document, ensure_ascii=False)))


def mask_line(text: str) -> str:
    """A line of a file of a user: besides what `mask` hides, the values of keys that sound like secrets."""
    return _without(text, spans_of_line(text))


def spans_of_line(text: str, hidden: Iterable[tuple[int, int]] = ()) -> list[tuple[int, int]]:
    """What `mask_line` hides of a line, with further places: pairs of start and end, in order, none touching."""
    found = [*hidden, *_spans(text, _possible(text))]
    if re.fullmatch(_LINE_OF_KEY, text):
        found.append((0, len(text)))
    for match in re.finditer(_LINE_VALUE, text):
        value = match["value"].strip().strip("\"'")
        if match["key"] != "secret" and sounds_secret(match["key"]) and not is_harmless(value):
            start, end = match.span("value")
            found.append((start, start + len(text[start:end].rstrip())))
    return _merged(found)


def secret_kind(value: str) -> str | None:
    """What the value looks like, in words (`a Slack token`); None when it looks like no secret."""
    return next((each.what for each in _possible(value) if _compiled(each.pattern).search(value)), None)


def is_secret(value: str, key: str = "") -> bool:
    """Whether a value is a secret by its look or, where people choose the keys, by its key."""
    return secret_kind(value) is not None or bool(key and sounds_secret(key) and not is_harmless(value))


@cache
def sounds_secret(key: str) -> bool:
    """Whether values under this key are secrets by its name: `DB_PASSWORD`, `apiKey`; not `x-password_secret`."""
    spelled = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key) if not key.isupper() else key
    return bool(re.search(_SOUNDS + "$", spelled, re.IGNORECASE)) and not re.search(_POINTER + "$", key)


def is_harmless(value: str) -> bool:
    """Whether a value is none that anybody would have to hide: empty, a switch, a small number, a secret's name."""
    return bool(re.fullmatch(_HARMLESS, value.strip(), re.IGNORECASE))


def _learn_text(value: str) -> None:
    if len(value.strip()) < _SHORTEST or is_harmless(value):
        return
    _KNOWN.add(value)
    if (stripped := value.strip()) != value:
        _KNOWN.add(stripped)
    if "\n" in value:
        for line in value.splitlines():
            if len(line.strip()) >= _LINE:
                _KNOWN.add(line.strip())
    if stripped.startswith("{"):
        try:
            document = json.loads(stripped)
        except ValueError:
            return
        learn(*(item for key, item in _named(document) if sounds_secret(key)))


def _named(document: Any) -> Iterator[tuple[str, str]]:
    """Every text of a document with the key above it."""
    if isinstance(document, dict):
        for key, item in document.items():
            if isinstance(item, str):
                yield key, item
            else:
                yield from _named(item)
    elif isinstance(document, list):
        for item in document:
            yield from _named(item)


def _forms(value: str) -> Iterator[str]:
    """A value in every spelling that a text may carry: as it is, escaped, percent-encoded, in base64."""
    from html import escape
    from urllib.parse import quote, quote_plus

    yield value
    for ascii_only in (True, False):
        once = json.dumps(value, ensure_ascii=ascii_only)[1:-1]
        yield once
        yield json.dumps(once, ensure_ascii=ascii_only)[1:-1]
    yield repr(value)[1:-1]
    yield escape(value)
    yield escape(value, quote=False)
    for safe in ("", "/", "/:@", "~"):
        for encoded in (quote(value, safe=safe, errors="replace"), quote_plus(value, safe=safe, errors="replace")):
            yield encoded
            yield re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), encoded)
    yield from _base64_forms(value.encode("utf-8", "replace"))


def _base64_forms(raw: bytes) -> Iterator[str]:
    """Base64, standard and for addresses, at each of the three offsets that the value may have in what was encoded.

    At an offset, characters that also stand for what is before or after are left out.
    """
    from base64 import b64encode

    for before in range(3):
        encoded = b64encode(b"\0" * before + raw).decode("ascii").rstrip("=")
        start = (0, 2, 3)[before]
        end = len(encoded) if before == 0 and len(raw) % 3 == 0 else len(encoded) - ((before + len(raw)) % 3 > 0)
        for form in {encoded[start:end], encoded[start:] if before == 0 else encoded[start:end]}:
            if len(form) >= _LINE:
                yield form
                yield form.replace("+", "-").replace("/", "_")


def _expression(form: str, alone: bool) -> str:
    escaped = re.escape(form)
    if not alone:
        return escaped
    number = '(?<!": )(?<!":)' if form.isdigit() else ""  # a number of a JSON text: the text would be JSON no more
    return rf"(?<![\w\-./]){number}{escaped}(?![\w\-]|[./]\w)"


@cache
def _table() -> tuple[_Pattern, ...]:
    rows = json.loads((Path(__file__).parent / "data" / "secret-patterns.json").read_text("utf-8"))["patterns"]
    return tuple(_Pattern(row["what"], tuple(row["anchors"]), row["pattern"], row.get("masks", True)) for row in rows)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _possible(text: str) -> list[_Pattern]:
    """The patterns that may match: the rest need not even be compiled."""
    return [each for each in _table() if each.is_possible(text)]


def _spans(text: str, patterns: Iterable[_Pattern]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    known = _KNOWN.expression()
    if known is not None:
        found += [match.span() for match in known.finditer(text)]
    for each in (one for one in patterns if one.masks):
        expression = _compiled(each.pattern)
        group = "secret" if "secret" in expression.groupindex else 0
        found += [match.span(group) for match in expression.finditer(text)]
    return _merged(found)


def _merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _without(text: str, spans: Iterable[tuple[int, int]]) -> str:
    parts: list[str] = []
    last = 0
    for start, end in spans:
        parts += (text[last:start], MASK)
        last = end
    return "".join((*parts, text[last:])) if parts else text


def _masked(text: str, patterns: Iterable[_Pattern]) -> str:
    return _without(text, _spans(text, patterns))


def _is_named_secret(key: str, value: Any) -> bool:
    return isinstance(value, str) and key != "secret" and sounds_secret(key) and not is_harmless(value)


def _walk(value: Any, patterns: list[_Pattern]) -> Any:
    if isinstance(value, str):
        return _masked(value, patterns)
    if isinstance(value, dict):
        named: Mapping[str, Any] = value
        return {
            _masked(key, patterns): MASK if _is_named_secret(key, item) else _walk(item, patterns)
            for key, item in named.items()
        }
    if isinstance(value, list | tuple):
        return [_walk(item, patterns) for item in value]
    return value
