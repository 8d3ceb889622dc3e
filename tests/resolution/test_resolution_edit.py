from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from envctl.resolution.edit import edit_pyproject, edit_requirements
from envctl.resolution.findings import Edit

TEXT = """\
# our packages
pandas==2.1.4          # data

google-ads==21.0.0 ; python_version >= "3.8"  # ads
google-cloud-core==1.3.0
locked==1.0 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
"""


def test_a_replaced_requirement_keeps_marker_comment_and_place():
    edits = [Edit("google-ads==21.0.0", "google-ads==27.0.0", "requirements.txt:4")]
    assert edit_requirements(TEXT, edits) == TEXT.replace("google-ads==21.0.0", "google-ads==27.0.0")


def test_a_removed_line_goes_and_the_rest_stays():
    edits = [Edit("google-cloud-core==1.3.0", None, "requirements.txt:5")]
    assert edit_requirements(TEXT, edits) == TEXT.replace("google-cloud-core==1.3.0\n", "")


def test_hashes_of_the_old_version_go():
    changed = edit_requirements(TEXT, [Edit("locked==1.0", "locked==2.0")])
    assert "locked==2.0\n" in changed
    assert "--hash" not in changed


def test_an_added_requirement_comes_last_and_once():
    once = edit_requirements(TEXT, [Edit(add="protobuf==5.29.5")])
    assert once == TEXT + "protobuf==5.29.5\n"
    assert edit_requirements(once, [Edit(add="protobuf==5.29.5")]) == once
    assert edit_requirements("", [Edit(add="a==1")]) == "a==1\n"


def test_line_ends_of_windows_stay():
    text = "a==1 # x\r\nb==2\r\n"
    assert edit_requirements(text, [Edit("a==1", "a==2")]) == "a==2 # x\r\nb==2\r\n"


def test_the_line_that_the_edit_names_is_taken():
    text = "a==1\nb\na==1\n"
    assert edit_requirements(text, [Edit("a==1", None, "f:3")]) == "a==1\nb\n"


def test_an_edit_that_does_not_fit_changes_nothing():
    assert edit_requirements(TEXT, [Edit("absent==1", "absent==2")]) == TEXT


@given(st.lists(st.sampled_from(["a==1", "b>=2", "# c", "", "d[x]<3  # why", "-r more.txt"]), max_size=8))
def test_lines_that_no_edit_names_are_never_touched(lines):
    changed = edit_requirements("\n".join(lines), [Edit("a==1", "a==2")])
    expected = list(lines)
    if "a==1" in expected:
        expected[expected.index("a==1")] = "a==2"
    assert changed == "\n".join(expected)


def test_project_files_keep_their_shape():
    text = '[project]\ndependencies = [\n  "a==1",  # why\n  "b>=2; python_version > \'3\'",\n  "c",\n]\n'
    assert edit_pyproject(text, [Edit("a==1", "a==2")]) == text.replace("a==1", "a==2")
    assert edit_pyproject(text, [Edit("a==1", None)]) == text.replace('  "a==1",  # why\n', "")
    assert edit_pyproject(text, [Edit("b>=2", "b>=3")]) == text.replace("b>=2", "b>=3")
    assert edit_pyproject('dependencies = ["a==1", "c"]\n', [Edit("a==1", None)]) == 'dependencies = [ "c"]\n'
