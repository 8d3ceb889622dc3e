"""What an sdist without static metadata most likely requires: read from setuptools' own files, nothing executed.

The answer is an assumption and says where it was read: a build may compute something else. uv and Poetry assume the
same of `requires.txt`. Source: setuptools 80, "Keywords" and "Declarative config" of its user guide, 2026-11;
`setuptools/command/_requirestxt.py` for the form of `requires.txt`.
"""

from __future__ import annotations

import ast
import configparser
from typing import TYPE_CHECKING, NamedTuple, cast

from envctl.resolution.index.core_metadata import BadMetadataError, parse_core_metadata
from envctl.resolution.names import package_name
from envctl.resolution.protocol import RequirementMetadata

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envctl.resolution.protocol import PackageName

_MAX_CODE_BYTES = 1 << 20
_SETUPTOOLS = "setuptools"


class _Keywords(NamedTuple):
    """What a setup file names; None for what it does not name."""

    requires: list[str] | None = None
    extras: Mapping[str, list[str]] | None = None
    python: str | None = None


class _ComputedError(Exception):
    """The file computes what it declares: only running it would tell."""


def is_setup_file(path: str) -> str | None:
    """The path below the sdist's top folder when `assumed_requirements` reads the file, else None."""
    _, _, rest = path.removeprefix("./").partition("/")
    folders, _, file = rest.rpartition("/")
    if not folders:
        return rest if file in ("setup.py", "setup.cfg") else None
    in_egg = folders.endswith(".egg-info") and folders.count("/") <= 2
    return rest if in_egg and file in ("requires.txt", "PKG-INFO") else None


def assumed_requirements(texts: Mapping[str, bytes], name: PackageName) -> RequirementMetadata | None:
    """The requirements that an sdist's files show, with `assumed` saying which file; None when none shows any.

    Args:
        texts: the files of `is_setup_file`, `PKG-INFO` and `pyproject.toml` by their path below the top folder.
        name: of the package.
    """
    info = _info(texts)
    backend, has_table = _project(texts)
    if info is not None and (info.requires_dist or backend not in ("", _SETUPTOOLS)):
        # only setuptools leaves requirements out of the PKG-INFO of an sdist, and its newer releases do not
        return info._replace(assumed="its PKG-INFO, as its author's build wrote it")
    python = info.requires_python if info is not None else None
    egg = _egg_folder(texts, name)
    if egg is not None:
        return _from_egg(texts, egg, python)
    if backend != _SETUPTOOLS or has_table:
        return None  # with such a table setuptools takes nothing of what the older files say
    return _from_setup_files(texts, python)


def _info(texts: Mapping[str, bytes]) -> RequirementMetadata | None:
    try:
        return parse_core_metadata(texts["PKG-INFO"]).requirements
    except (KeyError, BadMetadataError):
        return None


def _project(texts: Mapping[str, bytes]) -> tuple[str, bool]:
    """The first name of the build backend's module (PEP 517), and whether pyproject.toml has a `[project]` table.

    setuptools where no backend is named; empty where the file cannot be read.
    """
    import tomllib

    try:
        document = cast("dict[str, object]", tomllib.loads(texts.get("pyproject.toml", b"").decode("utf-8")))
    except (ValueError, RecursionError):
        return "", False
    table = document.get("build-system")
    backend = cast("dict[str, object]", table).get("build-backend") if isinstance(table, dict) else None
    module = backend.partition(".")[0].partition(":")[0] if isinstance(backend, str) else _SETUPTOOLS
    return module, "project" in document


def _egg_folder(texts: Mapping[str, bytes], name: PackageName) -> str | None:
    """The package's own `.egg-info`; another one only where it is the only one."""
    folders = dict.fromkeys(path.rpartition("/")[0] for path in texts if ".egg-info/" in path)
    own = [one for one in folders if package_name(one.rpartition("/")[2].removesuffix(".egg-info")) == name]
    found = own or list(folders)
    return min(found, key=len) if own or len(found) == 1 else None


def _from_egg(texts: Mapping[str, bytes], folder: str, python: str | None) -> RequirementMetadata:
    """Setuptools writes `requires.txt` only where there is something to require."""
    content = texts.get(f"{folder}/requires.txt")
    if content is None:
        return RequirementMetadata((), python, assumed=f"that {folder} holds no requires.txt")
    requires, extras = _parse_requires_txt(content.decode("utf-8", "replace"))
    return RequirementMetadata(
        requires, python, extras, assumed=f"{folder}/requires.txt, as its author's build wrote it"
    )


