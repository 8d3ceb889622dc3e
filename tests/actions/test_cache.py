from __future__ import annotations

from envctl.actions.cache import cache_folder, clean_cache
from envctl.cli import run


def test_the_folder_is_the_one_that_checks_use(tmp_path):
    assert cache_folder({"ENVCTL_CACHE_DIR": str(tmp_path)}) == tmp_path


def test_only_what_the_cache_made_is_deleted(tmp_path, monkeypatch, capsys):
    for name in ("pages-v2/index/a.page", "metadata-v1/host/a/a.json", "notes/mine.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.write_text("12345")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").write_text("x")
    (tmp_path / "pages-v9").symlink_to(elsewhere)
    monkeypatch.setenv("ENVCTL_CACHE_DIR", str(tmp_path))
    assert run(["cache", "clean"]) == 0
    assert capsys.readouterr().out.startswith("Deleted 2 files, 0.0 MB")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["elsewhere", "notes", "pages-v9"]
    assert (elsewhere / "kept").exists()
    assert clean_cache({"ENVCTL_CACHE_DIR": str(tmp_path)}).files == 0
