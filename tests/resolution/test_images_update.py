"""`images update`: pages of Google's, from files and from a server on loopback; `images lock`."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from worlds import source_of

from envctl.actions.images import UpdateImagesRequest, lock_images, show_image, update_images
from envctl.cli import run
from envctl.errors import InvalidInputError, OutsideError, RefusedError, UsageError
from envctl.image_versions import end_of, image_versions, read_versions_beside
from envctl.resolution.catalogue import Catalogue
from envctl.resolution.image import Basis
from envctl.resolution.images.package_page import read_package_page
from envctl.resolution.images.page_source import fetch_page
from envctl.resolution.images.version_page import read_version_page

TODAY = date(2026, 12, 1)
NEW = "composer-3-airflow-3.1.7-build.90"
NEXT = "composer-3-airflow-3.1.7-build.91"
KNOWN = "composer-3-airflow-3.1.7-build.4"
TWO = "composer-2-airflow-2.10.5"


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("ENVCTL_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_COLOR", "1")
    (tmp_path / "envctl.yaml").write_text("name: acme\n")
    yield
    read_versions_beside()


def whole(name=KNOWN) -> dict[str, str]:
    image = Catalogue().choose(name).image
    return {one.spelling: one.version for one in image.packages.values()}


def differences(older, current) -> str:
    rows = [
        f"{name} {older.get(name, '---')} {current.get(name, '---')}\n"
        for name in sorted({*older, *current})
        if older.get(name) != current.get(name)
    ]
    return "```\nPACKAGE PREVIOUS CURRENT\n" + "".join(rows) + "```\n"


def section(name, pins, *tables: str) -> str:
    lines = "".join(f"        {one}=={version}\n" for one, version in pins.items())
    return f"\n#### {name}\n\nPackages in {name}\n\n```python\n{lines}```\n\n" + "\n".join(tables)


def page(*sections: str, day="November 20, 2026") -> str:
    return (
        "# Preinstalled packages changelog\n\n## Managed Airflow (Gen 3) package changelog\n"
        f"\n### {day}\n\nThis section lists Airflow builds released on {day}.\n" + "".join(sections)
    )


def blanks(text: str) -> str:
    """What a browser saves: no marks of Markdown, blanks between the tokens of names and versions."""
    lines = [line for line in text.replace("        ", "").splitlines() if not line.startswith("```")]
    return "\n".join(_spaced(line).lstrip("# ") for line in lines) + "\n"


def _spaced(line: str) -> str:
    if "==" in line:
        return line.replace("==", " == ").replace("-", " - ").replace("+", " + ").replace(".post", " . post")
    if line.count(" ") == 2 and line[-1] in "-0123456789" and not line.startswith("#"):
        name, old, new = line.split(" ")
        return f"{name.replace('-', ' - ')} {old} {new}".replace("+", " + ").replace(".post", " . post")
    return line


def html(text: str) -> str:
    out, block = [], False
    for line in text.splitlines():
        if line.startswith("```"):
            block = not block
            out.append(("<pre><code>" if block else "</code></pre>") + "\n")
        elif block:
            out.append(f"{line}\n")
        elif line.startswith("#"):
            level = len(line.split(" ")[0])
            out.append(f"<h{level}>{line.lstrip('# ')}</h{level}>\n")
        elif line:
            out.append(f"<p>{line}</p>\n")
    return f"<!doctype html><html><body>{''.join(out)}</body></html>"


@pytest.fixture
def update(tmp_path):
    def call(*texts: str, source=None, offline=False, today=TODAY):
        places = []
        for number, text in enumerate(texts):
            path = tmp_path / f"page-{number}.txt"
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
            places.append(str(path))
        request = UpdateImagesRequest(tuple(places), tmp_path, today, offline=offline)
        return update_images(request, source)

    return call


def problems(update, text):
    with pytest.raises(InvalidInputError) as raised:
        update(text)
    assert raised.value.exit_code == 3
    return [(one.code, one.span.line, one.detail) for one in raised.value.diagnostics]


MOVED = {**whole(), "pandas": "2.9.9"}
TABLE = f"Difference with {NEW}\n\n{differences(whole(), MOVED)}"


@pytest.mark.parametrize("form", [str, blanks, html], ids=["markdown", "browser", "html"])
def test_one_run_adds_every_image_of_the_page_in_every_form(update, tmp_path, form):
    text = form(page(section(NEXT, MOVED, TABLE), section(NEW, whole(), f"No difference with {KNOWN}\n")))
    done = update(text)
    assert [one.name for one in done.added] == [NEW, NEXT]
    assert done.contradictions == ()
    assert done.new == (NEW, NEXT)
    choice = show_image(tmp_path, NEXT)
    assert choice.basis is Basis.EXACT
    assert {one.spelling: one.version for one in choice.image.packages.values()} == MOVED
    assert choice.image.record.source.startswith("Google's page ")


def test_a_second_run_changes_nothing_and_says_so(update, tmp_path):
    text = page(section(NEW, whole()))
    update(text)
    before = {path.name: path.read_bytes() for path in (tmp_path / ".envctl/images").iterdir()}
    done = update(text, today=date(2026, 12, 9))
    assert (done.added, done.same, done.other, done.new) == ((), 1, (), ())
    after = {path.name: path.read_bytes() for path in (tmp_path / ".envctl/images").iterdir()}
    assert {name for name in before if before[name] != after[name]} == {"versions.tsv"}


def test_what_vanishes_from_the_page_is_kept(update, tmp_path):
    update(page(section(NEW, whole())))
    done = update(page(section(NEXT, whole())))
    assert done.gone == (NEW,)
    assert show_image(tmp_path, NEW).basis is Basis.EXACT
    assert NEW in image_versions().releases


def test_a_shipped_list_that_the_page_contradicts_is_replaced_and_named(update, tmp_path):
    done = update(page(section(KNOWN, MOVED)))
    (other,) = done.other
    assert (other.name, other.taken, len(other.differences)) == (KNOWN, True, 1)
    assert other.differences[0] == f"pandas {whole()['pandas']}, on the page 2.9.9"
    assert show_image(tmp_path, KNOWN).image.packages["pandas"].version == "2.9.9"


def test_a_list_that_somebody_added_stays_and_the_difference_is_named(update, tmp_path):
    from envctl.actions.images import AddImageRequest, add_image

    (tmp_path / "own.txt").write_text("".join(f"{name}=={version}\n" for name, version in whole().items()))
    add_image(AddImageRequest(NEW, tmp_path / "own.txt", tmp_path, TODAY), None)
    (other,) = update(page(section(NEW, MOVED))).other
    assert not other.taken
    assert show_image(tmp_path, NEW).image.packages["pandas"].version == whole()["pandas"]


def test_a_table_that_the_lists_contradict_is_told_and_the_image_is_doubted(update, tmp_path):
    wrong = TABLE.replace("2.9.9", "2.9.8")
    done = update(page(section(NEXT, MOVED, wrong), section(NEW, whole())))
    (one,) = done.contradictions
    assert (one.image, one.older) == (NEXT, NEW)
    assert one.differences == (f"pandas {whole()['pandas']} to 2.9.8, and the lists {whole()['pandas']} to 2.9.9",)
    assert "does not fit its lists" in show_image(tmp_path, NEXT).note
    assert show_image(tmp_path, NEW).note.find("fit") == -1


def test_that_nothing_differs_is_held_against_the_lists_too(update):
    done = update(page(section(NEXT, MOVED, f"No difference with {KNOWN}\n")))
    assert [(one.image, one.older) for one in done.contradictions] == [(NEXT, KNOWN)]


def test_a_table_about_an_image_without_a_list_proves_nothing(update):
    done = update(page(section(NEXT, MOVED, "No difference with composer-3-airflow-3.1.7-build.89\n")))
    assert done.contradictions == ()


def test_absent_packages_and_blanks_are_read_in_tables():
    older = {"apache-airflow": "3.1.7+composer", "unicodecsv": "0.14.1", "pytz": "2026.1.post1", "x-y": "2.0.0b7"}
    newer = {"apache-airflow": "3.1.8+composer", "py-spy": "0.4.1", "pytz": "2026.2.post1", "x-y": "2.0.0rc8"}
    rows = (
        "apache - airflow 3.1.7 + composer 3.1.8 + composer\npy - spy --- 0.4.1\n"
        "pytz 2026.1 . post1 2026.2 . post1\nunicodecsv 0.14.1 ---\nx - y 2.0.0 b7 2.0.0 rc8\n"
    )
    text = page(section(NEXT, newer)) + f"\nDifference with {NEW}\n\nPACKAGE PREVIOUS CURRENT\n{rows}"
    (image,) = read_package_page(text, "page")
    assert image.differences[0].moved == {name: (older.get(name), newer.get(name)) for name in {*older, *newer}}


def test_translated_titles_and_tables_are_read():
    table = f"{NEW}과의 차이점\n\n{differences(whole(), MOVED)}"
    text = page(section(NEXT, MOVED, table)).replace(f"Packages in {NEXT}", f"{NEXT}의 패키지")
    (image,) = read_package_page(text, "page")
    assert image.differences[0].older == NEW
    assert len(image.differences[0].moved) == 1


VERSIONS = """\
# Version list

