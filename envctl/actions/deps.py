"""`envctl deps`: check, explain, fix, lock, matrix, upgrade.

Lists come from files (`-r`) or from environments. The spec model is imported only for environments, so that a
check of a file starts at once.
"""

from __future__ import annotations

from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from envctl import dependencies
from envctl.dependencies import Acceptance, Catalogue, CheckOptions, Report, RequirementsInput, Result, Verdict
from envctl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from envctl.dependencies import EditedFile
    from envctl.resolution.chains import Chains
    from envctl.resolution.comparisons import Matrix, Upgrade
    from envctl.resolution.lock import Lock
    from envctl.resolution.protocol import PackageSource
    from envctl.spec.loader import Loaded


class IndexChoice(NamedTuple):
    """Which index answers; `source` is for callers that have one already."""

    index_url: str | None = None
    pip_config: Path | None = None
    offline: bool = False
    as_of: date | None = None
    source: PackageSource | None = None


_USUAL_INDEX = IndexChoice()


class CheckRequest(NamedTuple):
    """What to check.

    Attributes:
        root: folder of the project, or any folder when only files are checked.
        today: the day on which acceptances of clashes are judged.
        environments: names; with neither environments nor files, every environment of the project.
        files: requirements files, or `pyproject.toml` with an optional `#GROUP`.
        image: image version for files; for environments it replaces their own.
        bundles: DAG bundles by name, checked alone and together with the files or the environment's list.
        nearest: let the list most like the image answer for an unknown one.
        certify: ask the image's real pip as well.
        drop: let ways out delete lines that the image does not satisfy.
        other_images: look for another image where the list works when no edit does.
        index: which index.
    """

    root: Path
    today: date
    environments: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    image: str | None = None
    bundles: tuple[tuple[str, Path], ...] = ()
    nearest: bool = False
    certify: bool = False
    drop: bool = False
    other_images: bool = False
    index: IndexChoice = _USUAL_INDEX  # type: ignore[override]  (nobody looks things up in it as in a tuple)


class FixReport(NamedTuple):
    """The answer to a list with the files as the whole fix would leave them; `written` once it was done."""

    report: Report
    edited: tuple[EditedFile, ...]
    written: bool


class LockReport(NamedTuple):
    """The lock, or the result that says why there is none."""

    lock: Lock | None
    result: Result | None


class _Subject(NamedTuple):
    """One list to check."""

    name: str
    given: RequirementsInput
    image: str
    files: tuple[Path, ...] = ()
    bundles: tuple[tuple[str, RequirementsInput], ...] = ()
    accept: tuple[Acceptance, ...] = ()
    pip_config: Path | None = None


def check_dependencies(request: CheckRequest, progress: Callable[[str], None] | None = None) -> Report:
    """The answers for every list of a request; `progress` gets a line before anything that takes minutes.

    Raises:
        InvalidInputError: an environment file is wrong.
        UsageError: nothing to check, no image for files, or a text that is no image version.
    """
    catalogue = Catalogue.of_project(request.root)
    results: list[Result] = []
    for subject in _subjects(request):
        with _source(request.index, subject) as source:
            results.extend(_check(request, subject, catalogue, source, progress))
    return Report(tuple(results))


def fix_dependencies(request: CheckRequest, *, write: bool) -> FixReport:
    """The answer with the edits that make the list work; `write` changes the files.

    Raises:
        UsageError, InvalidInputError: as `check_dependencies`.
    """
    report = check_dependencies(request._replace(other_images=True))
    files = tuple(path for subject in _subjects(request) for path in subject.files)
    edited = tuple(one for result in report.results for one in dependencies.fix_files(result, files or request.files))
    if write:
        for one in edited:
            one.path.write_bytes(one.after.encode("utf-8"))
    return FixReport(report, edited, written=write and bool(edited))


