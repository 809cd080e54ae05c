"""Contrastive mixup as a method: plain losses, partners, devices, a run."""

import functools
import json

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax import losses
from dmjax import main
from dmjax import methods
from dmjax import mixers
from dmjax import models
from dmjax import parallel
from dmjax import recipes
from dmjax.methods import contrast
from dmjax.methods import embeddings
from dmjax.train import loop
from dmjax.train import run as run_lib
from tests import mixupe_method_test
from tests.train_test import assert_same_state
from tests.train_test import stop_at

pytestmark = pytest.mark.usefixtures("without_pictures")

P, U, F, D, CLASSES = 4, 3, 6, 5, 7
PAIRED = ("prototypical", "ge2e")
KINDS = (*PAIRED, "am_softmax")
LOSS = losses.mixup_cross_entropy
MIXUP = functools.partial(mixers.mixup, alpha=1.0)


class Tiny(nn.Module):
  """A layer with batch norm, and a head."""

  axis_name: str | None = None

  @nn.compact
  def __call__(self, x, *, train, hook=None, features=None):
    del hook, features
    x = nn.BatchNorm(
        use_running_average=not train, momentum=0.9, axis_name=self.axis_name
    )(nn.Dense(8)(x))
    return nn.Dense(D)(jnp.tanh(x))


def make(kind, mixer=mixers.identity, loss=LOSS, axis_name=None, **options):
  network = models.of_linen(Tiny(axis_name))
  return methods.contrastive_mixup(
      network, mixer, loss, kind=kind, num_classes=CLASSES,
      **{"per_class": U} | options,
  )


def batch(seed=0):
  """Utterances of four of seven speakers."""
  rng = np.random.default_rng(seed)
  speakers = rng.permutation(CLASSES)[:P]
  return {
      "x": jnp.asarray(rng.normal(size=(P * U, F)), jnp.float32),
      "label": jnp.asarray(np.repeat(speakers, U)),
  }


prototypical_scores = jax.jit(losses.prototypical_scores)
ge2e_scores = jax.jit(losses.ge2e_scores)
cross_entropy = jax.jit(LOSS)


@functools.cache
def first_state(kind):
  return jax.jit(make(kind).init)(jax.random.key(0), batch())


@functools.cache
def result(kind):
  """Of the plain loss: its value and what is beside it."""
  state = first_state(kind)
  return jax.jit(make(kind).loss)(
      state.params, state, batch(), jax.random.key(1)
  )


def embeddings_in_training(kind, rows):
  state = first_state(kind)
  variables = {"params": state.params["network"], **state.model_state}
  network = models.of_linen(Tiny())
  return jax.jit(network.train)(variables, rows, jax.random.key(0))[0]


def test_without_mixing_prototypes_are_those_of_the_other_utterances():
  x = batch()["x"].reshape(P, U, F)
  # The order of rows does not matter to batch norm.
  e = embeddings_in_training("prototypical", x.reshape(-1, F)).reshape(P, U, D)
  scores = prototypical_scores(e[:, 0], e[:, 1:])
  own = jnp.arange(P)[:, None]
  expected = cross_entropy(scores, own, jnp.ones((P, 1))).mean()
  found, aux = result("prototypical")
  np.testing.assert_allclose(found, expected, rtol=1e-5)
  hits = np.sum(np.argmax(scores, axis=1) == np.arange(P))
  assert aux.metrics["accuracy"] == (hits, P)


def test_without_mixing_every_utterance_is_a_query_of_ge2e():
  e = embeddings_in_training("ge2e", batch()["x"]).reshape(P, U, D)
  labels = jnp.broadcast_to(jnp.arange(P)[:, None, None], (P, U, 1))
  scores = ge2e_scores(e, e, labels).reshape(-1, P)
  expected = cross_entropy(
      scores, labels.reshape(-1, 1), jnp.ones((P * U, 1))
  ).mean()
  np.testing.assert_allclose(result("ge2e")[0], expected, rtol=1e-5)


def test_without_mixing_am_softmax_learns_a_vector_of_each_class():
  e = contrast.unit(embeddings_in_training("am_softmax", batch()["x"]))
  classes = contrast.unit(first_state("am_softmax").params["classes"])
  expected = jax.jit(losses.am_softmax)(
      e @ classes.T, batch()["label"][:, None], jnp.ones((P * U, 1))
  ).mean()
  np.testing.assert_allclose(result("am_softmax")[0], expected, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_partners_are_of_another_speaker(kind):
  def same(logits, labels, weights):
    del logits, weights
    return (labels[:, 0] == labels[:, -1]).astype(jnp.float32)

  method, state = make(kind, MIXUP, same), first_state(kind)
  run = jax.jit(jax.vmap(
      lambda key: method.loss(state.params, state, batch(), key)[0]
  ))
  assert not np.any(run(jax.random.split(jax.random.key(0), 20)))


def test_the_loss_of_the_run_is_taken_of_the_scores():
  state, key = first_state("prototypical"), jax.random.key(3)
  values = [
      jax.jit(make("prototypical", MIXUP, loss).loss)(
          state.params, state, batch(), key
      )[0]
      for loss in (LOSS, functools.partial(
          losses.decoupled_cross_entropy, eta=0.5
      ))
  ]
  assert values[1] > values[0] + 0.1


@pytest.mark.parametrize("kind", PAIRED)
def test_the_means_of_classes_follow_the_embeddings(kind):
  method, state = make(kind, momentum=0.75), first_state(kind)
  (rows, labels) = result(kind)[1].carried
  assert rows.shape == (P * (U - 1 if kind == "prototypical" else U), D)
  update = jax.jit(method.after_update)
  once = update(state, (rows, labels))
  mean = np.zeros((CLASSES, D))
  for label in set(labels.tolist()):
    mean[label] = rows[labels == label].mean(0)
  np.testing.assert_allclose(once.extra["means"], mean, atol=1e-6)
  twice = update(once, (-rows, labels)).extra["means"]
  np.testing.assert_allclose(twice, 0.5 * mean, atol=1e-6)
  # Scores of evaluation: cosines with these means, a class unmet comes last.
  scores = jax.jit(method.predict)(once, batch(1))
  embeddings = jax.jit(method.embed)(once, batch(1)["x"])
  met = np.any(mean, axis=1)
  mean /= np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-9)
  cosines = np.where(met, embeddings @ mean.T, -1)
  np.testing.assert_allclose(scores, 10 * cosines - 5, atol=1e-4)


