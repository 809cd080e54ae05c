"""Tests run on four CPU devices, with JAX's stricter checks switched on."""

import gc
import os
import pathlib
import tempfile

# Plots must not look for a display.
os.environ.setdefault("MPLBACKEND", "agg")

# Most of the time goes into compiling, much of it the same programs again: every
# run builds its own functions, some in processes of their own. What one compiles
# the others read, in a folder that goes with the session.
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
  COMPILED = tempfile.TemporaryDirectory()
  os.environ |= {
      "JAX_COMPILATION_CACHE_DIR": COMPILED.name,
      "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
      "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
  }

import hypothesis
import jax
import pytest

jax.config.update("jax_platforms", os.environ.get("JAX_PLATFORMS", "cpu"))
jax.config.update("jax_num_cpu_devices", 4)
jax.config.update("jax_numpy_rank_promotion", "raise")

# Tests compile far more than they run.
jax.config.update("jax_disable_most_optimizations", True)
# XLA's older emitters compile in half the time, and in one piece in less still:
# the other cores have tests of their own.
os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + (
    " --xla_backend_extra_options=xla_cpu_disable_new_fusion_emitters"
    " --xla_cpu_parallel_codegen_split_count=1"
)
# Tracing makes many objects and little garbage.
gc.set_threshold(50_000, 20, 50)

hypothesis.settings.register_profile(
    "dmjax", derandomize=True, deadline=None, max_examples=20
)
hypothesis.settings.load_profile("dmjax")


@pytest.fixture(autouse=True, scope="module")
def forget_what_was_compiled():
  """Every compiled function keeps memory maps, and a process may have 65530."""
  yield
  maps = pathlib.Path("/proc/self/maps")
  if not maps.exists() or maps.read_text().count("\n") > 5_000:
    jax.clear_caches()


@pytest.fixture
def without_pictures(monkeypatch):
  """Runs draw no pictures, which take as long as what the tests train."""
  from dmjax.train import loop  # pylint: disable=g-import-not-at-top

  for draw in ("save", "save_masks"):
    monkeypatch.setattr(loop.preview, draw, lambda *_: None)
  monkeypatch.setattr(loop.progress.plots, "curves", lambda *_, **__: None)


def trained(config, workdir):
  """The workdir of a run that nothing interrupted, and how it ended."""
  from dmjax.train import loop  # pylint: disable=g-import-not-at-top

  return workdir, loop.train(config, workdir)


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory):
  """That of `tiny_config`; whoever would change it makes a copy."""
  from tests import tiny_config  # pylint: disable=g-import-not-at-top

  return trained(tiny_config.get_config(), tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def tiny_automix_run(tmp_path_factory):
  """That of `tiny_automix_config`, likewise."""
  from tests import tiny_automix_config  # pylint: disable=g-import-not-at-top

  workdir = tmp_path_factory.mktemp("automix")
  return trained(tiny_automix_config.get_config(), workdir)
