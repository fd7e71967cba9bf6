"""Pseudo-labels: from a weak model's predictions to a data set that any nnU-Net trainer learns from."""
