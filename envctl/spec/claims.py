"""What each file names as its own in the cloud, and where two of them name one thing.

Only names count here, as a file gives them or as envctl makes them; whether anything exists is not asked. What a file
refers to and leaves to others (`existing`, `email`, a foundation's network) is no claim.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from envctl.diagnostics import Diagnostic, SourceSpan
from envctl.spec import names
from envctl.spec.codes import problem
from envctl.spec.tree import Entries, KeyPath, at, key_span, nearest_span, text_at, value_at

_ENVIRONMENT = "environment"
_BUCKET = "bucket"
_SECRET = "secret"  # noqa: S105
_ACCOUNT = "service account"
_WAYS_TO_USE = {_BUCKET: "existing", _SECRET: "existing", _ACCOUNT: "email"}
"""Keys by which a file uses what another one makes."""
_MOST_RIVALS = 3


@dataclass(frozen=True, slots=True)
class Claim:
    """One thing that a file would make.

    Attributes:
        kind: what it is, as people say it.
        address: its full name, one in the world for its kind.
        name: the part of the address that people know it by.
        file: the environment file, relative to the project.
        place: where the name comes from; in a base when that holds it.
        derived: whether the name is made of the environment's name.
    """

    kind: str
    address: str
    name: str
    file: Path
    place: SourceSpan
    derived: bool


Claims = Mapping[str, tuple[Claim, ...]]
"""What the files of a project name, by stem."""


def claims_of(stem: str, file: Path, tree: Entries) -> tuple[Claim, ...]:
    """What a file names as its own; what cannot be told, because the file is wrong there, is left out.

    Args:
        stem: name of the file.
        file: path of the file relative to the project.
        tree: after merging and interpolation.
    """
    reading = _Reading(stem, file, tree)
    if not (reading.project and reading.region):
        return ()
    return tuple(claim for claim in reading.claims() if "${" not in claim.address)


def check_claims(claims: Claims, asked: Iterable[str]) -> Iterator[Diagnostic]:
    """One problem for each thing of an asked file that another one names as well, or the same one once more.

    What two files of one environment share because of its name alone is not said again for each thing.
    """
    by_address: dict[tuple[str, str], list[Claim]] = {}
    for each in claims.values():
        for claim in each:
            by_address.setdefault((claim.kind, claim.address), []).append(claim)
    environments = {
        claim.file: claim.address for each in claims.values() for claim in each if claim.kind == _ENVIRONMENT
    }
    said: set[Claim] = set()
    for stem in asked:
        for claim in claims.get(stem, ()):
            rivals = [rival for rival in by_address[claim.kind, claim.address] if rival is not claim]
            yield from _twice(claim, [rival for rival in rivals if rival.file == claim.file])
            others = [
                rival
                for rival in rivals
                if rival.file != claim.file
                and not (
                    claim.derived
                    and rival.derived
                    and environments.get(claim.file, claim.file) == environments.get(rival.file, rival.file)
                )
            ]
            if not {claim, *others} <= said:  # one problem names all who share a thing
                said |= {claim, *others} if others else set()
                yield from _of_two_files(claim, others)


def _twice(claim: Claim, rivals: list[Claim]) -> Iterator[Diagnostic]:
    if rivals:
        places = " and ".join(_line(rival.place) for rival in rivals)
        yield problem("given-twice", f"{places} names the {claim.kind} `{claim.name}` already.", claim.place)


def _of_two_files(claim: Claim, rivals: list[Claim]) -> Iterator[Diagnostic]:
    if not rivals:
        return
    shown = [_whose(rival) for rival in rivals[:_MOST_RIVALS]]
    if len(rivals) > _MOST_RIVALS:
        shown.append(f"{len(rivals) - _MOST_RIVALS} more")
    verb = "so does" if len(rivals) == 1 else "so do"
    detail = f"{claim.file.as_posix()} names the {claim.kind} `{claim.name}`, and {verb} {' and '.join(shown)}."
    cure = "give one of them another name"
    if (key := _WAYS_TO_USE.get(claim.kind)) is not None:
        cure += f", or write `{key}: {claim.name}` in the file that only uses it"
    yield problem("named-by-two-files", detail, claim.place, (cure,))


def _whose(claim: Claim) -> str:
    """The line that names a thing, with its file when the line stands in a base."""
    line = _line(claim.place)
    return line if claim.place.file == claim.file else f"{claim.file.as_posix()} (through {line})"


def _line(place: SourceSpan) -> str:
    return f"{place.file.as_posix()}:{place.line}"


class _Reading:
    """One file, asked for its names."""

    def __init__(self, stem: str, file: Path, tree: Entries) -> None:
        self.file = file
        self.tree = tree
        self.project = text_at(tree, "project") or ""
        self.region = text_at(tree, "region") or ""
        self.name = text_at(tree, "name") or stem
        self.is_environment = value_at(tree, "kind") != "foundation"

    def claims(self) -> Iterator[Claim]:
        """Every claim, in the order in which people read files."""
        regional = f"projects/{self.project}/locations/{self.region}"
        if self.is_environment:
            yield self.claim(_ENVIRONMENT, f"{regional}/environments/", self.name, ("name",))
            yield from self.account()
            yield from self.secrets()
            if self.block("nodePools"):
                yield self.derived("cluster", f"{regional}/clusters/", f"{self.name}-tasks", ("nodePools",))
        vpc: KeyPath = ("network", "vpc") if self.is_environment else ("network",)
        if at(self.tree, vpc) is not None:
            yield self.derived("network", f"projects/{self.project}/global/networks/", f"{self.name}-network", vpc)
        if value_at(self.tree, "encryption", "key", "create") is True:
            path = ("encryption", "key", "keyRing")
            yield self.given_or("key ring", f"{regional}/keyRings/", path, self.name)
        if at(self.tree, ("repository",)) is not None:
            name = text_at(self.tree, "repository", "name") or names.REPOSITORY_NAME
            yield self.claim("repository", f"{regional}/repositories/", name, ("repository", "name"))
        for key in self.block("buckets"):
            if at(self.tree, ("buckets", key, "existing")) is None:
                default = names.bucket_name(self.project, self.name, key)
                yield self.given_or(_BUCKET, "", ("buckets", key, "name"), default)

    def account(self) -> Iterator[Claim]:
        """The account that the file creates."""
        name = text_at(self.tree, "serviceAccount", "name")
        if name is not None:
            email = names.service_account_email(name, self.project)
            yield self.claim(_ACCOUNT, "", email, ("serviceAccount", "name"))

    def secrets(self) -> Iterator[Claim]:
        """The secrets that the file creates."""
        for key in self.block("secrets", "create"):
            path = ("secrets", "create", key)
            if at(self.tree, (*path, "existing")) is None:
                default = names.secret_name(self.name, key)
                yield self.given_or(_SECRET, f"projects/{self.project}/secrets/", (*path, "name"), default)

    def block(self, *path: str) -> tuple[str, ...]:
        """The keys of a block; none when there is none."""
        found = at(self.tree, path)
        return tuple(found.entries) if isinstance(found, Entries) else ()

    def given_or(self, kind: str, folder: str, path: KeyPath, default: str) -> Claim:
        """A thing under the name at a path, or under the one that envctl makes of the environment's."""
        name = text_at(self.tree, *path)
        if name is None:
            return self.derived(kind, folder, default, path[:-1])
        return self.claim(kind, folder, name, path)

    def claim(self, kind: str, folder: str, name: str, path: KeyPath) -> Claim:
        """A thing whose name stands at a path, or at its block."""
        place = nearest_span(self.tree, path) if at(self.tree, path) is not None else self.key_of(path[:-1])
        return Claim(kind, folder + name, name, self.file, place, derived=False)

    def derived(self, kind: str, folder: str, name: str, path: KeyPath) -> Claim:
        """A thing that is named after the environment."""
        return Claim(kind, folder + name, name, self.file, self.key_of(path), derived=True)

    def key_of(self, path: KeyPath) -> SourceSpan:
        """Where a block begins; the file's first line for the file itself."""
        return key_span(self.tree, path)
