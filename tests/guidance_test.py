"""Guided training: what mixers ask for, and that it is what they get."""

import functools
import inspect
import os

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from dmjax import losses
from dmjax import methods
from dmjax import mixers
from dmjax import models
from dmjax import parallel
from dmjax import recipes
from dmjax.methods import guidance
from dmjax.train import optimizer as optimizer_lib
from dmjax.train import run as run_lib
from dmjax.train import step as step_lib

ATTENTION = ("mergemix", "mixpro", "smmix", "tlalign", "tokenmix", "transmix")


def batch(size=8):
  rng = np.random.default_rng(0)
  return {
      "x": jnp.asarray(rng.uniform(size=(8, size, size, 3)), jnp.float32),
      "label": jnp.arange(8) % 4,
  }


@functools.cache
def network(name):
  """A tiny convolutional network, or a vision transformer for attention."""
  if name in ATTENTION:
    return models.create_network(
        "deit_tiny", num_classes=4, patch=2, width=8, depth=2, heads=2
    )
  return models.create_network("resnet8", num_classes=4, widths=(4, 8, 8))


def closure(mixer, **options):
  """A mixer inside a function of one's own, which hides what it needs."""
  return lambda key, x, **maps: mixer(key, x, **options, **maps)


@pytest.mark.parametrize(
    "mixer,before,after",
    (
        (mixers.cutmix, (), ()),
        (mixers.puzzlemix, ("saliency",), ()),
        (mixers.snapmix, ("cam",), ()),
        (mixers.attentivemix, ("features",), ()),
        (mixers.tokenmix, ("attention",), ()),
        (mixers.transmix, (), ("attention",)),
        (mixers.mixpro, (), ("attention", "progress")),
        (mixers.tlalign, (), ("attentions",)),
        (mixers.mergemix, ("attention", "features"), ()),
    ),
)
def test_the_table_says_what_a_mixer_needs(mixer, before, after):
  needs = mixers.needs(*before, after=after)
  assert mixers.guidance_of(mixer) == needs
  partial = functools.partial(functools.partial(mixer, lam=0.3), lam=0.4)
  assert mixers.guidance_of(partial) == needs
  either = functools.partial(mixers.choose, mixers=(mixers.mixup, partial))
  seldom = functools.partial(mixers.sometimes, mixer=either, p=0.1)
  assert mixers.guidance_of(either) == mixers.guidance_of(seldom) == needs


@pytest.mark.parametrize("name", sorted(mixers.MIXERS))
def test_a_mixer_has_the_options_that_the_table_says(name):
  needs = mixers.guidance_of(mixers.MIXERS[name])
  options = inspect.signature(mixers.MIXERS[name]).parameters
  given = {k: v for k, v in options.items() if k in (
      "saliency", "cam", "features", "attention", "attentions", "progress"
  )}
  required = {k for k, v in given.items() if v.default is v.empty}
  assert (required, set(given) - required) == (needs.before, needs.after)
  assert ("stage" in options) == needs.hidden


def test_a_function_of_ones_own_has_to_say_what_it_needs():
  mixer = closure(mixers.puzzlemix)
  with pytest.raises(ValueError, match="is not in the table.*guidance="):
    methods.supervised(network("puzzlemix"), mixer, losses.mixup_cross_entropy)


ALONE = functools.partial(mixers.puzzlemix, blocks=4, lam=0.5)


@jax.jit
def by_hand(variables, data, mix_key, model_key):
  """The loss of a mix by the gradient of the network itself."""
  net = network("puzzlemix")
  guide = guidance.make_guide(
      net, mixers.needs("saliency"), saliency="input_gradient"
  )
  mixed = ALONE(mix_key, data["x"], **guide(variables, data))
  logits, _ = net.train(variables, mixed.x, model_key)
  return losses.mixup_cross_entropy(
      logits, data["label"][mixed.sources], mixed.weights
  ).mean()


