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
    # image and generation
    Code(
        "image-version-form",
        "Not an image version",
        "Image versions look like `composer-3-airflow-2.10.5-build.10` (generation 3) or `composer-2.13.8-airflow-2.10.5` (generation 2).",
    ),
    Code(
        "image-version-unknown",
        "Unknown image version",
        "The version is well formed but not in envctl's catalogue. Google publishes new ones weekly, so this is a warning; the cloud refuses a version that does not exist. `envctl images list` shows the catalogue.",
        W,
    ),
    Code(
        "image-version-moves",
        "Image version is not pinned",
        "Without a full version Google chooses the newest at each creation: a plan made today and one made next week would differ. Name the full version.",
        W,
    ),
    Code(
        "generation-ended",
        "This generation of Composer has ended",
        "Composer 1 and Composer 2.0.x reached their end of life on 2026-09-15. Composer 1 cannot be upgraded in place: make a new environment of generation 3 and bring over DAGs, variables, connections and history by a snapshot. Composer 2.0.x is upgraded in place to a later version of generation 2.",
    ),
    Code(
        "key-of-other-generation",
        "Key does not exist in this generation",
        "Generations 2 and 3 of Composer have different fields; the API refuses a field of the other.",
    ),
    Code(
        "resilience-not-available",
        "High resilience is not available here",
        "High resilience begins with Composer 2.1.15; generation 3 always has it.",
    ),
    Code(
        "resilience-counts",
        "Too few components for high resilience",
        "A highly resilient environment runs in two zones; a component with fewer than two instances stands in one of them only.",
        W,
    ),
    # Airflow
    Code(
        "airflow-config-form",
        "Not an Airflow setting",
        "Keys of `airflow.config` are section and option joined by a hyphen: `core-max_active_runs_per_dag`.",
    ),
    Code(
        "airflow-config-blocked",
        "Airflow setting is blocked by Composer",
        'Composer sets this option itself; an override fails the whole update. The list follows Google\'s page "Airflow configurations".',
    ),
    Code(
        "env-name-form",
        "Not the name of an environment variable",
        "Names are letters, digits and `_`, at least two characters, and do not begin with a digit.",
    ),
    Code(
        "env-name-reserved",
        "Environment variable is reserved",
        "Composer sets this variable itself, or Airflow would read it as a setting (`AIRFLOW__SECTION__OPTION`).",
    ),
    Code(
        "literal-secret",
        "Secret in a file",
        "A file in a repository is read by many. Put the value into Secret Manager and refer to it. The value is never printed. If it is no secret, choose a key that does not sound like one.",
    ),
    # network
    Code(
        "range-form",
        "Not an address range",
        "Ranges are written in CIDR notation with no bits set after the prefix: `10.10.0.0/20`.",
    ),
    Code("range-size", "Address range has the wrong size", "Google takes certain sizes only; the detail names them."),
    Code(
        "ranges-overlap",
        "Address ranges overlap",
        "Ranges of one environment must be apart from each other. An overlap with Composer's own internal range is a warning: addresses there cannot be reached from DAGs.",
    ),
    # people and rights
    Code(
        "member-form",
        "Not an IAM member",
        "Members are `user:`, `group:`, `serviceAccount:` or `domain:` with an address, or `principal://` and `principalSet://` of a pool. `environment` stands for the environment's own account where it makes sense.",
    ),
    Code(
        "member-everybody",
        "Access for everybody",
        "`allUsers` and `allAuthenticatedUsers` are refused: Airflow runs code of whoever can reach it.",
    ),
    Code(
        "secret-never-read",
        "Airflow would not find the secret",
        "Airflow's Secret Manager backend looks for one name: `PREFIX-connections-ID` or `PREFIX-variables-KEY` in the environment's project (prefix: `secrets.prefix`). A secret of another name is never read.",
        W,
    ),
    Code("role-too-wide", "Role is far too wide", "Basic roles hold nearly every permission of the project.", W),
    Code(
        "binding-target",
        "Binding on something that does not exist",
        "`on` is `projects/P`, `buckets.NAME`, `secrets.NAME` or `encryption.key`.",
    ),
    Code(
        "service-account-default",
        "Default service account",
        "The default account of Compute Engine is shared with everything else in the project; Google advises an account of its own for each environment.",
        W,
    ),
    # names
    Code("name-form", "Not a valid name", "The detail names the rule of the service that the name is for."),
    Code(
        "label-form",
        "Not a valid label",
        "Keys and values are lower-case letters, digits, `-` and `_`, up to 63 characters; keys begin with a letter.",
    ),
    Code(
        "moved-from-there",
        "The key that it was moved from is taken",
        "`moved: {from: KEY}` says that an entry stood under `KEY` before. So `KEY` stands in the file no more, and one entry alone comes from it. Of a chain (`a` becomes `b`, what was `b` becomes `c`) or a swap, each move needs an `up` of its own, the last of the chain first; a swap goes by a third key.",
    ),
    Code(
        "moved-reserved",
        "The environment's bucket cannot be moved",
        "`buckets.environment` is the bucket that Composer keeps DAGs and logs in. Which bucket that is, is fixed when the environment is created.",
    ),
    Code(
        "moved-name",
        "Its name hangs on `moved`",
        "Without `name`, names follow from keys, and the thing in the cloud keeps the name of its old key. Write that name into the file; after the next `up` of every environment that the file serves, `moved` can go.",
        W,
    ),
    Code(
        "label-reserved",
        "Label is envctl's own",
        "`envctl-owner`, `envctl-stack`, `envctl-version` and `envctl-commit` are written by envctl, and so is `managed-by`: they tell people, and envctl's messages, whose an object is. Take the line out; what the file says elsewhere stays.",
    ),
    Code(
        "key-near-reserved",
        "Key is nearly one that means something",
        "`buckets.environment` is the environment's own bucket, with its DAGs and logs; `buckets.staging` is where Dataflow stages files. A key that differs by a slip would make another bucket, and let go of the one that was meant. Correct it, or choose a word that differs more.",
    ),
    Code(
        "named-by-two-files",
        "Two files name one thing",
        "An environment, bucket, account, secret, repository, network, cluster or key belongs to one file: each `up` would change it as its own file says, and the `destroy` of one would delete what the other needs. Give one of them another name, or say `existing: NAME` in the file that only uses it.",
    ),
    Code(
        "import-once",
        "`import: true` is for one `up`",
        "The line lets the next `up` take over what exists, as somebody reviewed it. Left in the file it would take over whatever comes to exist under the name later: take it out when the thing is in the state.",
        W,
    ),
    Code(
        "project-id-missing",
        "The project has no id",
        "The `id` of `envctl.yaml` marks what the project owns in the cloud, so that two repositories that both have a `dev` tell their things apart. The next `up` writes one; add it now, and commit it, where several people or a pipeline work on the project.",
        W,
    ),
    Code("given-twice", "Given twice", "The same thing is listed twice. Remove one."),
    # packages, schedules
    Code("file-missing", "File does not exist", "Paths are relative to the environment file."),
    Code(
        "package-name",
        "Not the name of a package",
        "Names follow PEP 508; the Composer API takes lower-case names only.",
    ),
    Code(
        "package-specifier",
        "Not a version specifier",
        "Values are extras and a version specifier, as Composer takes them: `==1.2.3`, `[extra]>=1,<2`, or empty for any version.",
    ),
    Code(
        "last-day-passed",
        "Exception has run out",
        "The last day of an exception has passed; what it allowed counts again.",
        W,
    ),
    Code(
        "policy-unknown",
        "No such policy",
        "A level in `envctl.yaml` or an exception names a policy that is neither shipped nor one of the project's own `policies/` folder, so it changes nothing. `validate` does not run these files: it reads the ids that stand there as plain text, and says nothing where they are computed.",
        W,
    ),
    Code(
        "maintenance-too-short",
        "Maintenance window is too short",
        "Google asks for at least 12 hours in each week, in windows of at least 4 hours.",
    ),
    Code("cron-form", "Not a schedule", "Schedules have the five fields of cron."),
    Code(
        "time-zone-form",
        "Not a time zone of Composer",
        "Composer takes offsets from `UTC-12` to `UTC+12`, without daylight saving.",
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
