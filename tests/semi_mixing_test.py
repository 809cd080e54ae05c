"""Mixing labelled with unlabelled images, and its loss of one side."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax import losses
from dmjax import methods
from dmjax import mixers
from dmjax.methods import semi_mixing
from tests.semi_programs import GOLDEN
from tests.semi_programs import needs_golden
from tests.semi_programs import softmax

K, B = 5, 6
CASES = tuple(f"dm_case{case:02d}" for case in range(6))
ETA = 0.7
LOSS = functools.partial(losses.decoupled_cross_entropy, eta=ETA)


def make(mixer=mixers.mixup, loss=LOSS, num_classes=K, **options):
  return semi_mixing.mixing(mixer, loss, num_classes=num_classes, **options)


def pairs_of(weights):
  """Row i with row i of the other half, the favoured image first."""
  rows = np.arange(len(weights))
  sources = np.stack([rows, rows + len(weights)], axis=1).astype(np.int32)
  return mixers.Mixed(None, jnp.asarray(sources), jnp.asarray(weights))


def neighbours(weights):
  """Labelled pairs: each row with the next."""
  rows = np.arange(len(weights))
  sources = np.stack([rows, np.roll(rows, -1)], axis=1).astype(np.int32)
  return mixers.Mixed(None, jnp.asarray(sources), jnp.asarray(weights))


def unlabelled_losses(mixing, logits, labels, pseudo, lam, believed):
  """Of mixed rows with the share lam of the labelled image, at most 1/2."""
  mixed = {
      "mixed_labelled": neighbours(np.full((len(lam), 2), 0.5)),
      "mixed_unlabelled": pairs_of(jnp.stack([1 - lam, lam], axis=1)),
  }
  both = {name: logits for name in mixed}
  found = mixing.losses(both, mixed, labels, pseudo, believed)
  return found["mixed_unlabelled"]


def drawn(seed=0):
  rng = np.random.default_rng(seed)
  return {
      "logits": 2 * rng.normal(size=(B, K)),
      "labels": np.array([0, 1, 2, 3, 4, 0]),
      "pseudo": np.array([1, 1, 0, 2, 3, 4]),
      "lam": rng.uniform(0.1, 0.5, B),
      "believed": np.array([1.0, 1.0, 0.0, 1.0, 0.3, 1.0]),
  }


# Values.


@needs_golden
def test_one_sided_losses_and_each_term_equal_the_reference():
  golden = np.load(GOLDEN)
  close = functools.partial(np.testing.assert_allclose, rtol=1e-10, atol=1e-10)
  for case in CASES:
    read = lambda name: golden[f"{case}_{name}"]
    given = map(read, ("logits", "y", "v", "lam", "mask", "eta"))
    with jax.enable_x64(True):
      ((value, rows), grad), terms = of_reference(*given)
    close(rows, read("mask") * read("loss_rows"))
    close(value, read("loss"))
    close(grad, read("grad"))
    for ours, name in zip(terms, ("term_labelled", "term_pseudo")):
      close(ours, read(name))


@jax.jit
def of_reference(logits, y, v, lam, mask, eta):
  """Mean, rows and gradient of the losses, and the terms of both sides."""
  loss = functools.partial(losses.decoupled_cross_entropy, eta=eta)
  mixing = make(loss=loss, num_classes=logits.shape[1], heads=1)
  labels = jnp.stack([y, v], axis=1)
  weights = jnp.stack([lam, 1 - lam], axis=1)

  def mean(logits):
    rows = unlabelled_losses(mixing, logits, y, v, lam, mask)
    return jnp.mean(rows), rows

  def term(*side):
    of_side = functools.partial(losses.decoupled_cross_entropy, where=side)
    plain = losses.mixup_cross_entropy(logits, labels, weights)
    return of_side(logits, labels, weights, eta=1.0) - plain

  found = jax.value_and_grad(mean, has_aux=True)(logits)
  return found, (term(True, False), term(False, True))


def decoupled(p, y, others):
  """-log of the share of y among all classes but the others."""
  return -np.log(p[y] / sum(p[c] for c in range(len(p)) if c not in others))


def test_one_sided_losses_equal_a_loop_over_rows():
  data = drawn()
  found = unlabelled_losses(make(), **data)
  expected = []
  for p, y, v, lam, believed in zip(
      softmax(data["logits"]), *(data[k] for k in list(data)[1:])
  ):
    loss = -lam * np.log(p[y]) - (1 - lam) * np.log(p[v])
    if y != v:
      loss += ETA * decoupled(p, y, {v})
    expected.append(believed * loss)
  np.testing.assert_allclose(found, expected, rtol=1e-5)
  assert found[2] == 0  # Not believed.


def test_labelled_pairs_carry_the_terms_of_both():
  data = drawn()
  labels, weights = data["labels"], np.tile([[0.7, 0.3]], (B, 1))
  mixed = {
      "mixed_labelled": neighbours(weights),
      "mixed_unlabelled": pairs_of(weights),
  }
  logits = {name: data["logits"] for name in mixed}
  found = make().losses(logits, mixed, labels, data["pseudo"], data["believed"])
  for row, p in enumerate(softmax(data["logits"])):
    a, b = labels[row], labels[(row + 1) % B]
    expected = -0.7 * np.log(p[a]) - 0.3 * np.log(p[b])
    if a != b:
      expected += ETA * (decoupled(p, a, {b}) + decoupled(p, b, {a}))
    own = found["mixed_labelled"][row]
    np.testing.assert_allclose(own, expected, rtol=1e-5)


def test_the_published_reading_takes_most_of_the_label_and_both_terms():
  """`favour="labelled", one_sided=False`."""
  data = drawn()
  published = make(favour="labelled", one_sided=False)
  weights = np.stack([1 - data["lam"], data["lam"]], axis=1)
  mixed = {
      "mixed_labelled": neighbours(weights),
      "mixed_unlabelled": pairs_of(weights),
  }
  logits = {name: data["logits"] for name in mixed}
  found = published.losses(
      logits, mixed, data["labels"], data["pseudo"], data["believed"]
  )["mixed_unlabelled"]
  for row, p in enumerate(softmax(data["logits"])):
    y, v, lam = (data[k][row] for k in ("labels", "pseudo", "lam"))
    expected = -(1 - lam) * np.log(p[y]) - lam * np.log(p[v])
    if y != v:
      expected += ETA * (decoupled(p, y, {v}) + decoupled(p, v, {y}))
    np.testing.assert_allclose(
        found[row], data["believed"][row] * expected, rtol=1e-5
    )


def test_a_loss_without_sides_is_taken_as_it_is():
  mixing = make(loss=losses.mixup_cross_entropy)
  without = make(one_sided=False, loss=functools.partial(LOSS, eta=0.0))
  data = drawn()
  chex.assert_trees_all_close(
      unlabelled_losses(mixing, **data), unlabelled_losses(without, **data),
      rtol=1e-6,
  )


def test_a_row_that_shows_nothing_of_the_labelled_image_is_dropped():
  data = drawn()
  data["lam"] = data["lam"] * np.array([0, 1, 1, 0, 1, 1])
  found = unlabelled_losses(make(), **data)
  np.testing.assert_array_equal(found == 0, [1, 0, 1, 1, 0, 0])


# Heads.


def gradients_by_head(heads):
  """Squares of the gradients that the outputs of a linear network get.

  By two columns of halves, of clean and of mixed images.
  """
  network = methods.base.Network(
      None, lambda variables, x, key: (x @ variables["params"], {}), None
  )
  method = methods.fixmatch(
      network, num_classes=K, num_unlabelled=B, total_steps=2,
      mixing=make(heads=heads), threshold=methods.thresholds.fixed(tau=1e-3),
  )
  rng = np.random.default_rng(0)
  draw = lambda *shape: jnp.asarray(rng.normal(size=shape), jnp.float32)
  batch = {
      "labelled": {"x": draw(B, 4), "label": jnp.arange(B) % K},
      "unlabelled": {
          "weak": draw(2 * B, 4), "strong": draw(2 * B, 4),
          "index": jnp.arange(2 * B),
      },
  }
  params = draw(4, heads * K)
  state = methods.TrainState(jnp.int32(1), params, {}, extra={})

  def terms(params):
    _, aux = method.loss(params, state, batch, jax.random.key(0))
    sums = {k: v[0] for k, v in aux.metrics.items() if k.startswith("loss_")}
    mixed = [sums.pop("loss_mixed_labelled"), sums.pop("loss_mixed_unlabelled")]
    return jnp.stack([*sums.values(), *mixed])

  jacobian = jax.jit(jax.jacobian(terms))(params)
  return np.asarray(jnp.sum(jacobian**2, axis=1).reshape(4, heads, K).sum(-1))


def test_two_heads_keep_mixed_and_clean_images_apart():
  of_first, of_second = gradients_by_head(2).T
  assert np.all(of_first[:2] > 0) and np.all(of_first[2:] == 0)
  assert np.all(of_second[:2] == 0) and np.all(of_second[2:] > 0)


def test_one_head_learns_from_both():
  assert np.all(gradients_by_head(1) > 0)


# Misuse.


@pytest.mark.parametrize(
    "mixer",
    (mixers.smoothmix, mixers.comixup, mixers.saliencymix, mixers.identity,
     functools.partial(mixers.choose, mixers=(mixers.mixup, mixers.cutmix)),
     functools.partial(mixers.sometimes, mixer=mixers.mixup)),
)
def test_mixers_without_lambda_or_with_guidance_are_refused(mixer):
  with pytest.raises(ValueError, match="mix must be a mixer of pairs with"):
    make(mixer)


def parts(mixer, guidance=mixers.needs()):
  return methods.Parts(
      network=None, num_classes=K, mixer=mixer, guidance=guidance, loss=LOSS,
      total_steps=1, steps=None, teacher=None,
  )


@pytest.mark.parametrize("name", ("saliencymix", "manifold_mixup", "transmix"))
def test_a_run_with_guidance_is_refused(name):
  mixer = mixers.MIXERS[name]
  with pytest.raises(ValueError, match="mix must be a mixer without guidance"):
    semi_mixing.of_parts(parts(mixer, mixers.guidance_of(mixer)))


def test_a_run_that_does_not_mix_has_no_mixing():
  assert semi_mixing.of_parts(parts(mixers.identity)) is None
  assert semi_mixing.of_parts(parts(functools.partial(mixers.identity))) is None
  assert semi_mixing.of_parts(parts(mixers.cutmix), heads=1).heads == 1


@pytest.mark.parametrize(
    "options,words",
    (
        ({"heads": 3}, "heads must be 1 or 2, got 3"),
        ({"favour": "both"}, "favour must be one of .*, got 'both'"),
    ),
)
def test_unknown_heads_and_favours_are_refused(options, words):
  with pytest.raises(ValueError, match=words):
    make(**options)