@pytest.mark.parametrize("inside", ("closure", "combinator", "both"))
def test_a_guided_mixer_gets_its_guidance_wherever_it_is(inside):
  """The loss is that of the mixer alone, with the map it should be given."""
  mixer = ALONE if inside == "combinator" else closure(ALONE)
  if inside != "closure":
    mixer = functools.partial(mixers.sometimes, mixer=mixer, p=1.0)
  needs = mixers.needs("saliency")
  net, data, key = network("puzzlemix"), batch(), jax.random.key(3)
  method = methods.supervised(
      net, mixer, losses.mixup_cross_entropy, guidance=needs
  )
  state = jax.jit(method.init)(jax.random.key(0), data)
  found, _ = jax.jit(method.loss)(state.params, state, data, key)
  variables = {"params": state.params, **state.model_state}
  mix_key, model_key = jax.random.split(key)
  if inside != "closure":
    # As `sometimes` and `choose` split their key among two mixers.
    mix_key = jax.random.split(jax.random.split(mix_key)[1])[0]
  expected = by_hand(variables, data, mix_key, model_key)
  np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_training_mixes_the_pixels_that_the_mixer_is_given_by_hand():
  """Puzzle Mix chooses its seams by pixels: what a run mixes is what one mixes."""
  config = recipes.load("digits:resnet8,puzzlemix,dm,smoke")
  config.data.update(crop_padding=0, mean=(0.7,), std=(0.05,))
  run, seen = run_lib.assemble(config), []

  def watched(key, x, **maps):
    mixed = run.mixer.mix(key, x, **maps)
    seen.append((key, x, maps, mixed))
    return mixed

  net = models.create_network(
      "resnet8", num_classes=10, widths=(4, 8, 8), mean=(0.7,), std=(0.05,)
  )
  parts = methods.Parts(
      lambda outputs: net, 10, watched, run.mixer.guidance,
      losses.mixup_cross_entropy, 1, lambda key, duration: 1, None,
  )
  method = methods.METHODS["supervised"](parts)
  data = run.pipeline("train")
  prepared = data.select(data.rows(np.arange(16)), data.shared)
  pixels = np.stack([run.sources["train"].read(i)["x"] for i in range(16)])
  np.testing.assert_allclose(prepared["x"], pixels / 255, atol=1e-6)
  state = jax.jit(method.init)(jax.random.key(0), prepared)

  @jax.jit
  def what_was_seen(state):
    method.loss(state.params, state, prepared, jax.random.key(1))
    return seen[-1]

  key, x, maps, mixed = what_was_seen(state)
  own = jax.jit(functools.partial(mixers.puzzlemix, blocks=(2, 4, 8)))
  plain = own(key, jnp.asarray(pixels / 255, jnp.float32), **maps)
  np.testing.assert_array_equal(mixed.mask, plain.mask)
  np.testing.assert_allclose(mixed.x, plain.x, atol=1e-6)
  # The seams of normalised pixels are others.
  shifted = own(key, (x - 0.7) / 0.05, **maps)
  assert np.any(shifted.mask != mixed.mask)


@functools.cache
def first_state(network):
  """The state that all mixers of a network begin with, and an optimizer."""
  run = run_lib.assemble(recipes.load(f"digits:{network},mixup,dm,smoke"))
  optimizer = optimizer_lib.make_optimizer(run.config.optimizer, lambda _: 0.01)
  key = jax.random.key(0)
  return step_lib.create_state(run.method, optimizer, key, run.example), optimizer


def of_every_kind():
  """One mixer for whatever is asked for; all with DMJAX_ALL_SMOKES=1."""
  if os.environ.get("DMJAX_ALL_SMOKES"):
    return sorted(mixers.MIXERS)
  kinds = {
      (mixers.guidance_of(mixer), "partition" in mixers.options_of(mixer)): name
      for name, mixer in sorted(mixers.MIXERS.items())
  }
  return list(kinds.values())


@pytest.mark.parametrize("name", of_every_kind())
def test_a_mixer_of_every_kind_trains_with_dm_from_its_configuration(name):
  """Twenty steps on one batch, on all devices: finite, and parameters move."""
  network = "deit_tiny" if name in ATTENTION else "resnet8"
  run = run_lib.assemble(recipes.load(f"digits:{network},{name},dm,smoke"))
  state, optimizer = first_state(network)
  rng = np.random.default_rng(0)
  batch = parallel.shard({
      "x": rng.uniform(size=(1, 32, 8, 8, 1)).astype(np.float32),
      "label": np.arange(32, dtype=np.int32)[None] % 10,
  })
  step = parallel.pmap(
      step_lib.make_train_step(
          run.method, optimizer, lambda key, batch, shared: batch,
          schedule=lambda step: 0.01,
      )
  )
  # Where the steps leave it: one that lies elsewhere is compiled for once more.
  after, losses_seen = parallel.replicate(state), []
  for _ in range(20):
    after, metrics = step(after, batch, {"data": {}, "seed": np.uint32(0)})
    losses_seen.append(metrics["loss"][0])
  assert int(after.step) == 20 and np.isfinite(losses_seen).all()
  # In NumPy: nothing to compile for each shape.
  before, after = jax.device_get((state.params, after.params))
  moved = jax.tree.map(lambda a, b: np.abs(a - b).max(), before, after)
  assert max(jax.tree.leaves(moved)) > 1e-3


