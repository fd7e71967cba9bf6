"""Cues: the weak labels of a data set, kept in ``cues.json`` beside its images."""

from cuescan.cues.checking import check_cases, check_cues
from cuescan.cues.model import Cue, Cues, Part
from cuescan.cues.reading import parse_cues, read_cues
from cuescan.cues.writing import write_cues

__all__ = ["Cue", "Cues", "Part", "check_cases", "check_cues", "parse_cues", "read_cues", "write_cues"]
