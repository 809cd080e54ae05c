"""Feature-noise data, its network, and what mixup learns there."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from dmjax import losses
from dmjax import methods
from dmjax import mixers
from dmjax import models
from dmjax import recipes
from dmjax.data import feature_noise
from dmjax.data import sources
from dmjax.train import run as run_lib
from experiments import feature_noise as experiment

LOSS = losses.mixup_cross_entropy


def test_every_row_holds_a_feature_of_its_class():
  rows, kinds = feature_noise.draw(60, 3), feature_noise.features()
  np.testing.assert_allclose(kinds @ kinds.T, np.eye(4), atol=1e-12)
  patches = rows.x.reshape(60, feature_noise.PATCHES, feature_noise.SIZE)
  lengths = np.linalg.norm(patches, axis=2)
  for place in range(60):
    chosen = np.flatnonzero(np.isclose(lengths[place], 1, atol=1e-5))
    which = rows.label[place] + 2 * rows.rare[place]
    patch = patches[place, chosen[0]]
    np.testing.assert_allclose(patch, kinds[which], atol=1e-6)
  assert np.sum(np.isclose(lengths, 0.3, atol=1e-5)) == 60
  # The noise is longer than the feature.
  assert np.sum(lengths > 2) == 120
  assert rows.rare.sum() == 6 and rows.label[rows.rare].sum() == 3
  assert rows.label.sum() == 30


def test_a_seed_draws_the_same_rows_again_and_another_others():
  first, again, other = (feature_noise.draw(8, seed).x for seed in (1, 1, 2))
  np.testing.assert_array_equal(first, again)
  assert np.mean(first == other) < 0.2  # Some features are in one place.


def test_splits_are_rows_of_their_own():
  train = sources.open_source("feature_noise", "train")
  rare = sources.open_source("feature_noise", "test_rare")
  assert (train.size, rare.size, train.num_classes) == (400, 1000, 2)
  example = train.read(5)
  assert example["x"].shape == (1024,) and example["label"] == train.label(5)
  assert np.mean(example["x"] == rare.read(5)["x"]) < 0.5
  with pytest.raises(ValueError, match="no split 'valid'; it has train, test"):
    sources.open_source("feature_noise", "valid")
  with pytest.raises(ValueError, match="'feature_noise' is drawn, there is"):
    sources.prepare("feature_noise")


def network(**options):
  return models.create_network("patch_mlp", num_classes=2, mean=(), **options)


def test_the_network_is_the_sum_of_its_filters():
  x = np.random.default_rng(0).normal(size=(3, 8))
  net = network(patches=4, width=5, power=3)
  variables = net.init(jax.random.key(0), jnp.asarray(x, jnp.float32))
  logits, maps = net.predict(
      variables, jnp.asarray(x, jnp.float32), features="stage1"
  )
  kernel, = jax.tree.leaves(variables)
  assert kernel.shape == (2, 2, 5) and maps.shape == (3, 4, 2, 5)
  for row, class_ in np.ndindex(3, 2):
    total = sum(
        max(patch @ np.float64(kernel[:, class_, r]), 0) ** 3
        for patch in x[row].reshape(4, 2) for r in range(5)
    )
    np.testing.assert_allclose(logits[row, class_], total / 5, rtol=1e-4)


@pytest.mark.parametrize("options, says", (
    ({"patches": 3}, "patches=3 must divide the 8 columns"),
    ({"power": 0}, "power=0 must be a whole number above 0"),
    ({"width": 1.5}, "width=1.5 must be a whole number"),
))
def test_a_bad_network_is_refused(options, says):
  with pytest.raises(ValueError, match=says):
    network(**options).init(jax.random.key(0), jnp.zeros((1, 8)))


def loss_of(batch, lam, **options):
  """The loss of rows mixed by lam, and of their logits by hand."""
  partner = np.array([1, 2, 0])
  mixer = functools.partial(mixers.mixup, lam=lam, partner=partner)
  net = network(patches=2)
  method = methods.supervised(
      net, mixer, LOSS, guidance=mixers.needs(), **options
  )
  share = 1.0 if options.get("until") == 0 else lam
  x = share * batch["x"] + (1 - share) * batch["x"][partner]

  @jax.jit
  def run(key):
    state = method.init(key, batch)
    params = jax.tree.map(lambda p: 100 * p, state.params)
    logits = net.predict({"params": params}, x)
    return method.loss(params, state, batch, key)[0], jax.nn.log_softmax(logits)

  found, p = map(np.asarray, run(jax.random.key(0)))
  rows, label = np.arange(3), np.asarray(batch["label"])
  return found, -p[rows, label], -p[rows, label[partner]]


@pytest.mark.parametrize("power, share", (
    (1.0, 0.25), (2.0, 0.1), (0.5, 0.25**0.5 / (0.25**0.5 + 0.75**0.5)),
))
def test_labels_are_mixed_by_a_power_of_the_shares(power, share):
  x = np.random.default_rng(0).normal(size=(3, 6))
  batch = {"x": jnp.asarray(x, jnp.float32), "label": jnp.array([0, 1, 0])}
  found, own, other = loss_of(batch, 0.25, label_power=power)
  np.testing.assert_allclose(
      found, np.mean(share * own + (1 - share) * other), rtol=1e-5
  )
  # Where nothing is mixed any more, no power changes the labels.
  found, own, _ = loss_of(batch, 0.25, label_power=power, until=0)
  np.testing.assert_allclose(found, np.mean(own), rtol=1e-5)


@pytest.mark.parametrize("power", (0.0, -1.0, float("inf"), float("nan")))
def test_a_power_that_is_not_positive_is_refused(power):
  with pytest.raises(ValueError, match=f"label_power must be .*{power}"):
    methods.supervised(network(), mixers.mixup, LOSS, label_power=power)


def test_options_of_the_recipe_are_read_before_any_work():
  config = recipes.load("feature_noise:patch_mlp,mixup")
  for until in ("25 %", "300 epochs", "300 steps", "120000 examples"):
    config.method.until = until
    run_lib.assemble(config)
  config.method.until = "soon"
  with pytest.raises(ValueError, match="method.until must be a duration"):
    run_lib.assemble(config)
  config.method.update(until="100 %", label_power=0.0)
  with pytest.raises(ValueError, match="label_power must be positive, got 0"):
    run_lib.assemble(config)


def rare_beside_common(mixer):
  """The margin of rare features by that of common ones, over four seeds."""
  method = methods.supervised(network(), mixer, LOSS, guidance=mixers.needs())
  optimizer = optax.sgd(0.5, 0.9)
  rows = [feature_noise.draw(400, seed) for seed in range(4)]
  alone = np.zeros((4, feature_noise.PATCHES, feature_noise.SIZE), np.float32)
  alone[:, 0] = feature_noise.features()

  def train(key, x):
    batch = {"x": x, "label": jnp.asarray(rows[0].label)}

    def step(state, key):
      grads, _ = jax.grad(method.loss, has_aux=True)(
          state.params, state, batch, key
      )
      updates, opt_state = optimizer.update(grads, state.opt_state)
      params = optax.apply_updates(state.params, updates)
      return state.replace(params=params, opt_state=opt_state), None

    state = method.init(key, batch)
    state = state.replace(opt_state=optimizer.init(state.params))
    state, _ = jax.lax.scan(step, state, jax.random.split(key, 400))
    return method.predict(state, {"x": alone.reshape(4, -1)})

  logits = jax.jit(jax.vmap(train))(
      jax.random.split(jax.random.key(0), 4), np.stack([r.x for r in rows])
  )
  margins = (logits[..., 0] - logits[..., 1]) * jnp.array([[1, -1, 1, -1]])
  return margins[:, 2:].mean() / margins[:, :2].mean()


def test_mixup_learns_more_of_what_is_rare():
  mixup = functools.partial(mixers.mixup, per_batch=True)
  plain, mixed = map(rare_beside_common, (mixers.identity, mixup))
  assert mixed > 2.5 * plain


def made_up():
  """Rows of two seeds and two steps, where only mixup learns."""
  rows = []
  for name in experiment.VARIANTS:
    for seed, step in np.ndindex(2, 2):
      learned = ("mixup" in name) * (step + 1) * 0.25
      row = {"variant": name, "seed": str(seed), "step": f"{step + 1}00"}
      values = dict.fromkeys(experiment.METRICS, f"{learned + seed * 0.1:.5f}")
      rows.append(row | values)
  return rows


def test_the_page_tells_what_was_learned(tmp_path):
  page = experiment.page(made_up())
  assert "2 seeds" in page
  assert "| mixup | 0.55 ± 0.07 | 0.55 ± 0.07 | 55.00 ± 7.07 |" in page
  assert "| mixup | 200 | 0.55" in page
  assert "| mixup | +50.00 ± 0.00 | +0.00 ± 0.00 | +50.00" in page
  experiment.plot(made_up(), tmp_path / "plot.png")
  assert (tmp_path / "plot.png").stat().st_size > 1000
