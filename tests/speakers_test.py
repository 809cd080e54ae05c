"""Scores and losses of speakers: golden values, and what they are known for."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax import losses
from tests import mixupe_test

P, U, D = 4, 3, 5


def mix(x, partner, lam):
  """`x [P, U, F]` mixed with that of each partner, one lambda a speaker."""
  lam = jnp.broadcast_to(lam, (len(x),)).reshape(-1, *[1] * (x.ndim - 1))
  return lam * x + (1 - lam) * x[partner]


def labels_of(partner, lam):
  """Sources and weights of queries, a speaker each."""
  lam = jnp.broadcast_to(lam, (len(partner),))
  pairs = jnp.stack([jnp.arange(len(partner)), partner], axis=1)
  return pairs, jnp.stack([lam, 1 - lam], axis=1)


def prototypical(embedder, scale, offset, x, partner, lam):
  queries = mix(x[:, 0], partner, lam) @ embedder
  scores = losses.prototypical_scores(
      queries, x[:, 1:] @ embedder, scale=scale, offset=offset
  )
  each = losses.mixup_cross_entropy(scores, *labels_of(partner, lam))
  return each.mean(), (scores, each)


def ge2e(embedder, scale, offset, x, partner, lam):
  labels, weights = labels_of(partner, lam)
  spread = lambda a: jnp.repeat(a[:, None], x.shape[1], axis=1)
  scores = losses.ge2e_scores(
      mix(x, partner, lam) @ embedder, x @ embedder, spread(labels),
      scale=scale, offset=offset,
  )
  each = losses.mixup_cross_entropy(
      scores.reshape(-1, len(x)), spread(labels).reshape(-1, 2),
      spread(weights).reshape(-1, 2),
  )
  return each.mean(), (scores, each.reshape(x.shape[:2]))


def am_softmax(embedder, classifier, x, labels, partner, lam, margin, scale):
  unit = lambda e, axis: e / jnp.linalg.norm(e, axis=axis, keepdims=True)
  cosines = unit(mix(x, partner, lam) @ embedder, 1) @ unit(classifier, 0)
  pairs = jnp.stack([labels, labels[partner]], axis=1)
  weights = jnp.stack([jnp.full(len(x), lam), jnp.full(len(x), 1 - lam)], axis=1)
  each = losses.am_softmax(cosines, pairs, weights, margin=margin, scale=scale)
  return each.mean(), (cosines, each)


GOLDEN = {
    "proto": (
        prototypical, ("embedder", "scale", "offset"), ("x", "partner", "lam"),
        ("scores", "loss_per_speaker"),
    ),
    "ge2e": (
        ge2e, ("embedder", "scale", "offset"), ("x", "partner", "lam"),
        ("scores", "loss_per_utterance"),
    ),
    "am": (
        am_softmax, ("embedder", "classifier"),
        ("x", "labels", "partner", "lam", "margin", "scale"),
        ("cosines", "loss_per_sample"),
    ),
}


@mixupe_test.needs_golden
@pytest.mark.parametrize("group", GOLDEN)
def test_values_and_gradients_are_the_golden_ones(group):
  function, wanted, rest, parts = GOLDEN[group]
  close = functools.partial(np.testing.assert_allclose, rtol=1e-9, atol=1e-12)
  with jax.enable_x64(True):
    run = jax.jit(jax.value_and_grad(
        functools.partial(_static, function, group), tuple(range(len(wanted))),
        has_aux=True,
    ))
    count = 0
    for read in mixupe_test.cases(np.load(mixupe_test.GOLDEN), group):
      given = [jnp.asarray(read[name]) for name in (*wanted, *rest)]
      (loss, found), grads = run(*given[: len(wanted) + _arrays(group)])
      close(loss, read["loss"])
      for name, value in zip(parts, found):
        close(value, read[name])
      for name, grad in zip(wanted, grads):
        close(grad, read[f"grad_{name}"])
      count += 1
  assert count == 4


def _static(function, group, *arguments):
  """The margin and the scale of AM-softmax are numbers, not arrays."""
  return function(*arguments, *((0.2, 30.0) if group == "am" else ()))


def _arrays(group):
  return 4 if group == "am" else 3


COMPILED = {f: jax.jit(f) for f in (prototypical, ge2e)}
margin_loss = jax.jit(losses.am_softmax, static_argnames="loss")
cross_entropy = jax.jit(losses.mixup_cross_entropy)


def drawn(seed=0):
  rng = np.random.default_rng(seed)
  return jnp.asarray(rng.normal(size=(P, U, D)), jnp.float32)


def test_without_mixing_they_are_the_plain_losses():
  x, eye = drawn(), jnp.eye(D)
  own, every = jnp.arange(P), jnp.ones((P, 1))
  partner = jnp.roll(own, 1)
  scores, each = COMPILED[prototypical](eye, 10.0, -5.0, x, partner, 1.0)[1]
  plain = cross_entropy(scores, own[:, None], every)
  np.testing.assert_array_equal(each, plain)
  # The closest prototype, by hand.
  e = np.asarray(x) / np.linalg.norm(x, axis=2, keepdims=True)
  c = e[:, 1:].mean(1)
  cosine = e[2, 0] @ c[1] / np.linalg.norm(c[1])
  np.testing.assert_allclose(scores[2, 1], 10 * cosine - 5, rtol=1e-5)
  labels = jnp.broadcast_to(own[:, None, None], (P, U, 1))
  scores = jax.jit(losses.ge2e_scores)(x, x, labels)
  c = [e[2, :2].mean(0), e[1].mean(0)]
  for k, centroid in zip((2, 1), c):
    cosine = e[2, 2] @ centroid / np.linalg.norm(centroid)
    np.testing.assert_allclose(scores[2, 2, k], 10 * cosine - 5, rtol=1e-5)
  margins = 30 * (x[:, 0] - 0.2 * jax.nn.one_hot(own, D))
  np.testing.assert_allclose(
      margin_loss(x[:, 0], own[:, None], every),
      cross_entropy(margins, own[:, None], every), rtol=1e-6,
  )


@pytest.mark.parametrize("function", (prototypical, ge2e))
def test_the_order_of_speakers_and_lengths_do_not_matter(function):
  x, partner, order = drawn(), jnp.array([2, 0, 3, 1]), jnp.array([3, 1, 0, 2])
  lam = jnp.array([0.3, 0.9, 0.5, 0.7])
  function = COMPILED[function]
  place = jnp.argsort(order)
  scores, each = function(jnp.eye(D), 10.0, -5.0, x, partner, lam)[1]
  arranged = x[order], place[partner[order]], lam[order]
  other, found = function(jnp.eye(D), 10.0, -5.0, *arranged)[1]
  np.testing.assert_allclose(found, each[order], rtol=1e-5)
  np.testing.assert_allclose(other, scores[order][..., order], rtol=1e-5)
  longer = function(3 * jnp.eye(D), 10.0, -5.0, x, partner, lam)[1][1]
  np.testing.assert_allclose(longer, each, rtol=1e-4)


def test_the_decoupled_form_adds_the_decoupled_terms_alone():
  cosines = jnp.asarray(np.random.default_rng(1).uniform(-1, 1, (P, D)))
  labels = jnp.array([[0, 1], [2, 2], [3, 4], [4, 0]])
  weights = jnp.array([[0.3, 0.7], [0.6, 0.4], [1.0, 0.0], [0.5, 0.5]])
  loss = functools.partial(losses.decoupled_cross_entropy, eta=0.1)
  plain = margin_loss(cosines, labels, weights)
  found = margin_loss(cosines, labels, weights, loss=loss) - plain
  expected = np.zeros(P)
  for row in (0, 3):
    a, b = labels[row]
    rest = [c for c in range(D) if c not in (a, b)]
    z = 30 * np.asarray(cosines[row])
    total = np.log(np.sum(np.exp(z[jnp.array(rest)])))
    gaps = total - (z[jnp.array([a, b])] - 30 * 0.2)
    expected[row] = 0.1 * np.sum(np.logaddexp(0, gaps))
  np.testing.assert_allclose(found, expected, atol=2e-5)
  same = margin_loss(
      cosines, labels, weights, loss=losses.mixup_cross_entropy
  )
  np.testing.assert_allclose(same, plain, rtol=1e-5)


def test_gradients_are_finite_for_embeddings_of_zeros():
  x = drawn().at[0].set(0.0)
  for function in (prototypical, ge2e):
    grad = jax.jit(jax.grad(lambda x, function=function: function(
        jnp.eye(D), 10.0, -5.0, x, jnp.roll(jnp.arange(P), 1), 0.5
    )[0]))(x)
    assert jnp.isfinite(grad).all()


def test_what_does_not_fit_is_refused():
  x = drawn()
  with pytest.raises(ValueError, match=r"queries \[Q, D\] .* \(4, 3, 5\)"):
    losses.prototypical_scores(x, x)
  with pytest.raises(ValueError, match=r"both \[P, U, D\].* and \(4, 2, 5\)"):
    losses.ge2e_scores(x, x[:, :2], jnp.zeros((P, U, 1), int))
  with pytest.raises(ValueError, match="2 of each speaker or more, got 1"):
    losses.ge2e_scores(x[:, :1], x[:, :1], jnp.zeros((P, 1, 1), int))
  for margin, scale in ((-0.1, 30.0), (0.2, 0.0)):
    with pytest.raises(ValueError, match=f"got {margin} and {scale}"):
      losses.am_softmax(
          x[:, 0], jnp.zeros((P, 1), int), jnp.ones((P, 1)), margin=margin,
          scale=scale,
      )
