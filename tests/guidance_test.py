"""Guided training: what mixers ask for, and that it is what they get."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from configs.digits import any_mixer
from dmjax import losses
from dmjax import mixers
from dmjax import models
from dmjax import parallel
from dmjax.methods import guidance
from dmjax.train import build
from dmjax.train import optimizer as optimizer_lib
from dmjax.train import step as step_lib
from dmjax.train import validate

ATTENTION = ("mixpro", "smmix", "tokenmix", "transmix")


def batch(size=8):
  rng = np.random.default_rng(0)
  return {
      "image": jnp.asarray(rng.normal(size=(8, size, size, 3)), jnp.float32),
      "label": jnp.arange(8) % 4,
  }


@functools.cache
def network(name):
  """A tiny convolutional network, or a vision transformer for attention."""
  if name in ATTENTION:
    return models.create(
        "deit_tiny", num_classes=4, patch=2, width=8, depth=2, heads=2
    )
  return models.create("resnet8", num_classes=4, widths=(4, 8, 8))


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
    ),
)
def test_a_mixer_asks_by_the_names_of_its_options(mixer, before, after):
  found = guidance.asked(mixer)
  assert (set(found.before), set(found.after)) == (set(before), set(after))
  either = functools.partial(mixers.choose, mixers=(mixers.mixup, mixer))
  assert guidance.asked(either) == found


@pytest.mark.parametrize("name", sorted(mixers.MIXERS))
@pytest.mark.parametrize("loss", ("ce", "dm"))
def test_every_mixer_trains_from_its_configuration(name, loss):
  """Twenty steps on one batch: finite, and the parameters move."""
  config = any_mixer.get_config(f"{name},{loss},smoke")
  validate.check_config(config)
  method = build.make_method(config, 10)
  optimizer = optimizer_lib.make_optimizer(config.optimizer, lambda step: 0.01)
  rng = np.random.default_rng(0)
  data = {
      "image": rng.normal(size=(16, 8, 8, 1)).astype(np.float32),
      "label": np.arange(16, dtype=np.int32) % 10,
  }
  state = step_lib.create_state(method, optimizer, jax.random.key(0), data)
  step = step_lib.make_train_step(
      method, optimizer, lambda key, batch, shared: batch,
      schedule=lambda step: 0.01, steps=20,
  )
  # One compiled call of twenty steps, on two devices.
  mapped = jax.pmap(
      step, axis_name=parallel.AXIS, in_axes=(None, 0, None),
      out_axes=(None, None), devices=jax.devices()[:2],
  )
  split = lambda x: np.broadcast_to(
      x.reshape(2, 1, 8, *x.shape[1:]), (2, 20, 8, *x.shape[1:])
  )
  after, metrics = mapped(
      state, jax.tree.map(split, data), {"seed": np.uint32(0)}
  )
  assert int(after.step) == 20 and np.isfinite(metrics["loss"][0]).all()
  # In NumPy: nothing to compile for each shape.
  before, after = jax.device_get((state.params, after.params))
  moved = jax.tree.map(lambda a, b: np.abs(a - b).max(), before, after)
  assert max(jax.tree.leaves(moved)) > 1e-3


def guide(name, **options):
  model = network(name)
  variables = model.init(jax.random.key(0), batch()["image"], train=False)
  defaults = {"saliency": "input_gradient", "mean": (0.0,), "std": (1.0,)}
  make = guidance.make_guide(model, mixers.MIXERS[name], **defaults | options)
  return model, variables, make(variables, batch())


def test_input_gradients_are_those_of_the_loss():
  model, variables, maps = guide("puzzlemix")
  data = batch()

  def loss(image, label):
    logits = model.apply(variables, image[None], train=False)
    return optax.softmax_cross_entropy_with_integer_labels(logits[0], label)

  for row in range(3):
    gradient = jax.grad(loss)(data["image"][row], data["label"][row])
    expected = jnp.sqrt(jnp.mean(gradient**2, -1))
    np.testing.assert_allclose(maps["saliency"][row], expected, atol=1e-5)


def test_class_activation_maps_average_to_the_logit():
  """The mean of the map is the logit of the class, but for the bias."""
  model, variables, _ = guide("snapmix")
  data = batch()
  logits, features = model.apply(
      variables, data["image"], train=False, features="stage3"
  )
  kernel = variables["params"]["head"]["kernel"]
  small = {"image": features, "label": data["label"]}
  maps = guidance._class_activation(features, kernel, small)
  own = logits[jnp.arange(8), data["label"]]
  np.testing.assert_allclose(maps.mean((1, 2)), own, atol=1e-5)


def test_detectors_see_images_between_zero_and_one():
  data, mean, std = batch(), (0.5,), (0.25,)
  _, _, maps = guide("saliencymix", saliency="spectral_residual", mean=mean, std=std)
  expected = mixers.saliency.spectral_residual(data["image"] * 0.25 + 0.5)
  np.testing.assert_allclose(maps["saliency"], expected, atol=1e-5)


def test_attention_is_that_of_the_model():
  model, variables, maps = guide("smmix")
  _, attention = model.apply(
      variables, batch()["image"], train=False, features="attention"
  )
  np.testing.assert_array_equal(maps["attention"], attention)


def test_an_unknown_saliency_names_the_nearest():
  with pytest.raises(ValueError, match="did you mean 'fine_grained'"):
    guide("puzzlemix", saliency="fine_grain")


def test_progress_is_one_for_a_prediction_equal_to_the_label():
  labels, weights = jnp.array([[0, 1]]), jnp.array([[0.7, 0.3]])
  target = losses.soft_labels(labels, weights, 4, label_smoothing=0.1)
  np.testing.assert_allclose(
      guidance.progress(jnp.log(target), labels, weights), [1.0], rtol=1e-6
  )


def test_an_input_mixer_among_hidden_ones_mixes_once():
  """In `choose` beside manifold mixup, mixup acts at stage 0 alone."""
  either = functools.partial(
      mixers.choose, mixers=(mixers.mixup, mixers.manifold_mixup),
      probs=(1.0, 0.0), per_batch=True,
  )
  key, x = jax.random.key(0), batch()["image"]
  assert not np.array_equal(either(key, x, stage=0).x, x)
  np.testing.assert_array_equal(either(key, x, stage=1).x, x)


def test_the_cost_of_guidance_is_said():
  assert guidance.cost(mixers.cutmix, "input_gradient") == ""
  assert "extra" in guidance.cost(mixers.puzzlemix, "input_gradient")
  assert guidance.cost(mixers.puzzlemix, "spectral_residual") == ""
