from __future__ import annotations

import pytest

from envctl.cli import run
from envctl.commands.console import CONSOLE

IMAGE = "composer-2.13.8-airflow-2.10.5"


@pytest.fixture
def explained(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    CONSOLE.quiet = CONSOLE.verbose = False
    CONSOLE.color = None
    (tmp_path / "bundle.txt").write_text("pandas\n")

    def call(package: str, text: str, *more: str, image: str = IMAGE) -> tuple[int, str, str]:
        (tmp_path / "list.txt").write_text(text)
        given = ("-r", "list.txt", "--image", image, "--offline", *more)
        code = run(["--no-color", "deps", "explain", package, *given])
        captured = capsys.readouterr()
        return int(code), captured.out, captured.err

    return call


def test_a_line_and_the_packages_it_leads_to(explained):
    code, out, _ = explained("numpy", "# data\npandas\n")
    assert code == 0
    assert out.startswith("numpy: preinstalled at ")
    assert "asked for by the list\n  list   pandas==" in out
    assert "(list.txt:2)" in out
    assert "held by the image\n" in out


def test_bundles_count_as_lines(explained):
    code, out, _ = explained("pandas", "requests\n", "--bundle", "etl=bundle.txt")
    assert code == 0
    assert "  list   pandas  (bundle.txt:1)" in out


@pytest.mark.parametrize(
    ("package", "text", "image", "code", "said"),
    [
        ("nothing-at-all", "requests\n", IMAGE, 2, "Nothing leads to nothing-at-all"),
        ("numpy", "requests\n", "composer-3-airflow-9.9.9", 2, "error[image-version-unknown]"),
        ("numpy", "requests==\n", IMAGE, 3, "error[requirement-invalid]"),
        ("numpy", "not-in-the-cache\n", IMAGE, 4, "error[index-offline]"),
    ],
)
def test_what_stands_in_the_way_is_named(explained, package, text, image, code, said):
    found, out, err = explained(package, text, image=image)
    assert (found, out) == (code, "")
    assert said in err
