"""What the clash check says: a report of results, ready to be written in any form.

Plain values, built once by the check; writers never look behind them.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from envctl.errors import ExitCode, gravest
from envctl.resolution.image import Basis

if TYPE_CHECKING:
    from envctl.diagnostics import Diagnostic
    from envctl.resolution.image import ImageRecord
    from envctl.resolution.protocol import IndexFailure


class Verdict(StrEnum):
    """What Composer's build will do with the list."""

    OK = "ok"
    OVERRIDE = "override"
    CONFLICT = "conflict"
    TIMEOUT_RISK = "timeout-risk"
    INVALID = "invalid"
    UNKNOWN = "unknown"


class Certainty(StrEnum):
    """Whether the verdict rests on the image's own list, or on one that is likely."""

    CERTAIN = "certain"
    LIKELY = "likely"


class FixKind(StrEnum):
    """What a fix does."""

    DROP_PIN = "drop-pin"
    NEWEST_FIT = "newest-fit"
    EDIT = "edit"
    PIN = "pin"
    CAP = "cap"
    LOWER_DEMAND = "lower-demand"
    OTHER_IMAGE = "other-image"
    OPERATOR = "operator"


class Cause(NamedTuple):
    """One requirement that takes part in a clash.

    Attributes:
        requirement: `protobuf<5`.
        by: who asks: `google-ads 21.0.0`, `list`, or `image` for what the image itself pins.
        chain: the packages from the list or from Airflow down to `by`, as `name==version`.
        source: `file:line` of the line that leads here, or None.
        preinstalled: whether `by` belongs to the image.
    """

    requirement: str
    by: str
    chain: tuple[str, ...] = ()
    source: str | None = None
    preinstalled: bool = False


class Edit(NamedTuple):
    """One change of the list: a requirement taken out, one put in, or both; `source` is where it stands."""

    remove: str | None = None
    add: str | None = None
    source: str | None = None


class Fix(NamedTuple):
    """A way out. `verified` is true when the changed list was solved and no clash was left.

    `image` is set for another image, `snippet` for code to paste.
    """

    kind: FixKind
    edit: tuple[Edit, ...] = ()
    verified: bool = False
    why: str = ""
    image: str | None = None
    snippet: str | None = None


class Acceptance(NamedTuple):
    """A clash that the user accepts until a day."""

    package: str
    reason: str
    until: date


class Conflict(NamedTuple):
    """One clash: the package about which requirements disagree, why, and ways out.

    `lines` are the merged requirements of the list that are needed for it: without any one of them it is gone.
    """

    package: str
    summary: str
    causes: tuple[Cause, ...]
    fixes: tuple[Fix, ...] = ()
    lines: tuple[str, ...] = ()
    accepted: Acceptance | None = None


class Change(NamedTuple):
    """A preinstalled package that gets another version, and the requirements that want it."""

    name: str
    before: str
    after: str
    because: tuple[str, ...] = ()


class Install(NamedTuple):
    """A package that the image lacks."""

    name: str
    version: str


IMAGE_BASIS = "image-basis"
"""The code of the notice that says which list answered, and what speaks against it."""


NO_LIST = "image-not-in-catalogue"
"""The code of the notice that says why no list answered, and the way out."""


class Notice(NamedTuple):
    """Something to know that does not change the verdict; `code` is stable."""

    code: str
    text: str
    source: str | None = None


class Result(NamedTuple):
    """The answer for one list on one image.

    Attributes:
        subject: name of the environment, the file, or the bundle.
        image: image version as asked for; `record` is what was used, None when the image is not known.
        package_map: what envctl would send to Composer.
        unneeded: pins of the list that the image satisfies anyway.
        index_failure: why the index could not be asked, when the verdict is `unknown` for that reason.
        order_matters: for the legacy resolver: whether another order of the list gives another verdict.
        seconds: time the check took.
    """

    subject: str
    image: str
    verdict: Verdict
    basis: Basis | None
    record: ImageRecord | None = None
    as_of: date | None = None
    conflicts: tuple[Conflict, ...] = ()
    changes: tuple[Change, ...] = ()
    installs: tuple[Install, ...] = ()
    warnings: tuple[Notice, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    fix: Fix | None = None
    package_map: tuple[tuple[str, str], ...] = ()
    unneeded: tuple[str, ...] = ()
    index_failure: IndexFailure | None = None
    order_matters: bool = False
    seconds: float = 0.0

    @property
    def doubt(self) -> str:
        """Why the answer may be another on the image itself; empty where the image's own list gave it."""
        return " ".join(one.text for one in self.warnings if one.code == IMAGE_BASIS)

    @property
    def certainty(self) -> Certainty | None:
        """How sure the verdict is; None where there is none.

        What is wrong with the list itself is wrong on every image. All else is as sure as the list of the image.
        """
        if self.verdict is Verdict.UNKNOWN:
            return None
        if self.verdict is Verdict.INVALID or self.basis is None:
            return Certainty.CERTAIN
        match self.basis:
            case Basis.EXACT | Basis.PAIRED:
                return Certainty.CERTAIN
            case Basis.RECONSTRUCTED | Basis.NEAREST | Basis.PARTIAL:
                return Certainty.LIKELY

    def exit_code(self, *, allow_unknown: bool = False) -> ExitCode:
        """What the process says for this result."""
        match self.verdict:
            case Verdict.OK | Verdict.OVERRIDE:
                return ExitCode.DONE
            case Verdict.INVALID:
                return ExitCode.INVALID
            case Verdict.UNKNOWN:
                if allow_unknown:
                    return ExitCode.DONE
                return ExitCode.OUTSIDE if self.index_failure else ExitCode.NEGATIVE
            case Verdict.CONFLICT | Verdict.TIMEOUT_RISK:
                return ExitCode.NEGATIVE


class Report(NamedTuple):
    """The answers of one run."""

    results: tuple[Result, ...]

    def exit_code(self, *, allow_unknown: bool = False) -> ExitCode:
        """The gravest of the results' codes."""
        return gravest(one.exit_code(allow_unknown=allow_unknown) for one in self.results)
