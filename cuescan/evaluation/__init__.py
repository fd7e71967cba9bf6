"""Scores from one confusion matrix over a data set, and pictures to judge predictions by."""

from cuescan.evaluation.borders import BorderBands
from cuescan.evaluation.confusion import ConfusionMatrix
from cuescan.evaluation.folders import Evaluation, evaluate_folders
from cuescan.evaluation.labels import Labels, read_labels
from cuescan.evaluation.scores import ClassScore, Scores, scores

__all__ = [
    "BorderBands",
    "ClassScore",
    "ConfusionMatrix",
    "Evaluation",
    "Labels",
    "Scores",
    "evaluate_folders",
    "read_labels",
    "scores",
]
