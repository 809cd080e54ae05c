"""The Mix Block and the losses of its masks."""

import os
import pathlib

from hypothesis import given
from hypothesis import strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax import losses
from dmjax import models
from dmjax.models import mix_block

SHARED = pathlib.Path(
    os.environ.get("DMJAX_SHARED", pathlib.Path(__file__).parents[2] / "shared")
)
GOLDEN = {
    "automix": {},
    "automix_lam": {"embedding": "concat"},
    "samix_attn": {
        "embedding": "multiply", "bend": 0.25, "own_key": True, "both": True,
        "upsample": "bilinear",
    },
}
FLAVOURS = (
    ("automix", {}),
    ("automix", {"embedding": "concat"}),
    ("samix", {"bend": 0.25}),
)
LOSSES = (losses.mask_l1, losses.mask_l2, losses.mask_sparsity)


def golden(name):
  path = SHARED / "golden" / f"mixblock_{name}.npz"
  if not path.is_file():
    pytest.skip(f"the golden values {path} are not here")
  arrays = dict(np.load(path))
  params = {}
  for key, value in arrays.items():
    kind, _, rest = key.partition("_")
    if kind == "param":
      module, leaf = rest.split(".")[0], rest.split(".")[-1]
      new = "kernel" if leaf == "weight" else "bias"
      value = value.transpose(2, 3, 1, 0) if leaf == "weight" else value
      params.setdefault(module, {})[new] = value.astype(np.float32)
  features = arrays["features_nchw"].transpose(0, 2, 3, 1).astype(np.float32)
  return arrays, params, features


@pytest.mark.parametrize("name", GOLDEN)
def test_masks_and_losses_are_those_of_the_reference(name):
  arrays, params, features = golden(name)
  lam, expected = float(arrays["lam"]), arrays["mask_of_self_nhw"]
  block = models.MixBlock(**GOLDEN[name])
  mask = block.apply(
      {"params": params}, features, arrays["partner"], lam, expected.shape[1:]
  )
  np.testing.assert_allclose(mask[..., 0], expected, atol=1e-5)
  np.testing.assert_allclose(
      1 - mask[..., 0], arrays["mask_of_partner_nhw"], atol=1e-5
  )
  variance = 2.0 if name.startswith("samix") else 0.0
  loss = losses.mask_l1(mask, lam, variance=variance, per_batch=True)
  np.testing.assert_allclose(loss, np.full(5, arrays["mask_loss"]), atol=1e-5)


def build(name="automix", batch=4, scale=1.0, **options):
  """A block with parameters large enough for its masks to differ."""
  block = models.create_mix_block(name, **options)
  features = jax.random.normal(jax.random.key(0), (batch, 4, 4, 6))
  partner = jnp.roll(jnp.arange(batch), 1)
  lam = jnp.linspace(0.1, 0.9, batch)
  variables = block.init(jax.random.key(1), features, partner, lam, (8, 8))
  scale *= 30 if name == "samix" else 100
  enlarge = lambda p: p * scale if p.ndim == 4 else p
  variables = jax.tree.map(enlarge, variables)
  return block, variables, features, partner, lam


def brute_force(params, features, partner, lam):
  """The mask of AutoMix with a channel of lambda, pixel by pixel."""
  masks = []
  for i, j in enumerate(np.asarray(partner)):
    own = [np.append(f, lam[i]) for f in features[i].reshape(-1, 6)]
    other = [np.append(f, 1 - lam[i]) for f in features[j].reshape(-1, 6)]
    project = lambda f, p: f @ p["kernel"][0, 0] + p["bias"]
    keys = [project(f, params["query"]) for f in other]
    values = [project(f, params["value"])[0] for f in other]
    logits = []
    for f in own:
      query = project(f, params["query"])
      scores = np.exp([query @ k / np.sqrt(3) for k in keys])
      logits.append(np.dot(scores, values) / scores.sum())
    logits = np.reshape(logits, (4, 4)).repeat(2, 0).repeat(2, 1)
    masks.append(1 - 1 / (1 + np.exp(-logits)))
  return np.stack(masks)


def test_every_row_has_its_own_lambda():
  block, variables, *arguments = build(embedding="concat")
  mask = block.apply(variables, *arguments, (8, 8))
  params = jax.tree.map(np.float64, variables["params"])
  expected = brute_force(params, *map(np.asarray, arguments))
  np.testing.assert_allclose(mask[..., 0], expected, atol=1e-5)


@pytest.mark.parametrize("name,options", FLAVOURS)
def test_masks_lie_strictly_between_zero_and_one(name, options):
  block, variables, *arguments = build(name, **options)
  mask, _ = block.apply(
      variables, *arguments, (8, 8), train=True, mutable=["batch_stats"]
  )
  assert mask.shape == (4, 8, 8, 1) and mask.dtype == jnp.float32
  assert np.all((mask > 0) & (mask < 1)) and np.std(mask) > 0.01