| Version | Python version | PyPI packages | Release date | Support end date | Notes |
|---|---|---|---|---|---|
| composer-3-airflow-3.1.7-build.90 | 3.11.9 | [See packages](https://x.test/y) | November 20, 2026 | November 30, 2026 | Latest build |
| composer-3-airflow-3.1.7-build.4 | 3.11.8 | [See packages](https://x.test/y) | April 01, 2026 | May 01, 2027 | |
| composer-3-airflow-3.1.7-build.3 | 3.11.8 | See packages | March 27, 2026 | To be announced | |
"""


def rows_as_html(text: str) -> str:
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| ")]
    cells = ("".join(f"<td>{cell.strip()}</td>" for cell in row) for row in rows)
    return f"<html><table>{''.join(f'<tr>{row}</tr>' for row in cells)}</table></html>"


def rows_as_text(text: str) -> str:
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| ")]
    return "\n".join(cell.strip() for row in rows for cell in row)


@pytest.mark.parametrize("form", [str, rows_as_html, rows_as_text], ids=["markdown", "html", "browser"])
def test_the_page_of_versions_is_read_in_every_form(form):
    rows = {row.name: row for row in read_version_page(form(VERSIONS))}
    assert rows[NEW] == (NEW, "2026-11-20", "2026-11-30", "3.11.9", False)
    assert rows[KNOWN].ends == "2027-05-01"
    assert rows["composer-3-airflow-3.1.7-build.3"].ends == ""


def test_the_page_of_lists_is_no_page_of_versions():
    text = page(section(NEW, whole())) + "\n### March 27, 2026\n" + section(NEXT, whole())
    assert read_version_page(text) == ()
    assert [one.released for one in read_package_page(text, "page")] == ["2026-11-20", "2026-03-27"]


def test_new_versions_and_ends_of_support_are_told_and_kept(update, tmp_path):
    done = update(page(section(NEW, whole())), VERSIONS, today=date(2026, 12, 2))
    assert done.new == (NEW,)
    assert [(one.name, one.before.day, one.now.day) for one in done.ends] == [(KNOWN, "2027-04-01", "2027-05-01")]
    assert show_image(tmp_path, NEW).image.record.python == "3.11.9"
    assert str(end_of(KNOWN)) == "2027-05-01"
    assert (end_of(NEW).day, end_of(NEW).computed) == ("2026-11-30", False)
    assert Catalogue.of_project(tmp_path).choose("composer-3-airflow-3.1.7").name == NEW


def test_an_end_that_only_the_rule_tells_is_marked(update):
    update(page(section(NEW, whole())))
    assert str(end_of(NEW)) == "2027-11-20 by the 12-month rule"


def test_ends_since_the_last_table_are_told(update):
    text = VERSIONS.replace("November 30, 2026", "December 05, 2026")
    assert update(text, today=date(2026, 12, 4)).ended == ()
    assert [name for name, _ in update(text, today=date(2026, 12, 5)).ended] == [NEW]
    assert update(text, today=date(2026, 12, 6)).ended == ()


@pytest.mark.parametrize("text", ["", "Sign in to continue\n", "<html><body><h1>Moved</h1></body></html>"])
def test_another_layout_says_what_was_looked_for(update, text, tmp_path):
    ((code, line, detail),) = problems(update, text)
    assert (code, line) == ("image-page-layout", 1)
    assert "looked for headings that are an image version" in detail
    assert not (tmp_path / ".envctl").exists()


@pytest.mark.parametrize("form", [str, html], ids=["markdown", "html"])
def test_half_a_page_is_refused_whole(update, tmp_path, form):
    text = form(page(section(NEXT, whole()), section(NEW, whole())))
    cut = text[: text.rindex("python-dotenv")]
    ((code, line, detail),) = problems(update, cut)
    assert code == "image-page-cut"
    assert f"the list of {NEW}" in detail
    assert cut.splitlines()[line - 1].startswith(("```", "<pre"))
    assert not (tmp_path / ".envctl").exists()


def test_a_list_that_a_text_cuts_off_is_a_part(update, tmp_path):
    text = blanks(page(section(NEW, whole())))
    (record,) = update(text[: text.index("httplib2")]).added
    assert not record.complete
    assert "lacks what its own packages require" in record.doubt


def test_two_lists_of_one_image_are_refused_on_one_page_and_on_two(update):
    first, second = page(section(NEW, whole())), page(section(NEW, MOVED))
    (code, _, detail), *_ = problems(update, first + section(NEW, MOVED))
    assert (code, NEW in detail) == ("image-list-other", True)
    with pytest.raises(InvalidInputError):
        update(first, second)


def test_every_line_that_cannot_be_read_is_named_with_its_line(update):
    text = (
        page(section(NEW, whole()))
        .replace("        numpy==", "        numpy is ")
        .replace("        rich==", "        rich=")
    )
    found = problems(update, text)
    assert [code for code, *_ in found] == ["image-list-line"] * 2
    assert all(text.splitlines()[line - 1].lstrip().startswith(("numpy", "rich")) for _, line, _ in found)


def test_latin_1_is_refused_at_its_byte(update):
    text = page(section(NEW, whole())).replace("This section", "Diese Übersicht").encode("latin-1")
    with pytest.raises(InvalidInputError) as raised:
        update(text)
    (problem,) = raised.value.diagnostics
    line = text.decode("latin-1").splitlines()[problem.span.line - 1]
    assert line[problem.span.column - 1] == "Ü"
    assert "iconv" in problem.hints[0].command


def test_what_powershell_redirects_is_read(update):
    assert len(update(page(section(NEW, whole())).encode("utf-16")).added) == 1


def test_a_page_of_20_megabytes_is_read(update):
    filler = "Lorem ipsum dolor sit amet, consectetur adipiscing elit.\n" * 360_000
    text = page(section(NEW, whole())) + f"\n## Notes\n\n{filler}"
    assert len(text) > 20_000_000
    assert [one.name for one in update(text).added] == [NEW]


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        update_images(UpdateImagesRequest(("nowhere.md",), tmp_path, TODAY), None)


def test_requirements_are_asked_once_and_shared_by_all_images(update, tmp_path):
    asked = []

    class Counting:
        def __init__(self, inner):
            self.inner = inner

        def __getattr__(self, name):
            return getattr(self.inner, name)

        def metadata(self, candidate):
            asked.append(candidate.name)
            return self.inner.metadata(candidate)

    pins = {**whole(), "fresh-package": "1.0"}
    source = Counting(source_of({"fresh-package": {"1.0": ["pandas>=2"]}}))
    update(page(section(NEXT, pins), section(NEW, pins)), source=source)
    assert asked == ["fresh-package"]
    for name in (NEW, NEXT):
        assert show_image(tmp_path, name).image.packages["fresh-package"].requires == ("pandas>=2",)


def test_an_index_that_does_not_answer_ends_with_4_and_writes_nothing(update, tmp_path):
    pins = {**whole(), "fresh-package": "1.0"}
    source = source_of({"fresh-package": {"1.0": []}}, dead=("fresh-package",))
    with pytest.raises(OutsideError) as raised:
        update(page(section(NEW, pins)), source=source)
    assert raised.value.exit_code == 4
    assert not (tmp_path / ".envctl").exists()
    (record,) = update(page(section(NEW, pins)), source=source, offline=True).added
    assert "fresh-package" in record.doubt


class Pages(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.seen.append({"path": self.path, **self.headers})
        status, headers, body = self.server.answer(self)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextmanager
def serving(answer) -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    server.answer, server.seen = answer, []
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_page_is_asked_for_by_what_was_told_of_it_last(tmp_path):
    body = page(section(NEW, whole())).encode()
    stamp = "Fri, 20 Nov 2026 08:00:00 GMT"

    def answer(request):
        if request.headers.get("If-None-Match") == '"one"':
            return 304, {}, b""
        return 200, {"ETag": '"one"', "Last-Modified": stamp, "Content-Length": str(len(body))}, body

    with serving(answer) as server:
        first = fetch_page(f"{server.url}/page.md.txt", tmp_path)
        second = fetch_page(f"{server.url}/page.md.txt", tmp_path)
        other = fetch_page(f"{server.url}/other.md.txt", tmp_path)
    assert (first.unchanged, second.unchanged, other.unchanged) == (False, True, False)
    assert second.text == first.text == body.decode()
    assert "If-None-Match" not in server.seen[0]
    assert (server.seen[1]["If-None-Match"], server.seen[1]["If-Modified-Since"]) == ('"one"', stamp)
    assert "If-None-Match" not in server.seen[2]


def test_a_damaged_cache_is_no_answer(tmp_path):
    with serving(lambda _: (200, {"ETag": '"one"'}, b"text")) as server:
        fetch_page(f"{server.url}/a", tmp_path)
        (kept,) = tmp_path.glob("*.page")
        kept.write_bytes(kept.read_bytes() + b"more")
        assert fetch_page(f"{server.url}/a", tmp_path).text == "text"
    assert "If-None-Match" not in server.seen[1]


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (lambda _: (503, {}, b"busy"), "503"),
        (lambda _: (404, {}, b""), "404"),
        (lambda _: (200, {"Content-Length": "1000"}, b"short"), "peer closed"),
        (lambda _: (302, {"Location": "/again"}, b""), "redirects"),
    ],
)
def test_no_page_ends_with_4_and_the_address(tmp_path, answer, cause):
    with serving(answer) as server, pytest.raises(OutsideError) as raised:
        fetch_page(f"{server.url}/page.md.txt?token=abc", tmp_path)
    assert raised.value.exit_code == 4
    assert f"{server.url}/page.md.txt" in raised.value.detail
    assert "abc" not in raised.value.detail
    assert cause in raised.value.detail
    assert "--from FILE" in raised.value.hints[0]


def test_nobody_at_the_address_ends_with_4(tmp_path):
    with serving(lambda _: (200, {}, b"")) as server:
        url = server.url
    with pytest.raises(OutsideError, match="cannot be fetched") as raised:
        fetch_page(f"{url}/page", tmp_path)
    assert f"{url}/page" in raised.value.detail


def test_the_command_reads_an_address_and_writes_json(tmp_path, capsys):
    body = page(section(NEW, whole())).encode()
    with serving(lambda _: (200, {}, body)) as server:
        line = ["-C", str(tmp_path), "images", "update", "--from", f"{server.url}/p.md.txt", "--offline"]
        assert run([*line, "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["format"] == "envctl.images-update/v1"
    assert [one["image"] for one in document["added"]] == [NEW]
    assert document["pages"][0]["place"] == f"{server.url}/p.md.txt"


def test_a_lock_keeps_what_answered(update, tmp_path):
    update(page(section(NEW, whole())))
    lock_images(tmp_path)
    assert lock_images(tmp_path, write=False).same
    update(page(section(NEW, MOVED), section(NEXT, whole())))
    found = lock_images(tmp_path, write=False)
    assert (found.added, found.changed) == ((NEXT,), (NEW,))
    with pytest.raises(UsageError) as unpinned:
        show_image(tmp_path, NEXT)
    assert "images.lock does not pin it" in unpinned.value.detail
    with pytest.raises(RefusedError) as raised:
        show_image(tmp_path, NEW)
    assert (raised.value.code, raised.value.exit_code) == ("images-lock-differs", 5)
    lock_images(tmp_path)
    assert show_image(tmp_path, NEW).image.packages["pandas"].version == "2.9.9"


def test_an_alias_means_what_it_meant_when_the_lock_was_made(update, tmp_path):
    update(page(section(NEW, whole())))
    lock_images(tmp_path)
    update(page(section(NEW, whole()), section(NEXT, whole())))
    assert show_image(tmp_path, "composer-3-airflow-3.1.7").name == NEW
    (tmp_path / "images.lock").unlink()
    assert show_image(tmp_path, "composer-3-airflow-3.1.7").name == NEXT


def test_a_lock_knows_a_list_by_what_it_says_and_not_by_when_it_came(update, tmp_path):
    text = page(section(NEW, whole()))
    update(text)
    lock_images(tmp_path)
    for path in (tmp_path / ".envctl/images").iterdir():
        path.unlink()
    with pytest.raises(RefusedError, match="pins is not here"):
        show_image(tmp_path, NEW)
    update(text.replace("\n\n", "\n\n\n"), today=date(2027, 1, 5))
    assert show_image(tmp_path, NEW).basis is Basis.EXACT


def test_a_lock_that_was_changed_by_hand_is_refused(tmp_path, capsys):
    lock_images(tmp_path)
    path = tmp_path / "images.lock"
    text = path.read_text()
    path.write_text(text.replace(f'"{KNOWN}": "sha256:', f'"{KNOWN}": "sha256:0'))
    with pytest.raises(InvalidInputError, match="changed by hand"):
        show_image(tmp_path, KNOWN)
    path.write_text(text[:-40])
    assert run(["-C", str(tmp_path), "images", "show", KNOWN]) == 3
    path.write_text("{}")
    assert run(["-C", str(tmp_path), "images", "lock", "--check"]) == 3
    assert run(["-C", str(tmp_path), "images", "lock"]) == 0
    assert path.read_text() == text
    assert run(["-C", str(tmp_path), "images", "lock", "--check"]) == 0
