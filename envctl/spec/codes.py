"""Every code that a diagnostic of the files can carry, with its fixed summary and its page.

`docs/codes.md` is written from this table and a test compares the two; `envctl explain CODE` shows one entry.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from envctl.diagnostics import Diagnostic, Hint, Severity, SourceSpan


@dataclass(frozen=True, slots=True)
class Code:
    """One kind of problem: `summary` stands on screen, `explanation` in `envctl explain`."""

    code: str
    summary: str
    explanation: str
    severity: Severity = Severity.ERROR


def _table(*codes: Code) -> dict[str, Code]:
    return {code.code: code for code in codes}


W = Severity.WARNING

CODES: dict[str, Code] = _table(
    # reading
    Code("file-unreadable", "File cannot be read", "The file does not exist, is a directory, or may not be read."),
    Code(
        "file-too-large",
        "File is too large",
        "An environment file is a page or two of text; files above 1 MiB are not read. Lists of packages belong into requirements files, data into buckets.",
    ),
    Code(
        "file-not-utf8",
        "File is not UTF-8 text",
        "Environment files are UTF-8. The detail names the first byte that is not. A byte order mark at the start is accepted.",
    ),
    Code(
        "two-files",
        "Two files for one environment",
        "`NAME.yaml` and `NAME.yml` both exist and nothing says which one holds. Remove one of them.",
    ),
    Code(
        "yaml-syntax",
        "Not valid YAML",
        "The text breaks a rule of YAML; the place is where the reader could not go on, the cause often stands a line above.",
    ),
    Code(
        "yaml-tab",
        "Tab character used as indentation",
        "YAML allows only blanks for indentation. Set the editor to insert blanks.",
    ),
    Code(
        "yaml-several-documents",
        "More than one YAML document",
        "One file describes one environment: `---` may stand at the top only.",
    ),
    Code(
        "yaml-not-a-mapping",
        "The file is not a mapping",
        "At the top of the file stand keys such as `project:` and `region:`, not a list or a single value.",
    ),
    Code("yaml-key", "Key is not text", "Keys are single words. Lists, mappings and nothing at all cannot be keys."),
    Code(
        "yaml-tag",
        "YAML tag is not supported",
        "Values are what they look like; tags such as `!!binary` or `!include` are not supported. `!!str` is accepted; quotes do the same.",
    ),
    Code(
        "yaml-alias-bomb",
        "Aliases expand to too many values",
        "Anchors and aliases are allowed, but together a file may not expand to more than 50,000 values.",
    ),
    Code(
        "yaml-alias-cycle",
        "Alias contains itself",
        "An anchor is used inside the value that it names, so the value would never end.",
    ),
    Code("yaml-too-deep", "Nested too deeply", "No setting needs more than 30 levels."),
    Code(
        "yaml-ambiguous-number",
        "Number that YAML readers disagree about",
        "`010` is ten for some readers and eight for others; `.inf` and `.nan` are no numbers an API takes. Write the number plainly, or in quotes when it is text.",
    ),
    Code("duplicate-key", "Key is given twice", "YAML readers silently keep one of the two values. Remove one."),
    Code(
        "envctl-version",
        "The project asks for another version of envctl",
        "`envctl:` in `envctl.yaml` names the versions that may work on the project, so that everybody's previews agree.",
    ),
    # shape
    Code(
        "unknown-key", "Unknown key", "The key does not exist here. Keys are camelCase; the nearest valid one is named."
    ),
    Code(
        "missing-key",
        "Required key is missing",
        "Without this key there is no environment to describe. A base file may hold it for all.",
    ),
    Code(
        "wrong-type",
        "Value has the wrong type",
        "The detail says what is expected. Values are read by the rules of YAML 1.2: only `true` and `false` are truth values; `yes`, `no`, `on` and `off` are text. Values of Airflow settings and environment variables are text: quote numbers.",
    ),
    Code(
        "value-not-allowed",
        "Value is not one of the allowed",
        "The key takes one of a fixed set of values; the detail lists them.",
    ),
    Code(
        "value-form",
        "Value does not have the expected form",
        "The detail names the form, usually a rule of Google's API for names.",
    ),
    Code("value-out-of-range", "Value is out of range", "The detail names the limits."),
    Code("exclusive-keys", "Keys exclude each other", "These keys are different answers to one question: keep one."),
    Code("key-needs-another", "Key needs another key", "The key has no effect, or no meaning, without the other."),
    # composition
    Code("base-missing", "The base file does not exist", "`extends: NAME` takes over `environments/NAME.yaml`."),
    Code(
        "extends-cycle",
        "Files extend each other in a circle",
        "A file cannot be its own base, directly or by way of others.",
    ),
    Code(
        "foundation-missing",
        "The foundation does not exist",
        "`foundation: NAME` refers to `environments/NAME.yaml` with `kind: foundation`.",
    ),
    Code("not-a-foundation", "The file is not a foundation", "`foundation:` must name a file with `kind: foundation`."),
    Code(
        "foundation-mismatch",
        "Environment and foundation do not fit",
        "A foundation serves environments of its own project; its network and keys serve its own region.",
    ),
    Code(
        "foundation-lacks",
        "The foundation does not have what the environment takes from it",
        "`from: foundation` needs the same block in the foundation's file.",
    ),
    Code(
        "reference-syntax",
        "Reference is not well formed",
        "References look like `${buckets.staging.name}`. Write `$${` for a literal `${`.",
    ),
    Code(
        "reference-unknown",
        "Reference to a value that does not exist",
        "A reference names a key of the same environment (after `extends`), or a computed one: `${name}`, `${buckets.KEY.name}`, `${serviceAccount.email}`, `${secrets.create.KEY.name}`. Values that only a profile supplies cannot be referred to.",
    ),
    Code(
        "reference-not-a-value",
        "Reference to a block, not to a value",
        "Only single values can be referred to; lists and mappings cannot.",
    ),
    Code("reference-cycle", "References form a circle", "A value cannot be made of itself."),
    Code(
        "reference-outside",
        "Reference to something outside the files",
        "The files are the truth: what the shell of one person holds would make two people apply two things. Put the value into the file, a secret into Secret Manager.",
    ),
)


def problem(
    code: str,
    detail: str = "",
    span: SourceSpan | None = None,
    hints: Iterable[Hint | str] = (),
    severity: Severity | None = None,
) -> Diagnostic:
    """A diagnostic of a known code; its summary and severity come from the table."""
    known = CODES[code]
    made = tuple(Hint(hint) if isinstance(hint, str) else hint for hint in hints)
    return Diagnostic(code, known.summary, detail, span, made, severity or known.severity)
