"""Images mixed from labelled and unlabelled ones."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax import losses
from dmjax import mixers
from dmjax.methods import semi_mixing

MIXERS = (
    mixers.mixup, mixers.cutmix, mixers.fmix, mixers.gridmix, mixers.resizemix
)


def mixed_by(mixer, favour, **options):
  """Of bright labelled images and dark unlabelled ones, each with a colour."""
  shape = (32, 8, 8, 1)
  labelled = jnp.broadcast_to(1 + jnp.arange(32.0)[:, None, None, None], shape)
  unlabelled = jnp.concatenate([-labelled, jnp.full(shape, jnp.nan)])
  mix = semi_mixing.mixing(
      functools.partial(mixer, **options), losses.decoupled_cross_entropy,
      num_classes=2, favour=favour,
  ).mix
  mixed = jax.jit(mix)(jax.random.key(0), labelled, unlabelled)
  return jax.device_get(mixed)


@pytest.mark.parametrize(
    "mixer,per_batch",
    (*((mixer, False) for mixer in MIXERS), (mixers.gridmix, True)),
)
def test_every_mixer_keeps_the_rows_together_and_favours_the_unlabelled(
    mixer, per_batch
):
  mixed = mixed_by(mixer, "unlabelled", per_batch=per_batch)
  pairs = mixed["mixed_unlabelled"]
  rows = np.arange(32)
  np.testing.assert_array_equal(pairs.sources, np.stack([rows, rows + 32], 1))
  # The first source is the favoured image.
  assert np.all(pairs.weights[:, 0] >= 0.5)
  # Row i shows the colours i and -i, by its weights, and no further images.
  expected = (1 + rows) * (pairs.weights[:, 1] - pairs.weights[:, 0])
  close = functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-3)
  close(pairs.x.mean((1, 2, 3)), expected)
  # Labelled images are mixed among themselves, and with nobody else.
  own = mixed["mixed_labelled"]
  assert own.x.min() >= 1 and own.sources.max() < 32
  assert (len(np.unique(pairs.weights[:, 0])) == 1) == per_batch


def test_the_labelled_image_may_be_favoured():
  pairs = mixed_by(mixers.cutmix, "labelled")["mixed_unlabelled"]
  assert np.all(pairs.weights[:, 0] >= 0.5)
  expected = (1 + np.arange(32)) * (pairs.weights[:, 0] - pairs.weights[:, 1])
  close = functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-3)
  close(pairs.x.mean((1, 2, 3)), expected)


def test_lambda_is_the_larger_of_a_beta_draw_and_its_rest():

  def share(**options):
    mixer = functools.partial(mixers.mixup, **options)
    return np.asarray(semi_mixing.larger_share(mixer, jax.random.key(0), 2000))

  even = share(alpha=1.0)
  assert np.all(even >= 0.5)
  # The larger part of a uniform draw is uniform from 1/2 to 1.
  np.testing.assert_allclose(even.mean(), 0.75, atol=0.01)
  np.testing.assert_allclose(even.std(), 0.5 / 12**0.5, atol=0.01)
  assert share(alpha=0.1).mean() > 0.9
  assert len(np.unique(share(per_batch=True))) == 1
  np.testing.assert_allclose(share(lam=0.2), 0.8)
