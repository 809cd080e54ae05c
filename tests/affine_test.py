"""Affine sampling, against SciPy and finite differences."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from dmjax import mixers

SAMPLE = jax.jit(mixers.affine_sample)


@functools.cache
def images(height=5, width=7):
  x = np.random.default_rng(0).normal(size=(3, height, width, 2))
  return jnp.asarray(x, jnp.float32)


def thetas():
  rng = np.random.default_rng(1)
  theta = np.eye(2, 3)[None] + 0.4 * rng.normal(size=(3, 2, 3))
  return jnp.asarray(theta, jnp.float32)


def by_scipy(x, theta):
  """Bilinear interpolation on a grid that is 0 outside, in float64."""
  height, width = x.shape[1:3]
  v = (2 * np.arange(height) + 1) / height - 1
  u = (2 * np.arange(width) + 1) / width - 1
  v, u = np.meshgrid(v, u, indexing="ij")
  out = np.zeros(x.shape)
  for b, c in np.ndindex(x.shape[0], x.shape[3]):
    at = np.asarray(theta[b], np.float64) @ np.stack(
        [u.ravel(), v.ravel(), np.ones(u.size)]
    )
    column, row = ((at[0] + 1) * width - 1) / 2, ((at[1] + 1) * height - 1) / 2
    out[b, ..., c] = ndimage.map_coordinates(
        np.asarray(x[b, ..., c], np.float64), [row, column], order=1,
        mode="grid-constant",
    ).reshape(height, width)
  return out


def test_sampling_agrees_with_scipy():
  found = SAMPLE(images(), thetas())
  np.testing.assert_allclose(found, by_scipy(images(), thetas()), atol=1e-5)


@pytest.mark.parametrize("height,width", ((5, 7), (8, 8)))
def test_the_identity_gives_the_image_back_exactly(height, width):
  x = images(height, width)
  theta = jnp.broadcast_to(jnp.eye(2, 3), (3, 2, 3))
  np.testing.assert_array_equal(SAMPLE(x, theta), x)


def test_the_dtype_is_that_of_the_image():
  half = jax.ShapeDtypeStruct((3, 5, 7, 2), jnp.bfloat16)
  assert jax.eval_shape(mixers.affine_sample, half, thetas()).dtype == half.dtype


def test_what_lies_outside_is_zero():
  theta = jnp.eye(2, 3).at[0, 2].set(5.0)
  assert not np.any(SAMPLE(images(), jnp.stack([theta] * 3)))


def test_gradients_reach_theta_and_the_image():
  def total(x, theta):
    return jnp.sum(jnp.sin(jnp.arange(x.size).reshape(x.shape)) * SAMPLE(x, theta))

  by_x, by_theta = jax.jit(jax.grad(total, (0, 1)))(images(), thetas())
  assert np.any(by_x != 0)
  weights = np.sin(np.arange(images().size)).reshape(images().shape)
  theta = np.asarray(thetas(), np.float64)
  for place in ((0, 0, 0), (1, 1, 2), (2, 0, 1)):
    step = np.zeros_like(theta)
    step[place] = 1e-6
    values = [
        np.sum(weights * by_scipy(images(), theta + sign * step))
        for sign in (1, -1)
    ]
    slope = (values[0] - values[1]) / 2e-6
    np.testing.assert_allclose(by_theta[place], slope, rtol=1e-3, atol=1e-3)


def test_matrices_that_do_not_fit_are_named():
  with pytest.raises(ValueError, match=r"theta must be \[B, 2, 3\]"):
    mixers.affine_sample(images(), jnp.zeros((2, 2, 3)))
