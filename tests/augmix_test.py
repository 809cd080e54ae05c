"""AugMix: chains of operations, their blend, and the loss of agreement."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax import augment
from dmjax import losses
from dmjax import methods
from dmjax import recipes
from dmjax.augment import _augmix
from dmjax.data import images as images_lib
from dmjax.train import run as run_lib
from tests.mixupe_method_test import CLASSES
from tests.mixupe_method_test import tiny

KEY = jax.random.key(0)
NINE = {
    "auto_contrast", "equalize", "posterize", "rotate", "solarize", "shear_x",
    "shear_y", "translate_x", "translate_y",
}


mix = jax.jit(augment.augmix)


def images(channels=1):
  return jax.random.uniform(jax.random.key(5), (8, 6, 6, channels))


@jax.jit
def operate(x, number, level, sign):
  return augment.apply_operation(x, number, level, sign=sign, space="augmix")


def chains_of(key, x):
  """The three chains before they are blended, one operation after the other."""
  draws = _augmix._draw(jax.random.split(key, 3)[0], (len(x) * 3, 3), 3.0)
  rows = np.repeat(x, 3, axis=0)
  for number, level, sign in zip(*(np.transpose(each) for each in draws)):
    rows = operate(rows, number, level, sign)
  return rows.reshape(len(x), 3, *x.shape[1:])


def test_the_blend_is_convex():
  """Each result is (1 - m) x + m sum_i w_i chain_i, solved for m and w."""
  x = images()
  changed = mix(KEY, x)
  assert changed.shape == x.shape and changed.dtype == x.dtype
  assert changed.min() >= 0 and changed.max() <= 1
  chains = np.asarray(chains_of(KEY, x), np.float64).reshape(8, 3, -1)
  for row in range(8):
    own, found = (np.asarray(a[row], np.float64).ravel() for a in (x, changed))
    parts = np.stack([own, *chains[row]])
    shares, *_ = np.linalg.lstsq(parts.T, found, rcond=None)
    np.testing.assert_allclose(shares @ parts, found, atol=1e-5)
    low, high = parts.min(0), parts.max(0)
    assert np.all((found >= low - 1e-6) & (found <= high + 1e-6))
  assert np.abs(changed - x).max() > 0.05


def test_operations_of_the_corruptions_are_not_drawn_and_chains_are_short():
  number, level, sign = jax.device_get(_augmix._draw(KEY, (6000, 3), 3.0))
  names = np.array(augment.OPERATIONS)[number]
  assert set(names.ravel()) == NINE | {"identity"}
  assert set(augment.SPACES["augmix"].operations) == NINE
  length = (names != "identity").sum(1)
  # What follows the end of a chain changes nothing.
  assert np.all((names != "identity") == (np.arange(3) < length[:, None]))
  shares = np.bincount(length, minlength=4) / 6000
  np.testing.assert_allclose(shares, [0, 1 / 3, 1 / 3, 1 / 3], atol=0.03)
  first = np.unique(names[:, 0], return_counts=True)[1] / 6000
  np.testing.assert_allclose(first, 1 / 9, atol=0.02)
  assert 0.01 <= level.min() < 0.02 and 0.28 < level.max() <= 0.3
  assert abs(sign.mean()) < 0.03


def test_no_severity_leaves_the_images_as_they_are():
  x = images()
  np.testing.assert_array_equal(augment.augmix(KEY, x, severity=0.0), x)


def test_levels_mean_what_the_authors_code_makes_of_them():
  """At 3 of 10: 3 bits, values from 180 on, 9 degrees, 0.09, a tenth a side."""
  space = augment.SPACES["augmix"]
  level, sign = jnp.float32(0.3), -1.0
  assert space.bits(level) == 3 and space.threshold(level) == 256 - 76
  amount = space.amount(level, sign)
  np.testing.assert_allclose(amount * space.degrees, -9, rtol=1e-5)
  np.testing.assert_allclose(amount * space.shear, -0.09, rtol=1e-5)
  assert space.shift(amount, 40) == -4


@pytest.mark.parametrize("options,words", (
    ({"severity": 11.0}, "severity must lie in"),
    ({"width": 0}, "width must be an integer >= 1, got 0"),
    ({"alpha": 0.0}, "alpha must be > 0, got 0"),
    ({"fill": (0.0, 0.0)}, "fill must hold"),
))
def test_options_out_of_range_are_named(options, words):
  with pytest.raises(ValueError, match=words):
    augment.augmix(KEY, images(), **options)
  with pytest.raises(ValueError, match="1 channel"):
    augment.augmix(KEY, images(channels=2))


def test_it_is_a_policy_of_the_configuration():
  config = recipes.load("digits:resnet8,mixup")
  config.data.update(auto_augment="augmix", jitter=0.5)
  crop, policy = images_lib.make_augment(config.data).keywords["steps"]
  assert crop.func is augment.random_crop and policy.func is augment.augmix
  assert policy.keywords == {"fill": tuple(config.data.mean)}
  with pytest.raises(ValueError, match="augmix has no m"):
    augment.parse_policy("augmix-m3")


# The method.


def darker(key, x, *, severity, fill):
  """Compiles sooner than what it stands for."""
  assert severity == 3.0 and fill == (0.0,)
  return x * jax.random.uniform(key, (len(x), 1, 1, 1))


def test_the_loss_adds_the_divergence_of_three_views(monkeypatch):
  monkeypatch.setattr(augment, "augmix", darker)
  change = functools.partial(darker, severity=3.0, fill=(0.0,))
  net, x = tiny(), images()
  method = methods.augmix(net, losses.mixup_cross_entropy, weight=5.0)
  state = jax.jit(method.init)(KEY, {"x": x})
  labels = jnp.arange(8) % CLASSES
  batch = {"x": x, "label": labels}
  loss, aux = jax.jit(method.loss)(state.params, state, batch, KEY)

  change_key, model_key = jax.random.split(KEY)
  views = [x, *(change(key, x) for key in jax.random.split(change_key))]
  now = {"params": state.params, **state.model_state}
  logits, _ = jax.jit(net.train)(now, jnp.concatenate(views), model_key)
  p = np.asarray(jax.nn.softmax(logits), np.float64).reshape(3, 8, CLASSES)
  divergence = np.sum(p * np.log(p / p.mean(0)), -1).mean(0)
  clean = -np.log(p[0][np.arange(8), labels])
  np.testing.assert_allclose(loss, (clean + 5 * divergence).mean(), rtol=1e-4)
  total, count = aux.metrics["divergence"]
  np.testing.assert_allclose(total / count, divergence.mean(), rtol=1e-3)
  np.testing.assert_allclose(aux.losses.mean(), loss, rtol=1e-5)


def test_a_mixer_beside_it_is_refused_with_what_to_write():
  config = recipes.load("digits:resnet8,augmix,smoke")
  config.mix = {"name": "cutmix"}
  with pytest.raises(ValueError, match="none: --config.mix.name=identity"):
    run_lib.assemble(config)
  with pytest.raises(ValueError, match="weight must be >= 0"):
    methods.augmix(tiny(), losses.mixup_cross_entropy, weight=-1.0)
  with pytest.raises(ValueError, match="augmix is a method of its own"):
    recipes.load("digits:resnet8,augmix,mixupe")