def lock_dependencies(request: CheckRequest) -> LockReport:
    """The pinned list of one list.

    Raises:
        OutsideError: the index gave no answer.
        UsageError: the request names more than one list, or nothing.
    """
    catalogue = Catalogue.of_project(request.root)
    subject = _only(_subjects(request))
    with _source(request.index, subject) as source:
        checked = dependencies.check(
            subject.given,
            subject.image,
            source=source,
            options=_options(request, subject),
            catalogue=catalogue,
            subject=subject.name,
            nearest=request.nearest,
        ).results[0]
        if checked.verdict not in (Verdict.OK, Verdict.OVERRIDE):
            return LockReport(None, checked)
        found = dependencies.lock(
            subject.given, subject.image, source=source, catalogue=catalogue, nearest=request.nearest
        )
    from envctl.resolution.lock import Lock

    return LockReport(found, None) if isinstance(found, Lock) else LockReport(None, checked)


def explain_dependency(request: CheckRequest, package: str) -> Chains:
    """Why a package is in the image after the build of one list, bundles included, and who holds it.

    Raises:
        InvalidInputError: the list cannot be sent.
        OutsideError: the index gave no answer.
        UsageError: the request names more than one list, or nothing; or nothing leads to the package.
    """
    from envctl.resolution.comparisons import join

    subject = _only(_subjects(request))
    with _source(request.index, subject) as source:
        return dependencies.explain_package(
            package,
            join(subject.given, *(given for _, given in subject.bundles)),
            subject.image,
            source=source,
            options=_options(request, subject),
            catalogue=Catalogue.of_project(request.root),
            subject=subject.name,
            nearest=request.nearest,
        )


def matrix_dependencies(request: CheckRequest, images: Sequence[str]) -> Matrix:
    """Every file, or every environment, against images; all supported images with a complete list when none is named."""
    catalogue = Catalogue.of_project(request.root)
    if request.files:
        lists: Mapping[str, RequirementsInput] = {
            str(path): dependencies.load_requirements([path]) for path in request.files
        }
    else:
        lists = {subject.name: subject.given for subject in _subjects(request)}
    first = next(iter(lists.values()), None)
    with _source(request.index, _Subject("matrix", first or RequirementsInput(), "latest")) as source:
        options = CheckOptions(explain=False, today=request.today, as_of=request.index.as_of)
        return dependencies.matrix(
            lists, images, source=source, options=options, catalogue=catalogue, nearest=request.nearest
        )


def upgrade_dependencies(request: CheckRequest, after: str) -> Upgrade:
    """What an image upgrade moves, and what the new image says to the list.

    Raises:
        UsageError: one of the images is not known, or the request names more than one list, or nothing.
    """
    catalogue = Catalogue.of_project(request.root)
    subject = _only(_subjects(request))
    with _source(request.index, subject) as source:
        return dependencies.upgrade(
            subject.given,
            subject.image,
            after,
            source=source,
            options=_options(request, subject),
            catalogue=catalogue,
            subject=subject.name,
            nearest=request.nearest,
        )


def check_loaded(loaded: Loaded, request: CheckRequest) -> Report:
    """The answers for an environment that is loaded already; empty when its file names no packages.

    Raises:
        UsageError: the image is no image version.
    """
    subject = _of_environment(loaded, None)
    if not subject.given.lines and not subject.given.diagnostics and not subject.bundles:
        return Report(())
    with _source(request.index, subject) as source:
        return Report(tuple(_check(request, subject, Catalogue.of_project(request.root), source)))


def sent_by(loaded: Loaded) -> dict[str, str]:
    """The package map that an environment's file means: requirements files, bundles and inline packages together.

    Raises:
        InvalidInputError: a file is missing or wrong, or holds what the API cannot express.
    """
    from envctl.resolution.comparisons import join

    subject = _of_environment(loaded, None)
    whole = join(subject.given, *(given for _, given in subject.bundles))
    return dependencies.sent_packages(whole, subject.image) if whole.lines or whole.diagnostics else {}


