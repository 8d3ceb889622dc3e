"""The clash check: what Composer's own pip would say to a list of packages, why, and what to do.

    from envctl.dependencies import check, load_requirements, open_source

    with open_source() as source:
        report = check(load_requirements([Path("requirements.txt")]), "composer-3-airflow-2.10.5", source=source)

This module is the only way in; what stands below `envctl.resolution` may change.
"""

from __future__ import annotations

from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from envctl.resolution.catalogue import Catalogue, ImageChoice
from envctl.resolution.check import CheckOptions, check_list
from envctl.resolution.findings import (
    Acceptance,
    Conflict,
    Fix,
    FixKind,
    Notice,
    Report,
    Result,
    Verdict,
)
from envctl.resolution.package_map import package_map, parse_package_map
from envctl.resolution.requirements import RequirementsInput, requested
from envctl.resolution.requirements_file import load_requirements, parse_requirements

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from envctl.resolution.chains import Chains
    from envctl.resolution.comparisons import Matrix, Upgrade
    from envctl.resolution.index.source import IndexSource
    from envctl.resolution.judgement import Judgement
    from envctl.resolution.lock import Lock
    from envctl.resolution.protocol import PackageSource

__all__ = [
    "Acceptance",
    "Catalogue",
    "CheckOptions",
    "Conflict",
    "EditedFile",
    "Fix",
    "FixKind",
    "Notice",
    "Report",
    "RequirementsInput",
    "Result",
    "Verdict",
    "bundles",
    "check",
    "explain_package",
    "fix_files",
    "load_requirements",
    "lock",
    "matrix",
    "open_source",
    "parse_package_map",
    "parse_requirements",
    "sent_packages",
    "upgrade",
]


def open_source(
    given: RequirementsInput | None = None,
    *,
    index_url: str | None = None,
    pip_config: Path | None = None,
    offline: bool = False,
    as_of: date | None = None,
) -> IndexSource:
    """The package index that settings describe; use it as a context manager.

    Args:
        given: requirements whose `--index-url` lines count when `index_url` is None.
        index_url: index to ask.
        pip_config: a `pip.conf` to read.
        offline: use the cache alone.
        as_of: last day whose uploads count.

    Raises:
        UsageError: a setting is not valid.
    """
    from datetime import datetime, timedelta

    from envctl.resolution.index.settings import IndexOptions
    from envctl.resolution.index.source import open_index_source

    lines = given.index if given else None
    options = IndexOptions(
        index_url=index_url or (lines.index_url if lines else None),
        extra_index_urls=lines.extra_index_urls if lines else (),
        pip_config=pip_config,
    )
    limit = None
    if as_of is not None:
        limit = datetime(as_of.year, as_of.month, as_of.day, tzinfo=UTC) + timedelta(days=1)
    return open_index_source(options, offline=offline, as_of=limit)


def check(
    requirements: RequirementsInput,
    image: str,
    *,
    source: PackageSource,
    options: CheckOptions | None = None,
    catalogue: Catalogue | None = None,
    subject: str = "requirements",
    nearest: bool = False,
    other_images: bool = False,
) -> Report:
    """The answer for one list on one image.

    Args:
        requirements: the list.
        image: image version or alias.
        source: index; asked only for what the image does not decide.
        options: how to check.
        catalogue: where image lists are; the shipped ones when None.
        subject: what the answer is about, for the report.
        nearest: let the list most like the image answer when the image's own is not known.
        other_images: look for an image on which the list works when no edit of the list does.

    Raises:
        UsageError: `image` is no image version.
    """
    lists = catalogue or Catalogue()
    chosen = options or CheckOptions()
    choice = lists.choose(image, nearest=nearest)
    result = check_list(subject, requirements, choice, source, chosen)
    if other_images and result.verdict is Verdict.CONFLICT and _has_no_edit(result):
        result = _with_other_image(result, requirements, choice, lists, source, chosen)
    return Report((result,))


def explain_package(
    package: str,
    requirements: RequirementsInput,
    image: str,
    *,
    source: PackageSource,
    options: CheckOptions | None = None,
    catalogue: Catalogue | None = None,
    subject: str = "requirements",
    nearest: bool = False,
) -> Chains:
    """Why a package is in the image after the build of a list, and who holds it.

    Raises:
        InvalidInputError: the list cannot be sent; carries every diagnostic.
        OutsideError: the index gave no answer.
        UsageError: `image` is no image version or none of the catalogue, or nothing knows the package.
    """
    from envctl.errors import InvalidInputError, UsageError
    from envctl.resolution.chains import explain_package as look
    from envctl.resolution.universe import IndexUnavailableError

    choice = _known((catalogue or Catalogue()).choose(image, nearest=nearest))
    try:
        chains = look(package, subject, requirements, choice, source, options or CheckOptions())
    except IndexUnavailableError as error:
        from envctl.resolution.index.source import outside_error

        raise outside_error(error.failure) from error
    if chains.result.verdict is Verdict.INVALID:
        raise InvalidInputError(chains.result.diagnostics, "The package list cannot be sent to Composer")
    if not chains.involved:
        raise UsageError(
            f"Nothing leads to {chains.package}",
            detail=f"{subject} on {choice.name}: the package is not preinstalled, and no line brings it.",
        )
    return chains


