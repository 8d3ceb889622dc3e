"""Where packages come from and how to get there: command line, environment, pip's configuration files.

As in pip: the command line wins over `PIP_*` variables, these over the files (`PIP_CONFIG_FILE`, the user's,
then the machine's). uv's variables count where pip's are silent.
Source: "Configuration", pip.pypa.io/en/stable/topics/configuration; "Environment variables",
docs.astral.sh/uv/reference/environment; both 2026-11.
"""

from __future__ import annotations

import re
import sys
from contextlib import suppress
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from envctl.errors import UsageError
from envctl.masking import learn, learn_address
from envctl.resolution.index.credentials import split_credentials, without_credentials

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_SECTIONS = ("global", "download", "install")
_TRUE = frozenset({"1", "true", "yes", "on", "y", "t"})


@cache
def default_index() -> str:
    """The index that pip asks when nothing is configured, as pip itself says.

    Read from the pip of this environment, else from the one that Python brings along (`ensurepip`).

    Raises:
        UsageError: there is neither.
    """
    for text in _pip_sources():
        host = re.search(r'^PyPI = PackageIndex\(\s*"([^"]+)"', text, re.MULTILINE)
        if host:
            return f"{host.group(1).rstrip('/')}/simple"
    raise UsageError(
        "No package index is configured",
        hints=("name one with `--index-url URL`, `PIP_INDEX_URL`, or `index: {url: ...}` in envctl.yaml",),
        code="usage",
    )


