"""The Python of an image that Airflow runs in, and the packages on its path.

An image of Composer holds several Pythons: Airflow's, that of the Google Cloud CLI, Debian's. Airflow's is the one whose
site-packages hold `apache-airflow`; what it imports is what its own `sys.path` leads to, in that order.
Source: "The initialization of the sys.path module search path" and `site`, Python 3.11, 2026-11.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from envctl.errors import OutsideError
from envctl.resolution.image import AIRFLOW
from envctl.resolution.index.core_metadata import BadMetadataError, parse_core_metadata
from envctl.resolution.names import package_name
from envctl.resolution.protocol import RequirementMetadata

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from envctl.resolution.images.registry.layers import ImageFiles
    from envctl.resolution.protocol import PackageName

_SITE = re.compile(r"(?P<prefix>.*?)/?(?P<lib>lib(?:64)?)/python(?P<minor>3\.\d+|3)/(?P<kind>site|dist)-packages")
_PATCH = re.compile(rb'#define\s+PY_VERSION\s+"(\d+\.\d+\.\d+)')
_SECTION = re.compile(r"\[([^\]:]*)(?::([^\]]*))?\]")


class InstalledPackage(NamedTuple):
    """A package as its metadata tells of it."""

    name: str
    version: str
    metadata: RequirementMetadata


class Installation(NamedTuple):
    """What Airflow's Python holds.

    Attributes:
        python: full version; the minor one where the image tells no more.
        path: folders that packages are imported from, in order, without a leading slash.
        packages: each the first of its name on the path, sorted by name.
        unreadable: packages whose metadata say nothing, by the path of the file.
    """

    python: str
    path: tuple[str, ...]
    packages: tuple[InstalledPackage, ...]
    unreadable: tuple[str, ...]


def find_installation(files: ImageFiles, config: Mapping[str, object], image: str) -> Installation:
    """Airflow's Python in an image.

    Args:
        files: of the image.
        config: the image's configuration, for its environment variables.
        image: how errors call it.

    Raises:
        OutsideError: no Python of the image holds Airflow, or several do and PATH leads to none of them.
    """
    environment = _environment(config)
    folders = _by_folder(files)
    holders = [site for site, packages in folders.items() if AIRFLOW in packages and _SITE.fullmatch(site) is not None]
    if not holders:
        pythons = sorted(site for site in folders if _SITE.fullmatch(site))
        where = (
            f"its Pythons hold packages in {', '.join(pythons[:5])}" if pythons else "it holds no Python with packages"
        )
        raise OutsideError(
            "No Airflow is in this image",
            detail=f"{image}: no site-packages hold apache-airflow; {where}.",
            hints=("The image with the packages is that of the worker and scheduler.",),
            code="registry-no-airflow",
        )
    site = _site_of_path(holders, environment, files) if len(holders) > 1 else holders[0]
    if site is None:
        raise OutsideError(
            "Several Pythons of this image hold Airflow",
            detail=f"{image}: {', '.join(sorted(holders))}; PATH ({environment.get('PATH', '')}) leads to none of them.",
            code="registry-no-airflow",
        )
    match = _SITE.fullmatch(site)
    assert match is not None
    path = tuple(_search_path(site, match["prefix"], match["minor"], environment, files))
    packages: dict[PackageName, InstalledPackage] = {}
    unreadable: list[str] = []
    for folder in path:
        for name, (file, package) in folders.get(folder, {}).items():
            if package is None:
                unreadable.append(file)
            else:
                packages.setdefault(name, package)
    python = _full_version(match["prefix"], match["minor"], environment, files)
    ordered = tuple(package for _, package in sorted(packages.items()))
    return Installation(python, path, ordered, tuple(unreadable))


_Folder = dict["PackageName", tuple[str, InstalledPackage | None]]


def _by_folder(files: ImageFiles) -> dict[str, _Folder]:
    """The packages of each folder that holds metadata; None where a file says nothing."""
    folders: dict[str, _Folder] = {}
    for path, text in sorted(files.texts.items()):
        entry = _entry_of(path)
        if entry is None:
            continue
        folder, stem = entry
        package = _read(path, text, files)
        name = package_name(package.name) if package is not None else package_name(stem)
        folders.setdefault(files.resolved(folder), {}).setdefault(name, (path, package))
    return folders


def _entry_of(path: str) -> tuple[str, str] | None:
    """The folder that a metadata file makes a package of, and the name that the file's own name tells."""
    parent, _, file = path.rpartition("/")
    if file in ("METADATA", "PKG-INFO"):
        folder, _, entry = parent.rpartition("/")
        return folder, entry.partition("-")[0].removesuffix(".egg").removesuffix(".egg-info")
    if file.endswith(".egg-info"):
        return parent, file.removesuffix(".egg-info").partition("-")[0]
    return None


