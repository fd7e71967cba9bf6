"""Doorway folder for nnU-Net (see README.md)."""
