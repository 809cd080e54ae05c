"""The thresholds of pseudo-labels, against golden values and loops in NumPy."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax.methods.thresholds import fixed
from dmjax.methods.thresholds import flexmatch
from dmjax.methods.thresholds import freematch
from dmjax.methods.thresholds import softmatch
from dmjax.methods.thresholds import THRESHOLDS
from tests.semi_programs import GOLDEN
from tests.semi_programs import needs_golden

FREEMATCH = {
    "mean": {}, "quantile": {"quantile": True}, "clip": {"clip": True},
    "slow": {},
}


@pytest.fixture(scope="module")
def golden():
  return dict(np.load(GOLDEN))


def softmax(logits):
  e = np.exp(logits - logits.max(-1, keepdims=True))
  return e / e.sum(-1, keepdims=True)


def drawn(steps=6, rows=10, classes=4, size=9, seed=0):
  """Predictions that grow more confident, of examples that come again."""
  rng = np.random.default_rng(seed)
  scale = np.linspace(1, 12, steps)[:, None, None]
  logits = scale * rng.normal(size=(steps, rows, classes))
  index = rng.integers(size, size=(steps, rows)).astype(np.int32)
  return softmax(logits), index, 3 * rng.normal(size=logits.shape)


def run(threshold, probs, index, size, strong=None):
  """Batches `[T, B, ...]` one after another, under x64.

  Returns memories before each batch and after the last, and of each batch the
  weights, the penalty and its gradient by the strong logits.
  """

  def penalised(logits, memory, weights):
    return jnp.asarray(threshold.penalty(memory, logits, weights), float)

  @jax.jit
  def step(memory, probs, index, strong):
    seen = {"probs": probs, "index": index}
    weights = threshold.weigh(memory, probs, seen)
    after = threshold.update(memory, seen)
    penalty = jax.value_and_grad(penalised)(strong, after, weights)
    return after, (weights, *penalty)

  strong = probs if strong is None else strong
  with jax.enable_x64(True):
    memories, found = [threshold.init(probs.shape[-1], size)], []
    for batch in zip(probs, index, strong):
      memory, values = jax.device_get(step(memories[-1], *batch))
      memories.append(memory)
      found.append(values)
  stack = lambda *leaves: np.stack(leaves)
  return jax.tree.map(stack, *memories), jax.tree.map(stack, *found)


# Golden values.


@needs_golden
@pytest.mark.parametrize("warmup", (False, True))
@pytest.mark.parametrize("stream", ("a", "b"))
def test_flexmatch_equals_the_reference(golden, stream, warmup):
  read = lambda name: golden[f"flexmatch_{stream}_{name}"]
  ours = lambda name: read(f"warmup{int(warmup)}_{name}")
  memory, (weights, _, _) = run(
      flexmatch(tau=float(read("tau")), warmup=warmup), read("probs"),
      read("idx"), int(read("n_unlabelled")),
  )
  np.testing.assert_array_equal(memory["selected"], ours("selected"))
  np.testing.assert_allclose(memory["beta"], ours("beta"), atol=1e-10)
  np.testing.assert_array_equal(weights, ours("mask"))


@needs_golden
@pytest.mark.parametrize("name,options", FREEMATCH.items())
def test_freematch_equals_the_reference(golden, name, options):
  read = lambda key: golden[f"freematch_{name}_{key}"]
  threshold = freematch(decay=float(read("decay")), fairness=1.0, **options)
  weak, strong = golden["stream_logits_w"], golden["stream_logits_s"]
  index = np.zeros(weak.shape[:2], np.int32)
  memory, found = run(threshold, softmax(weak), index, 1, strong)
  for key, ours in (
      ("time_p", "tau"), ("p_model", "p_model"), ("label_hist", "histogram")
  ):
    np.testing.assert_allclose(memory[ours][1:], read(key), atol=1e-10)
  for ours, key in zip(found, ("mask", "entropy", "entropy_grad")):
    np.testing.assert_allclose(ours, read(key), atol=1e-10, rtol=1e-10)


@needs_golden
@pytest.mark.parametrize("n_sigma", (2, 3))
def test_softmatch_equals_the_reference(golden, n_sigma):
  read = lambda key: golden[f"softmatch_usb_n{n_sigma}_{key}"]
  threshold = softmatch(decay=float(golden["softmatch_decay"]), n_sigma=n_sigma)
  probs = softmax(golden["stream_logits_w"])
  index = np.zeros(probs.shape[:2], np.int32)
  memory, (weights, _, _) = run(threshold, probs, index, 1)
  np.testing.assert_allclose(memory["mean"][1:], read("mu"), atol=1e-10)
  np.testing.assert_allclose(memory["variance"][1:], read("var"), atol=1e-10)
  np.testing.assert_allclose(weights, read("weight"), atol=1e-10)
  np.testing.assert_array_equal(np.argmax(probs, -1), read("label"))


@needs_golden
def test_softmatch_averages_the_predictions_as_the_reference(golden):
  probs = softmax(golden["stream_logits_w"])
  threshold = softmatch(decay=float(golden["align_decay"]))
  memory, _ = run(threshold, probs, np.zeros(probs.shape[:2], np.int32), 1)
  np.testing.assert_allclose(
      memory["p_model"][1:], golden["align_ema_uniform_p_model"], atol=1e-10
  )


# The same rules in loops.


@pytest.mark.parametrize("warmup", (False, True))
def test_flexmatch_equals_a_loop_over_examples(warmup):
  probs, index, _ = drawn()
  threshold = flexmatch(tau=0.8, warmup=warmup)
  memory, (weights, _, _) = run(threshold, probs, index, 9)
  last, beta = {}, np.zeros(4)
  for step, (batch, places) in enumerate(zip(probs, index)):
    for row, p in enumerate(batch):
      own = beta[p.argmax()]
      assert weights[step, row] == (p.max() >= 0.8 * own / (2 - own))
    for place, p in zip(places, batch):
      if p.max() >= 0.8:
        last[place] = p.argmax()
    used = [sum(label == c for label in last.values()) for c in range(4)]
    unused = 9 - len(last)
    if 9 not in (*used, unused):
      beta = np.array(used) / max(used + [unused] * warmup)
    np.testing.assert_allclose(memory["beta"][step + 1], beta, atol=1e-12)
    expected = [last.get(place, -1) for place in range(9)]
    np.testing.assert_array_equal(memory["selected"][step + 1], expected)
  assert 0 < len(last) and 0 < weights.mean() < 1


@pytest.mark.parametrize("options", ({}, {"quantile": True}, {"clip": True}))
def test_freematch_equals_a_loop_over_rows(options):
  probs, index, strong = drawn()
  memory, (weights, penalties, _) = run(
      freematch(decay=0.3, fairness=0.7, **options), probs, index, 9, strong
  )
  tau, model, hist = 1 / 4, np.full(4, 1 / 4), np.full(4, 1 / 4)
  for step, batch in enumerate(probs):
    tops, share = sorted(p.max() for p in batch), np.zeros(4)
    for p in batch:
      share[p.argmax()] += 1 / len(batch)
    # Of ten values the 0.8 quantile lies at place 7.2 of 0 to 9.
    level = np.mean(tops)
    if "quantile" in options:
      level = 0.8 * tops[7] + 0.2 * tops[8]
    tau = 0.3 * tau + 0.7 * level
    tau = min(tau, 0.95) if "clip" in options else tau
    model, hist = 0.3 * model + 0.7 * batch.mean(0), 0.3 * hist + 0.7 * share
    np.testing.assert_allclose(memory["tau"][step + 1], tau, atol=1e-12)
    asked = [tau * model[p.argmax()] / model.max() for p in batch]
    passes = np.array([p.max() >= t for p, t in zip(batch, asked)])
    np.testing.assert_array_equal(weights[step], passes)
    expected = unfairness(model, hist, softmax(strong[step])[passes])
    np.testing.assert_allclose(penalties[step], 0.7 * expected, rtol=1e-9)
  assert 0 < weights.mean() < 1


def unfairness(model, hist, believed):
  """Class by class, of the believed strong predictions."""
  counts = np.bincount(believed.argmax(1), minlength=4)
  b = [believed[:, c].sum() / counts[c] if counts[c] else 0 for c in range(4)]
  a = model / hist
  return sum(a[c] / sum(a) * np.log(b[c] / sum(b) + 1e-12) for c in range(4))


def test_softmatch_equals_a_loop_over_rows():
  probs, index, _ = drawn()
  threshold = softmatch(decay=0.4, n_sigma=3)
  memory, (weights, _, _) = run(threshold, probs, index, 9)
  model, mean, variance = probs[0].mean(0), 1 / 4, 1.0
  for step, batch in enumerate(probs):
    model = 0.4 * model + 0.6 * batch.mean(0)
    q = batch * (0.25 + 1e-6) / (model + 1e-6)
    tops = [row.max() / row.sum() for row in q]
    mean = 0.4 * mean + 0.6 * sum(tops) / 10
    spread = sum((top - sum(tops) / 10) ** 2 for top in tops) / 9
    variance = 0.4 * variance + 0.6 * spread
    for row, top in enumerate(tops):
      expected = 1.0
      if top < mean:
        expected = np.exp(-0.5 * (3 * (top - mean)) ** 2 / variance)
      np.testing.assert_allclose(weights[step, row], expected, atol=1e-12)
  np.testing.assert_allclose(memory["variance"][-1], variance, atol=1e-12)
  assert weights.min() < 0.9


# Edges.


def test_the_last_confident_prediction_of_an_example_counts():
  sure = lambda c: np.where(np.arange(3) == c, 0.98, 0.01)
  unsure = np.array([0.2, 0.5, 0.3])
  probs = np.stack([sure(0), sure(1), unsure, sure(2), sure(0)])
  memory, _ = run(flexmatch(), probs[None], np.array([[4, 4, 4, 1, 2]]), 6)
  found = memory["selected"][-1]
  np.testing.assert_array_equal(found, [-1, 2, 0, -1, 1, -1])


def test_flexmatch_believes_everything_until_one_example_is_used():
  probs, index, _ = drawn(steps=2)
  _, (weights, _, _) = run(flexmatch(tau=1.0), probs, index, 9)
  np.testing.assert_array_equal(weights, 1)


def test_a_threshold_of_one_lets_certainty_pass_and_ties_do():
  probs = np.array([[1.0, 0.0], [1 - 1e-6, 1e-6], [0.5, 0.5]], np.float32)
  weigh = lambda tau: fixed(tau=tau).weigh({}, jnp.asarray(probs), None)
  np.testing.assert_array_equal(weigh(1.0), [1, 0, 0])
  np.testing.assert_array_equal(weigh(0.5), [1, 1, 1])


def test_no_penalty_where_nothing_is_believed():
  threshold = freematch(fairness=1.0)
  logits = jnp.asarray(np.random.default_rng(0).normal(size=(5, 3)))
  value, grad = jax.value_and_grad(
      lambda z: threshold.penalty(threshold.init(3, 1), z, jnp.zeros(5))
  )(logits)
  assert value == 0 and not np.any(grad)


@pytest.mark.parametrize("scale", (1.0, 1e4))
@pytest.mark.parametrize("rows", (1, 3))
def test_penalties_and_weights_are_finite_at_the_edges(rows, scale):
  """One row, equal rows, predictions of 0 and 1, classes nobody predicts."""
  logits = jnp.tile(scale * jnp.array([[1.0, -1.0, 0.3]]), (rows, 1))
  seen = {"probs": jax.nn.softmax(logits), "index": jnp.zeros(rows, jnp.int32)}
  free, soft = freematch(decay=0.01, fairness=1.0), softmatch(decay=0.01)
  memory = free.init(3, 1)
  for _ in range(3):
    memory = free.update(memory, seen)
  value, grad = jax.value_and_grad(free.penalty, 1)(
      memory, logits, jnp.ones(rows)
  )
  assert np.isfinite(value) and np.all(np.isfinite(grad))
  memory = soft.init(3, 1)
  for _ in range(30):  # The variance underflows.
    memory = soft.update(memory, seen)
  assert memory["variance"] < 1e-37
  weights = soft.weigh(memory, seen["probs"], seen)
  assert np.all(weights > 0.9)


@pytest.mark.parametrize("name", THRESHOLDS)
def test_an_update_changes_no_type(name):
  """Or the second step would compile again; and memory is small floats."""
  threshold = THRESHOLDS[name]()
  before = threshold.init(4, 9)
  seen = {"probs": jnp.full((2, 4), 0.25), "index": jnp.arange(2)}
  after = jax.eval_shape(threshold.update, before, seen)
  chex.assert_trees_all_equal_shapes_and_dtypes(before, after)
  for old, new in zip(jax.tree.leaves(before), jax.tree.leaves(after)):
    assert not old.weak_type and not new.weak_type
    assert old.dtype in (jnp.float32, jnp.int32)
  # Buffers are donated, each of them once.
  places = [leaf.unsafe_buffer_pointer() for leaf in before.values()]
  assert len(set(places)) == len(places)


@pytest.mark.parametrize(
    "make,options,words",
    (
        (fixed, {"tau": 0.0}, r"tau must lie in \(0, 1\], got 0.0"),
        (fixed, {"tau": float("nan")}, "tau must lie in"),
        (flexmatch, {"tau": 1.1}, r"tau must lie in \(0, 1\], got 1.1"),
        (freematch, {"decay": 1.0}, r"decay must lie in \(0, 1\), got 1.0"),
        (freematch, {"decay": -0.1}, "decay must lie in"),
        (freematch, {"fairness": -1}, "fairness must be >= 0, got -1"),
        (softmatch, {"decay": 0}, r"decay must lie in \(0, 1\), got 0"),
        (softmatch, {"n_sigma": 0}, "n_sigma must be > 0, got 0"),
    ),
)
def test_options_out_of_range_are_refused(make, options, words):
  with pytest.raises(ValueError, match=words):
    make(**options)
