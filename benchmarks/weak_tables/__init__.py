"""The parts of ``benchmarks/weak.py``: settings, the plan of steps, the work, and what is written of it."""
