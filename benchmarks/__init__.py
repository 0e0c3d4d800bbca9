"""Measurements against other programs, run by people: ratios of one run, never verdicts."""
