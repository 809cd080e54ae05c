"""TL-Align and MergeMix, beside loops over blocks and tokens."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax import losses
from dmjax import methods
from dmjax import mixers
from dmjax import models
from dmjax.methods import guidance
from dmjax.methods import stand_ins
from dmjax.mixers import _token_merging

KEY = jax.random.key(0)


def images(batch, height=16, width=16, seed=0):
  return jax.random.uniform(jax.random.key(seed), (batch, height, width, 3))


def attentions(batch, tokens, blocks=3, seed=1):
  """Rows sum to 1, as those of a softmax."""
  scores = jax.random.normal(
      jax.random.key(seed), (batch, blocks, 1 + tokens, 1 + tokens)
  )
  return jax.nn.softmax(2 * scores)


@functools.partial(jax.jit, static_argnames=("name",))
def run(key, x, options, name):
  return mixers.MIXERS[name](key, x, **options)


# TL-Align.


def aligned_by_loops(mask, attention, grid):
  """Labels `[source]` of every token, carried from block to block."""
  (height, width), (rows, columns) = mask.shape, grid
  labels = [[mask.mean(), 1 - mask.mean()]]
  for r in range(rows):
    for c in range(columns):
      inside, area = 0.0, 0.0
      for y in range(height):
        for x in range(width):
          tall = min((r + 1) / rows, (y + 1) / height)
          tall -= max(r / rows, y / height)
          wide = min((c + 1) / columns, (x + 1) / width)
          wide -= max(c / columns, x / width)
          inside += max(tall, 0) * max(wide, 0) * mask[y, x]
          area += max(tall, 0) * max(wide, 0)
      labels.append([inside / area, 1 - inside / area])
  labels = np.array(labels)
  for block in attention:
    moved = np.zeros_like(labels)
    for query in range(len(labels)):
      for key in range(len(labels)):
        moved[query] += block[query, key] * labels[key]
    labels = (labels + moved) / 2
  return labels[0]


@pytest.mark.parametrize("shape,grid", (((15, 15), (4, 4)), ((8, 12), (2, 3))))
def test_labels_follow_their_tokens_as_in_a_loop(shape, grid):
  x, maps = images(4, *shape), attentions(4, grid[0] * grid[1])
  lam = jnp.array([0.2, 0.4, 0.6, 0.9])
  options = {"attentions": maps, "lam": lam}
  mixed = jax.device_get(run(KEY, x, options, "tlalign"))
  for row in range(4):
    mask = mixed.mask[row, :, :, 0].astype(np.float64)
    expected = aligned_by_loops(mask, np.asarray(maps[row], np.float64), grid)
    np.testing.assert_allclose(mixed.weights[row], expected, atol=1e-5)
  assert np.any(np.abs(mixed.weights[:, 0] - mixed.mask.mean((1, 2, 3))) > 0.01)


def test_without_attention_it_is_cutmix_and_with_it_shows_the_same_images():
  x, options = images(5), {"lam": jnp.linspace(0, 1, 5)}
  ours, cutmix = (run(KEY, x, options, name) for name in ("tlalign", "cutmix"))
  jax.tree.map(np.testing.assert_array_equal, ours, cutmix)
  options["attentions"] = attentions(5, 16)
  guided = run(KEY, x, options, "tlalign")
  np.testing.assert_array_equal(guided.x, cutmix.x)
  np.testing.assert_array_equal(guided.weights[-1], [1, 0])  # Exactly.


def test_a_class_token_that_sees_one_token_takes_its_label_by_half():
  x = images(6)
  maps = np.broadcast_to(np.eye(17, dtype=np.float32), (6, 1, 17, 17)).copy()
  maps[:, :, 0] = np.eye(17)[5]  # The fifth of 16 patches, 4 pixels a side.
  options = {"attentions": maps, "lam": jnp.full(6, 0.5)}
  mixed = jax.device_get(run(KEY, x, options, "tlalign"))
  token = mixed.mask[:, 4:8, :4].mean((1, 2, 3))
  expected = (mixed.mask.mean((1, 2, 3)) + token) / 2
  np.testing.assert_allclose(mixed.weights[:, 0], expected, atol=1e-6)


@pytest.mark.parametrize("shape", (
    (3, 17, 17), (3, 2, 17, 16), (2, 2, 17, 17), (3, 2, 16, 16), (3, 0, 17, 17),
))
def test_attention_that_is_not_of_tokens_and_blocks_is_refused(shape):
  with pytest.raises(ValueError, match="attention"):
    mixers.tlalign(KEY, images(3), attentions=jnp.ones(shape))


def test_no_gradient_flows_through_the_attention():
  def weight(maps):
    mixed = mixers.tlalign(KEY, images(2), attentions=maps, lam=0.4)
    return jnp.sum(mixed.weights[:, 0])

  gradient = jax.jit(jax.grad(weight))(attentions(2, 16))
  assert not np.any(gradient)


def transformer():
  return models.create_network(
      "deit_tiny", num_classes=4, patch=4, width=8, depth=2, heads=2
  )


def test_a_run_aligns_with_the_attention_of_its_own_mixed_images():
  network, x, labels = transformer(), images(4), jnp.arange(4)
  mixer = functools.partial(mixers.tlalign, lam=0.5)
  method = methods.supervised(network, mixer, losses.mixup_cross_entropy)
  state = jax.jit(method.init)(KEY, {"x": x})
  batch = {"x": x, "label": labels}
  found, _ = jax.jit(method.loss)(state.params, state, batch, KEY)

  @jax.jit
  def by_hand(params):
    mix_key, model_key = jax.random.split(KEY)
    see = functools.partial(network.train, {"params": params})
    images = mixer(mix_key, x).x
    (logits, maps), _ = see(images, model_key, features="attentions")
    mixed = mixer(mix_key, x, attentions=maps)
    return losses.mixup_cross_entropy(
        logits, labels[mixed.sources], mixed.weights
    ).mean()

  np.testing.assert_allclose(found, by_hand(state.params), rtol=1e-5)


def test_both_mixers_by_attention_share_one_forward_pass():
  """In `choose` each is given what it asks for."""
  beside = attentions(2, 16)
  made = guidance.attention_of(beside)
  np.testing.assert_array_equal(made["attention"], beside[:, -1, 0, 1:])
  assert set(guidance.attention_of(made["attention"])) == {"attention"}
  x = images(4)
  maps = stand_ins.training_free(mixers.needs("attentions"), x)["attentions"]
  np.testing.assert_allclose(maps.sum(-1), 1, rtol=1e-5)
  assert maps.shape == (4, 1, 17, 17) and not maps[..., 0].any()


# MergeMix.


def merged_by_loops(attention, features, count):
  unit = features / np.linalg.norm(features, axis=1, keepdims=True)
  even, odd = range(0, len(unit), 2), range(1, len(unit), 2)
  match = {e: max(odd, key=lambda o: unit[e] @ unit[o]) for e in even}
  alike = sorted(even, key=lambda e: -(unit[e] @ unit[match[e]]))[:count]
  out = attention.copy()
  for o in odd:
    group = [o, *(e for e in alike if match[e] == o)]
    out[group] = attention[group].mean()
  return out


merged = jax.jit(_token_merging.merged_attention, static_argnames=("count",))


@pytest.mark.parametrize("count", (0, 3, 8))
def test_attention_is_averaged_over_merged_tokens_as_in_a_loop(count):
  rng = np.random.default_rng(count)
  for _ in range(5):
    attention, features = rng.uniform(size=16), rng.normal(size=(16, 5))
    found = merged(jnp.float32(attention), jnp.float32(features), count=count)
    expected = merged_by_loops(attention, features, count)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_most_attended_tokens_are_kept():
  x, lam = images(8), jnp.linspace(0, 1, 8)
  maps = jax.random.uniform(jax.random.key(2), (8, 16))
  features = jax.random.normal(jax.random.key(3), (8, 4, 4, 5))
  options = {"attention": maps, "features": features, "lam": lam}
  mixed = jax.device_get(run(KEY, x, options, "mergemix"))
  tokens = mixed.mask[:, ::4, ::4, 0].reshape(8, 16)
  np.testing.assert_array_equal(
      mixed.mask[..., 0],
      tokens.reshape(8, 4, 4).repeat(4, axis=1).repeat(4, axis=2),
  )
  np.testing.assert_array_equal(tokens.sum(1), np.floor(16 * np.float32(lam)))
  np.testing.assert_allclose(mixed.weights[:, 0], tokens.mean(1), atol=1e-6)
  for row in range(1, 7):
    merged = merged_by_loops(
        np.asarray(maps[row]), np.asarray(features[row]).reshape(16, 5), 8
    )
    kept = tokens[row] == 1
    assert merged[kept].min() >= merged[~kept].max() - 1e-6


def test_options_of_mergemix_that_do_not_fit_are_named():
  maps, features = jnp.ones((3, 16)), jnp.ones((3, 4, 4, 5))
  mix = functools.partial(mixers.mergemix, KEY, images(3), attention=maps)
  with pytest.raises(ValueError, match=r"merge must .*\[0, 0.5\], got 0.7"):
    mix(features=features, merge=0.7)
  with pytest.raises(ValueError, match=r"features must be .*\(3, 4, 4\), got"):
    mix(features=features[:, :3])
