"""Scores of trained runs on fixed pairs: `score_pairs` makes a table, `evaluate` a report of it."""
