"""Measurements: ratios within one run on one machine, never numbers to hold a test against."""
