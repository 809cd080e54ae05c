"""Runnable tables and benchmarks; each writes csv, markdown and a plot."""
