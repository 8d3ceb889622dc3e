"""A name -> its environment or foundation, whole: read, extended, interpolated, checked, profile applied.

Every problem of every requested file is found in one run and raised together.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from envctl.diagnostics import Diagnostic, Hint, Severity, SourceSpan, sort_diagnostics
from envctl.errors import InvalidInputError, UsageError
from envctl.masking import mask
from envctl.spec import profiles
from envctl.spec.binding import bind
from envctl.spec.claims import Claims, check_claims, claims_of
from envctl.spec.codes import problem
from envctl.spec.interpolation import interpolate
from envctl.spec.merge import merge, without_nulls
from envctl.spec.model import Environment, Foundation, Spec
from envctl.spec.moved import keep_names, kept_names
from envctl.spec.nearest import nearest
from envctl.spec.project import ENVIRONMENTS, Project
from envctl.spec.rules.run import check
from envctl.spec.rules.subject import Subject
from envctl.spec.shape import FILE_KEYS
from envctl.spec.source import Source, load_source
from envctl.spec.tree import Entries, Entry, KeyPath, Leaf, nearest_span, spans, text_at, text_entries, value_at

_KINDS = ("environment", "foundation")
_OPEN_IN_BASES = {"missing-key", "reference-unknown"}


@dataclass(frozen=True, slots=True)
class Loaded:
    """One environment or foundation, ready to use.

    Attributes:
        name: the file's stem: what the command line calls it.
        path: absolute path of its file.
        spec: what it says, with the defaults of its profile filled in.
        written: what the files say, without the profile.
        foundation: the foundation that it refers to, loaded.
        origins: place of every written value, by path (keys as written in the file).
        defaults: for values that no file holds, what supplied them, such as `profile critical`.
        warnings: problems that do not stop anything.
    """

    name: str
    path: Path
    spec: Spec
    written: Spec
    foundation: Loaded | None
    origins: Mapping[KeyPath, SourceSpan]
    defaults: Mapping[KeyPath, str]
    warnings: tuple[Diagnostic, ...]

    @property
    def environment(self) -> Environment:
        """The spec as an environment.

        Raises:
            UsageError: the file is a foundation.
        """
        if isinstance(self.spec, Environment):
            return self.spec
        raise UsageError(f"{self.name} is a foundation, not an environment", code="not-an-environment")


def load(project: Project, name: str) -> Loaded:
    """The environment or foundation `name` of the project.

    Raises:
        UsageError: there is no such file, or it is abstract.
        InvalidInputError: with every problem of the file, its bases and its foundation.
    """
    return load_all(project, [name])[0]


def concrete_names(project: Project) -> tuple[str, ...]:
    """The environments and foundations of a project, without the bases; files that cannot be read are among them."""
    return tuple(_Run(project, "").concrete())


def load_all(project: Project, names: Iterable[str] = (), today: str | None = None) -> tuple[Loaded, ...]:
    """Several environments at once, in the order asked for; all that are not abstract when none is named.

    Args:
        project: where the files are.
        names: stems of files.
        today: ISO date that last days are held against; the day of the call when not given.

    Raises:
        UsageError: a name does not exist or is abstract.
        InvalidInputError: with every problem of all of them.
    """
    run = _Run(project, today or datetime.now(UTC).date().isoformat())
    asked = list(dict.fromkeys(names))
    wanted = asked or run.concrete()
    for name in wanted:
        run.must_exist(name)
    loaded = [run.load(name) for name in wanted]
    if not asked:
        run.check_unused_bases()
    run.note(check_claims(run.claims(), wanted))
    errors = [each for each in run.problems if each.severity is Severity.ERROR]
    if errors:
        raise InvalidInputError(sort_diagnostics(without_secrets(list(run.problems))))
    return tuple(each for each in loaded if each is not None)


def load_sound(project: Project) -> tuple[Loaded, ...]:
    """Every environment and foundation whose file is right by itself; the others are left out without a word.

    For questions about the neighbours of a file that is loaded already: `validate` says what is wrong with them.
    """
    today = datetime.now(UTC).date().isoformat()
    sources: dict[str, Source] = {}
    found: list[Loaded] = []
    for name in _Run(project, today, sources).concrete():
        run = _Run(project, today, sources)
        loaded = run.load(name)
        if loaded is not None and all(each.severity is not Severity.ERROR for each in run.problems):
            found.append(loaded)
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Resolved:
    """A file's tree after merging and interpolation, the paths where a reference failed, and why."""

    tree: Entries
    unresolved: frozenset[KeyPath]
    problems: tuple[Diagnostic, ...]


