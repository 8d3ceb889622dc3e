"""The doctor's report in the forms that machines, pull requests and browsers read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from envctl import __version__
from envctl.diagnostics import Severity
from envctl.doctor.model import Status
from envctl.report.doctor_json import doctor_document
from envctl.report.doctor_text import render_doctor, short_resource, up_line
from envctl.report.markdown import cell
from envctl.report.style import PLAIN, Style, printable

if TYPE_CHECKING:
    from envctl.doctor.model import DoctorReport, Finding


class DoctorFormat(StrEnum):
    """Forms of a report."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    JUNIT = "junit"
    MARKDOWN = "markdown"
    HTML = "html"


def write_doctor(report: DoctorReport, form: DoctorFormat, style: Style = PLAIN, *, verbose: bool = False) -> str:
    """The report in a form, ready for a file or a terminal."""
    match form:
        case DoctorFormat.TEXT:
            return render_doctor(report, style, verbose=verbose)
        case DoctorFormat.JSON:
            return json.dumps(doctor_document(report), indent=2, ensure_ascii=False) + "\n"
        case DoctorFormat.SARIF:
            return json.dumps(sarif_document(report), indent=2, ensure_ascii=False) + "\n"
        case DoctorFormat.JUNIT:
            return render_junit(report)
        case DoctorFormat.MARKDOWN:
            return render_markdown(report)
        case DoctorFormat.HTML:
            from envctl.report.doctor_html import render_html

            return render_html(report)


def write_doctors(
    reports: Sequence[DoctorReport], form: DoctorFormat, style: Style = PLAIN, *, verbose: bool = False
) -> str:
    """Reports of several environments in one document that is valid in its form."""
    if len(reports) == 1:
        return write_doctor(reports[0], form, style, verbose=verbose)
    match form:
        case DoctorFormat.JSON:
            document = {"format": "envctl.doctor/v1", "results": [doctor_document(each) for each in reports]}
            return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
        case DoctorFormat.SARIF:
            logs = [sarif_document(each) for each in reports]
            merged = {**logs[0], "runs": [run for log in logs for run in log["runs"]]} if logs else {}
            return json.dumps(merged, indent=2, ensure_ascii=False) + "\n"
        case DoctorFormat.JUNIT:
            suites = [line for each in reports for line in _suite(each)]
            return "\n".join([*_XML_HEAD, '<testsuites name="envctl doctor">', *suites, "</testsuites>", ""])
        case DoctorFormat.TEXT | DoctorFormat.MARKDOWN:
            return "\n".join(write_doctor(each, form, style, verbose=verbose) for each in reports)
        case DoctorFormat.HTML:
            from envctl.report.doctor_html import render_html

            return render_html(*reports)


_XML_HEAD: Final = ('<?xml version="1.0" encoding="UTF-8"?>',)
_LEVELS: Final = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "note"}


def sarif_document(report: DoctorReport) -> dict[str, Any]:
    """SARIF 2.1.0: failed findings, unknown ones, what `up` will do as information; accepted ones are suppressed."""
    shown = [item for item in report.findings if item.status in {Status.FAILED, Status.UNKNOWN}]
    rules = sorted({item.id for item in shown})
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "envctl doctor",
                        "semanticVersion": __version__,
                        "rules": [
                            {"id": rule, "shortDescription": {"text": f"envctl explain {rule}"}} for rule in rules
                        ],
                    }
                },
                "results": [_sarif_result(item, rules.index(item.id), report) for item in shown],
            }
        ],
    }


def _sarif_result(item: Finding, rule: int, report: DoctorReport) -> dict[str, Any]:
    environment = report.environment
    result: dict[str, Any] = {
        "ruleId": item.id,
        "ruleIndex": rule,
        "level": _LEVELS[item.severity],
        "kind": "informational" if item.coming else "fail" if item.status is Status.FAILED else "review",
        "message": {"text": "\n".join((sentence(item), *(f"Repair: {fix.text}" for fix in item.fixes)))},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": f"environments/{quote(environment)}.yaml", "uriBaseId": "%SRCROOT%"},
                    "region": {"startLine": report.lines.get(item.fingerprint, 1)},
                },
                "logicalLocations": [{"fullyQualifiedName": item.resource or environment}],
            }
        ],
        "partialFingerprints": {"envctl/v1": item.fingerprint},
    }
    if result["kind"] != "fail":
        result["level"] = "none"  # SARIF 3.27.10: only failures have a level
    if item.fixes:
        result["properties"] = {"repairs": [{"kind": fix.kind.value, "text": fix.text} for fix in item.fixes]}
    if item.accepted:
        result["suppressions"] = [{"kind": "external"}]
    return result


