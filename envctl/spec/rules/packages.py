"""Custom packages: files that exist, names that are names, one index, acceptances that have not run out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

from envctl.diagnostics import Hint
from envctl.spec.model import Environment, PolicyException
from envctl.spec.nearest import nearest
from envctl.spec.rules.subject import Subject, Violation, suggestion
from envctl.spec.tree import KeyPath

# Names: PEP 508, "Names" (peps.python.org/pep-0508). The API takes lower-case names only:
# validateComposerEnvironmentPypiPackages of the provider (2026-08-21).
_PACKAGE = re.compile(r"[A-Za-z0-9]([-._A-Za-z0-9]*[A-Za-z0-9])?")
_CLAUSE = r"(~=|===?|!=|<=?|>=?)\s*[A-Za-z0-9.*+!_-]+"
_SPECIFIER = re.compile(rf"(\[[A-Za-z0-9._,\s-]+\])?\s*({_CLAUSE}(\s*,\s*{_CLAUSE})*)?")


def check_packages(subject: Subject) -> Iterator[Violation]:
    """Everything under `packages`, as far as it can be said without an index."""
    if not isinstance(subject.spec, Environment):
        return
    packages = subject.spec.packages
    for index, file in enumerate(packages.requirements):
        yield from _check_file(subject, ("packages", "requirements", index), file)
        if file in packages.requirements[:index]:
            yield Violation("given-twice", ("packages", "requirements", index), f"`{file}` is listed already.")
    for key, file in packages.bundles.items():
        yield from _check_file(subject, ("packages", "bundles", key), file)
    for name, specifier in packages.inline.items():
        path = ("packages", "inline", name)
        if not _PACKAGE.fullmatch(name):
            yield Violation("package-name", path, f"`{name}` is not the name of a package.", at_key=True)
        elif name != name.lower():
            hint = Hint(f"write `{name.lower()}`", replacement=name.lower())
            yield Violation("package-name", path, "The Composer API takes lower-case names only.", (hint,), at_key=True)
        if not _SPECIFIER.fullmatch(specifier.strip()):
            detail = f"`{specifier}` is not extras and a version specifier such as `[devel]>=1.8.2,<2`."
            yield Violation("package-specifier", path, detail, _pin(specifier))
    source = packages.index
    if source is not None:
        if source.pip_conf and source.repository:
            detail = "`pipConf` and `repository` both say where packages come from."
            yield Violation("exclusive-keys", ("packages", "index", "repository"), detail, at_key=True)
        if source.pip_conf:
            yield from _check_file(subject, ("packages", "index", "pipConf"), source.pip_conf)
    for index, accepted in enumerate(packages.accept):
        path = ("packages", "accept", index)
        if not _PACKAGE.fullmatch(accepted.package):
            yield Violation("package-name", (*path, "package"), f"`{accepted.package}` is not the name of a package.")
        yield from check_last_day(subject, (*path, "until"), accepted.until)


def _check_file(subject: Subject, path: KeyPath, file: str) -> Iterator[Violation]:
    target = subject.folder / file
    try:
        if target.is_file():
            return
        detail = (
            f"`{file}` is a folder."
            if target.is_dir()
            else f"There is no file `{file}`, seen from the environment file."
        )
        beside = [each.name for each in target.parent.iterdir() if each.is_file()] if target.parent.is_dir() else []
        close = nearest(target.name, beside)
    except OSError as error:  # a name too long, a folder that may not be read
        detail, close = f"`{file}`, seen from the environment file: {error.strerror}.", None
    better = file[: len(file) - len(target.name)] + close if close else None
    yield Violation("file-missing", path, detail, suggestion(better))


def _pin(specifier: str) -> tuple[Hint, ...]:
    version = specifier.strip()
    if re.fullmatch(r"[0-9][A-Za-z0-9.]*", version):
        return (Hint(f"write `=={version}`", replacement=f"=={version}"),)
    return ()


def check_policies(subject: Subject) -> Iterator[Violation]:
    """Exceptions from policies: once each, with a last day."""
    seen: list[PolicyException] = []
    for index, exception in enumerate(subject.spec.policies):
        path = ("policies", index)
        if any(each.policy == exception.policy for each in seen):
            yield Violation("given-twice", (*path, "policy"), f"`{exception.policy}` has an exception already.")
        seen.append(exception)
        yield from check_last_day(subject, (*path, "until"), exception.until)


def check_last_day(subject: Subject, path: KeyPath, until: str) -> Iterator[Violation]:
    """A last day: an ISO date that has not passed."""
    try:
        last = date.fromisoformat(until) if re.fullmatch(r"\d{4}-\d{2}-\d{2}", until) else None
    except ValueError:
        last = None
    if last is None:
        yield Violation("value-form", path, f"`{until}` is not a day such as `2027-01-31`.")
    elif last < date.fromisoformat(subject.today):
        detail = f"The last day, {until}, has passed: what was accepted counts again."
        yield Violation("last-day-passed", path, detail, (Hint("decide again: remove the entry, or give a new day"),))
