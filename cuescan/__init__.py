"""Segment medical images from weak cues: image-level labels or a sentence."""

__version__ = "0.1.0"
