from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from envctl.diagnostics import Severity
from envctl.report.diagnostics_text import render_diagnostics
from envctl.resolution.package_map import package_map, parse_package_map
from envctl.resolution.protocol import Target
from envctl.resolution.requirements import requested
from envctl.resolution.requirements_file import load_requirements, parse_requirements

TARGET = Target(python="3.11.8", pip="23.2.1")
HERE = Path("requirements.txt")


def parsed(text, environment=None):
    return parse_requirements(text, HERE, environment or {})


def codes(found):
    return [one.code for one in found.diagnostics]


def sent(text):
    return package_map(requested(parsed(text), TARGET).packages)


def test_the_map_holds_names_with_extras_and_clauses():
    text = "Google_Cloud.Storage >= 1.27.0, <3\napache-beam[gcp, aws]==2.66.0 # comment\nhvac\n"
    assert sent(text) == {
        "apache-beam": "[aws,gcp]==2.66.0",
        "google-cloud-storage": ">=1.27.0,<3",
        "hvac": "",
    }


def test_lines_of_one_package_are_sent_as_one_and_said():
    found = requested(parsed("apache-beam==2.19.0\napache_beam[gcp]\n"), TARGET)
    assert package_map(found.packages) == {"apache-beam": "[gcp]==2.19.0"}
    assert codes(found) == ["requirement-duplicate"]
    assert found.diagnostics[0].span.line == 2
    assert not found.invalid


def test_markers_are_decided_for_the_image():
    found = requested(parsed('a; python_version < "3.9"\nb ; sys_platform == "linux"\n'), TARGET)
    assert [one.text for one in found.packages] == ["b"]
    assert codes(found) == ["requirement-marker-decided"] * 2
    assert {one.severity for one in found.diagnostics} == {Severity.NOTE}


def test_continuation_lines_hashes_and_variables():
    text = "a==1.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\nb==${WANTED}\n"
    found = parsed(text, {"WANTED": "2.0"})
    assert [one.text for one in found.lines] == ["a==1.0", "b==2.0"]
    assert found.lines[0].hashes == ("sha256:aa", "sha256:bb")
    assert [one.span.line for one in found.lines] == [1, 4]
    assert codes(found) == ["requirement-hash-dropped"]


def test_index_lines_are_read_and_said_to_have_no_effect():
    found = parsed("--index-url https://index.test/simple\n--extra-index-url=https://b.test/simple\n-f ./wheels\na\n")
    assert found.index.index_url == "https://index.test/simple"
    assert found.index.extra_index_urls == ("https://b.test/simple",)
    assert codes(found) == ["requirements-option-ignored"] * 3


def test_nested_files_are_read_relative_to_the_file_that_names_them(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "main.txt").write_text("-r sub/more.txt\n-c limits.txt\na>=1\n")
    (tmp_path / "sub/more.txt").write_text("b\n")
    (tmp_path / "limits.txt").write_text("a<3\nother==1\n")
    given_ = load_requirements([tmp_path / "main.txt"], {})
    found = requested(given_, TARGET)
    assert [one.text for one in found.packages] == ["b", "a>=1,<3"]
    assert codes(found) == ["constraint-not-expressible"]


def test_files_in_a_circle_are_named(tmp_path):
    (tmp_path / "a.txt").write_text("-r b.txt\n")
    (tmp_path / "b.txt").write_text("x\n-r a.txt\n")
    found = load_requirements([tmp_path / "a.txt"], {})
    assert codes(found) == ["requirements-cycle"]
    assert found.diagnostics[0].detail == "a.txt -> b.txt -> a.txt"
    assert found.diagnostics[0].span.line == 2


def test_missing_and_binary_files_are_diagnostics(tmp_path):
    (tmp_path / "a.txt").write_text("-r gone.txt\n")
    (tmp_path / "b.txt").write_bytes(b"a==1\n\xff\xfe")
    assert codes(load_requirements([tmp_path / "a.txt"], {})) == ["requirements-unreadable"]
    assert codes(load_requirements([tmp_path / "b.txt"], {})) == ["requirements-unreadable"]
    assert codes(load_requirements([tmp_path / "none.txt"], {})) == ["requirements-unreadable"]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("-e .", "requirement-not-expressible"),
        ("./local", "requirement-not-expressible"),
        ("pkg @ https://files.test/pkg.whl", "requirement-not-expressible"),
        ("git+https://host.test/repo", "requirement-not-expressible"),
        ("wheel-1.0-py3-none-any.whl", "requirement-not-expressible"),
        ("foo bar", "requirement-invalid"),
        ("foo=1.0", "requirement-invalid"),
        ("foo[]]", "requirement-invalid"),
        ("foo; nonsense", "requirement-invalid"),
        ("na\x00me==1", "requirement-invalid"),
        ("na\u202eme==1", "requirement-invalid"),
        ("b==${UNSET}", "requirements-variable-missing"),
    ],
)
def test_what_cannot_be_sent_is_an_error_with_its_line(line, code):
    found = parsed(f"ok\n{line}\n")
    assert codes(found) == [code]
    assert found.diagnostics[0].span.line == 2
    assert found.diagnostics[0].severity is Severity.ERROR
    assert "\x00" not in found.diagnostics[0].detail
    assert "\u202e" not in found.diagnostics[0].span.text


