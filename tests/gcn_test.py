"""The graph network: a dense twin, the hook, and what nodes are to a method."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax import models
from dmjax import parallel
from dmjax.models import gcn

NODES, WORDS, CLASSES = 12, 5, 3
ROWS = np.array([7, 2, 9, 4], np.int32)
NETWORK = models.create("gcn", num_classes=CLASSES, widths=(6,), axis_name="b")


def adjacency():
  """A dense matrix with self-loops, normalised; a ring and a few chords."""
  a = np.eye(NODES)
  for i, j in [*((i, (i + 1) % NODES) for i in range(NODES)), (0, 5), (2, 8)]:
    a[i, j] = a[j, i] = 1
  scale = a.sum(1) ** -0.5
  return scale[:, None] * a * scale


def nodes(order=np.arange(NODES)):
  """The batch, in a graph whose node i is called `order[i]`."""
  old = np.argsort(order)
  a, rows = adjacency()[old][:, old], order[ROWS]
  features = np.random.default_rng(0).uniform(size=(NODES, WORDS))[old]
  receivers, senders = np.nonzero(a)
  return gcn.Nodes(
      jnp.int32(rows), jnp.float32(features), jnp.int32(senders),
      jnp.int32(receivers), jnp.float32(a[receivers, senders]),
  )


@functools.cache
def variables():
  return NETWORK.init(jax.random.key(0), nodes(), train=False)


@functools.partial(jax.jit, static_argnames=("train", "hook", "features"))
def apply(x, key=None, train=False, hook=None, features=None):
  rngs = None if key is None else {"dropout": key}
  return NETWORK.apply(
      variables(), x, train=train, hook=hook, features=features, rngs=rngs
  )


def twin(features, mixed=lambda stage, h: h):
  """`A relu(A X W1) W2` of all nodes, by matrices, in float64."""
  a = adjacency()
  params = jax.device_get(variables()["params"])
  first, last = params["layer1"]["kernel"], params["head"]["kernel"]
  h = np.maximum(a @ mixed(0, np.float64(features)) @ first, 0)
  return a @ mixed(1, h) @ last


def test_logits_equal_those_of_dense_matrices():
  x = nodes()
  expected = twin(x.features)[ROWS]
  np.testing.assert_allclose(apply(x), expected, rtol=1e-4, atol=1e-6)


def test_layers_have_no_biases_and_the_names_of_the_paper_s_weights():
  shapes = jax.tree.map(jnp.shape, variables()["params"])
  assert shapes == {
      "layer1": {"kernel": (WORDS, 6)}, "head": {"kernel": (6, CLASSES)},
  }


def test_nodes_may_be_numbered_in_any_order():
  order = np.random.default_rng(1).permutation(NODES)
  np.testing.assert_allclose(
      apply(nodes()), apply(nodes(order=order)), rtol=1e-4, atol=1e-6
  )


def identity(stage, h):
  return h


def mix(stage, h):
  """Every row of the batch with the next one, at both stages."""
  return 0.7 * h + 0.3 * jnp.roll(h, 1, axis=0)


def test_a_hook_that_changes_nothing_changes_nothing():
  np.testing.assert_array_equal(apply(nodes()), apply(nodes(), hook=identity))


def test_mixed_rows_of_the_batch_are_what_neighbours_get():
  def mixed(stage, h):
    h = h.copy()
    h[ROWS] = 0.7 * h[ROWS] + 0.3 * np.roll(h[ROWS], 1, axis=0)
    return h

  x = nodes()
  expected = twin(x.features, mixed)[ROWS]
  np.testing.assert_allclose(apply(x, hook=mix), expected, rtol=1e-4, atol=1e-6)


def test_the_hook_sees_the_batch_alone_and_without_one_nothing_is_scattered():
  seen = {}
  look = lambda stage, h: seen.setdefault(stage, h)
  program = jax.make_jaxpr(lambda x: apply.__wrapped__(x, hook=look))(nodes())
  shapes = {stage: h.shape for stage, h in seen.items()}
  assert shapes == {0: (len(ROWS), WORDS), 1: (len(ROWS), 6)}
  assert " scatter[" in str(program)
  assert " scatter[" not in str(jax.make_jaxpr(apply.__wrapped__)(nodes()))


def test_hidden_rows_of_the_batch_are_returned():
  logits, hidden = apply(nodes(), features="stage1")
  a, kernel = adjacency(), variables()["params"]["layer1"]["kernel"]
  expected = np.maximum(a @ np.asarray(nodes().features) @ kernel, 0)[ROWS]
  np.testing.assert_allclose(hidden, expected, rtol=1e-4, atol=1e-6)
  assert logits.shape == (len(ROWS), CLASSES)
  with pytest.raises(ValueError, match="'stage2' must be among stage1"):
    NETWORK.apply(variables(), nodes(), train=False, features="stage2")


def test_dropout_is_for_training_and_keeps_the_mean():
  x, keys = nodes(), jax.random.split(jax.random.key(3))
  first, second = (apply(x, key, train=True) for key in keys)
  assert not np.allclose(first, second)
  np.testing.assert_array_equal(apply(x, keys[0]), apply(x))
  ones = jnp.ones((400, 301))
  for rate, scale in ((0.5, 2), (0.2, 256 / 205)):
    dropped = gcn._drop(keys[0], ones, rate)
    np.testing.assert_allclose(np.unique(dropped), (0, scale), rtol=1e-6)
    np.testing.assert_allclose(dropped.mean(), 1.0, atol=0.01)
    np.testing.assert_allclose(dropped.mean(axis=0), 1.0, atol=0.25)
  assert np.isfinite(gcn._drop(keys[0], ones, 0.999)).all()


def test_rates_outside_0_to_1_are_refused():
  network = models.create("gcn", num_classes=2, dropout=1.0)
  with pytest.raises(ValueError, match="dropout=1.0 must be in"):
    network.init(jax.random.key(0), nodes(), train=False)


def test_inputs_that_are_no_nodes_are_refused():
  with pytest.raises(ValueError, match=r"nodes of a graph, got .* \(2, 8\)"):
    NETWORK.init(jax.random.key(0), jnp.ones((2, 8)), train=False)


def loss(params, x, labels):
  network = NETWORK.clone(dropout=0.0)
  logits = network.apply({"params": params}, x, train=True)
  logs = jax.nn.log_softmax(logits)
  return -jnp.mean(jnp.take_along_axis(logs, labels[:, None], axis=1))


def gradient(params, batch, graph):
  x = gcn.Nodes(batch["rows"], **graph)
  grads = jax.grad(loss)(params, x, batch["label"])
  return jax.lax.pmean(grads, parallel.AXIS), ()


def test_gradients_of_one_device_are_those_of_four():
  graph = vars(nodes()).copy()
  rows, labels = graph.pop("rows"), jnp.arange(len(ROWS)) % CLASSES
  found = []
  for count in (1, 4):
    step = parallel.pmap(gradient, devices=jax.devices()[:count])
    batch = {"rows": rows, "label": labels}
    batch = jax.tree.map(lambda v: v.reshape(count, -1), batch)
    found.append(jax.device_get(step(variables()["params"], batch, graph)[0]))
  for one, four in zip(*map(jax.tree.leaves, found), strict=True):
    np.testing.assert_allclose(one, four, rtol=1e-4, atol=1e-7)
    assert np.abs(one).max() > 1e-3


def test_nodes_are_a_batch_of_rows():
  x = nodes()
  assert (x.shape, x.ndim, len(x)) == ((4,), 1, 4)
  assert jnp.issubdtype(x.dtype, jnp.floating)
  assert not hasattr(x, "astype")
  first = x[:1]
  assert first.rows.tolist() == [7] and first.features is x.features
  np.testing.assert_array_equal(x[jnp.array([3, 0])].rows, [4, 7])
  with pytest.raises(TypeError, match="not iterable"):
    iter(x)


def test_nodes_pass_through_transformations():
  shapes = jax.eval_shape(lambda x: x[:2], nodes())
  assert shapes.shape == (2,) and shapes.features.shape == (NODES, WORDS)
  assert shapes.dtype == jnp.float32
  assert jax.jit(lambda x: x[1:])(nodes()).rows.tolist() == [2, 9, 4]


def test_networks_compute_in_bfloat16_and_answer_in_float32():
  network = NETWORK.clone(dtype=jnp.bfloat16)
  forward = functools.partial(
      network.apply, train=False, features="stage1", hook=identity
  )
  logits, hidden = jax.eval_shape(forward, variables(), nodes())
  assert (logits.dtype, hidden.dtype) == (jnp.float32, jnp.bfloat16)