def _check(
    request: CheckRequest,
    subject: _Subject,
    catalogue: Catalogue,
    source: PackageSource,
    progress: Callable[[str], None] | None = None,
) -> list[Result]:
    options = _options(request, subject)
    results: list[Result] = []
    if not subject.bundles or subject.given.lines:
        report = dependencies.check(
            subject.given,
            subject.image,
            source=source,
            options=options,
            catalogue=catalogue,
            subject=subject.name,
            nearest=request.nearest,
            other_images=request.other_images,
        )
        results.extend(report.results)
    if subject.bundles:
        together = dependencies.bundles(
            subject.given,
            dict(subject.bundles),
            subject.image,
            source=source,
            options=options,
            catalogue=catalogue,
            nearest=request.nearest,
        )
        results.extend(one._replace(subject=f"{subject.name}: {one.subject}") for one in together.results)
    if request.certify:
        from envctl.resolution.certification import certified

        choice = catalogue.choose(subject.image, nearest=request.nearest)
        index_url = request.index.index_url
        results[:1] = [certified(one, subject.given, choice, index_url, progress=progress) for one in results[:1]]
    return results


def _options(request: CheckRequest, subject: _Subject) -> CheckOptions:
    return CheckOptions(drop=request.drop, accept=subject.accept, today=request.today, as_of=request.index.as_of)


@contextmanager
def _source(index: IndexChoice, subject: _Subject) -> Generator[PackageSource]:
    if index.source is not None:
        yield index.source
        return
    with dependencies.open_source(
        subject.given,
        index_url=index.index_url,
        pip_config=index.pip_config or subject.pip_config,
        offline=index.offline,
        as_of=index.as_of,
    ) as source:
        yield source


def _only(subjects: Sequence[_Subject]) -> _Subject:
    if len(subjects) != 1:
        raise UsageError(
            "This works on one list at a time",
            detail=f"The command names {len(subjects)}.",
            hints=("name one environment, or give requirements files with `-r` and an image with `--image`",),
        )
    return subjects[0]


def _subjects(request: CheckRequest) -> list[_Subject]:
    if request.files:
        if request.image is None:
            raise UsageError(
                "No image to check against",
                detail="Requirements files are checked for an image version.",
                hints=("add `--image composer-3-airflow-2.10.5`, or name an environment",),
            )
        given = dependencies.load_requirements(request.files)
        name = ", ".join(str(path) for path in request.files)
        return [_Subject(name, given, request.image, request.files, _bundles(request.bundles))]
    if request.bundles and request.image is not None and not request.environments:
        return [_Subject("bundles", RequirementsInput(), request.image, (), _bundles(request.bundles))]
    from envctl.spec.loader import load, load_all
    from envctl.spec.model import Environment
    from envctl.spec.project import load_project

    project = load_project(request.root)
    if request.environments:
        loaded = [load(project, name) for name in request.environments]
    else:
        loaded = [one for one in load_all(project) if isinstance(one.spec, Environment)]
    return [
        _of_environment(one, request.image)._replace(
            bundles=(*_of_environment(one, request.image).bundles, *_bundles(request.bundles)),
        )
        for one in loaded
    ]


def _bundles(named: Sequence[tuple[str, Path]]) -> tuple[tuple[str, RequirementsInput], ...]:
    return tuple((name, dependencies.load_requirements([path])) for name, path in named)


def _of_environment(loaded: Loaded, image: str | None) -> _Subject:
    from datetime import date as day

    from envctl.resolution.comparisons import join

    spec = loaded.environment
    packages = spec.packages
    folder = loaded.path.parent
    files = tuple(_shown(folder / path) for path in packages.requirements)
    given = dependencies.load_requirements(files)
    if packages.inline:
        given = join(given, dependencies.parse_package_map(packages.inline, _shown(loaded.path)))
    config = packages.index.pip_conf if packages.index else None
    return _Subject(
        loaded.name,
        given,
        image or spec.image_version,
        files,
        _bundles([(name, _shown(folder / path)) for name, path in packages.bundles.items()]),
        tuple(Acceptance(one.package, one.reason, day.fromisoformat(one.until)) for one in packages.accept),
        folder / config if config else None,
    )


def _shown(path: Path) -> Path:
    """The path as a person would write it: relative to where the command runs, without `..` where possible."""
    resolved = path.resolve()
    try:
        return resolved.relative_to(Path.cwd())
    except ValueError:
        return resolved
