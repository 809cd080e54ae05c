"""Whole runs of TransformMix: its search, resuming, and its use by another."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax import methods
from dmjax.train import borrowed
from dmjax.train import checkpoint
from dmjax.train import loop
from dmjax.train import mixing
from dmjax.train import run as run_lib
from dmjax.train import workdir as workdir_lib
from tests import tiny_config
from tests.train_test import assert_same_state
from tests.train_test import terminate_at

pytestmark = pytest.mark.usefixtures("without_pictures")


def config(**sections):
  found = tiny_config.get_config()
  found.total = "8 steps"
  found.evaluate.every = found.checkpoint.every = "8 steps"
  found.log.every = "4 steps"
  with found.unlocked():
    found.update(sections)
  return found


def search(root):
  method = {"name": "transformmix", "teacher": str(root / "teacher"), "width": 4}
  found = config()
  found.method = method
  return found


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
  """A teacher that has learned nothing, and a search with it."""
  root = tmp_path_factory.mktemp("runs")
  run = run_lib.assemble(config())
  workdir_lib.claim(
      root / "teacher", config(), run.sources, run.example["x"], run.labelled
  )
  manager = checkpoint.open_manager(root / "teacher", keep=1)
  checkpoint.save(manager, 8, loop.first_state(run, 0), {"metrics": {}}, {})
  manager.close()
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(loop.preview, "save", lambda *_: None)
    patch.setattr(loop.progress.plots, "curves", lambda *_, **__: None)
    loop.train(search(root), root / "search")
  return root


def test_what_is_learned_is_drawn_and_the_teacher_stays(runs):
  assert (runs / "search" / "masks.png").stat().st_size > 0
  _, before = run_lib.load(runs / "teacher")
  _, state = run_lib.load(runs / "search")
  expected = {"params": before.ema[0], **before.ema[1]}
  jax.tree.map(np.testing.assert_array_equal, state.extra["teacher"], expected)
  assert np.any(state.params["warp"]["theta"]["kernel"] != 0)
  assert np.any(state.params["mask"]["score"]["kernel"] != 0)


def test_a_search_resumes_bit_for_bit(runs, tmp_path, monkeypatch):
  terminate_at(monkeypatch, 3)
  stopped = loop.train(search(runs), tmp_path)
  assert not stopped.finished and stopped.step == 3
  assert loop.train(search(runs), tmp_path).finished
  assert_same_state(runs / "search", tmp_path)


def test_another_run_mixes_by_it_whatever_becomes_of_its_teacher(runs):
  used = config()
  used.mix = {"name": "transformmix", "workdir": str(runs / "search")}
  begun = run_lib.assemble(used, workdir=runs / "used")
  borrowed.keep(runs / "used", begun.borrowed)  # As training begins.
  expected = methods.as_mixer(run_lib.learned(runs / "search")[1])
  for name in ("teacher", "search"):
    (runs / name).rename(runs / f"gone_{name}")
  run = run_lib.assemble(used, workdir=runs / "used")
  for name in ("teacher", "search"):
    (runs / f"gone_{name}").rename(runs / name)
  x = jax.random.uniform(jax.random.key(0), (4, 8, 8, 1))
  mix = lambda mixer: jax.jit(functools.partial(mixer, lam=0.4))(
      jax.random.key(1), x
  )
  jax.tree.map(np.testing.assert_array_equal, mix(run.mixer.mix), mix(expected))
  assert not np.allclose(mix(expected).x, x, atol=jnp.finfo(x.dtype).eps)


def test_a_run_that_has_learned_another_mixer_is_named(runs):
  learned = lambda workdir: methods.as_mixer(run_lib.learned(workdir)[1])
  spec = {"name": "automix", "workdir": runs / "search"}
  with pytest.raises(ValueError, match="learned 'transformmix', not 'automix'"):
    mixing.make_mixer(spec, learned)
