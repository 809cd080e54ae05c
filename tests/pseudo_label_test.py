"""Pseudo-Label against a twin."""

import functools

import numpy as np
import pytest

from dmjax import losses
from dmjax import methods
from dmjax import mixers
from tests import semi_programs as programs

TAU, WEIGHT = 0.7, 2.0


@functools.cache
def found(step):
  method = methods.pseudo_label(
      programs.linear_network(programs.CLASSES), num_classes=programs.CLASSES,
      total_steps=20, tau=TAU, weight=WEIGHT, ramp_share=0.5,
  )
  batch = programs.batch_of(["weak"])
  state = programs.state_of(method, step)
  return batch, state, programs.loss_and_gradient(method, state, batch)


@pytest.mark.parametrize("step,ramp", ((0, 0.0), (4, 0.4), (10, 1.0), (20, 1)))
def test_loss_and_gradient_equal_the_twin_as_the_weight_rises(step, ramp):
  batch, state, (loss, aux, grad) = found(step)
  w = programs.flat(state.params["w"])
  x, u = (programs.flat(batch[s][v]) for s, v in
          (("labelled", "x"), ("unlabelled", "weak")))
  y = programs.one_hot(batch["labelled"]["label"])
  probs = programs.softmax(u @ w)
  pseudo = programs.one_hot(np.argmax(probs, axis=1))
  believed = np.max(probs, axis=1) >= TAU
  assert 0 < believed.sum() < len(u)
  rows = believed * programs.cross_entropy(u @ w, pseudo)
  labelled = programs.cross_entropy(x @ w, y)
  np.testing.assert_allclose(
      loss, labelled.mean() + WEIGHT * ramp * rows.mean(), rtol=1e-5
  )
  of_u = believed[:, None] * programs.ce_gradient(u @ w, pseudo)
  expected = x.T @ programs.ce_gradient(x @ w, y) + WEIGHT * ramp * u.T @ of_u
  np.testing.assert_allclose(grad, expected, atol=1e-5)
  sums = {name: value for name, (value, _) in aux.metrics.items()}
  np.testing.assert_allclose(sums["loss_unlabelled"], rows.sum(), rtol=1e-4)
  np.testing.assert_allclose(sums["loss_labelled"], labelled.sum(), rtol=1e-5)
  np.testing.assert_allclose(sums["loss"], loss * len(x), rtol=1e-6)
  assert sums["believed"] == believed.sum()


@pytest.mark.parametrize(
    "name,value", (("tau", 0.0), ("weight", -1.0), ("ramp_share", 1.5),
                   ("ema_decay", 1.0))
)
def test_options_out_of_range_are_named(name, value):
  with pytest.raises(ValueError, match=f"{name} must .* {value}"):
    methods.pseudo_label(None, num_classes=3, total_steps=9, **{name: value})


def test_a_run_that_would_mix_is_refused():
  make = methods.METHODS["pseudo_label"]
  plain = losses.mixup_cross_entropy
  assert make(programs.parts_of(mixers.identity, plain), tau=0.9).views == {
      "labelled": {"x": "weak"}, "unlabelled": {"weak": "weak"}
  }
  with pytest.raises(ValueError, match="mix must be 'identity'"):
    make(programs.parts_of(mixers.mixup, plain))