def _parse_requires_txt(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Requirements with the markers of their sections, and the extras: sections are `[extra]`, `[extra:marker]`."""
    requires: list[str] = []
    extras: dict[str, None] = {}
    extra = marker = ""
    for line in (one.strip() for one in text.splitlines()):
        if not line or line.startswith("#"):
            continue
        if line.startswith("[") and line.endswith("]"):
            extra, _, marker = line[1:-1].partition(":")
            if extra:
                extras[extra] = None
            continue
        requires.append(marked(line, extra, marker))
    return tuple(requires), tuple(extras)


def marked(text: str, extra: str, marker: str = "") -> str:
    """A requirement under one more condition and for one extra, as Requires-Dist spells it."""
    head, _, own = text.partition(";")
    if "@" in head:  # an address may hold a semicolon: only one after a blank begins a marker
        head, _, own = text.partition(" ;")
    conditions = [f"({one.strip()})" for one in (own, marker) if one.strip()]
    if extra:
        conditions.append(f'extra == "{extra}"')
    return f"{head.strip()} ; {' and '.join(conditions)}" if conditions else text


def _from_setup_files(texts: Mapping[str, bytes], python: str | None) -> RequirementMetadata | None:
    """Keywords of `setup.cfg` and literal ones of `setup.py`, which setuptools lets the former override."""
    try:
        code = _from_code(texts["setup.py"]) if "setup.py" in texts else _Keywords()
        cfg = _from_cfg(texts["setup.cfg"]) if "setup.cfg" in texts else _Keywords()
    except _ComputedError:
        return None
    if "setup.py" not in texts and cfg.requires is None:
        return None  # nothing is said that could be believed
    file = "setup.cfg" if cfg.requires is not None else "setup.py"
    requires = cfg.requires if cfg.requires is not None else code.requires or []
    extras = cfg.extras if cfg.extras is not None else code.extras or {}
    texts_marked = [marked(text, "") for text in requires]
    for extra, many in extras.items():
        plain, _, marker = extra.partition(":")  # `extra:marker` is a key that setuptools knows
        texts_marked.extend(marked(text, plain, marker) for text in many)
    provided = tuple(dict.fromkeys(one.partition(":")[0] for one in extras if one.partition(":")[0]))
    return RequirementMetadata(
        tuple(texts_marked), cfg.python or code.python or python, provided, assumed=f"the literal values of its {file}"
    )


def _from_cfg(content: bytes) -> _Keywords:
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(content.decode("utf-8-sig", "replace"))
    except configparser.Error as error:
        raise _ComputedError from error
    options = parser["options"] if parser.has_section("options") else {}
    requires = options.get("install_requires", options.get("install-requires"))
    extras: dict[str, list[str]] = {}
    if parser.has_section("options.extras_require"):
        extras = {extra: _lines(text) for extra, text in parser["options.extras_require"].items()}
    return _Keywords(
        None if requires is None else _lines(requires),
        extras or None,
        options.get("python_requires", options.get("python-requires")),
    )


def _lines(text: str) -> list[str]:
    """A list of a setup file's value, one a line or parted by semicolons: `setuptools` takes lines where there are any.

    Raises:
        _ComputedError: the value is read from another file.
    """
    if text.strip().startswith(("file:", "attr:")):
        raise _ComputedError
    parts = text.splitlines() if "\n" in text else text.split(";")
    return [one.strip() for one in parts if one.strip() and not one.strip().startswith("#")]


def _from_code(content: bytes) -> _Keywords:
    """The literal keywords of the one call of `setup`.

    Raises:
        _ComputedError: no such call, several, or one whose keywords are not literal.
    """
    if len(content) > _MAX_CODE_BYTES:
        raise _ComputedError
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise _ComputedError from error
    nodes = list(ast.walk(tree))
    calls = [one for one in nodes if isinstance(one, ast.Call) and _called(one) == "setup"]
    if len(calls) != 1 or any(one.arg is None for one in calls[0].keywords):
        raise _ComputedError
    constants = _constants(tree, nodes)
    values = {one.arg: _literal(one.value, constants) for one in calls[0].keywords if one.arg in _KEYWORDS}
    extras = values.get("extras_require")
    if extras is not None and not isinstance(extras, dict):
        raise _ComputedError
    named = cast("dict[object, object]", extras or {})
    python = values.get("python_requires")
    return _Keywords(
        _texts(values.get("install_requires") or []),
        {str(extra): _texts(many) for extra, many in named.items()},
        python if isinstance(python, str) else None,
    )


_KEYWORDS = frozenset({"install_requires", "extras_require", "python_requires"})


def _called(call: ast.Call) -> str:
    function = call.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _constants(tree: ast.Module, nodes: list[ast.AST]) -> dict[str, ast.expr]:
    """Names that the module binds once, at its top, and of which nothing is called and nothing is assigned later."""
    bound: dict[str, ast.expr] = {}
    for one in tree.body:
        if isinstance(one, ast.Assign) and len(one.targets) == 1 and isinstance(one.targets[0], ast.Name):
            bound[one.targets[0].id] = one.value
        elif isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name) and one.value is not None:
            bound[one.target.id] = one.value
    stored: dict[str, int] = {}
    for node in nodes:
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            stored[node.id] = stored.get(node.id, 0) + 1
        elif isinstance(node, (ast.Attribute, ast.Subscript)) and isinstance(node.value, ast.Name):
            stored[node.value.id] = 2  # `.append(...)`, `[...] = `: it may be another value by then
    return {name: value for name, value in bound.items() if stored.get(name) == 1}


def _literal(node: ast.expr, constants: Mapping[str, ast.expr]) -> object:
    if isinstance(node, ast.Name):
        if node.id not in constants:
            raise _ComputedError
        node = constants[node.id]
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError) as error:
        raise _ComputedError from error


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return _lines(value) if "\n" in value else [value]
    if not isinstance(value, (list, tuple, set)):
        raise _ComputedError
    items = list(cast("list[object]", value))
    if not all(isinstance(one, str) for one in items):
        raise _ComputedError
    return cast("list[str]", items)
