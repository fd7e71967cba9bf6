"""Sentence embeddings are computed once and kept without a trace of the sentence."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from cuescan.encoders import TextCache, load_encoder

TEXTS = ["One small red polyp.", "no polyp", "One small red polyp."]


@pytest.fixture
def counted(encoder, monkeypatch):
    """Count how many sentences the encoder is asked for."""
    asked: list[int] = []
    encode = encoder.encode_text
    monkeypatch.setattr(encoder, "encode_text", lambda tokens: (asked.append(len(tokens)), encode(tokens))[1])
    return asked


def files(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_equals_the_encoder(encoder, tmp_path, counted):
    cache = TextCache(tmp_path, encoder)
    with torch.no_grad():
        expected, _ = encoder.encode_text(encoder.tokens(TEXTS))
    counted.clear()
    torch.testing.assert_close(cache.embed(TEXTS), expected)
    again = TextCache(tmp_path, encoder).embed(TEXTS[::-1])
    torch.testing.assert_close(again, expected.flip(0))
    assert counted == [2]  # each sentence once, and never again
    assert cache.embed([]).shape == (0, 16)


def test_no_text_in_names_or_contents(encoder, tmp_path):
    TextCache(tmp_path, encoder).embed(["secret finding"])
    (path,) = files(tmp_path)
    assert "secret" not in str(path.relative_to(tmp_path)) and b"secret" not in path.read_bytes()


def test_encoders_do_not_share(encoder, make_encoder, tmp_path):
    other = load_encoder(make_encoder("other", seed=1))
    first, second = (TextCache(tmp_path / "cache", one).embed(TEXTS[:1]) for one in (encoder, other))
    assert not torch.allclose(first, second) and len(files(tmp_path / "cache")) == 2


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY broken", b"x" * 500])
def test_a_broken_file_is_replaced(encoder, tmp_path, content):
    cache = TextCache(tmp_path, encoder)
    expected = cache.embed(TEXTS)
    for path in files(tmp_path):
        path.write_bytes(content)
    assert torch.equal(cache.embed(TEXTS), expected)
    assert all(path.read_bytes() != content for path in files(tmp_path))


def test_too_long_is_reported_also_from_the_cache(tiny, tmp_path):
    heard: list[str] = []
    for _ in range(2):
        encoder = load_encoder(tiny, report=heard.append)
        TextCache(tmp_path, encoder).embed(["word " * 50], ["case_7"])
    assert len(heard) == 2 and all(one.startswith("case_7: ") for one in heard)


SHARING = """
import sys, types, torch
from cuescan.encoders import TextCache
fake = types.SimpleNamespace(
    digest="0" * 64, dim=3000, device=torch.device("cpu"),
    tokens=lambda texts, cases: torch.tensor([int(text) for text in texts]),
    encode_text=lambda tokens: (tokens[:, None].float().expand(-1, 3000), None),
)
for _ in range(20):
    found = TextCache(sys.argv[1], fake).embed([str(number) for number in range(30)])
    assert torch.equal(found, torch.arange(30.0)[:, None].expand(-1, 3000)), "mixed up"
    next(TextCache(sys.argv[1], fake).folder.glob("*.npy")).unlink(missing_ok=True)
"""


def test_several_processes_share_a_folder(tmp_path):
    running = [subprocess.Popen([sys.executable, "-c", SHARING, tmp_path]) for _ in range(2)]
    assert [process.wait(timeout=300) for process in running] == [0, 0]
    assert all(path.suffix == ".npy" for path in files(tmp_path))
