"""ReMixMatch against golden values and twins."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from dmjax import losses
from dmjax import methods
from dmjax import mixers
from dmjax import parallel
from dmjax.methods import guesses
from dmjax.methods.remixmatch import align
from dmjax.methods.remixmatch import LENGTH
from dmjax.methods.remixmatch import memory as empty
from dmjax.methods.remixmatch import quarter_turns
from dmjax.methods.remixmatch import remember
from dmjax.methods.remixmatch import terms_of
from dmjax.methods.remixmatch import turn
from dmjax.train import step as step_lib
from tests import semi_programs as programs

PLAIN = losses.mixup_cross_entropy
VIEWS = ("weak", "strong", "strong2")
SHARES = (0.5, 0.3, 0.2)

losses_of = jax.jit(terms_of, static_argnums=(0, 4))
put = jax.jit(remember)


@pytest.fixture(scope="module")
def golden():
  loaded = np.load(programs.GOLDEN)
  prefix = "remixmatch_"
  return {
      name.removeprefix(prefix): loaded[name]
      for name in loaded.files if name.startswith(prefix)
  }


@programs.needs_golden
def test_aligned_guesses_equal_the_reference(golden):
  memory = empty(5)
  assert golden["queue_length"] == LENGTH
  for t in range(4):
    probs = programs.softmax(golden["u_w"][t] @ golden["w"])
    probs = jnp.asarray(probs, jnp.float32)
    seen = memory["means"].mean(axis=0)
    np.testing.assert_allclose(seen, golden["queue_p_model"][t], atol=3e-6)
    aligned = align(probs, golden["p_target"], seen)
    q = np.tile(guesses.sharpen(aligned, 0.5), (3, 1))
    np.testing.assert_allclose(q, golden["queue_targets"][t], atol=3e-6)
    memory = put(memory, {"probs": probs})


@programs.needs_golden
def test_what_is_remembered_equals_the_reference(golden):
  memory, means = empty(5), {}
  probs = jnp.asarray(np.tile(golden["p_target"], (2, 1)), jnp.float32)
  for t in range(1, 1 + golden["queue_constant_after"].max()):
    memory = put(memory, {"probs": probs})
    means[t] = np.mean(memory["means"], axis=0)
  found = [means[t] for t in golden["queue_constant_after"]]
  np.testing.assert_allclose(found, golden["queue_constant_p_model"], atol=3e-6)


@programs.needs_golden
@pytest.mark.parametrize("case", ("uniform", "gt", "model"))
def test_alignment_equals_the_reference(case):
  loaded = np.load(programs.GOLDEN)
  read = lambda name: loaded[f"align_ema_{case}_{name}"]
  probs = programs.softmax(loaded["stream_logits_w"][-1])
  with jax.enable_x64(True):
    found = align(jnp.asarray(probs), read("p_target")[-1], read("p_model")[-1])
  np.testing.assert_allclose(found, read("aligned")[-1], atol=1e-10)


@programs.needs_golden
def test_losses_equal_the_reference(golden):
  with jax.enable_x64(True):
    for t in range(4):
      _check_losses(golden, t)


def _check_losses(golden, t):
  read = lambda name: golden[name][t]
  lam = max(read("lam"), 1 - read("lam"))
  labels = read("ema_targets")
  x = np.concatenate([read(name) for name in ("x", "u_s1", "u_s2", "u_w")])
  w = np.concatenate([golden["w"], golden["w_rot"]], axis=1)
  logits = {
      "mixed": (lam * x + (1 - lam) * x[read("perm")]) @ w,
      "strong": read("u_s1") @ w, "turned": read("u_rot") @ w,
  }
  sources = np.stack([np.arange(32), read("perm")], axis=1)
  mixed = mixers.Mixed(None, sources, np.tile([lam, 1 - lam], (32, 1)))
  terms = losses_of(
      PLAIN, logits, jnp.asarray(labels), mixed, 8, labels[8:16], read("rot_v")
  )
  for name, short in (
      ("labelled", "x"), ("unlabelled", "u"), ("strong", "u1"),
      ("rotation", "rot"),
  ):
    expected = read(f"loss_{short}")
    np.testing.assert_allclose(np.mean(terms[name]), expected, atol=1e-10)


@programs.needs_golden
def test_the_weights_rise_as_in_the_reference(golden):
  found = guesses.ramp(golden["step"], 1000, 1 / 64)
  np.testing.assert_allclose(found, golden["ramp"], rtol=1e-6)


def test_alignment_of_the_worked_example():
  seen = jnp.array([0.6, 0.3, 0.1])
  found = align(jnp.array([[0.5, 0.3, 0.2]]), np.full(3, 1 / 3), seen)
  np.testing.assert_allclose(found, [[0.217392, 0.260870, 0.521737]], atol=2e-6)
  np.testing.assert_allclose(
      guesses.sharpen(found, 0.5), [[0.121953, 0.175611, 0.702436]], atol=2e-6
  )


def test_the_oldest_batch_is_forgotten_first():
  memory = {"means": jnp.arange(256.0).reshape(128, 2)}
  found = put(memory, {"probs": jnp.array([[0.2, 0.8], [0.6, 0.4]])})
  np.testing.assert_array_equal(found["means"][:-1], memory["means"][1:])
  np.testing.assert_allclose(found["means"][-1], [0.4, 0.6], rtol=1e-6)


def test_images_are_turned_as_by_numpy():
  x = np.random.default_rng(0).uniform(size=(5, 3, 3, 2)).astype(np.float32)
  turns = np.array([3, 0, 2, 1, 1])
  found = quarter_turns(jnp.asarray(x), turns)
  expected = [np.rot90(image, k) for image, k in zip(x, turns)]
  np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("shape", ((2, 4, 6, 3), (2, 4)))
def test_what_is_not_square_is_refused(shape):
  with pytest.raises(ValueError, match="x must be square images"):
    quarter_turns(jnp.zeros(shape), jnp.zeros(2, int))


def test_all_four_turns_are_drawn():
  _, turns = turn(jax.random.key(0), jnp.zeros((64, 2, 2, 1)))
  assert np.bincount(turns).min() > 5


@functools.cache
def method_of(loss=PLAIN):
  return methods.remixmatch(
      programs.linear_network(programs.CLASSES + 4), programs.MIXER, loss,
      num_classes=programs.CLASSES, total_steps=20, class_shares=SHARES,
      weight=3.0, strong_weight=0.7, rotation_weight=0.3, ramp_share=0.5,
  )


def draws_of_turns(key):
  """What the loss draws with this key."""
  turn_key = jax.random.split(key, 4)[2]
  x = jnp.zeros((programs.UNLABELLED, programs.SIDE, programs.SIDE, 1))
  return np.asarray(turn(turn_key, x)[1])


def test_loss_and_gradient_of_a_step_equal_the_twin():
  method, batch = method_of(), programs.batch_of(VIEWS)
  state = programs.state_of(method, 4)
  means = np.random.default_rng(3).dirichlet(np.ones(3), 128).astype(np.float32)
  state = state.replace(extra={"means": jnp.asarray(means)})
  loss, aux, grad = programs.loss_and_gradient(method, state, batch)
  # The guesses.
  w = programs.flat(state.params["w"])
  u = {name: batch["unlabelled"][name] for name in VIEWS}
  probs = programs.softmax(programs.flat(u["weak"]) @ w[:, :3])
  aligned = probs * np.array(SHARES) / means.mean(axis=0)
  q = programs.sharpen(aligned)
  # The rows, their logits, their targets.
  turns = draws_of_turns(jax.random.key(1))
  turned = np.stack([np.rot90(x, k) for x, k in zip(u["strong"], turns)])
  every = [batch["labelled"]["x"], *u.values()]
  rows = programs.flip_mixed(np.concatenate([programs.flat(x) for x in every]))
  y = programs.one_hot(batch["labelled"]["label"])
  targets = programs.flip_mixed(np.concatenate([y, q, q, q]))
  strong, turned = programs.flat(u["strong"]), programs.flat(turned)
  count = len(y)
  expected, slope = 0.0, np.zeros_like(w)
  for scale, x, target, columns in (
      (1.0, rows[:count], targets[:count], slice(0, 3)),
      (3.0 * 0.4, rows[count:], targets[count:], slice(0, 3)),
      (0.7 * 0.4, strong, q, slice(0, 3)),
      (0.3, turned, np.eye(4)[turns], slice(3, 7)),
  ):
    z = x @ w[:, columns]
    expected += scale * programs.cross_entropy(z, target).mean()
    slope[:, columns] += scale * x.T @ programs.ce_gradient(z, target)
  np.testing.assert_allclose(loss, expected, rtol=1e-5)
  np.testing.assert_allclose(grad, slope, atol=2e-5)
  np.testing.assert_allclose(aux.carried["probs"], probs, atol=1e-5)
  seen = np.concatenate([rows, strong, turned]).mean()
  np.testing.assert_allclose(aux.model_state["stats"]["mean"], seen, rtol=1e-5)


def test_a_decoupled_loss_asks_nothing_in_the_name_of_guesses():
  logits = {
      "mixed": np.random.default_rng(0).normal(size=(6, 7)),
      "strong": np.zeros((2, 7)), "turned": np.zeros((2, 7)),
  }
  labels = jnp.asarray(np.eye(3)[[0, 1, 2, 1, 2, 0]])
  partner = np.array([1, 2, 3, 0, 5, 4])
  sources = np.stack([np.arange(6), partner], axis=1)
  mixed = mixers.Mixed(None, sources, np.tile([0.7, 0.3], (6, 1)))
  given = logits, labels, mixed, 2, np.full((2, 3), 1 / 3), np.zeros(2, int)
  plain = losses_of(PLAIN, *given)
  found = losses_of(losses.decoupled_cross_entropy, *given)
  more = {k: np.asarray(found[k] - plain[k]) for k in found}
  assert np.all(more["labelled"] > 1e-3)
  # Of the unlabelled rows the second alone has a labelled partner.
  z, term = logits["mixed"][3], more["unlabelled"]
  expected = -0.1 * np.log(np.exp(z[0]) / (np.exp(z[0]) + np.exp(z[2])))
  np.testing.assert_allclose(term, [0, expected, 0, 0], atol=2e-6)
  assert not more["strong"].any() and not more["rotation"].any()


def test_what_is_remembered_does_not_depend_on_the_number_of_devices():
  method, batch = method_of(), programs.batch_of(VIEWS, unlabelled=8)
  # The parameters stay: the devices draw other mixtures.
  still = optax.sgd(0.0)
  step = step_lib.make_train_step(
      method, still, lambda key, batch, shared: batch,
      schedule=optax.constant_schedule(0.0),
  )
  state = programs.state_of(method, 0)
  state = state.replace(opt_state=still.init(state.params))
  shared = {"data": {}, "seed": np.uint32(1)}
  found = []
  for count in (1, 4):
    rows = lambda x: x.reshape(count, 1, -1, *x.shape[1:])
    mapped = parallel.pmap(step, devices=jax.devices()[:count])
    after, _ = mapped(state, jax.tree.map(rows, batch), shared)
    found.append(np.asarray(after.extra["means"]))
  np.testing.assert_allclose(*found, rtol=1e-6)
  w = programs.flat(state.params["w"])[:, :3]
  probs = programs.softmax(programs.flat(batch["unlabelled"]["weak"]) @ w)
  np.testing.assert_allclose(found[1][-1], probs.mean(axis=0), rtol=1e-5)


def test_a_run_has_four_more_outputs_and_predicts_classes():
  method = methods.METHODS["remixmatch"](programs.parts_of(mixers.mixup, PLAIN))
  state = programs.state_of(method, 0)
  assert state.params["w"].shape[1] == programs.CLASSES + 4
  x = programs.batch_of(VIEWS)["labelled"]["x"]
  logits = method.predict(state, {"x": x})
  expected = programs.flat(x) @ programs.flat(state.ema["w"])[:, :3]
  np.testing.assert_allclose(logits, expected, rtol=1e-4)


@pytest.mark.parametrize(
    "name,value",
    (
        ("temperature", 1.5), ("weight", -1.0), ("strong_weight", -2.0),
        ("rotation_weight", -3.0), ("ramp_share", 0.0),
        ("class_shares", (0.5, 0.5)), ("class_shares", (0.5, 0.5, 0.5)),
        ("class_shares", (1.5, 0.0, -0.5)),
    ),
)
def test_options_out_of_range_are_named(name, value):
  with pytest.raises(ValueError, match=f"{name} must"):
    methods.remixmatch(
        None, mixers.mixup, PLAIN, num_classes=3, total_steps=9, **{name: value}
    )
