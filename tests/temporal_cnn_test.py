"""The network over time, and spectrograms in networks for images."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax import models

KEY = jax.random.key(0)
WIDTHS = (6, 5, 4)
X = np.random.default_rng(0).normal(size=(3, 7, 21, 1)).astype(np.float32)
NETWORK = models.create("temporal_cnn", num_classes=4, widths=WIDTHS)
VARIABLES = jax.jit(functools.partial(NETWORK.init, train=False))(KEY, X)


@functools.partial(jax.jit, static_argnames=("train", "features"))
def run(x, train=False, features=None):
  return NETWORK.apply(
      VARIABLES, x, train=train, features=features,
      mutable=["batch_stats"] if train else False,
  )


def twin(x):
  """The network by loops over frames and taps, with untrained batch norms."""
  params = VARIABLES["params"]
  x = x[..., 0].transpose(0, 2, 1)
  for i in range(3):
    kernel = np.asarray(params[f"block{i}"]["conv"]["kernel"])
    padded = np.pad(x, ((0, 0), (2, 2), (0, 0)))
    frames = [
        sum(padded[:, 2 * t + tap] @ kernel[tap] for tap in range(5))
        for t in range((x.shape[1] + 1) // 2)
    ]
    x = np.maximum(0, np.stack(frames, axis=1) / np.sqrt(1 + 1e-5))
  head = jax.device_get(params["head"])
  return x, x.mean(axis=1) @ head["kernel"] + head["bias"]


def test_blocks_are_convolutions_over_time_of_all_bands():
  logits, last = run(X, features="stage3")
  expected, answer = twin(X)
  assert last.shape == (3, 3, 4)
  np.testing.assert_allclose(last, expected, atol=1e-5)
  np.testing.assert_allclose(logits, answer, atol=1e-5)


def test_the_hook_sees_the_input_and_every_block():
  seen = {}

  def hook(stage, x):
    seen[stage] = x.shape
    return x

  hooked = functools.partial(NETWORK.apply, train=False, hook=hook)
  jax.eval_shape(hooked, VARIABLES, X)
  assert seen == {
      0: (3, 7, 21, 1), 1: (3, 11, 6), 2: (3, 6, 5), 3: (3, 3, 4),
  }
  with pytest.raises(ValueError, match="'stage4' must be among stage1"):
    jax.eval_shape(lambda x: run(x, features="stage4"), X)


def test_training_uses_the_statistics_of_the_batch():
  logits, state = run(X, train=True)
  assert logits.shape == (3, 4) and logits.dtype == jnp.float32
  means = state["batch_stats"]["block0"]["norm"]["mean"]
  assert means.shape == (6,) and np.abs(means).max() > 0
  assert not np.allclose(logits, run(X))


def test_bfloat16_keeps_parameters_and_logits_in_float32():
  half = models.create("temporal_cnn", num_classes=4, dtype=jnp.bfloat16)
  shapes = jax.eval_shape(
      lambda x: half.init_with_output(KEY, x, train=False), X
  )
  logits, variables = shapes
  assert logits.dtype == jnp.float32
  assert all(v.dtype == jnp.float32 for v in jax.tree.leaves(variables))
  count = sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))
  assert count == 5 * 64 * (7 + 64 + 64) + 3 * 2 * 64 + 65 * 4


@pytest.mark.parametrize("name", ("resnet8", "resnet18", "mobilenetv2"))
def test_networks_for_images_take_spectrograms(name):
  network: nn.Module = models.create(name, num_classes=10)
  x = jax.ShapeDtypeStruct((2, 40, 65, 1), jnp.float32)
  logits, _ = jax.eval_shape(
      lambda x: network.init_with_output(KEY, x, train=False), x
  )
  assert logits.shape == (2, 10)
