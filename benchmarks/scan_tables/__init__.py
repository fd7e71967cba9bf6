"""The tables of ``benchmarks/scan.py``, a module each with a function ``table``."""