def sentence(item: Finding) -> str:
    """One finding in one sentence."""
    if item.coming:
        return f"`envctl up` will do this: {up_line(item)} ({item.why})."
    if item.missing:
        who = item.principal or "the project"
        verb = "lacks" if item.status is Status.FAILED else "may lack"
        return f"{who} {verb} {', '.join(item.missing)} on {short_resource(item.resource)}: {item.why}."
    if item.status is Status.UNKNOWN:
        return f"Not known: {item.why} ({'; '.join(item.evidence)})."
    return item.why


def render_junit(report: DoctorReport) -> str:
    """JUnit XML: one test case per finding; what is not known and would be an error is one, not a success.

    What `up` will do by itself, and what is not known and would not stop anything, is skipped with its reason.
    """
    return "\n".join([*_XML_HEAD, '<testsuites name="envctl doctor">', *_suite(report), "</testsuites>", ""])


def _suite(report: DoctorReport) -> Iterator[str]:
    failed, errors = len(report.failed), len(report.unknown)
    skipped = report.summary["skipped"] + len(report.coming) + report.summary["unknown"] - errors
    numbers = f'tests="{len(report.findings)}" failures="{failed}" errors="{errors}" skipped="{skipped}"'
    yield f'  <testsuite name="{_xml(report.environment)}" {numbers}>'
    for item in report.findings:
        name = _xml(" ".join(part for part in (item.principal, short_resource(item.resource)) if part) or item.id)
        body = _xml("\n".join((sentence(item), *item.evidence, *(fix.text for fix in item.fixes))))
        yield f'    <testcase classname="{_xml(item.id)}" name="{name}">'
        if item.coming:
            yield f'      <skipped message="{_xml(sentence(item))}"/>'
        elif item.status is Status.FAILED and not item.accepted:
            yield f'      <failure message="{_xml(sentence(item))}" type="{item.severity.value}">{body}</failure>'
        elif item.status is Status.UNKNOWN and item.severity is Severity.ERROR:
            yield f'      <error message="{_xml(sentence(item))}" type="unknown">{body}</error>'
        elif item.status is Status.UNKNOWN:
            yield f'      <skipped message="{_xml(sentence(item))}"/>'
        elif item.status is Status.SKIPPED:
            yield f'      <skipped message="{_xml(item.why)}"/>'
        yield "    </testcase>"
    yield "  </testsuite>"


def _xml(text: str) -> str:
    safe = printable(text).replace("\x7f", "")
    return safe.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def render_markdown(report: DoctorReport) -> str:
    """Markdown for pull requests: what to fix as a table with commands, what is unknown below."""
    counts = report.summary
    failed, coming = report.failed, report.coming
    unknown = [item for item in report.findings if item.status is Status.UNKNOWN]
    parts = [
        f"{counts['failed']} failed",
        f"{counts['coming']} that `envctl up` will do",
        *(f"{counts[name]} {name}" for name in ("unknown", "ok", "skipped")),
    ]
    if report.causes or not report.operations:
        number = len(report.causes)
        parts = [f"{number} possible cause{'' if number == 1 else 's'} of the error text"]
    if report.unrecognised:
        parts.insert(0, "the error text is not recognised")
    before = f", before {', '.join(report.operations)}" if report.operations else ""
    lines = [
        f"### envctl doctor: {cell(report.environment)}{before}",
        "",
        ", ".join(parts) + ".",
        "",
    ]
    for cause in report.causes:
        state = "confirmed" if cause.confirmed else "possible"
        lines.append(f"{cause.rank}. **{cell(cause.means)}** ({state}) `{cause.signature}`")
        lines += [f"   - {cell(sentence(item))}" for item in cause.decided if item.status is Status.FAILED]
        fixes = [*cause.fixes, *(fix for item in cause.decided if not item.coming for fix in item.fixes)]
        lines += [f"   - `{printable(fix.text).replace('`', ' ')}`" for fix in fixes if fix.kind.value == "command"]
        lines.append("")
    if failed:
        lines += ["| | check | principal | finding |", "|---|---|---|---|"]
        lines += [
            f"| {item.severity.value} | `{item.id}` | {cell(item.principal)} | {cell(sentence(item))} |"
            for item in failed
        ]
        lines.append("")
        commands = list(dict.fromkeys(fix.text for item in failed for fix in item.fixes if fix.kind.value == "command"))
        if commands:
            lines += ["```sh", *(printable(text).replace("```", "` ` `") for text in commands), "```", ""]
    if coming:
        lines += ["<details><summary><code>envctl up</code> will do this</summary>", ""]
        lines += [f"- {cell(line)}" for line in dict.fromkeys(up_line(item) for item in coming)]
        lines += ["", "</details>", ""]
    if unknown:
        lines += ["<details><summary>Not known</summary>", ""]
        lines += [f"- `{item.id}` {cell(sentence(item))}" for item in unknown]
        lines += ["", "</details>", ""]
    return "\n".join(lines)
