"""What MixupE remembers, over devices; later stages, graphs; and its errors."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from dmjax import methods
from dmjax import mixers
from dmjax import models
from dmjax import parallel
from dmjax.methods import guidance as guidance_lib
from dmjax.train import step as step_lib
from tests import semi_programs
from tests import step_test
from tests.mixupe_method_test import BATCH
from tests.mixupe_method_test import batch
from tests.mixupe_method_test import CHOICE
from tests.mixupe_method_test import CLASSES
from tests.mixupe_method_test import keys
from tests.mixupe_method_test import LOSS
from tests.mixupe_method_test import run
from tests.mixupe_method_test import SIDE
from tests.mixupe_method_test import state_of
from tests.mixupe_method_test import tiny
from tests.mixupe_properties_test import terms_by_hand


def neighbours(key, x):
  """The mixed batch is the same however it is split over devices."""
  del key
  partner = jnp.arange(x.shape[0]) ^ 1
  lam = 0.5 + 0.5 * jnp.mean(x, axis=(1, 2, 3)) ** 2
  return mixers.mixup(jax.random.key(0), x, partner=partner, lam=lam)


@functools.cache
def trained(devices, **options):
  """Two steps of gradient descent on so many devices."""
  method = methods.mixupe(
      tiny(axis_name=parallel.AXIS), neighbours, LOSS, guidance=mixers.needs(),
      alpha=1.0, axis_name=parallel.AXIS, statistics="both", eta=0.5, **options,
  )
  optimizer = optax.sgd(1.0)
  state = step_lib.create_state(
      method, optimizer, jax.random.key(0), {"x": batch()["x"][:1]}
  )
  step = step_lib.make_train_step(
      method, optimizer, lambda key, batch, shared: batch,
      schedule=optax.constant_schedule(1.0), steps=2,
  )
  batches = jax.tree.map(lambda *b: np.stack(b), batch(0), batch(1))
  return step_test.on_devices(step, state, batches, devices)


@pytest.mark.parametrize("options", (
    {"variant": "fast", "tau": 0.1},
    {"variant": "absolute"},
    {"variant": "absolute", "stage": 1},
))
def test_one_device_and_four_give_the_same_gradients_and_means(options):
  (one, one_metrics), (four, four_metrics) = (
      trained(devices, **options) for devices in (1, 4)
  )
  chex.assert_trees_all_close(one.params, four.params, atol=1e-4)
  chex.assert_trees_all_close(one.model_state, four.model_state, atol=1e-5)
  chex.assert_trees_all_close(one.extra, four.extra, atol=1e-6)
  chex.assert_trees_all_close(one_metrics, four_metrics, rtol=1e-3)


def test_the_mean_is_that_of_all_inputs_seen():
  state, _ = trained(4, variant="absolute")
  expected = np.concatenate([batch(0)["x"], batch(1)["x"]]).mean(axis=0)
  np.testing.assert_allclose(state.extra["mean"], expected, rtol=1e-5)


def test_the_mean_lies_beside_the_teacher():
  network = tiny(norm=False)
  variables = jax.jit(network.init)(jax.random.key(4), batch()["x"])
  teacher = guidance_lib.Teacher(network, variables, SIDE, CLASSES)
  method = methods.mixupe(
      network, mixers.attentivemix, LOSS, variant="absolute", teacher=teacher,
      ema_decay=0.5,
  )
  state = state_of(method, step=1)
  mean = jnp.stack([jnp.full((SIDE, SIDE, 1), 0.5)] * 4)
  after = method.after_update(state, mean)
  chex.assert_trees_all_close(
      after.extra, {"teacher": variables, "mean": mean[0]}
  )
  chex.assert_trees_all_close(after.ema, state.ema)
  for word in ("clean inputs", "derivative", "features", "teacher"):
    assert word in method.note


def test_at_a_later_stage_the_derivative_is_that_of_the_rest_of_the_network():
  """Towards the mean features of the batch, with gradients through both."""
  method = methods.mixupe(
      tiny(norm=False), mixers.mixup, LOSS, variant="absolute", stage=1,
      eta=1.0, rescale=False,
  )
  mixed = methods.supervised(tiny(norm=False), mixers.mixup, LOSS)
  state, data = state_of(method), batch()
  assert state.extra is None

  def expected(params):
    variables = {"params": params}
    h = tiny(norm=False).predict(variables, data["x"], features="stage1")[1]
    h, head = h.reshape(BATCH, -1), params["Dense_0"]
    slopes = (h.mean(0, keepdims=True) - h) @ head["kernel"]
    g = jax.nn.softmax(h @ head["kernel"] + head["bias"][None])
    error = jax.lax.stop_gradient(g) - jnp.eye(CLASSES)[data["label"]]
    terms = jnp.abs(jnp.sum(error * slopes, axis=1))
    mixup, _ = mixed.loss(params, state, data, keys()[0])
    return mixup + jnp.mean(terms) / 3

  loss, aux, grads = run(method, state, data)
  value, expected_grads = jax.jit(jax.value_and_grad(expected))(state.params)
  np.testing.assert_allclose(loss, value, rtol=1e-5)
  chex.assert_trees_all_close(grads, expected_grads, rtol=1e-4, atol=1e-6)
  assert aux.carried is None


def graph(nodes=9, words=6):
  """Four labelled nodes of a random graph, and its adjacency matrix."""
  rng = np.random.default_rng(0)
  matrix = rng.random((nodes, nodes)) * (rng.random((nodes, nodes)) < 0.4)
  receivers, senders = np.nonzero(matrix)
  x = models.Nodes(
      rows=jnp.array([0, 3, 4, 8]),
      features=jnp.asarray(rng.normal(size=(nodes, words)), jnp.float32),
      senders=jnp.asarray(senders), receivers=jnp.asarray(receivers),
      weights=jnp.asarray(matrix[receivers, senders], jnp.float32),
  )
  return {"x": x, "label": jnp.array([0, 1, 2, 4])}, matrix


def gcn():
  module = models.create("gcn", num_classes=CLASSES, dropout=0.0)

  def train(variables, x, key, **options):
    del key
    return module.apply(variables, x, train=True, **options), {}

  init = functools.partial(module.init, train=False)
  return models.Network(init, train, None)


@pytest.mark.parametrize("variant", ("detached", "absolute"))
def test_rows_of_a_graph_move_towards_their_mean(variant):
  """And take their neighbours along, which this alone tells apart."""
  mixer = functools.partial(mixers.manifold_mixup, stages=(1,))
  method = methods.mixupe(gcn(), mixer, LOSS, variant=variant, stage=1)
  data, matrix = graph()
  rows = np.asarray(data["x"].rows)
  state = jax.jit(method.init)(jax.random.key(0), data)
  _, aux, _ = run(method, state, data)
  first, second = (state.params[k]["kernel"] for k in ("layer1", "head"))
  h = np.maximum(matrix @ np.asarray(data["x"].features) @ first, 0)
  towards = np.zeros_like(h)
  towards[rows] = h[rows].mean(axis=0) - h[rows]
  logits, slopes = ((matrix @ v @ second)[rows] for v in (h, towards))
  terms = terms_by_hand(variant, logits, data["label"], 0, slopes)
  total, count = aux.metrics["regulariser"]
  np.testing.assert_allclose(total, np.sum(terms), rtol=1e-4)
  assert count == 4


def test_nodes_of_a_graph_have_no_derivative_at_the_input():
  mixer = functools.partial(mixers.manifold_mixup, stages=(1,))
  method = methods.mixupe(gcn(), mixer, LOSS, variant="absolute")
  message = "variant='absolute' at stage=0 needs .* got Nodes; .* stage=1"
  with pytest.raises(ValueError, match=message):
    jax.eval_shape(method.init, jax.random.key(0), graph()[0])


@pytest.mark.parametrize("options,message", (
    ({"variant": "fastest"}, "unknown variant 'fastest'; did you mean 'fast'"),
    ({"eta": -1.0}, "eta must be >= 0 and finite, got -1.0"),
    ({"eta": float("nan")}, "eta must be >= 0 and finite, got nan"),
    ({"tau": float("inf")}, "tau must be finite, got inf"),
    ({"alpha": 0.0}, "alpha must be positive and finite, got 0.0"),
    ({"stage": -1}, "stage must be an integer >= 0, got -1"),
    ({"statistics": "clean"}, "statistics must be one of .* got 'clean'"),
    ({"ema_decay": 1.0}, "ema_decay must lie in"),
))
def test_options_out_of_range_are_named(options, message):
  with pytest.raises(ValueError, match=message):
    methods.mixupe(tiny(), mixers.mixup, LOSS, **options)


def test_a_mixer_without_alpha_is_named():
  with pytest.raises(ValueError, match="alpha must be given for a mixer that"):
    methods.mixupe(tiny(), CHOICE, LOSS)


def test_a_stage_that_the_network_lacks_is_named():
  method = methods.mixupe(
      tiny(), mixers.mixup, LOSS, variant="accurate", stage=2
  )
  state = jax.eval_shape(method.init, jax.random.key(0), batch())
  message = r"stage must be among \[0, 1\], the stages .* got 2"
  with pytest.raises(ValueError, match=message):
    jax.eval_shape(
        method.loss, state.params, state, batch(), jax.random.key(0)
    )


def test_integer_inputs_have_no_derivative():
  method = methods.mixupe(tiny(), mixers.mixup, LOSS, variant="absolute")
  tokens = {"x": np.zeros((1, SIDE, SIDE, 1), np.int32)}
  with pytest.raises(ValueError, match="needs inputs that .* got int32"):
    jax.eval_shape(method.init, jax.random.key(0), tokens)


def test_a_run_makes_it_from_its_parts():
  make = methods.METHODS["mixupe"]
  parts = semi_programs.parts_of(mixers.mixup, LOSS)
  method = make(parts, variant="absolute", eta=0.1)
  assert method.note.startswith("clean inputs: one extra forward and backward")
  with pytest.raises(ValueError, match="no option 'et'; did you mean 'eta'"):
    make(parts, et=0.1)
