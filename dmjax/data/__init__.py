"""Datasets and input pipelines; the host side of training."""
