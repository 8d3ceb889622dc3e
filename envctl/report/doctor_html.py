"""The doctor's report as one HTML page without scripts or outside resources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from envctl.report.doctor_text import short_resource, unknown_by_cause, up_line, with_short_names
from envctl.report.style import printable

if TYPE_CHECKING:
    from envctl.doctor.model import DoctorReport

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
.error { border-left: .4rem solid #c22; } .warning { border-left: .4rem solid #c80; } .note, pre.coming { border-left: .4rem solid #282; }
.open { border-left: .4rem solid #888; } .seen { opacity: .75; overflow-wrap: anywhere; }
</style>
</head>
<body>
<main>
{% macro show(item) %}
<section class="{{ item.severity.value }}">
<h3>{{ (item.principal or "the project") | clean }}</h3>
<p>{% if item.missing %}lacks <code>{{ item.missing | join(", ") | clean }}</code> on {{ item.resource | short | clean }}: {% endif %}{{ item.why | clean }}
<code>[{{ item.id }}]</code></p>
{% for text in item.evidence %}<p class="seen">seen: {{ text | shorter | clean }}</p>{% endfor %}
{{ repairs(item.fixes) }}
</section>
{% endmacro %}
{% macro repairs(fixes) %}
{% for fix in fixes %}<pre>{{ fix.text | clean }}</pre>{% endfor %}
{% endmacro %}
{% macro coming(lines) %}
<pre class="coming">{% for line in lines %}{{ line | clean }}{{ "\n" }}{% endfor %}</pre>
{% endmacro %}
{% for report, unknown in pages %}
<h1>envctl doctor: {{ report.environment | clean }}</h1>
{% if report.unrecognised %}<p><strong>The error text is not recognised.</strong></p>{% endif %}
{% if report.causes or not report.operations %}
<p>{{ report.causes | length or "No" }} possible {{ "cause" if report.causes | length == 1 else "causes" }} of the error text,
<strong>{{ report.causes | selectattr("confirmed") | list | length or "none" }} confirmed</strong>.</p>
{% else %}
<p>Before {{ report.operations | join(", ") }}: <strong>{{ report.summary.failed }} failed</strong>,
{% if report.coming %}{{ report.summary.coming }} that <code>envctl up</code> will do,
{% endif %}{{ report.summary.unknown }} unknown, {{ report.summary.ok }} ok, {{ report.summary.skipped }} skipped.
{% if report.facts %}Facts: {{ report.facts | clean }}.{% else %}No facts: only what the file alone can tell.{% endif %}</p>
{% endif %}
{% for cause in report.causes %}
<h2>{{ cause.rank }}. {{ cause.means | clean }} ({{ "confirmed" if cause.confirmed else "possible" }}) <code>[{{ cause.signature }}]</code></h2>
{% if cause.groups %}<p>The text names: {{ cause.groups | join(", ") | clean }}</p>{% endif %}
{% for item in cause.decided if item.status.value == "failed" and not item.coming %}{{ show(item) }}{% endfor %}
{% if cause.decided | selectattr("coming") | list %}
<p><code>envctl up</code> will do:</p>
{{ coming(cause.decided | selectattr("coming") | map("up") | unique(case_sensitive=true)) }}
{% endif %}
{% for text in cause.needs %}<p class="seen">would decide it: {{ text | shorter | clean }}</p>{% endfor %}
{% if cause.elsewhere %}<p>Does not concern this environment: {{ cause.decided[0].why | clean }}</p>{% endif %}
{% if cause.checks and not cause.decided %}<p>Look at: {{ cause.checks | join(", ") }}</p>{% endif %}
{% if cause.fixes %}<p>To repair it:</p>{{ repairs(cause.fixes) }}{% endif %}
{% endfor %}
{% if report.failed %}
<h2>To fix</h2>
{% for item in report.failed %}{{ show(item) }}{% endfor %}
{% endif %}
{% if report.coming %}
<h2><code>envctl up</code> will do this</h2>
{{ coming(report.coming | map("up") | unique(case_sensitive=true)) }}
{% endif %}
{% for cause, ids in unknown %}
{% if loop.first %}<h2>Not known</h2>{% endif %}
<section class="open"><p>{{ cause | shorter | clean }}</p>
<p class="seen">leaves open: {{ ids | join(", ") }}</p></section>
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
    environment.filters["shorter"] = with_short_names
    pages = [(report, unknown_by_cause(report)) for report in reports]
    return environment.from_string(_PAGE).render(pages=pages) + "\n"