@functools.cache
def guide(name, saliency="input_gradient"):
  """The network of a mixer, its variables, and the maps they give."""
  net = network(name)
  variables = jax.jit(net.init)(jax.random.key(0), batch()["x"])
  needs = mixers.guidance_of(mixers.MIXERS[name])
  make = guidance.make_guide(net, needs, saliency=saliency)
  return net, variables, jax.jit(make)(variables, batch())


def test_input_gradients_are_those_of_the_loss():
  net, variables, maps = guide("puzzlemix")
  data = batch()

  def loss(image, label):
    logits = net.predict(variables, image[None])
    return optax.softmax_cross_entropy_with_integer_labels(logits[0], label)

  gradients = jax.jit(jax.vmap(jax.grad(loss)))(data["x"], data["label"])
  expected = jnp.sqrt(jnp.mean(gradients**2, -1))
  np.testing.assert_allclose(maps["saliency"], expected, atol=1e-5)


def test_class_activation_maps_average_to_the_logit():
  """The mean of the map is the logit of the class, but for the bias."""
  net, variables, maps = guide("snapmix")
  data = batch()
  see = jax.jit(functools.partial(net.predict, features="stage3"))
  logits, features = see(variables, data["x"])
  own = logits[jnp.arange(8), data["label"]]
  kernel = variables["params"]["head"]["kernel"][:, data["label"]]
  small = jnp.einsum("bhwd,db->bhw", features, kernel)
  np.testing.assert_allclose(small.mean((1, 2)), own, atol=1e-5)
  larger = jax.image.resize(small, (8, 8, 8), "linear")
  np.testing.assert_allclose(maps["cam"], larger, atol=1e-5)


def test_detectors_see_pixels():
  _, _, maps = guide("saliencymix", "spectral_residual")
  expected = jax.jit(mixers.saliency.spectral_residual)(batch()["x"])
  np.testing.assert_allclose(maps["saliency"], expected, atol=1e-5)


def test_attention_is_that_of_the_network():
  net, variables, maps = guide("smmix")
  see = jax.jit(functools.partial(net.predict, features="attention"))
  _, attention = see(variables, batch()["x"])
  np.testing.assert_allclose(maps["attention"], attention, rtol=1e-5)


def test_an_unknown_saliency_names_the_nearest():
  with pytest.raises(ValueError, match="did you mean 'fine_grained'"):
    guide("puzzlemix", "fine_grain")


def test_progress_is_one_for_a_prediction_equal_to_the_label():
  labels, weights = jnp.array([[0, 1]]), jnp.array([[0.7, 0.3]])
  target = losses.soft_labels(labels, weights, 4, label_smoothing=0.1)
  np.testing.assert_allclose(
      guidance.progress(jnp.log(target), labels, weights), [1.0], rtol=1e-6
  )


def test_an_input_mixer_among_hidden_ones_mixes_once():
  """In `choose` beside manifold mixup, mixup acts at stage 0 alone."""
  either = functools.partial(
      mixers.choose,
      mixers=[
          functools.partial(mixer, lam=0.3)
          for mixer in (mixers.mixup, mixers.manifold_mixup)
      ],
      probs=(1.0, 0.0), per_batch=True,
  )
  key, x = jax.random.key(0), batch()["x"]
  assert not np.array_equal(either(key, x, stage=0).x, x)
  np.testing.assert_array_equal(either(key, x, stage=1).x, x)


def test_the_cost_of_guidance_is_said():
  assert guidance.cost(mixers.needs(), "input_gradient") == ""
  saliency = mixers.needs("saliency")
  assert "extra" in guidance.cost(saliency, "input_gradient")
  assert guidance.cost(saliency, "spectral_residual") == ""
