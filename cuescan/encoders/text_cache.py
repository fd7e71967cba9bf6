"""Sentence embeddings on disk, each computed once."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from cuescan.encoders.clip_encoder import ClipEncoder

_BATCH = 64


class TextCache:
    """Pooled sentence embeddings, kept in one small file each.

    A file is named by sha256 over the encoder's digest and the sentence and holds numbers alone, so neither names nor
    contents show a sentence. Files are written whole and then renamed, so several processes may share a folder.

    Args:
        folder: where the files are kept; made at the first write.
        encoder: the encoder.
    """

    def __init__(self, folder: Path | str, encoder: ClipEncoder) -> None:
        self.folder, self.encoder = Path(folder) / encoder.digest[:16], encoder

    def embed(self, texts: Sequence[str], cases: Sequence[str] | None = None) -> Tensor:
        """Embed sentences, from the cache where it has them.

        Args:
            texts: N sentences.
            cases: names of their cases, for the report about sentences that are too long.

        Returns:
            (N, D) float32 of unit length, on the encoder's device.
        """
        tokens = self.encoder.tokens(texts, cases)
        keys = [hashlib.sha256(f"{self.encoder.digest}\n{text}".encode()).hexdigest() for text in texts]
        known: dict[str, np.ndarray] = {}
        missing: dict[str, int] = {}
        for index, key in enumerate(keys):
            if key not in known and key not in missing:
                vector = self._read(key)
                if vector is None:
                    missing[key] = index
                else:
                    known[key] = vector
        known.update(self._compute(tokens, missing))
        rows = np.stack([known[key] for key in keys]) if keys else np.zeros((0, self.encoder.dim), np.float32)
        return torch.from_numpy(rows).to(self.encoder.device)

    def _compute(self, tokens: Tensor, missing: dict[str, int]) -> dict[str, np.ndarray]:
        keys, made = list(missing), {}
        quiet = None if len(keys) > 4 * _BATCH else True
        for start in tqdm(range(0, len(keys), _BATCH), desc="sentences", unit="batch", disable=quiet):
            batch = keys[start : start + _BATCH]
            with torch.inference_mode():
                pooled, _ = self.encoder.encode_text(tokens[[missing[key] for key in batch]])
            for key, vector in zip(batch, pooled.float().cpu().numpy(), strict=True):
                made[key] = vector
                self._write(key, vector)
        return made

    def _read(self, key: str) -> np.ndarray | None:
        try:
            vector = np.load(self.folder / f"{key}.npy", allow_pickle=False)
        except (OSError, ValueError, EOFError):  # not there, or not whole: it is computed anew
            return None
        return vector if vector.shape == (self.encoder.dim,) and vector.dtype == np.float32 else None

    def _write(self, key: str, vector: np.ndarray) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        path, partial = self.folder / f"{key}.npy", self.folder / f".{key}.{os.getpid()}.{threading.get_ident()}"
        with partial.open("wb") as stream:
            np.save(stream, vector, allow_pickle=False)
        try:
            partial.replace(path)
        except PermissionError:  # Windows: another process holds the same file open, with the same numbers
            partial.unlink()
