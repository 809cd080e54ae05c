"""FixMatch: its loss, its steps and its memory, on linear networks."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from dmjax import losses
from dmjax import methods
from dmjax import mixers
from dmjax.methods.thresholds import fixed
from dmjax.methods.thresholds import flexmatch
from dmjax.methods.thresholds import freematch
from dmjax.methods.thresholds import softmatch
from tests.semi_programs import GOLDEN
from tests.semi_programs import needs_golden
from tests.semi_programs import softmax

CASES = tuple(f"fixmatch_case{case:02d}" for case in range(6))
K, D, N = 4, 6, 20
# With options under which a few steps tell them apart.
THRESHOLDS = {
    "fixed": fixed(tau=0.6),
    "flexmatch": flexmatch(tau=0.7),
    "freematch": freematch(decay=0.5, fairness=0.5),
    "softmatch": softmatch(decay=0.5),
}


def init(key, x):
  return {"params": 0.7 * jax.random.normal(key, (x.shape[-1], K))}


def linear(variables, x, key=None):
  del key
  return x @ variables["params"]


def normalised(variables, x, key=None):
  """With the mean and variance of the batch, as batch norm has them."""
  x = (x - x.mean(0, keepdims=True)) / (x.std(0, keepdims=True) + 1e-3)
  return linear(variables, x, key)


def network(apply=linear):
  train = lambda variables, x, key: (apply(variables, x, key), {})
  return methods.base.Network(init, train, apply)


def make(threshold=fixed(tau=0.6), apply=linear, **options):
  options = {"num_classes": K, "num_unlabelled": N, "total_steps": 8} | options
  return methods.fixmatch(network(apply), threshold=threshold, **options)


def state_of(params, extra=()):
  extra = dict(extra)
  return methods.TrainState(jnp.int32(0), params, {}, ema=params, extra=extra)


def batch_of(x, label, weak, strong, index=None):
  index = np.arange(len(weak)) if index is None else index
  return {
      "labelled": {"x": x, "label": label},
      "unlabelled": {"weak": weak, "strong": strong, "index": index},
  }


def drawn(seed=0, rows=8, ratio=3, steps=()):
  """A batch of easy and hard rows; examples come twice in it."""
  rng = np.random.default_rng(seed)
  draw = lambda *shape: rng.normal(size=(*steps, *shape)).astype(np.float32)
  ints = lambda *shape: rng.integers(shape[-1], size=(*steps, shape[0]))
  return batch_of(
      draw(rows, D), ints(rows, K).astype(np.int32),
      1.5 * draw(rows * ratio, D), 1.5 * draw(rows * ratio, D),
      ints(rows * ratio, N).astype(np.int32),
  )


# Values.


@needs_golden
@pytest.mark.parametrize("case", CASES)
def test_masks_losses_and_gradients_equal_the_reference(case):
  """The weights are the identity, so that the inputs are the logits."""
  golden = np.load(GOLDEN)
  read = lambda name: golden[f"{case}_{name}"]
  weak, strong, tau = read("logits_w"), read("logits_s"), float(read("tau"))
  eye = np.eye(weak.shape[1])
  method = make(fixed(tau=tau), num_classes=len(eye))

  @jax.jit
  def loss_and_grad(strong):
    def loss(strong):
      batch = batch_of(eye[:1], np.zeros(1, np.int32), weak, strong)
      total, aux = method.loss(eye, state_of(eye), batch, jax.random.key(0))
      return total, aux.metrics

    (_, metrics), grad = jax.value_and_grad(loss, has_aux=True)(strong)
    return metrics, grad, fixed(tau=tau).weigh({}, jax.nn.softmax(weak), None)

  with jax.enable_x64(True):
    metrics, grad, mask = loss_and_grad(strong)
  ratio = lambda pair: float(pair[0]) / float(pair[1])
  np.testing.assert_array_equal(mask, read("mask"))
  np.testing.assert_allclose(ratio(metrics["believed"]), read("mask_ratio"))
  close = functools.partial(np.testing.assert_allclose, rtol=1e-10, atol=1e-10)
  close(ratio(metrics["loss_unlabelled"]), read("loss"))
  close(grad, read("grad"))


@needs_golden
def test_eight_steps_equal_the_reference():
  golden = np.load(GOLDEN)
  read = lambda name: golden[f"trajectory_{name}"]
  method = make(
      fixed(tau=float(read("tau"))), num_unlabelled=12,
      weight=float(read("lambda_u")), ema_decay=float(read("ema_decay")),
  )
  rate = lambda k: float(read("base_lr")) * jnp.cos(7 * jnp.pi * k / (16 * 8))
  optimizer = optax.chain(
      optax.add_decayed_weights(float(read("weight_decay"))),
      optax.sgd(rate, momentum=float(read("momentum")), nesterov=True),
  )

  @jax.jit
  def step(state, batch):
    grads, aux = jax.grad(method.loss, has_aux=True)(
        state.params, state, batch, jax.random.key(0)
    )
    updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
    state = state.replace(
        step=state.step + 1, opt_state=opt_state,
        params=optax.apply_updates(state.params, updates),
    )
    return method.after_update(state, aux.carried), aux.metrics

  close = functools.partial(np.testing.assert_allclose, rtol=1e-12, atol=1e-12)
  with jax.enable_x64(True):
    state = state_of(jnp.asarray(read("w0")))
    state = state.replace(opt_state=optimizer.init(state.params))
    for k in range(8):
      batch = batch_of(*(read(name)[k] for name in ("x", "y", "u_w", "u_s")))
      state, metrics = step(state, batch)
      close(state.params, read("w")[k])
      close(state.ema, read("ema")[k])
      mean = {name: float(v[0]) / float(v[1]) for name, v in metrics.items()}
      close(mean["loss_labelled"], read("loss_x")[k])
      close(mean["loss_unlabelled"], read("loss_u")[k])
      # The reference averages the mask in float32.
      close(mean["believed"], read("mask_ratio")[k], rtol=1e-7)
      close(rate(k), read("lr")[k])


def test_the_loss_equals_a_loop_over_rows():
  """The mean is over all unlabelled rows, also those that are not believed."""
  batch, params = drawn(), np.random.default_rng(1).normal(size=(D, K))
  method = make(fixed(tau=0.6), weight=0.7)
  found, aux = jax.jit(method.loss)(
      jnp.float32(params), state_of(params), batch, jax.random.key(0)
  )
  x, label = (batch["labelled"][name] for name in ("x", "label"))
  weak, strong = (batch["unlabelled"][name] for name in ("weak", "strong"))
  expected, believed = 0.0, 0
  for row, y in zip(softmax(x @ params), label):
    expected -= np.log(row[y]) / 8
  for p, q in zip(softmax(weak @ params), softmax(strong @ params)):
    if max(p) >= 0.6:
      believed += 1
      expected -= 0.7 * np.log(q[list(p).index(max(p))]) / 24
  np.testing.assert_allclose(found, expected, rtol=1e-5)
  assert 0 < believed < 24
  np.testing.assert_allclose(aux.metrics["believed"], (believed, 24))
  np.testing.assert_allclose(aux.metrics["loss"], (8 * expected, 8), rtol=1e-5)


def test_ties_go_to_the_first_class_and_certainty_passes_one():
  """Gradients of the strong views show which classes they follow."""
  weak = np.float32([[0, 90, 90, 0], [0, 0, 1000, 0], [0, 0, 9, 0]])
  eye = np.eye(K, dtype=np.float32)

  def unlabelled(strong, tau):
    batch = batch_of(eye[:1], np.zeros(1, np.int32), weak, strong)
    method = make(fixed(tau=tau))
    return method.loss(eye, state_of(eye), batch, jax.random.key(0))[0]

  grad = jax.jit(jax.grad(unlabelled), static_argnums=1)
  rows = np.zeros((3, K), np.float32)
  pull = lambda y: (0.25 - eye[y]) / 3
  np.testing.assert_allclose(
      grad(rows, 0.5), [pull(1), pull(2), pull(2)], atol=1e-6
  )
  np.testing.assert_allclose(
      grad(rows, 1.0), [0 * pull(1), pull(2), 0 * pull(2)], atol=1e-6
  )


# Gradients.


def gradient_by_weak(threshold, apply):
  params = jnp.float32(np.random.default_rng(1).normal(size=(D, K)))
  method, batch = make(threshold, apply), drawn()
  state = state_of(params, threshold.init(K, N))

  def loss(weak):
    batch["unlabelled"]["weak"] = weak
    return method.loss(params, state, batch, jax.random.key(0))[0]

  return jax.jit(jax.grad(loss))(batch["unlabelled"]["weak"])


@pytest.mark.parametrize("name", THRESHOLDS)
def test_no_gradient_flows_into_pseudo_labels(name):
  np.testing.assert_array_equal(gradient_by_weak(THRESHOLDS[name], linear), 0)


def test_weak_views_share_the_statistics_of_the_batch():
  assert np.any(gradient_by_weak(fixed(tau=0.6), normalised))


# What is evaluated, and misuse.


def test_the_average_predicts():
  method = make(ema_decay=0.75)
  old, new = np.ones((D, K), np.float32), np.full((D, K), 2, np.float32)
  state = method.after_update(state_of(new).replace(ema=old), None)
  np.testing.assert_allclose(state.ema, 1.25)
  x = np.ones((2, D), np.float32)
  np.testing.assert_allclose(method.predict(state, {"x": x}), 1.25 * D)


def of_run(**options):
  parts = methods.Parts(
      network=lambda outputs: network(), num_classes=K, mixer=mixers.identity,
      guidance=mixers.needs(), loss=losses.decoupled_cross_entropy,
      total_steps=8, steps=None, teacher=None, num_unlabelled=N,
  )
  return methods.METHODS["fixmatch"](parts, **options)


@pytest.mark.parametrize("name", THRESHOLDS)
def test_a_run_names_its_threshold(name):
  method = of_run(threshold={"name": name})
  state = method.init(jax.random.key(0), {"x": jnp.zeros((1, D))})
  chex.assert_trees_all_equal_shapes(state.extra, THRESHOLDS[name].init(K, N))


@pytest.mark.parametrize(
    "options,words",
    (
        ({"threshold": {"name": "flexmatsch"}}, "did you mean 'flexmatch'"),
        ({"threshold": {"name": "fixed", "tao": 1}}, "no option 'tao'"),
        ({"threshold": {"name": "fixed", "tau": 2}}, "tau must lie in"),
        ({"wait": 1}, "no option 'wait'; did you mean 'weight'"),
    ),
)
def test_what_a_run_misspells_is_named(options, words):
  with pytest.raises(ValueError, match=words):
    of_run(**options)


@pytest.mark.parametrize(
    "options,words",
    (
        ({"weight": -1}, "weight must be >= 0, got -1"),
        ({"ema_decay": 1}, r"ema_decay must lie in \[0, 1\), got 1"),
    ),
)
def test_options_out_of_range_are_refused(options, words):
  with pytest.raises(ValueError, match=words):
    make(**options)