@pytest.mark.parametrize("name,options", FLAVOURS)
def test_masks_start_at_one_half(name, options):
  block, _, *arguments = build(name, **options)
  variables = block.init(jax.random.key(2), *arguments, (8, 8))
  mask = block.apply(variables, *arguments, (8, 8))
  np.testing.assert_allclose(mask, 0.5, atol=0.03)


@pytest.mark.parametrize("name,options", FLAVOURS)
def test_reordering_the_batch_reorders_the_masks(name, options):
  block, variables, features, partner, lam = build(name, **options)
  order = jnp.array([2, 0, 3, 1])
  place = jnp.argsort(order)
  mask = block.apply(variables, features, partner, lam, (8, 8))
  moved = block.apply(
      variables, features[order], place[partner[order]], lam[order], (8, 8)
  )
  np.testing.assert_allclose(moved, mask[order], atol=1e-5)


def test_a_swapped_pair_gets_a_mask_of_its_own():
  block, variables, features, *_ = build(embedding="concat", batch=2)
  partner = jnp.array([1, 0])
  lam = jnp.array([0.3, 0.7])  # Row 1 is row 0 swapped, with 1 - lambda.
  mask = block.apply(variables, features, partner, lam, (8, 8))
  swapped = block.apply(variables, features[::-1], partner, 1 - lam, (8, 8))
  np.testing.assert_allclose(swapped, mask[::-1], atol=1e-6)
  assert np.max(np.abs(mask[0] + mask[1] - 1)) > 0.05


@given(lam=st.floats(0, 1), k=st.sampled_from((-1.0, 0.0, 0.25, 1.0)))
def test_bent_lambda_keeps_its_ends_and_its_symmetry(lam, k):
  lam = np.array([0.0, 0.5, 1.0, lam, 1 - lam])
  bent = np.asarray(mix_block.bend_lambda(lam, k))
  np.testing.assert_allclose(bent[:3], [0, 0.5, 1], atol=1e-9)
  np.testing.assert_allclose(bent[3] + bent[4], 1, atol=1e-9)


@pytest.mark.parametrize(
    "lam,k,expected",
    ((0.1, 0.25, 0.1822857143), (0.3, 0.25, 0.396), (0.9, 0.25, 0.8177142857),
     (0.1, 1.0, 0.136), (0.3, 1.0, 0.342), (0.9, 1.0, 0.864)),
)
def test_bent_lambda_has_the_published_values(lam, k, expected):
  np.testing.assert_allclose(mix_block.bend_lambda(lam, k), expected, rtol=1e-8)


def test_lambda_moves_the_mask_only_where_it_is_embedded():
  block, variables, features, partner, lam = build()
  mask = block.apply(variables, features, partner, lam, (8, 8))
  other = block.apply(variables, features, partner, 1 - lam, (8, 8))
  np.testing.assert_array_equal(mask, other)
  for name, options in FLAVOURS[1:]:
    block, variables, *_ = build(name, **options)
    mask = block.apply(variables, features, partner, lam, (8, 8))
    other = block.apply(variables, features, partner, 1 - lam, (8, 8))
    assert np.max(np.abs(mask - other)) > 0.01


def test_dropout_changes_the_masks_of_training_alone():
  block, variables, *arguments = build("samix", dropout=0.5)

  def masks(seed, train):
    return block.apply(
        variables, *arguments, (8, 8), train=train,
        rngs={"dropout": jax.random.key(seed)}, mutable=["batch_stats"],
    )[0]

  np.testing.assert_array_equal(masks(0, True), masks(0, True))
  assert np.abs(masks(0, True) - masks(1, True)).max() > 1e-3
  np.testing.assert_array_equal(masks(0, False), masks(1, False))