def _pip_sources() -> Iterator[str]:
    """The text of pip's `models/index.py`: importing it would take longer than all the rest of the settings."""
    pip = PathFinder.find_spec("pip")  # past finders of others: that of setuptools reacts to the name
    for folder in (pip.submodule_search_locations or ()) if pip else ():
        with suppress(OSError, UnicodeDecodeError):
            yield (Path(folder) / "_internal" / "models" / "index.py").read_text("utf-8")
    import ensurepip
    from zipimport import ZipImportError, zipimporter

    for wheel in sorted((Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl")):
        with suppress(ZipImportError):
            yield zipimporter(str(wheel)).get_source("pip/_internal/models/index") or ""


class IndexSettings(NamedTuple):
    """Settled settings; addresses carry no credentials, those stand apart and are not shown.

    Attributes:
        indexes: addresses of simple indexes, in order, without trailing slash.
        find_links: addresses of pages or paths of folders with files.
        passwords: (address, (user, password)) pairs.
        keyring: whether the keyring may be asked.
        origin: where `indexes` came from, for messages.
    """

    indexes: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    passwords: tuple[tuple[str, tuple[str, str]], ...] = ()
    timeout_seconds: float = 15.0
    retries: int = 3
    ca_bundle: str | None = None
    client_certificate: str | None = None
    trusted_hosts: tuple[str, ...] = ()
    proxy: str | None = None
    keyring: bool = True
    origin: str = "default"

    def __repr__(self) -> str:
        """Names the indexes, never a password."""
        return f"IndexSettings(indexes={self.indexes!r}, find_links={self.find_links!r}, origin={self.origin!r})"


class IndexOptions(NamedTuple):
    """What command line, environment file or requirements files say; None and empty say nothing."""

    index_url: str | None = None
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    no_index: bool = False
    trusted_hosts: tuple[str, ...] = ()
    pip_config: Path | None = None


def load_index_settings(environment: Mapping[str, str], options: IndexOptions | None = None) -> IndexSettings:
    """The settings that hold, out of options, environment and configuration files.

    Raises:
        UsageError: an address is not valid, or a configuration file cannot be read.
    """
    options = options or IndexOptions()
    settings = _Layers(environment, options)
    index_url, origin = settings.index_url()
    urls = [] if settings.no_index() else [index_url, *settings.extra_index_urls()]
    passwords: list[tuple[str, tuple[str, str]]] = []
    indexes: list[str] = []
    for url in urls:
        address, pair = _checked(url)
        if address not in indexes:
            indexes.append(address)
        if pair is not None:
            passwords.append((address, pair))
    passwords.extend(settings.uv_passwords())
    proxy = settings.one("proxy")
    for address in (proxy, *(value for name, value in environment.items() if name.lower().endswith("_proxy"))):
        learn_address(address or "")
    find_links: list[str] = []
    for link in settings.words("find-links", options.find_links, "UV_FIND_LINKS"):
        if "://" in link:
            address, pair = _checked(link, allow_file=True)
            find_links.append(address)
            if pair is not None:
                passwords.append((address, pair))
        else:
            find_links.append(link)
    return IndexSettings(
        indexes=tuple(indexes),
        find_links=tuple(find_links),
        passwords=tuple(passwords),
        timeout_seconds=settings.number(("timeout", "default-timeout"), ("UV_HTTP_TIMEOUT",), 15.0),
        retries=int(settings.number(("retries",), ("UV_HTTP_RETRIES",), 3)),
        ca_bundle=settings.certificates(),
        client_certificate=settings.one("client-cert", "SSL_CLIENT_CERT"),
        trusted_hosts=tuple(settings.words("trusted-host", options.trusted_hosts, "UV_INSECURE_HOST")),
        proxy=proxy,
        keyring=settings.one("keyring-provider", "UV_KEYRING_PROVIDER") != "disabled",
        origin=origin,
    )


class _Layers:
    """The sources of settings, nearest first."""

    def __init__(self, environment: Mapping[str, str], options: IndexOptions) -> None:
        self._environment = environment
        self._options = options
        self._explicit = _read_config(options.pip_config) if options.pip_config else {}
        self._files: dict[str, str] | None = None

    def pip(self, key: str) -> tuple[str, str] | None:
        """Value and origin of one of pip's settings."""
        if key in self._explicit:
            return self._explicit[key], str(self._options.pip_config)
        variable = f"PIP_{key.upper().replace('-', '_')}"
        if self._environment.get(variable):
            return self._environment[variable], variable
        if self._files is None:
            self._files = _pip_files(self._environment)
        return (self._files[key], "pip's configuration") if key in self._files else None

    def one(self, key: str, *others: str) -> str | None:
        """Pip's setting, else the first of other variables that is set."""
        found = self.pip(key)
        if found is not None:
            return found[0]
        return next((self._environment[name] for name in others if self._environment.get(name)), None)

    def words(self, key: str, own: Sequence[str], *others: str) -> list[str]:
        """A list setting: options first, then the first layer that sets it."""
        value = self.one(key, *others)
        return [*own, *(value.replace(",", " ").split() if value else ())]

    def number(self, keys: Sequence[str], others: Sequence[str], default: float) -> float:
        for key in keys:
            value = self.one(key)
            if value is not None:
                return _number(key, value)
        for name in others:
            if self._environment.get(name):
                return _number(name, self._environment[name])
        return default

    def index_url(self) -> tuple[str, str]:
        if self._options.index_url:
            return self._options.index_url, "options"
        found = self.pip("index-url")
        if found is not None:
            return found
        for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL"):
            if self._environment.get(name):
                return _without_name(self._environment[name]), name
        return default_index(), "default"

    def extra_index_urls(self) -> list[str]:
        found = self.pip("extra-index-url")
        words: list[str] = found[0].split() if found else []
        if found is None:
            for name in ("UV_INDEX", "UV_EXTRA_INDEX_URL"):
                words.extend(map(_without_name, self._environment.get(name, "").split()))
        return [*self._options.extra_index_urls, *words]

    def no_index(self) -> bool:
        return self._options.no_index or (self.one("no-index", "UV_NO_INDEX") or "").lower() in _TRUE

    def certificates(self) -> str | None:
        """`SSL_CERT_FILE` is left to OpenSSL, which reads it itself, with `SSL_CERT_DIR`."""
        return self.one("cert", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")

    def uv_passwords(self) -> list[tuple[str, tuple[str, str]]]:
        """`UV_INDEX_NAME_USERNAME` and `..._PASSWORD` for the indexes that uv's variables name."""
        pairs: list[tuple[str, tuple[str, str]]] = []
        for variable in ("UV_INDEX", "UV_DEFAULT_INDEX"):
            for word in self._environment.get(variable, "").split():
                name, equals, url = word.partition("=")
                if not equals or "://" in name:
                    continue
                prefix = "UV_INDEX_" + "".join(c if c.isalnum() else "_" for c in name.upper())
                user = self._environment.get(f"{prefix}_USERNAME")
                password = self._environment.get(f"{prefix}_PASSWORD")
                learn(password)
                if user or password:
                    pairs.append((_checked(url)[0], (user or "", password or "")))
        return pairs


def _without_name(word: str) -> str:
    """Uv writes `name=https://...`."""
    name, equals, url = word.partition("=")
    return url if equals and "://" not in name else word


def _checked(url: str, *, allow_file: bool = False) -> tuple[str, tuple[str, str] | None]:
    schemes = ("https://", "http://", "file://") if allow_file else ("https://", "http://")
    learn_address(url.strip())
    try:
        address, pair = split_credentials(url.strip())
    except ValueError:
        address, pair = "", None
    if not address.lower().startswith(schemes) or any(c.isspace() or not c.isprintable() for c in address):
        raise UsageError(
            "An index address is not valid",
            detail=f"`{without_credentials(url)[:200]}` is no http or https address.",
            hints=("in a user name or a password, write `%2F` for `/`, `%40` for `@`, `%23` for `#`",)
            if "@" in url
            else (),
            code="index-address-invalid",
        )
    return address.rstrip("/"), pair


def _number(name: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 86400:
        raise UsageError(
            "A setting of the package index is not a number", detail=f"{name} is {value[:50]!r}.", code="usage"
        )
    return number


def _pip_files(environment: Mapping[str, str]) -> dict[str, str]:
    """Pip's files merged, nearest last; `PIP_CONFIG_FILE` naming the null device switches them off."""
    named = environment.get("PIP_CONFIG_FILE")
    if named == "/dev/null":
        return {}
    merged: dict[str, str] = {}
    for path in _pip_file_places(environment):
        if path.is_file():
            merged.update(_read_config(path))
    if named:
        merged.update(_read_config(Path(named)))
    return merged


def _pip_file_places(environment: Mapping[str, str]) -> list[Path]:
    home = environment.get("HOME") or environment.get("USERPROFILE")
    base = Path(home) if home else None
    if sys.platform == "win32":
        machine = [Path(environment.get("PROGRAMDATA", "C:\\ProgramData")) / "pip" / "pip.ini"]
        roaming = environment.get("APPDATA")
        user = [base / "pip" / "pip.ini"] if base else []
        user += [Path(roaming) / "pip" / "pip.ini"] if roaming else []
        return [*machine, *user, Path(sys.prefix) / "pip.ini"]
    machine = [Path(folder) / "pip" / "pip.conf" for folder in _config_folders(environment)]
    user = [base / ".pip" / "pip.conf"] if base else []
    if sys.platform == "darwin" and base and (base / "Library" / "Application Support" / "pip").is_dir():
        user.append(base / "Library" / "Application Support" / "pip" / "pip.conf")
    elif base:
        user.append(Path(environment.get("XDG_CONFIG_HOME") or base / ".config") / "pip" / "pip.conf")
    return [*machine, Path("/etc/pip.conf"), *user, Path(sys.prefix) / "pip.conf"]


def _config_folders(environment: Mapping[str, str]) -> list[str]:
    folders = (environment.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")
    return [folder for folder in reversed(folders) if folder]


def _read_config(path: Path) -> dict[str, str]:
    """Settings that count for installing, `[install]` over `[global]`, keys with dashes.

    Raises:
        UsageError: the file is missing or no configuration file.
    """
    import configparser

    parser = configparser.RawConfigParser()
    try:
        parser.read_string(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no configuration file"
        raise UsageError(
            "pip's configuration cannot be read", detail=f"{path}: {reason}", code="pip-config-invalid"
        ) from error
    merged: dict[str, str] = {}
    for section in _SECTIONS:
        if parser.has_section(section):
            for key, value in parser.items(section):
                merged[key.lower().replace("_", "-")] = value
    return merged
