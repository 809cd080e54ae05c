"""Recipes: one file per dataset, named `DATASET:ARGS`, read by `dmjax.recipes`.

This folder is the package `dmjax.configs`, and is imported by that name alone.
"""
