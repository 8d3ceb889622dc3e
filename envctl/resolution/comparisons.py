"""Several answers side by side: files x images, image A -> image B, bundles alone and together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from envctl.errors import ExitCode
from envctl.image_versions import ImageEnd, end_of, image_order, image_versions, is_current
from envctl.resolution.check import CheckOptions, check_list
from envctl.resolution.findings import Certainty, Fix, FixKind, Notice, Result, Verdict
from envctl.resolution.image_changes import ImageChanges, image_changes
from envctl.resolution.requirements import RequirementsInput

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from envctl.resolution.catalogue import Catalogue, ImageChoice
    from envctl.resolution.protocol import PackageSource

WORKS = (Verdict.OK, Verdict.OVERRIDE)
_CELL_SECONDS = 8.0
"""Bound on one cell of a matrix: a table of many cells must end too."""
_QUICK_ROUNDS = 600
_QUICK_SECONDS = 1.5
"""Bounds on one look at another image: a list that needs longer there is no way out."""


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """One list against every image.

    Attributes:
        subject: name of the list.
        results: one per image.
        first: the first image, in the order given, on which the list works.
        newest: the newest image on which it works, whatever the order given, of those that can be recommended.
        oldest: the oldest one of those.
        ended: the newest image on which it works, where none of them can be recommended.
    """

    subject: str
    results: tuple[Result, ...]
    first: str | None
    newest: str | None
    oldest: str | None
    ended: str | None = None

    @property
    def invalid(self) -> Result | None:
        """The first answer where every known image finds the list invalid: its diagnostics are the reason."""
        answered = [one for one in self.results if one.record is not None]
        return answered[0] if answered and all(one.verdict is Verdict.INVALID for one in answered) else None


@dataclass(frozen=True, slots=True)
class Matrix:
    """Lists x images."""

    images: tuple[str, ...]
    rows: tuple[MatrixRow, ...]

    def exit_code(self) -> ExitCode:
        """What the process says: a table is an answer, unless a list is invalid whatever the image."""
        return ExitCode.INVALID if any(row.invalid for row in self.rows) else ExitCode.DONE


@dataclass(frozen=True, slots=True)
class Upgrade:
    """What changes from one image to another, and what the other says to the list.

    `ended` is when support of the other ended, None where it has not, or where that is not known.
    """

    changes: ImageChanges
    before: Result
    after: Result
    ended: ImageEnd | None = None


def make_matrix(
    lists: Mapping[str, RequirementsInput],
    choices: Sequence[ImageChoice],
    source: PackageSource,
    options: CheckOptions,
) -> Matrix:
    """Bare verdicts of every list on every image, images in the order given."""
    bare = options._replace(explain=False, limits=options.limits._replace(seconds=_CELL_SECONDS))
    rows: list[MatrixRow] = []
    for subject, given in lists.items():
        results = tuple(check_list(subject, given, choice, source, bare) for choice in choices)
        works = [one.image for one in results if one.verdict in WORKS]
        ages = sorted(works, key=image_order)
        current = [name for name in ages if is_current(name, _day(options))]
        bounds = (current[-1], current[0]) if current else (None, None)
        ended = ages[-1] if ages and not current else None
        rows.append(MatrixRow(subject, results, works[0] if works else None, *bounds, ended))
    return Matrix(tuple(choice.name for choice in choices), tuple(rows))


def current_images(catalogue: Catalogue, options: CheckOptions) -> list[str]:
    """The images with a complete list that can be recommended on the day of the check, oldest first."""
    return [one.name for one in catalogue.records() if one.complete and is_current(one.name, _day(options))]


def make_upgrade(
    subject: str,
    given: RequirementsInput,
    before: ImageChoice,
    after: ImageChoice,
    source: PackageSource,
    options: CheckOptions,
) -> Upgrade:
    """The upgrade of a list from one image to another, both with a list."""
    return Upgrade(
        image_changes(before, after),
        check_list(subject, given, before, source, options._replace(explain=False)),
        check_list(subject, given, after, source, options),
        end if (end := end_of(after.name)) is not None and end.past(_day(options)) else None,
    )


def check_bundles(
    base: RequirementsInput,
    bundles: Mapping[str, RequirementsInput],
    choice: ImageChoice,
    source: PackageSource,
    options: CheckOptions,
) -> tuple[Result, ...]:
    """Every bundle with the environment's own list, then all together.

    Where bundles work alone and clash together, the last result names those that clash.
    """
    alone = [
        check_list(f"bundle {name}", join(base, given), choice, source, options) for name, given in bundles.items()
    ]
    together = check_list("all bundles together", join(base, *bundles.values()), choice, source, options)
    if together.verdict is Verdict.CONFLICT:
        notices = [*together.warnings]
        for conflict in together.conflicts:
            named = [name for name, given in bundles.items() if _takes_part(given, conflict.lines)]
            if len(named) > 1:
                listed = " and ".join(f"`{name}`" for name in named)
                notices.append(Notice("bundles-clash", f"The bundles {listed} clash about {conflict.package}."))
        together = together._replace(warnings=tuple(notices))
    return (*alone, together)


def join(*given: RequirementsInput) -> RequirementsInput:
    """One list out of several, in their order."""
    first = given[0]
    return RequirementsInput(
        tuple(line for one in given for line in one.lines),
        tuple(line for one in given for line in one.constraints),
        tuple(diagnostic for one in given for diagnostic in one.diagnostics),
        next((one.index for one in given if one.index.index_url or one.index.extra_index_urls), first.index),
    )


def other_image(
    subject: str,
    given: RequirementsInput,
    choice: ImageChoice,
    catalogue: Catalogue,
    source: PackageSource,
    options: CheckOptions,
) -> Fix | None:
    """The newest other supported image with a complete list on which the requirements work as they are."""
    if choice.image is None:
        return None
    limits = options.limits._replace(rounds=_QUICK_ROUNDS, seconds=_QUICK_SECONDS)
    bare = options._replace(explain=False, limits=limits)
    record = choice.image.record
    names = [name for name in reversed(current_images(catalogue, options)) if name != record.name]
    likely = {one.name for one in catalogue.records() if one.reconstructed}
    # a list that was read before one that is only likely: a way out should hold
    names.sort(key=lambda name: (name in likely, name.partition("-airflow-")[2] != record.airflow))
    for name in names:
        result = check_list(subject, given, catalogue.choose(name), source, bare)
        if result.verdict in WORKS:
            sure = "" if result.certainty is Certainty.CERTAIN else ", likely"
            why = f"On {name} the list works as it is ({result.verdict}{sure})."
            return Fix(FixKind.OTHER_IMAGE, (), verified=True, why=why, image=name)
    return None


def _day(options: CheckOptions) -> str:
    """The day on which support is judged: that of the check, else that of the table of versions."""
    return options.today.isoformat() if options.today is not None else image_versions().as_of


def _takes_part(given: RequirementsInput, lines: Sequence[str]) -> bool:
    from envctl.resolution.dependency import parse_requirement

    names = {parse_requirement(text)[0].name for text in lines}
    return any(line.dependency.name in names for line in given.lines)
