"""The attention of ViT and the windows of Swin, against plain numpy."""

import functools

from absl.testing import parameterized
import chex
import jax
import jax.numpy as jnp
import numpy as np

from dmjax import models
from dmjax.models import swin


def outputs(model, x, **call):
  """Initial variables of a network, and what it returns for them."""

  def run(key):
    variables = model.init(key, x, train=False)
    return variables, model.apply(variables, x, train=False, **call)

  return jax.jit(run)(jax.random.key(0))


def numpy_norm(x, params):
  x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6)
  return x * params["scale"] + params["bias"]


class AttentionTest(parameterized.TestCase):

  def test_the_attention_of_the_class_token_is_a_mean_over_heads(self):
    model = models.create(
        "deit_tiny", num_classes=2, depth=1, width=12, heads=3, patch=4
    )
    x = np.random.default_rng(0).normal(size=(2, 8, 12, 3)).astype(np.float32)
    variables, (_, attention) = outputs(model, x, features="attention")
    params = jax.tree.map(np.asarray, variables["params"])
    expected = []
    for image in x:
      tokens = [params["cls_token"][0, 0]]
      for i, j in np.ndindex(2, 3):
        patch = image[4 * i : 4 * i + 4, 4 * j : 4 * j + 4]
        tokens.append(np.tensordot(patch, params["patch_embed"]["kernel"], 3))
      tokens = np.stack(tokens) + params["pos_embed"][0]
      block = params["block0"]
      qkv = numpy_norm(tokens, block["norm1"]) @ block["attn"]["qkv"]["kernel"]
      rows = []
      for head in range(3):
        query = qkv[0, 4 * head : 4 * head + 4]
        key = qkv[:, 12 + 4 * head : 16 + 4 * head]
        row = np.exp(key @ query / 2)
        rows.append(row / row.sum())
      expected.append(np.mean(rows, axis=0)[1:])
    np.testing.assert_allclose(attention, expected, rtol=1e-4)

  def test_attention_is_a_part_of_one(self):
    model = models.create(
        "deit_tiny", num_classes=2, depth=2, width=12, patch=8,
        dtype=jnp.bfloat16,
    )
    x = jax.random.normal(jax.random.key(1), (4, 32, 32, 3))
    _, attention = outputs(model, x, features="attention")[1]
    chex.assert_shape(attention, (4, 16))
    self.assertEqual(attention.dtype, jnp.float32)
    self.assertGreaterEqual(jnp.min(attention), 0)
    self.assertLess(jnp.max(jnp.sum(attention, axis=1)), 1)

  def test_the_attention_of_every_block_leaves_all_else_as_it_is(self):
    model = models.create(
        "deit_tiny", num_classes=2, depth=3, width=12, heads=2, patch=4
    )
    x = jax.random.normal(jax.random.key(1), (2, 8, 12, 3))
    names = (None, "attentions", "attention", "stage2", "tokens")

    @jax.jit
    def run(key):
      variables = model.init(key, x, train=False)
      return [
          model.apply(variables, x, train=False, features=name)
          for name in names
      ]

    logits, (beside, weights), *others = run(jax.random.key(0))
    chex.assert_shape(weights, (2, 3, 7, 7))
    np.testing.assert_allclose(jnp.sum(weights, axis=3), 1, rtol=1e-5)
    np.testing.assert_allclose(
        weights[:, -1, 0, 1:], others[0][1], rtol=1e-6
    )
    for each in (beside, *(pair[0] for pair in others)):
      np.testing.assert_array_equal(each, logits)
    shapes = [pair[1].shape for pair in others]
    self.assertEqual(shapes, [(2, 6), (2, 2, 3, 12), (2, 2, 3, 12)])

  @parameterized.parameters((8, 12, 4, 2), (14, 14, 7, 3), (6, 9, 3, 1))
  def test_shifted_windows_see_only_true_neighbours(self, h, w, side, shift):
    visible = swin.neighbours(h, w, side, shift)
    place = np.stack(np.mgrid[:h, :w], axis=-1)[None]
    place = np.roll(place, (-shift, -shift), (1, 2))
    place = np.asarray(swin.to_windows(jnp.asarray(place), side))[0]
    for window, sees in zip(place, visible):
      apart = np.abs(window[:, None] - window[None]).max(-1)
      np.testing.assert_array_equal(sees, apart < side)

  def test_windows_are_blocks_of_the_map_and_come_apart_again(self):
    x = jnp.arange(2 * 4 * 6 * 5).reshape(2, 4, 6, 5)
    windows = swin.to_windows(x, 2)
    np.testing.assert_array_equal(
        windows[1, 4].reshape(2, 2, 5), x[1, 2:4, 2:4]
    )
    np.testing.assert_array_equal(swin.from_windows(windows, x.shape, 2), x)

  def test_equal_offsets_share_a_bias_and_others_do_not(self):
    side, index = 3, swin.offsets(3)
    by_offset = {}
    for a, b in np.ndindex(side * side, side * side):
      offset = (a // side - b // side, a % side - b % side)
      by_offset.setdefault(offset, set()).add(int(index[a, b]))
    self.assertEqual({len(v) for v in by_offset.values()}, {1})
    self.assertEqual(set().union(*by_offset.values()), set(range(25)))

  @parameterized.parameters(
      ("swin_tiny", 36, "window=7 must divide maps of"),
      ("swin_tiny", 30, "patch=4 must divide images"),
      ("deit_tiny", 40, "patch=16 must divide images"),
  )
  def test_images_that_do_not_tile_are_refused(self, name, side, message):
    model = models.create(name, num_classes=2)
    x = jnp.zeros((1, side, side, 3))
    init = functools.partial(model.init, train=False)
    with self.assertRaisesRegex(ValueError, message):
      jax.eval_shape(init, jax.random.key(0), x)
