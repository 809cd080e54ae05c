"""SAM and G-Mix in runs: around any method, and what is refused."""

import jax.numpy as jnp
import numpy as np
import pytest

from dmjax import methods
from dmjax import models
from dmjax import overrides
from dmjax import recipes
from dmjax.train import run as run_lib
from dmjax.train import trials
from experiments import sharpness as experiment


@pytest.mark.parametrize("words", (
    "digits:resnet8,mixup,dgmix", "digits:resnet8,cutmix,regmixup,bgmix",
    "digits:resnet8,mixupe,dgmix,dm", "digits:resnet8,automix,sam",
    "digits:fixmatch,40", "digits:mixmatch,40",
))
def test_any_method_can_be_wrapped(words):
  """Traced alone."""
  config = recipes.load(f"{words},smoke")
  if config.wrap.name == "none":
    config.wrap = {"name": "sam"}
  trials.check_network(run_lib.assemble(config))


def test_a_split_of_a_method_without_losses_of_examples_is_refused():
  config = recipes.load("digits:fixmatch,40,smoke")
  config.wrap = {"name": "sam", "split": "binary"}
  run = run_lib.assemble(config)
  with pytest.raises(ValueError, match="split='binary' needs a method that"):
    trials.check_network(run)


@pytest.mark.parametrize("options, says", (
    ({"name": "sam", "rho": -0.1}, "rho must be >= 0 and finite, got -0.1"),
    ({"name": "sam", "kappa": float("inf")}, "kappa must be >= 0"),
    ({"name": "sam", "split": "half"}, "split must be one of .*'half'"),
    ({"name": "sam", "share": 0.0}, r"share must lie in \(0, 1\], got 0.0"),
    ({"name": "sam", "share": "all"}, "wrap.share must be a number"),
    ({"name": "sam", "roh": 0.1}, "'sam' has no option 'roh'; did you mean"),
    ({"name": "same"}, "unknown wrapper 'same'; did you mean 'sam'"),
    ({"rho": 0.1}, "lacks 'wrap.name'"),
))
def test_bad_options_are_named_before_any_work(options, says):
  config = recipes.load("digits:resnet8,mixup,smoke")
  config.wrap = options
  with pytest.raises(ValueError, match=says):
    run_lib.assemble(config)


def test_the_wrapper_can_be_named_on_the_command_line():
  config = recipes.load("digits:resnet8,mixup")
  config, _ = overrides.apply(
      config, ["--config.wrap.name=sam", "--config.wrap.rho=0.2"]
  )
  assert config.wrap.to_dict() == {"name": "sam", "rho": 0.2}
  config = recipes.load("digits:resnet8,mixup,sam")
  _, dropped = overrides.apply(config, ["--config.wrap.name=none"])
  assert dropped == ["wrap.rho: none has no such option"]


def test_rises_are_those_of_the_loss_around_the_parameters():
  """Of two logits `w` that no input moves, so that the loss is known."""

  def predict(variables, x):
    return jnp.broadcast_to(variables["params"]["w"], (len(x), 2))

  params = {"w": jnp.array([0.3, -0.2])}
  method = methods.Method(
      models.Network(None, None, predict), None, None, None, None,
      lambda state: {"params": state},
  )
  batch = {"x": jnp.zeros((4, 1)), "label": jnp.array([0, 0, 1, 0])}
  found = experiment.rises(method, params, batch)
  loss = lambda w: np.log(np.exp(w).sum()) - (0.75 * w[0] + 0.25 * w[1])
  w = np.float64(params["w"])
  share = np.exp(w) / np.exp(w).sum() - np.array([0.75, 0.25])
  uphill = loss(w + 0.05 * share / np.linalg.norm(share)) - loss(w)
  np.testing.assert_allclose(found["train_loss"], loss(w), rtol=1e-6)
  np.testing.assert_allclose(found["rise_uphill"], uphill, rtol=1e-3)
  ways = [experiment.random_like(params, seed)["w"] for seed in range(10)]
  rises = [loss(w + way / np.linalg.norm(way)) - loss(w) for way in ways]
  np.testing.assert_allclose(found["rise_mean"], np.mean(rises), rtol=1e-4)
  np.testing.assert_allclose(found["rise_max"], np.max(rises), rtol=1e-4)


def test_the_page_compares_with_mixup_of_the_same_loss():
  base = {"no mixing": 0.7, "mixup": 0.8, "mixup, DM": 0.85, "G-Mix, DM": 0.9}
  rows = [
      {"variant": name, "seed": str(seed)}
      | dict.fromkeys(experiment.METRICS, str(value + seed / 100))
      for name, value in base.items() for seed in range(2)
  ]
  page = experiment.page(rows, 0.1)
  assert "2 seeds" in page and "radius 0.1 is" in page
  assert "| mixup less no mixing | +10.00 ± 0.00 |" in page
  assert "| mixup, DM less mixup | +5.00 ± 0.00 |" in page
  assert "| G-Mix, DM less mixup, DM | +5.00 ± 0.00 |" in page


def test_the_radius_is_the_best_on_held_out_digits():
  tried = ((0.1, 0, 0.8, 0.5), (0.1, 1, 0.9, 0.5), (0.2, 0, 0.9, 0.6),
           (0.2, 1, 0.9, 0.6), (0.5, 0, 0.9, 0.4), (0.5, 1, 0.9, 0.4))
  rows = [dict(zip(("rho", "seed", "top1", "nll"), map(str, r))) for r in tried]
  assert experiment.chosen(rows) == 0.5
  with pytest.raises(ValueError, match="run with --select first"):
    experiment.chosen([])
