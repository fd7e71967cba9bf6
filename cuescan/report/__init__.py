"""One self-contained HTML page of a run: scores, confusion, cases, training curves and recipe."""
