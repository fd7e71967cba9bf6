"""A rule-based reader of English sentences about images: what they state, and nothing more."""

from cuescan.cues.language.geometry import Box, Turn
from cuescan.cues.language.keywords import keyword, keyword_spans
from cuescan.cues.language.reading import read_sentence
from cuescan.cues.language.rewriting import can_follow, follow
from cuescan.cues.language.statement import Statement

__all__ = ["Box", "Statement", "Turn", "can_follow", "follow", "keyword", "keyword_spans", "read_sentence"]
