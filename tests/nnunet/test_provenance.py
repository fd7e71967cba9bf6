from __future__ import annotations

from cuescan.training.provenance import commit, versions


def test_the_commit_is_found_loose_packed_or_detached(tmp_path):
    assert commit(tmp_path) is None
    git = tmp_path / ".git"
    git.mkdir()
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    assert commit(tmp_path) is None
    (git / "packed-refs").write_text("# pack-refs\nabc refs/heads/other\ndef refs/heads/main\n")
    assert commit(tmp_path) == "def"
    (git / "refs" / "heads").mkdir(parents=True)
    (git / "refs" / "heads" / "main").write_text("123\n")
    assert commit(tmp_path) == "123"
    (git / "HEAD").write_text("456\n")
    assert commit(tmp_path) == "456"


def test_versions_name_what_results_depend_on():
    assert {"cuescan", "torch", "nnunetv2", "numpy"} <= set(versions())