def test_am_softmax_has_the_same_gradient_on_one_device_and_on_two():
  state, key = first_state("am_softmax"), jax.random.key(1)

  def gradient(devices):
    axis = parallel.AXIS if devices > 1 else None
    method = make("am_softmax", axis_name=axis)

    def grad(state, data, shared):
      del shared
      found, aux = jax.grad(method.loss, has_aux=True)(
          state.params, state, data, key
      )
      found = (found, aux.model_state)
      return state, jax.lax.pmean(found, parallel.AXIS)

    split = jax.tree.map(
        lambda x: x.reshape(devices, -1, *x.shape[1:]), batch()
    )
    mapped = parallel.pmap(grad, devices=jax.devices()[:devices])
    return mapped(state, split, ())[1]

  for one, two in zip(*map(jax.tree.leaves, (gradient(1), gradient(2)))):
    np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("changes,message", (
    ({"kind": "proto"}, "unknown kind 'proto'; did you mean 'prototypical'"),
    ({"kind": "ge2e", "per_class": 1}, "2 examples of each class or more, got 1"),
    ({"scale": 0.0}, "scale must be > 0 and finite, got 0.0"),
    ({"margin": -1.0}, "margin must be >= 0 and finite, got -1.0"),
    ({"momentum": 1.0}, r"momentum must lie in \[0, 1\), got 1.0"),
    ({"ema_decay": 1.0}, r"ema_decay must lie in \[0, 1\), got 1.0"),
    ({"mixer": mixers.puzzlemix}, "a mixer of inputs, without guidance"),
    ({"mixer": mixers.manifold_mixup}, "a mixer of inputs, without guidance"),
    ({"mixer": lambda key, x: x, "guidance": mixers.needs()}, "that can be told partners"),
))
def test_what_does_not_fit_is_refused(changes, message):
  options = {"kind": "prototypical"} | changes
  with pytest.raises(ValueError, match=message):
    make(**options)


def test_embeddings_of_other_methods_are_the_features_before_the_head():
  network = mixupe_method_test.tiny()
  method = methods.supervised(network, MIXUP, LOSS)
  data = mixupe_method_test.batch()
  state = mixupe_method_test.state_of(method)
  found = jax.jit(embeddings.of_method(method))(state, data["x"])
  variables = method.variables(state)
  features = jax.jit(functools.partial(network.predict, features="stage1"))(
      variables, data["x"]
  )[1]
  np.testing.assert_allclose(found, features.mean((1, 2)), rtol=1e-5, atol=1e-6)
  own, x = make("ge2e"), batch()["x"]
  found = jax.jit(embeddings.of_method(own))(first_state("ge2e"), x)
  np.testing.assert_allclose(jnp.sum(found**2, axis=1), 1, rtol=1e-5)


def tiny(total="6 steps"):
  config = recipes.load("digits:resnet8,contrastive_mixup,dm,smoke")
  config.total, config.checkpoint.every = total, "3 steps"
  config.evaluate.every = config.log.every = "6 steps"
  config.evaluate.mix = {"name": "identity"}
  return config


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
  workdir = tmp_path_factory.mktemp("contrastive")
  return workdir, loop.train(tiny(), workdir)


def test_a_run_resumes_bit_for_bit(trained, tmp_path, monkeypatch):
  whole, found = trained
  assert found.finished and np.isfinite(list(found.metrics.values())).all()
  with monkeypatch.context() as patch:
    patch.setattr(loop.signals, "asked_to_stop", stop_at(3))
    assert loop.train(tiny(), tmp_path).step == 3
  assert loop.train(tiny(), tmp_path).finished
  assert_same_state(whole, tmp_path)


def test_the_probe_verifies_rows_of_a_split(trained, tmp_path, capsys):
  arguments = ["probe", "--workdir", trained[0], "--probes", "verification"]
  arguments += ["--trials", "test[:20]", "--out", tmp_path]
  assert main.main([str(argument) for argument in arguments]) == 0
  (found,) = json.loads((tmp_path / "probe.json").read_text())["runs"][
      str(trained[0])
  ]["verification"]
  assert found["case"] == "test[:20]" and found["trials"] == 190
  assert 0 <= found["eer"] <= 1 and 0 <= found["min_dcf"] <= 1
  shown = capsys.readouterr().out
  assert "eer" in shown and "min_dcf" in shown


def test_the_run_wants_batches_of_classes():
  config = tiny()
  config.data.per_class = 0
  with pytest.raises(ValueError, match="set --config.data.per_class=10"):
    run_lib.assemble(config)
