"""Boxes on images of which an axis is too short to be cut."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax import mixers
from dmjax.mixers import _boxes

KEY = jax.random.key(0)
GUIDANCE = {"saliencymix": "saliency", "snapmix": "cam"}


@pytest.mark.parametrize(
    "name", ("cutmix", "resizemix", "saliencymix", "snapmix", "transmix")
)
def test_boxes_of_one_row_are_cut_along_it(name):
  x = jax.random.uniform(KEY, (64, 1, 40, 1))
  maps = {GUIDANCE[name]: x[..., 0]} if name in GUIDANCE else {}
  mixer = functools.partial(mixers.MIXERS[name], lam=0.5)
  mixed = jax.jit(mixer)(KEY, x, **maps)
  pasted = 40 * (1 - np.asarray(mixed.mask)).mean((1, 2, 3))
  # Half of the row, unless the end of the row cuts the box.
  assert pasted.max() == 20 and pasted.min() >= 10
  assert np.mean(pasted == 20) > 0.25
  if name != "snapmix":
    np.testing.assert_allclose(mixed.weights[:, 1], pasted / 40, atol=1e-6)


@functools.partial(jax.jit, static_argnums=0)
def cut(shape, lam):
  """The boxes of CutMix around each pixel, `[H W, H, W]`."""
  centres = jnp.indices(shape).reshape(2, -1).T
  return jax.vmap(lambda centre: _boxes.cut_box(shape, centre, lam))(centres)


@pytest.mark.parametrize("shape", ((1, 9), (2, 9)))
def test_boxes_on_a_line_have_the_share_asked_for_to_the_nearest_pixel(shape):
  for lam, pixels in ((0.0, 9), (0.4, 5), (0.9, 1), (1.0, 0)):
    boxes = np.asarray(cut(shape, lam))
    assert boxes.any(1).sum(1).max() == pixels
    np.testing.assert_array_equal(boxes.all(1), boxes.any(1))
    columns = np.asarray(cut(shape[::-1], lam)).swapaxes(1, 2)
    assert {b.tobytes() for b in columns} == {b.tobytes() for b in boxes}


@pytest.mark.parametrize("shape", ((1, 1), (2, 2)))
def test_where_no_axis_has_length_all_is_pasted_or_nothing(shape):
  for lam, pasted in ((0.2, True), (0.5, False), (1.0, False)):
    np.testing.assert_array_equal(cut(shape, lam), pasted)


def test_three_pixels_are_enough_for_the_box_of_the_paper():
  boxes = np.asarray(cut((3, 40), 0.5))
  assert boxes.sum((1, 2)).max() == 2 * 28  # int(3 / sqrt(2)), int(40 / sqrt(2)).
