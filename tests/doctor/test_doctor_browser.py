"""The HTML report in a browser: its text is text, whatever the names in it say."""

from __future__ import annotations

import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from test_doctor_reports import sick

from envctl.diagnostics import Severity
from envctl.doctor.model import DoctorReport, Finding, Fix, FixKind, Status
from envctl.report.doctor_formats import DoctorFormat, write_doctor

OWN = "<script>document.title='owned'</script>"
ATTACK = f"{OWN}<img src=x onerror=\"document.title='owned'\">\"'></title></pre></code>{OWN}{{{{7*7}}}}"


class _Title(HTMLParser):
    title = ""
    inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.inside = tag == "title"

    def handle_data(self, data: str) -> None:
        self.title += data if self.inside else ""

    def handle_endtag(self, tag: str) -> None:
        self.inside = False


def title_after_loading(chromium: str, page: str, folder: Path) -> str:
    """The title of a page once everything in it that can run has run."""
    file = folder / "page.html"
    file.write_text(page, encoding="utf-8")
    flags = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--host-resolver-rules=MAP * ~NOTFOUND",
        f"--user-data-dir={folder / 'profile'}",
        "--virtual-time-budget=1000",
        "--dump-dom",
    ]
    done = subprocess.run(
        [chromium, *flags, file.as_uri()], capture_output=True, text=True, encoding="utf-8", timeout=90, check=True
    )
    parser = _Title()
    parser.feed(done.stdout)
    return parser.title


def attacked() -> DoctorReport:
    finding = Finding("x", Status.FAILED, Severity.ERROR, ATTACK, ATTACK, ATTACK, (ATTACK,), ATTACK, (ATTACK,))
    coming = Finding("y", Status.FAILED, Severity.NOTE, ATTACK, fixes=(Fix(FixKind.UP, ATTACK),))
    unknown = Finding("z", Status.UNKNOWN, Severity.ERROR, ATTACK, evidence=(ATTACK,))
    return DoctorReport(f"prod {OWN}", ("create",), (finding, coming, unknown), (), ATTACK, "2026-08-22")


@pytest.mark.browser
def test_the_page_has_its_title(chromium: str, tmp_path: Path) -> None:
    assert title_after_loading(chromium, write_doctor(sick(), DoctorFormat.HTML), tmp_path) == "envctl doctor: prod"


@pytest.mark.browser
def test_no_name_in_a_report_runs_as_script(chromium: str, tmp_path: Path) -> None:
    assert title_after_loading(chromium, f"<!doctype html><title>t</title>{OWN}", tmp_path) == "owned"  # it would show
    page = write_doctor(attacked(), DoctorFormat.HTML)
    assert title_after_loading(chromium, page, tmp_path) == f"envctl doctor: prod {OWN}"


@pytest.mark.browser
def test_the_page_runs_no_script_even_where_one_got_in(chromium: str, tmp_path: Path) -> None:
    page = write_doctor(sick(), DoctorFormat.HTML).replace("<main>", f"<main>{OWN}")
    assert OWN in page
    assert title_after_loading(chromium, page, tmp_path) == "envctl doctor: prod"