def bundles(
    base: RequirementsInput,
    named: Mapping[str, RequirementsInput],
    image: str,
    *,
    source: PackageSource,
    options: CheckOptions | None = None,
    catalogue: Catalogue | None = None,
    nearest: bool = False,
) -> Report:
    """The answers for each bundle with the base list, and for all together."""
    from envctl.resolution.comparisons import check_bundles

    choice = (catalogue or Catalogue()).choose(image, nearest=nearest)
    return Report(check_bundles(base, named, choice, source, options or CheckOptions()))


def matrix(
    lists: Mapping[str, RequirementsInput],
    images: Sequence[str],
    *,
    source: PackageSource,
    options: CheckOptions | None = None,
    catalogue: Catalogue | None = None,
    nearest: bool = False,
) -> Matrix:
    """Bare verdicts of every list on every image; all supported images with a complete list when none is named."""
    from envctl.resolution.comparisons import current_images, make_matrix

    known, chosen = catalogue or Catalogue(), options or CheckOptions()
    choices = [known.choose(name, nearest=nearest) for name in images or current_images(known, chosen)]
    return make_matrix(lists, choices, source, chosen)


def upgrade(
    requirements: RequirementsInput,
    before: str,
    after: str,
    *,
    source: PackageSource,
    options: CheckOptions | None = None,
    catalogue: Catalogue | None = None,
    subject: str = "requirements",
    nearest: bool = False,
) -> Upgrade:
    """What an upgrade of the image moves, and what the new image says to the list.

    Raises:
        UsageError: one of the two is no image version or none of the catalogue.
    """
    from envctl.resolution.comparisons import make_upgrade

    known = catalogue or Catalogue()
    first, second = (_known(known.choose(name, nearest=nearest)) for name in (before, after))
    return make_upgrade(subject, requirements, first, second, source, options or CheckOptions())


def lock(
    requirements: RequirementsInput,
    image: str,
    *,
    source: PackageSource,
    options: CheckOptions | None = None,
    catalogue: Catalogue | None = None,
    nearest: bool = False,
) -> Lock | Judgement | None:
    """The pinned list; the verdict when the list does not build; None when the image is not known, or in part only.

    Raises:
        OutsideError: the index gave no answer.
    """
    from dataclasses import replace

    from envctl.resolution.lock import Lock, make_lock
    from envctl.resolution.universe import IndexUnavailableError

    choice = (catalogue or Catalogue()).choose(image, nearest=nearest)
    if choice.image is None or not choice.image.record.complete:
        return None
    try:
        made = make_lock(requirements, choice.image, source, (options or CheckOptions()).limits)
        return replace(made, image=choice.name, doubt=choice.note) if isinstance(made, Lock) else made
    except IndexUnavailableError as error:
        from envctl.resolution.index.source import outside_error

        raise outside_error(error.failure) from error


class EditedFile(NamedTuple):
    """A requirements file before and after the edits of a fix."""

    path: Path
    before: str
    after: str


def fix_files(result: Result, files: Sequence[Path]) -> tuple[EditedFile, ...]:
    """The files that the result's whole fix changes, as text; nothing is written.

    An edit is made in the file that its place names; a requirement to add goes into the first file.

    Raises:
        OSError: a file cannot be read.
    """
    from envctl.resolution.edit import edit_pyproject, edit_requirements

    if result.fix is None:
        return ()
    named = {str(path): path for path in files}
    for edit in result.fix.edit:
        file = (edit.source or "").rpartition(":")[0]
        if file:
            named.setdefault(file, Path(file))
    changed: list[EditedFile] = []
    first = next(iter(named), None)
    for file, path in named.items():
        edits = [
            one
            for one in result.fix.edit
            if (one.source or "").rpartition(":")[0] == file or (one.source is None and file == first)
        ]
        real = path.with_name(path.name.partition("#")[0])
        before = real.read_bytes().decode("utf-8")
        after = edit_pyproject(before, edits) if real.suffix == ".toml" else edit_requirements(before, edits)
        if after != before:
            changed.append(EditedFile(real, before, after))
    return tuple(changed)


def sent_packages(requirements: RequirementsInput, image: str, catalogue: Catalogue | None = None) -> dict[str, str]:
    """The map that goes to Composer's API.

    Markers are decided for the image's Python; for an image that is not in the catalogue, for the one that Google's
    list of versions names, or that of the images before it.

    Raises:
        InvalidInputError: the list holds what cannot be sent; carries every diagnostic.
        UsageError: `image` is no image version.
    """
    from envctl.errors import InvalidInputError

    listed = requested(requirements, (catalogue or Catalogue()).target(image))
    if listed.invalid:
        raise InvalidInputError(listed.diagnostics, "The package list cannot be sent to Composer")
    return package_map(listed.packages)


def _known(choice: ImageChoice) -> ImageChoice:
    from envctl.errors import UsageError

    if choice.image is None:
        raise UsageError(
            "The image is not in the catalogue", detail=f"{choice.name}: {choice.note}", code="image-version-unknown"
        )
    return choice


def _has_no_edit(result: Result) -> bool:
    return result.fix is None or any(
        all(fix.kind is FixKind.OPERATOR for fix in conflict.fixes) for conflict in result.conflicts
    )


def _with_other_image(
    result: Result,
    requirements: RequirementsInput,
    choice: ImageChoice,
    catalogue: Catalogue,
    source: PackageSource,
    options: CheckOptions,
) -> Result:
    from envctl.resolution.comparisons import other_image

    found = other_image(result.subject, requirements, choice, catalogue, source, options)
    if found is None or not result.conflicts:
        return result
    first, *others = result.conflicts
    return result._replace(conflicts=(first._replace(fixes=(*first.fixes, found)), *others))