def test_a_file_of_5000_lines_is_read():
    text = "".join(f"package-{n}=={n % 7}.{n % 11}  # line {n}\n" for n in range(5000))
    assert len(parsed(text).lines) == 5000


@given(st.text(max_size=200))
def test_any_text_gives_lines_or_diagnostics_and_no_exception(text):
    found = requested(parsed(text), TARGET)
    for one in found.diagnostics:
        assert one.summary


def test_pyproject_dependencies_groups_and_extras(tmp_path):
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "x"\ndependencies = [\n  "a>=1",\n  "b @ https://x.test/b.whl",\n]\n'
        '[project.optional-dependencies]\nfast = ["c"]\n'
        '[dependency-groups]\ncomposer = ["d==1.0", {include-group = "base"}]\nbase = ["e"]\nring = [{include-group = "ring"}]\n'
    )
    path = tmp_path / "pyproject.toml"
    plain = load_requirements([path], {})
    assert [one.text for one in plain.lines] == ["a>=1"]
    assert codes(plain) == ["requirement-not-expressible"]
    assert plain.lines[0].span.line == 4
    assert [one.text for one in load_requirements([tmp_path / "pyproject.toml#composer"], {}).lines] == ["d==1.0", "e"]
    assert [one.text for one in load_requirements([tmp_path / "pyproject.toml#Fast"], {}).lines] == ["a>=1", "c"]
    assert codes(load_requirements([tmp_path / "pyproject.toml#none"], {})) == ["requirements-group-unknown"]
    assert codes(load_requirements([tmp_path / "pyproject.toml#ring"], {})) == ["requirements-cycle"]


def test_the_map_form_is_read():
    found = parse_package_map(
        {"numpy": "", "apache-beam": "[gcp]>=2.1, <3", "bad": "1.0", "url": " @ https://x.test/y"}
    )
    assert [one.text for one in found.lines] == ["numpy", "apache-beam[gcp]>=2.1, <3"]
    assert codes(found) == ["requirement-invalid", "requirement-not-expressible"]
    assert package_map(requested(found, TARGET).packages) == {"apache-beam": "[gcp]>=2.1,<3", "numpy": ""}


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://user:s3cret@py.example/simple",
        "-r https://user:${PW}@py.example/list.txt",
        "mylib @ https://user:s3cret@py.example/a.zip",
        "git+https://s3cret@git.example/a.git#egg=a",
        "requests==2.31.0 --index-url https://user:s3cret@py.example/simple",
        "foo bar https://user:${PW}@py.example/",
        "https://user:s3cret@py.example/${UNSET}.whl",
    ],
)
def test_passwords_in_addresses_are_not_shown(line):
    found = parsed(line + "\n", {"PW": "s3cret"})
    screen = render_diagnostics(found.diagnostics)
    assert screen
    assert "s3cret" not in screen


def test_the_index_is_still_asked_with_its_password():
    found = parsed("--index-url https://user:s3cret@py.example/simple\n")
    assert found.index.index_url == "https://user:s3cret@py.example/simple"


@pytest.mark.parametrize(
    "line",
    ["https://py.example/foo-2.0.tar.gz", "mylib[x] @ https://py.example/main.zip", "git+https://g.example/a.zip"],
)
def test_an_archive_at_an_address_is_a_url(line):
    assert [one.detail for one in parsed(line + "\n").diagnostics] == [f"`{line}` is a URL."]


def test_the_screen_of_a_bad_file():
    assert render_diagnostics(parsed("pandas>=2\nfoo bar  # hm\n-e .\n").diagnostics) == snapshot("""\
error[requirement-invalid]: A line is not a requirement
  --> requirements.txt:2:1
    2 | foo bar
      | ^^^^^^^
`foo bar`: 'bar' is no version specifier.

error[requirement-not-expressible]: Composer's package map takes names with versions from an index only
  --> requirements.txt:3:1
    3 | -e .
      | ^^^^
`-e .` is an editable install.

hint: publish the package to an Artifact Registry Python repository and list it by name

hint: or put pure Python code into the `dags/` or `plugins/` folder of the environment's bucket

2 errors
""")
