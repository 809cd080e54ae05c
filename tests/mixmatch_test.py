"""MixMatch against golden values and twins."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax import losses
from dmjax import methods
from dmjax import mixers
from dmjax.methods import guesses
from dmjax.methods.mixmatch import decoupled_terms
from dmjax.methods.mixmatch import guess
from dmjax.methods.mixmatch import terms_of
from tests import semi_programs as programs

PLAIN = losses.mixup_cross_entropy
DECOUPLED = functools.partial(losses.decoupled_cross_entropy, eta=0.1)
SHAPE = (programs.SIDE, programs.SIDE, 1)

losses_of = jax.jit(terms_of, static_argnums=(0, 4))


def pairs(partner, lam, dtype=np.float64):
  """Who is mixed with whom, without the rows."""
  sources = np.stack([np.arange(len(partner)), partner], axis=1)
  lam = np.broadcast_to(np.asarray(lam, dtype), len(partner))
  return mixers.Mixed(None, sources, np.stack([lam, 1 - lam], axis=1))


@pytest.fixture(scope="module")
def golden():
  loaded = np.load(programs.GOLDEN)
  return {name: loaded[name] for name in loaded.files if "mixmatch" in name}


@programs.needs_golden
def test_guesses_equal_the_reference(golden):
  u1, u2, w = (golden["mixmatch_" + name] for name in ("u1", "u2", "w"))
  with jax.enable_x64(True):
    q = guess([jnp.asarray(u1 @ w), jnp.asarray(u2 @ w)], 0.5)
    labels = guesses.labels_of(golden["mixmatch_y"], q, 2)
  np.testing.assert_allclose(labels, golden["mixmatch_targets"], atol=1e-10)


@programs.needs_golden
@pytest.mark.parametrize("case", range(3))
def test_losses_and_gradients_equal_the_reference(golden, case):
  read = lambda name: golden[f"mixmatch_batchlam{case}_{name}"]
  mixed = pairs(golden["mixmatch_perm"], read("lam_used"))

  def total(w):
    terms = terms_of(
        PLAIN, jnp.asarray(read("mixed_x")) @ w,
        jnp.asarray(golden["mixmatch_targets"]), mixed, 8,
    )
    means = {name: jnp.mean(values) for name, values in terms.items()}
    return means["labelled"] + read("weight_u") * means["unlabelled"], means

  with jax.enable_x64(True):
    w = jnp.asarray(golden["mixmatch_w"])
    grad, means = jax.jit(jax.grad(total, has_aux=True))(w)
  np.testing.assert_allclose(means["labelled"], read("loss_x"), atol=1e-10)
  np.testing.assert_allclose(means["unlabelled"], read("loss_u"), atol=1e-10)
  np.testing.assert_allclose(grad, read("grad_w"), atol=1e-10)


@programs.needs_golden
def test_rows_with_a_lambda_each_equal_the_reference(golden):
  read = lambda name: golden[f"mixmatch_rowlam_{name}"]
  lam = np.maximum(read("lam"), 1 - read("lam"))
  mixed = mixers.mixup(
      jax.random.key(0), jnp.asarray(golden["mixmatch_inputs"], jnp.float32),
      lam=lam, partner=golden["mixmatch_perm"],
  )
  np.testing.assert_allclose(mixed.x, read("mixed_x"), atol=3e-6)
  logits = read("mixed_x") @ np.float32(golden["mixmatch_w"])
  terms = losses_of(PLAIN, logits, jnp.asarray(read("targets")), mixed, 8)
  means = {name: np.mean(values) for name, values in terms.items()}
  np.testing.assert_allclose(means["labelled"], read("loss_x"), rtol=3e-6)
  np.testing.assert_allclose(means["unlabelled"], read("loss_u"), rtol=3e-6)
  weight = 75 * guesses.ramp(read("step"), 2**20, 1 / 64)
  np.testing.assert_allclose(weight, read("weight_u"), rtol=1e-6)


@programs.needs_golden
def test_decoupled_terms_equal_the_reference(golden):
  """Of labelled sources alone, in labelled rows and in unlabelled ones."""
  lam = golden["mixmatch_batchlam0_lam_used"]
  mixed = pairs(golden["mixmatch_perm"], lam)
  logits = golden["mixmatch_batchlam0_mixed_x"] @ golden["mixmatch_w"]
  rows = golden["dm_mixmatch_rows"]
  assert golden["dm_mixmatch_eta"] == 0.1
  with jax.enable_x64(True):
    labels = jnp.asarray(golden["mixmatch_targets"])
    plain = losses_of(PLAIN, logits, labels, mixed, 8)
    terms = losses_of(DECOUPLED, logits, labels, mixed, 8)
  more = terms["labelled"] - plain["labelled"]
  np.testing.assert_allclose(more, rows[:8], atol=1e-10)
  np.testing.assert_allclose(terms["decoupled"], rows[8:], atol=1e-10)
  np.testing.assert_array_equal(terms["unlabelled"], plain["unlabelled"])


def test_sharpening_of_the_worked_example():
  found = guesses.sharpen(jnp.array([[0.5, 0.3, 0.2], [1.0, 0.0, 0.0]]), 0.5)
  expected = [[0.657895, 0.236842, 0.105263], [1, 0, 0]]
  np.testing.assert_allclose(found, expected, atol=1e-6)


def decoupled_twin(logits, classes, shares, known, eta):
  """Terms of the known classes of one row, from their definition."""
  a, b = classes
  if a == b or min(shares) == 0:
    return 0.0
  term = 0.0
  for own, other, flag in ((a, b, known[0]), (b, a, known[1])):
    rest = [np.exp(z) for c, z in enumerate(logits) if c != other]
    term -= flag * eta * np.log(np.exp(logits[own]) / np.sum(rest))
  return term


@pytest.mark.parametrize("smoothing", (0.0, 0.1))
def test_terms_of_labelled_sources_equal_their_definition(smoothing):
  rng = np.random.default_rng(0)
  count, rows, classes = 3, 9, 4
  logits = rng.normal(size=(rows, classes), scale=3)
  hard = rng.integers(classes, size=count)
  labels = np.concatenate(
      [np.eye(classes)[hard], rng.dirichlet(np.ones(classes), rows - count)]
  )
  # Each kind of pair; two rows that are whole.
  partner = np.array([1, 4, 5, 0, 1, 3, 7, 2, 0])
  lam = np.array([0.7, 0.8, 1.0, 0.6, 0.9, 0.5, 0.7, 0.8, 1.0])
  mixed = pairs(partner, lam, np.float32)
  loss = functools.partial(DECOUPLED, label_smoothing=smoothing)
  plain = functools.partial(PLAIN, label_smoothing=smoothing)
  found = losses_of(loss, logits, jnp.asarray(labels), mixed, count)
  without = losses_of(plain, logits, jnp.asarray(labels), mixed, count)
  expected = [
      decoupled_twin(
          logits[i], (np.argmax(labels[i]), np.argmax(labels[j])),
          mixed.weights[i], (i < count, j < count), 0.1,
      )
      for i, j in enumerate(partner)
  ]
  assert sum(term > 0 for term in expected[count:]) >= 2
  more = found["labelled"] - without["labelled"]
  np.testing.assert_allclose(more, expected[:count], atol=2e-6)
  np.testing.assert_allclose(found["decoupled"], expected[count:], atol=2e-6)


def test_unlabelled_rows_carry_the_gradient_of_their_term_alone():
  logits = jnp.array([[2.0, -1.0, 0.5], [0.3, 0.2, 4.0]])
  labels = jnp.array(
      [[[0.2, 0.7, 0.1], [1, 0, 0]], [[0.6, 0.3, 0.1], [0, 1, 0]]]
  )
  weights = jnp.array([[0.8, 0.2], [0.8, 0.2]])
  where = jnp.array([[False, True], [False, False]])

  def total(z):
    return decoupled_terms(DECOUPLED, z, labels, weights, where).sum()

  grad = jax.jit(jax.grad(total))(logits)
  # Class 0 against class 2; the guess, class 1, is left out.
  p = np.exp(2.0) / (np.exp(2.0) + np.exp(0.5))
  expected = [0.1 * (p - 1), 0, 0.1 * (1 - p)]
  np.testing.assert_allclose(grad[0], expected, atol=1e-7)
  np.testing.assert_allclose(grad[1], 0, atol=1e-25)


def test_binary_cross_entropy_is_for_labelled_rows():
  loss = losses.mixup_binary_cross_entropy
  logits = np.linspace(-1, 1, 15).reshape(5, 3)
  labels = jnp.asarray(np.eye(3)[[0, 2, 1, 0, 2]])
  found = losses_of(loss, logits, labels, pairs([1, 3, 0, 2, 4], 0.7), 2)
  assert set(found) == {"labelled", "unlabelled"}
  targets = 0.7 * np.eye(3)[[0, 2]] + 0.3 * np.eye(3)[[2, 0]]
  z = logits[:2]
  expected = np.sum(np.log1p(np.exp(z)) - targets * z, axis=1)
  np.testing.assert_allclose(found["labelled"], expected, rtol=1e-5)


@functools.cache
def mixed_images():
  """Images of one brightness, 0 or 1, which is also their class."""
  bright = np.arange(12) % 2
  x = np.broadcast_to(bright[:, None, None, None], (12, 8, 8, 1))
  x = jnp.asarray(x, jnp.float32)
  mix = lambda **options: guesses.mix_rows(
      functools.partial(mixers.cutmix, **options), jax.random.key(0), x
  )
  return bright, mix(alpha=0.5), mix(alpha=0.5, per_batch=True)


def test_most_of_a_mixed_row_is_the_row_itself():
  _, mixed, _ = mixed_images()
  weights = np.asarray(mixed.weights)
  assert weights[:, 0].min() > 0.45  # Pixels round half a box up.
  assert len(np.unique(weights[:, 0])) > 3
  assert np.all(mixed.sources[:, 1] != np.arange(12))


def test_the_labels_of_cut_images_follow_their_pixels():
  bright, *both = mixed_images()
  for mixed in both:
    label = np.sum(bright[mixed.sources] * mixed.weights, axis=1)
    np.testing.assert_allclose(label, mixed.x.mean(axis=(1, 2, 3)), atol=1e-6)


def test_a_mixer_per_batch_has_one_lambda():
  _, _, mixed = mixed_images()
  assert len(np.unique(mixed.weights[:, 0])) == 1


def method_of(loss, **options):
  return methods.mixmatch(
      programs.linear_network(programs.CLASSES), programs.MIXER, loss,
      num_classes=programs.CLASSES, total_steps=20, weight=30.0, ramp_share=0.5,
      **options,
  )


@pytest.fixture(scope="module")
def step():
  """Loss and gradient of a step, and what a twin needs to follow it."""
  method, batch = method_of(PLAIN), programs.batch_of(["weak", "weak2"])
  state = programs.state_of(method, 4)
  w = programs.flat(state.params["w"])
  views = [batch["unlabelled"][name] for name in ("weak", "weak2")]
  u = [programs.flat(view) for view in views]
  q = programs.sharpen(sum(programs.softmax(view @ w) for view in u) / 2)
  y = programs.one_hot(batch["labelled"]["label"])
  rows = np.concatenate([programs.flat(batch["labelled"]["x"]), *u])
  targets = programs.flip_mixed(np.concatenate([y, q, q]))
  found = programs.loss_and_gradient(method, state, batch)
  return found, w, programs.flip_mixed(rows), targets


def test_loss_and_gradient_of_a_step_equal_the_twin(step):
  """The gradient is that of constant guesses."""
  (loss, aux, grad), w, rows, targets = step
  count, z = programs.LABELLED, rows @ w
  labelled = programs.cross_entropy(z[:count], targets[:count])
  unlabelled = (programs.softmax(z) - targets)[count:] ** 2
  weight = 30 * 0.4
  np.testing.assert_allclose(
      loss, labelled.mean() + weight * unlabelled.mean(), rtol=1e-5
  )
  expected = rows[:count].T @ programs.ce_gradient(z[:count], targets[:count])
  of_u = programs.l2_gradient(z[count:], targets[count:])
  expected += weight * rows[count:].T @ of_u
  np.testing.assert_allclose(grad, expected, atol=2e-5)
  total, size = aux.metrics["loss_unlabelled"]
  np.testing.assert_allclose(total / size, unlabelled.mean(), rtol=1e-5)
  assert aux.metrics["loss"] == pytest.approx((loss * count, count))


def test_pictures_show_the_rows_of_a_step(step):
  """Row by row: lambda and partner are fixed."""
  _, _, rows, _ = step
  found = method_of(PLAIN).mixes(
      jax.random.key(7), programs.batch_of(["weak", "weak2"])
  )
  assert list(found) == ["mixed_labelled", "mixed_weak", "mixed_weak2"]
  shown = np.concatenate([programs.flat(images) for images in found.values()])
  np.testing.assert_allclose(shown, rows, atol=1e-6)


def test_batch_statistics_are_those_of_the_mixed_rows(step):
  (_, aux, _), _, rows, _ = step
  found = aux.model_state["stats"]["mean"]
  np.testing.assert_allclose(found, rows.mean(), rtol=1e-5)


def test_a_decoupled_run_adds_the_mean_of_its_terms(step):
  (plain, _, _), *_ = step
  method, batch = method_of(DECOUPLED), programs.batch_of(["weak", "weak2"])
  state = programs.state_of(method, 4)
  loss, aux, _ = programs.loss_and_gradient(method, state, batch)
  means = {name: total / n for name, (total, n) in aux.metrics.items()}
  expected = means["loss_labelled"] + 30 * 0.4 * means["loss_unlabelled"]
  expected += means["loss_decoupled"]
  np.testing.assert_allclose(loss, expected, rtol=1e-5)
  assert means["loss_decoupled"] > 0 and loss > plain


@pytest.mark.parametrize(
    "name,value", (("temperature", 0.0), ("weight", -1.0), ("ramp_share", 0.0),
                   ("ema_decay", -0.1))
)
def test_options_out_of_range_are_named(name, value):
  with pytest.raises(ValueError, match=f"{name} must .* {value}"):
    methods.mixmatch(
        None, mixers.mixup, PLAIN, num_classes=3, total_steps=9, **{name: value}
    )


@pytest.mark.parametrize("name", ("mixmatch", "remixmatch"))
def test_a_mixer_without_lambda_or_with_guidance_is_refused(name):
  make = methods.METHODS[name]
  make(programs.parts_of(mixers.cutmix, DECOUPLED), weight=3.0)
  with pytest.raises(ValueError, match="mix must be a mixer of pairs"):
    make(programs.parts_of(mixers.identity, PLAIN))
  guided = programs.parts_of(
      mixers.puzzlemix, PLAIN, mixers.guidance_of(mixers.puzzlemix)
  )
  with pytest.raises(ValueError, match="mix must be a mixer without guidance"):
    make(guided)