@dataclass(slots=True)
class _Run:
    """One call: every file is read once, every problem is kept once."""

    project: Project
    today: str
    sources: dict[str, Source] = field(default_factory=dict[str, Source])
    resolved: dict[str, _Resolved | None] = field(default_factory=dict[str, "_Resolved | None"])
    extending: set[str] = field(default_factory=set[str])
    results: dict[str, Loaded | None] = field(default_factory=dict[str, "Loaded | None"])
    problems: dict[Diagnostic, None] = field(default_factory=dict[Diagnostic, None])

    def note(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.problems |= dict.fromkeys(diagnostics)

    def source(self, name: str) -> Source:
        if name not in self.sources:
            path = self.project.files[name]
            self.sources[name] = load_source(path, path.relative_to(self.project.root))
        self.note(self.sources[name].diagnostics)
        if doubled := self.project.doubled.get(name):
            both = " and ".join(each.name for each in doubled)
            self.note([problem("two-files", f"{both} exist.", SourceSpan(self.sources[name].file, 1))])
        return self.sources[name]

    def concrete(self) -> list[str]:
        """Every file that is no base."""
        trees = {name: self.source(name).tree for name in self.project.files}
        return [name for name, tree in trees.items() if tree is None or value_at(tree, "abstract") is not True]

    def must_exist(self, name: str) -> None:
        if name not in self.project.files:
            there = self.concrete()
            close = nearest(name, there)
            known = ", ".join(there) or "none"
            hints = (f"did you mean `{close}`?",) if close else (f"there are: {known}",)
            raise UsageError(
                f"There is no environment {name}",
                detail=f"{ENVIRONMENTS}/{name}.yaml does not exist in {self.project.root}.",
                hints=hints,
                code="unknown-environment",
            )
        tree = self.source(name).tree
        if tree is not None and value_at(tree, "abstract") is True:
            raise UsageError(
                f"{name} is a base for other files, not an environment",
                detail=f"{self.source(name).file} says `abstract: true`.",
                code="abstract-environment",
            )

    def load(self, name: str) -> Loaded | None:
        if name not in self.results:
            self.results[name] = self._load(name)
        return self.results[name]

    def _load(self, name: str) -> Loaded | None:
        resolved = self.resolve(name)
        if resolved is None:
            return None
        tree, unresolved = resolved.tree, resolved.unresolved
        self.note(resolved.problems)
        kind = value_at(tree, "kind")
        if isinstance(kind, str) and kind not in _KINDS and ("kind",) not in unresolved:
            detail = "`kind` takes `environment` or `foundation`."
            self.note(
                [problem("value-not-allowed", detail, nearest_span(tree, ("kind",)), _did_you_mean(kind, _KINDS))]
            )
            unresolved |= {("kind",)}
        model: type[Environment | Foundation] = Foundation if kind == "foundation" else Environment
        bound = bind(tree, model, _stand_ins(), unresolved)
        self.note(bound.diagnostics)
        written = bound.value
        if written is None:
            return None
        spec: Spec = written
        defaults: dict[KeyPath, str] = {}
        if isinstance(written, Environment):
            spec, defaults = profiles.apply(written), profiles.supplied(written)
        spec = keep_names(spec, name)
        foundation = self.foundation(tree) if isinstance(spec, Environment) else None
        subject = Subject(
            name=name,
            spec=spec,
            tree=tree,
            foundation=foundation.spec if foundation and isinstance(foundation.spec, Foundation) else None,
            folder=self.project.files[name].parent,
            today=self.today,
        )
        found = check(subject, bound.missing, defaults)
        self.note(found)
        return Loaded(
            name=name,
            path=self.project.files[name],
            spec=spec,
            written=written,
            foundation=foundation,
            origins=dict(spans(tree)),
            defaults=defaults | kept_names(written),
            warnings=tuple(each for each in found if each.severity is not Severity.ERROR),
        )

    def resolve(self, name: str) -> _Resolved | None:
        """The file's tree as the model reads it; None when it or a base cannot be read."""
        if name not in self.resolved:
            merged = self.extended(name, ())
            self.resolved[name] = (
                None if merged is None else _Resolved(*interpolate(_without_file_keys(_present(merged)), name))
            )
        return self.resolved[name]

    def claims(self) -> Claims:
        """What every file of the project names as its own; problems of files that were not asked for are not noted.

        One call after the other loads single files of the same project: the answer is kept until a file changes.
        """
        digest = _digest(self.project)
        if (known := _CLAIMS.get(digest)) is None:
            apart = _Run(self.project, self.today, self.sources, self.resolved)
            known = {
                name: claims_of(name, apart.source(name).file, resolved.tree)
                for name in apart.concrete()
                if (resolved := apart.resolve(name)) is not None
            }
            _CLAIMS.clear()
            _CLAIMS[digest] = known
        return known

    def extended(self, name: str, above: tuple[str, ...]) -> Entries | None:
        """The file's tree laid on those that it extends; None when one of them cannot be read."""
        tree = self.source(name).tree
        if tree is None:
            return None
        base = tree.get("extends")
        if base is None:
            return tree
        span = base.span
        if not (isinstance(base, Leaf) and isinstance(base.value, str)):
            self.note([problem("wrong-type", "`extends` must be text: the name of one file.", span)])
            return tree
        if base.value in (*above, name):
            circle = " -> ".join((*above, name, base.value))
            self.note([problem("extends-cycle", circle, span)])
            return None
        if base.value not in self.project.files:
            self.note([problem("base-missing", *self.absent(base.value, span))])
            return None
        self.extending.add(base.value)
        below = self.extended(base.value, (*above, name))
        if below is None:
            return None
        merged = merge(below, tree)
        assert isinstance(merged, Entries)
        return merged

    def check_unused_bases(self) -> None:
        """The shape of bases that no file extends; the others were checked as parts of the files that do."""
        for name in self.project.files:
            tree = self.source(name).tree
            if name in self.extending or tree is None or value_at(tree, "abstract") is not True:
                continue
            resolved = self.resolve(name)
            if resolved is None:
                continue
            model = Foundation if value_at(resolved.tree, "kind") == "foundation" else Environment
            bound = bind(resolved.tree, model, _stand_ins(), resolved.unresolved)
            # References and required keys may be completed by the file that will extend it.
            self.note(each for each in (*resolved.problems, *bound.diagnostics) if each.code not in _OPEN_IN_BASES)

    def absent(self, name: str, span: SourceSpan) -> tuple[str, SourceSpan, list[Hint]]:
        return f"There is no {ENVIRONMENTS}/{name}.yaml.", span, _did_you_mean(name, self.project.files)

    def foundation(self, tree: Entries) -> Loaded | None:
        name = text_at(tree, "foundation")
        if name is None:
            return None
        span = nearest_span(tree, ("foundation",))
        if name not in self.project.files:
            self.note([problem("foundation-missing", *self.absent(name, span))])
            return None
        merged = self.extended(name, ())
        if merged is not None and value_at(merged, "kind") != "foundation":
            detail = f"{self.sources[name].file.name} describes an environment."
            self.note([problem("not-a-foundation", detail, span)])
            return None
        return self.load(name)


_CLAIMS: dict[str, Claims] = {}
"""The claims of the last project that was asked about, by the digest of its files."""


def _digest(project: Project) -> str:
    """SHA-256 over every file of a project; a file that cannot be read counts as empty."""
    whole = hashlib.sha256(str(project.root).encode())
    for name, path in project.files.items():
        try:
            content = path.read_bytes()
        except OSError:
            content = b""
        whole.update(f"\0{name}\0{path}\0{len(content)}\0".encode())
        whole.update(content)
    return whole.hexdigest()


def without_secrets(diagnostics: list[Diagnostic]) -> list[Diagnostic]:
    """The same diagnostics, with no secret left in their texts and source lines."""
    secrets = [each.span for each in diagnostics if each.code == "literal-secret" and each.span]
    hidden: dict[tuple[Path, int], list[tuple[int, int]]] = {}
    for span in secrets:
        end = (span.end_column or len(span.text) + 1) - 1
        hidden.setdefault((span.file, span.line), []).append((span.column - 1, max(end, span.column)))

    def masked(span: SourceSpan | None) -> SourceSpan | None:
        return span and span.masked(hidden.get((span.file, span.line), ()))

    # What else is said about the very same value could repeat it in another form.
    return [
        each._replace(detail=mask(each.detail), span=masked(each.span), hints=tuple(map(_masked_hint, each.hints)))
        for each in diagnostics
        if each.code == "literal-secret" or each.span is None or each.span not in secrets
    ]


def _masked_hint(hint: Hint) -> Hint:
    return Hint(mask(hint.text), hint.command and mask(hint.command), hint.replacement and mask(hint.replacement))


def _did_you_mean(word: str, known: Iterable[str]) -> list[Hint]:
    close = nearest(word, known)
    return [Hint(f"did you mean `{close}`?", replacement=close)] if close else []


def _present(merged: Entries) -> Entries:
    """The tree without the marks of what was taken away."""
    tree = without_nulls(merged)
    assert isinstance(tree, Entries)
    return tree


def _without_file_keys(tree: Entries) -> Entries:
    """The tree without the keys that speak about the file itself."""
    return Entries({key: entry for key, entry in tree.entries.items() if key not in FILE_KEYS}, tree.span)


def _stand_ins() -> Entries:
    """Values for required keys that are wrong, so that the rest can be judged in the same run."""
    texts = text_entries({"project": "stand-in", "region": "europe-west1", "imageVersion": "composer-3-airflow-2"})
    account = text_entries({"name": "stand-in"})
    return Entries(dict(texts.entries) | {"serviceAccount": Entry(account.span, account)}, texts.span)