def test_the_neck_of_samix_is_that_of_numpy():
  """Batch norm of the batch, no biases, and dropout of the one-channel map."""
  block, variables, features, partner, lam = build(
      "samix", dropout=0.25, embedding="none", upsample="nearest"
  )
  mask, state = block.apply(
      variables, features, partner, lam, (8, 8), train=True,
      rngs={"dropout": jax.random.key(0)}, capture_intermediates=True,
      mutable=["batch_stats", "intermediates"],
  )
  params = jax.tree.map(np.float64, variables["params"])
  own, other = np.float64(features), np.float64(features[partner])
  conv = lambda x, p: x @ p["kernel"][0, 0] + p.get("bias", 0)
  x = conv(other, params["value_conv1"])
  x = (x - x.mean((0, 1, 2))) / np.sqrt(x.var((0, 1, 2)) + 1e-5)
  x = np.where(x > 0, x, np.expm1(x))  # Scale 1 and bias 0 at the start.
  x = conv(x, params["value_conv2"])
  dropped = state["intermediates"]["Dropout_0"]["__call__"][0]
  kept = np.asarray(dropped != 0)
  assert kept.shape == (4, 4, 4, 1) and 0.5 < kept.mean() < 0.95
  np.testing.assert_allclose(dropped, kept * x / 0.75, rtol=1e-4, atol=1e-4)
  pair = np.concatenate([own, other], -1).reshape(4, 16, 12)
  query, key = (conv(pair, params[name]) for name in ("query", "key"))
  scores = np.exp(query @ key.swapaxes(1, 2) / np.sqrt(3))
  scores /= scores.sum(-1, keepdims=True)
  logits = (scores @ (kept * x / 0.75).reshape(4, 16, 1)).reshape(4, 4, 4, 1)
  expected = 1 / (1 + np.exp(logits.repeat(2, 1).repeat(2, 2)))
  np.testing.assert_allclose(mask, expected, atol=1e-4)
  assert all(set(params[f"value_conv{i}"]) == {"kernel"} for i in (1, 2))


def test_half_precision_features_give_nearly_the_same_mask():
  block, variables, features, partner, lam = build(scale=0.3)
  mask = block.apply(variables, features, partner, lam, (8, 8))
  half = models.create_mix_block("automix", dtype=jnp.bfloat16).apply(
      variables, features.astype(jnp.bfloat16), partner, lam, (8, 8)
  )
  assert half.dtype == jnp.float32
  np.testing.assert_allclose(half, mask, atol=0.03)


@pytest.mark.parametrize("options", ({"embedding": "add"}, {"upsample": "cubic"}))
def test_unknown_attributes_are_named(options):
  with pytest.raises(ValueError, match=f"{list(options)[0]} must be one of"):
    build(**options)


def test_unknown_flavours_and_options_are_named():
  with pytest.raises(ValueError, match="unknown mix block 'samx'.*'samix'"):
    models.create_mix_block("samx")
  with pytest.raises(ValueError, match="has no option 'nek'.*'neck'"):
    models.create_mix_block("samix", nek=True)


def masks(seed=0, batch=3):
  return np.random.default_rng(seed).uniform(size=(batch, 5, 4)).astype("f4")


def loops(name, mask, lam, margin):
  """The losses in float64, for one mask."""
  pixels = [float(p) for p in mask.ravel()]
  mean = sum(pixels) / len(pixels)
  variance = sum((p - mean) ** 2 for p in pixels) / len(pixels)
  if name == "mask_l1":
    return max(abs(mean - lam) - margin, 0)
  if name == "mask_l2":
    return max((mean - lam) ** 2 - margin**2, 0) - 2 * variance
  return max(sum(p - p * p for p in pixels) / len(pixels) - margin, 0)


@pytest.mark.parametrize("loss", LOSSES)
@given(seed=st.integers(0, 1000), lam=st.floats(0, 1), margin=st.floats(0, 0.3))
def test_mask_losses_equal_loops(loss, seed, lam, margin):
  mask = masks(seed)
  lams = np.array([lam, 1 - lam, 0.5], np.float32)
  expected = [
      loops(loss.__name__, m, float(l), margin) for m, l in zip(mask, lams)
  ]
  np.testing.assert_allclose(loss(mask, lams, margin=margin), expected, atol=1e-5)
  whole = loss(mask[..., None], 0.3, margin=margin, per_batch=True)
  expected = loops(loss.__name__, mask, 0.3, margin)
  np.testing.assert_allclose(whole, [expected] * 3, atol=1e-5)


def test_only_the_per_example_loss_sees_masks_that_cancel():
  mask = np.stack([np.full((4, 4), 0.2), np.full((4, 4), 0.8)])
  np.testing.assert_allclose(losses.mask_l1(mask, 0.5), [0.2, 0.2], atol=1e-6)
  whole = losses.mask_l1(mask, 0.5, per_batch=True)
  np.testing.assert_array_equal(whole, [0, 0])


def test_variance_is_paid_for_masks_that_decide():
  binary = np.array([[[0.0, 1.0]], [[0.5, 0.5]]])
  plain = losses.mask_l1(binary, 0.5)
  paid = losses.mask_l1(binary, 0.5, variance=2.0)
  np.testing.assert_allclose(plain - paid, [0.5, 0.0], atol=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_mask_losses_name_what_does_not_fit(loss):
  with pytest.raises(ValueError, match="mask must be"):
    loss(np.zeros((2, 3)), 0.5)
  with pytest.raises(ValueError, match=r"lam must be a scalar or \[B\]"):
    loss(masks(), np.zeros(2))
  with pytest.raises(ValueError, match="margin must be >= 0, got -1"):
    loss(masks(), 0.5, margin=-1)
