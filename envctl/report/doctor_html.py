"""The doctor's report as one HTML page without scripts or outside resources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from envctl.doctor.model import Status
from envctl.report.doctor_text import short_resource, up_line
from envctl.report.style import printable

if TYPE_CHECKING:
    from envctl.doctor.model import DoctorReport, Finding

_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>envctl doctor: {{ pages | map(attribute=0) | map(attribute="environment") | map("clean") | join(", ") }}</title>
<style>
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
section { border: 1px solid #8884; border-radius: .5rem; padding: .5rem 1rem; margin: 1rem 0; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2rem; } h3 { font-size: 1rem; overflow-wrap: anywhere; }
pre { overflow-x: auto; background: #8882; padding: .5rem; border-radius: .3rem; white-space: pre-wrap; overflow-wrap: anywhere; }
code { overflow-wrap: anywhere; }
.error { border-left: .4rem solid #c22; } .warning { border-left: .4rem solid #c80; } .note { border-left: .4rem solid #282; }
</style>
</head>
<body>
<main>
{% for report, groups in pages %}
<h1>envctl doctor: {{ report.environment | clean }}</h1>
<p>Before {{ report.operations | join(", ") }}: <strong>{{ report.summary.failed }} failed</strong>,
{% if report.coming %}{{ report.summary.coming }} that <code>envctl up</code> will do,
{% endif %}{{ report.summary.unknown }} unknown, {{ report.summary.ok }} ok, {{ report.summary.skipped }} skipped.
{% if report.facts %}Facts: {{ report.facts | clean }}.{% else %}No facts: only what the file alone can tell.{% endif %}</p>
{% for cause in report.causes %}
<section><h3>{{ cause.rank }}. {{ cause.means | clean }} ({{ "confirmed" if cause.confirmed else "possible" }})</h3>
<p>Checks: {{ cause.checks | join(", ") }}</p></section>
{% endfor %}
{% if report.coming %}
<h2><code>envctl up</code> will do this</h2>
<ul class="coming">{% for line in report.coming | map("up") | unique(case_sensitive=true) %}<li><code>{{ line | clean }}</code></li>{% endfor %}</ul>
{% endif %}
{% for title, findings in groups if findings %}
<h2>{{ title }}</h2>
{% for item in findings %}
<section class="{{ item.severity.value }}">
<h3>{{ (item.principal or "the project") | clean }}</h3>
<p>{% if item.missing %}lacks <code>{{ item.missing | join(", ") | clean }}</code> on {{ item.resource | short | clean }}: {% endif %}{{ item.why | clean }}
<code>[{{ item.id }}]</code></p>
{% if item.evidence %}<ul>{% for text in item.evidence %}<li>{{ text | clean }}</li>{% endfor %}</ul>{% endif %}
{% for fix in item.fixes %}<pre>{{ fix.text | clean }}</pre>{% endfor %}
</section>
{% endfor %}
{% endfor %}
{% endfor %}
</main>
</body>
</html>
"""


def render_html(*reports: DoctorReport) -> str:
    """The page of one or several environments; every text is escaped and control characters are spelled out."""
    from jinja2 import Environment

    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["clean"] = printable
    environment.filters["short"] = short_resource
    environment.filters["up"] = up_line
    pages = [(report, _groups(report)) for report in reports]
    return environment.from_string(_PAGE).render(pages=pages) + "\n"


def _groups(report: DoctorReport) -> tuple[tuple[str, list[Finding]], ...]:
    return ("To fix", list(report.failed)), (
        "Not known",
        [item for item in report.findings if item.status is Status.UNKNOWN],
    )