def _read(path: str, text: bytes, files: ImageFiles) -> InstalledPackage | None:
    try:
        core = parse_core_metadata(text)
    except BadMetadataError:
        return None
    metadata = core.requirements
    if not path.endswith("METADATA"):
        requires = files.texts.get(f"{path.rpartition('/')[0]}/requires.txt", b"") if path.endswith("PKG-INFO") else b""
        metadata = _with_requires(metadata, requires.decode("utf-8", "replace"))
    return InstalledPackage(core.name, core.version, metadata)


def _with_requires(metadata: RequirementMetadata, text: str) -> RequirementMetadata:
    """The requirements of an `egg-info/requires.txt`: sections are `[extra:marker]`, either of which may be missing."""
    requires = list(metadata.requires_dist)
    extras = list(metadata.provides_extra)
    extra, marker = "", ""
    for line in text.splitlines():
        bare = line.strip()
        if (section := _SECTION.fullmatch(bare)) is not None:
            extra, marker = section[1].strip(), (section[2] or "").strip()
            extras += [extra] if extra and extra not in extras else []
        elif bare and not metadata.requires_dist:
            conditions = [f"({marker})"] if marker else []
            conditions += [f'extra == "{extra}"'] if extra else []
            requires.append(f"{bare} ; {' and '.join(conditions)}" if conditions else bare)
    return RequirementMetadata(tuple(requires), metadata.requires_python, tuple(extras))


def _environment(config: Mapping[str, object]) -> dict[str, str]:
    inner = config.get("config")
    entries = inner.get("Env") if isinstance(inner, dict) else None
    pairs = [str(entry).partition("=") for entry in entries] if isinstance(entries, list) else []
    return {name: value for name, _, value in pairs}


def _site_of_path(sites: Sequence[str], environment: Mapping[str, str], files: ImageFiles) -> str | None:
    """The site of the first Python that PATH leads to."""
    for folder in environment.get("PATH", "").split(":"):
        prefix = files.resolved(folder).rpartition("/")[0] if folder else ""
        for site in sites:
            match = _SITE.fullmatch(site)
            if folder and match is not None and match["prefix"] == prefix:
                return site
    return None


def _search_path(
    site: str, prefix: str, minor: str, environment: Mapping[str, str], files: ImageFiles
) -> Iterator[str]:
    """Folders in the order of `sys.path`, each once."""
    folders = [files.resolved(one) for one in environment.get("PYTHONPATH", "").split(":") if one]
    home = environment.get("HOME", "")
    if home and not environment.get("PYTHONNOUSERSITE"):
        folders.append(files.resolved(f"{home}/.local/lib/python{minor}/site-packages"))
    folders.append(site)
    venv = files.texts.get(f"{prefix}/pyvenv.cfg" if prefix else "pyvenv.cfg")
    if prefix in ("usr", "") and venv is None:
        folders += [f"usr/local/lib/python{minor}/dist-packages", "usr/lib/python3/dist-packages"]
    seen: set[str] = set()
    while folders:
        folder = folders.pop(0)
        if folder in seen:
            continue
        seen.add(folder)
        yield folder
        folders += _pth_folders(folder, files) if folder == site or folder.endswith("-packages") else []


def _pth_folders(folder: str, files: ImageFiles) -> list[str]:
    """What the `.pth` files of a folder add; their lines of code are not run."""
    found: list[str] = []
    for path in sorted(path for path in files.texts if path.endswith(".pth") and path.rpartition("/")[0] == folder):
        for line in files.texts[path].decode("utf-8", "replace").splitlines():
            bare = line.strip()
            if bare and not bare.startswith(("#", "import ", "import\t")):
                found.append(files.resolved(bare if bare.startswith("/") else f"{folder}/{bare}"))
    return found


def _full_version(prefix: str, minor: str, environment: Mapping[str, str], files: ImageFiles) -> str:
    """The version of a Python, from its header, its own binary, or the variable that Docker's images of Python set."""
    base = f"{prefix}/" if prefix else ""
    venv = files.texts.get(f"{base}pyvenv.cfg", b"").decode("utf-8", "replace")
    named = re.search(r"^version(?:_info)?\s*=\s*(\d+\.\d+\.\d+)", venv, re.MULTILINE)
    if named is not None:
        return named[1]
    header = _PATCH.search(files.texts.get(f"{base}include/python{minor}/patchlevel.h", b""))
    if header is not None:
        return header[1].decode()
    binaries = [f"{base}bin/python{minor}", f"{base}lib/libpython{minor}.so.1.0", f"{base}lib/libpython{minor}.so"]
    for path in binaries:
        spoken = files.texts.get(path, b"").decode().split()
        own = [version for version in spoken if version.startswith(f"{minor}.")]
        if len(own) == 1:
            return own[0]
    stated = environment.get("PYTHON_VERSION", "")
    return stated if stated.startswith(f"{minor}.") else minor
