"""Tests run on four CPU devices, with JAX's stricter checks switched on."""

import os

# Plots must not look for a display.
os.environ.setdefault("MPLBACKEND", "agg")

import hypothesis
import jax

jax.config.update("jax_platforms", os.environ.get("JAX_PLATFORMS", "cpu"))
jax.config.update("jax_num_cpu_devices", 4)
jax.config.update("jax_numpy_rank_promotion", "raise")

# Tests compile far more than they run.
jax.config.update("jax_disable_most_optimizations", True)

hypothesis.settings.register_profile(
    "dmjax", derandomize=True, deadline=None, max_examples=20
)
hypothesis.settings.load_profile("dmjax")
