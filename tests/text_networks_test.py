"""Networks of texts: what is padding makes no difference, mixed or not."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax import mixers
from dmjax import models
from dmjax.models import text_cnn
from dmjax.models import text_layers
from dmjax.models import text_transformer

VOCABULARY, CLASSES = 30, 3
OPTIONS = {
    "text_cnn": {"width": 8, "filters": 6, "kernels": (2, 3)},
    "text_transformer": {"width": 8, "heads": 2},
}
LAST = {"text_cnn": 1, "text_transformer": 3}
LENGTHS = (3, 7, 5, 1)


def network(name, **options):
  return models.create_network(
      name, num_classes=CLASSES, vocabulary=VOCABULARY, mean=(), std=(),
      **OPTIONS[name] | options,
  )


def texts(width=7):
  rng = np.random.default_rng(0)
  rows = [rng.integers(1, VOCABULARY, size=length) for length in LENGTHS]
  return np.stack([np.pad(row, (0, width - len(row))) for row in rows]).astype(
      np.int32
  )


@functools.cache
def variables_of(name):
  """Parameters none of which is 0, as biases are at first."""
  variables = jax.jit(network(name).init)(jax.random.key(0), texts()[:1])
  leaves, tree = jax.tree.flatten(variables)
  rng = np.random.default_rng(1)
  noise = [leaf + 0.3 * rng.normal(size=leaf.shape) for leaf in leaves]
  return jax.tree.unflatten(tree, [jnp.float32(leaf) for leaf in noise])


@functools.cache
def compiled(name, mixer=None):
  def predict(variables, x):
    hook = mixer and (lambda stage, h: mixer(h, stage=stage).x)
    return network(name).predict(variables, x, hook=hook)

  return jax.jit(predict)


def logits(name, x, mixer=None):
  return np.asarray(compiled(name, mixer)(variables_of(name), x))


@pytest.mark.parametrize("name", OPTIONS)
def test_more_padding_gives_the_same_logits(name):
  found = logits(name, texts())
  np.testing.assert_allclose(logits(name, texts(11)), found, atol=1e-5)
  assert np.ptp(found, axis=0).min() > 1e-2  # Texts differ.


@pytest.mark.parametrize("name", OPTIONS)
def test_a_text_among_longer_ones_is_as_without_any_padding(name):
  found = logits(name, texts())
  for row in (0, 3):
    alone = logits(name, texts()[row : row + 1, : LENGTHS[row]])
    np.testing.assert_allclose(alone[0], found[row], atol=1e-5)


def embedded(name, x):
  """Vectors of one text without padding."""
  return variables_of(name)["params"]["embed"]["table"]["embedding"][x]


def test_the_cnn_equals_its_windows_one_by_one():
  params = variables_of("text_cnn")["params"]
  for row, length in enumerate(LENGTHS):
    h = embedded("text_cnn", texts()[row, :length])
    found = []
    for kernel in OPTIONS["text_cnn"]["kernels"]:
      ends = np.zeros((kernel - 1, 8))
      padded = np.concatenate([ends, h, ends])
      conv = params[f"conv{kernel}"]
      weight = np.reshape(conv["kernel"], (kernel, 8, -1))
      windows = [
          np.einsum("kd,kdf->f", padded[i : i + kernel], weight) + conv["bias"]
          for i in range(length + kernel - 1)
      ]
      found.append(np.maximum(np.max(windows, axis=0), 0))
    sentence = np.concatenate(found)
    expected = sentence @ params["head"]["kernel"] + params["head"]["bias"]
    np.testing.assert_allclose(
        logits("text_cnn", texts())[row], expected, atol=1e-4
    )


def test_positions_are_sines_and_cosines_of_the_place():
  found = text_layers.sinusoids(6, 4)
  place = np.arange(6)[:, None] * np.array([[1.0, 0.01]])
  expected = np.concatenate([np.sin(place), np.cos(place)], axis=1)
  np.testing.assert_allclose(found, expected, atol=1e-6)
  assert text_layers.sinusoids(3, 5).shape == (3, 5)


PARTNER, LAM = np.array([1, 2, 3, 0]), 0.3


def mix_at(stage, lam=LAM):
  """Mixup at a stage, with a partner of another length."""
  return functools.partial(
      mixers.manifold_mixup, jax.random.key(0), lam=lam, partner=PARTNER,
      stages=(stage,),
  )


@functools.cache
def mixed(name, stage):
  return mix_at(stage)


@pytest.mark.parametrize(
    "name,stage", [(name, s) for name in LAST for s in range(LAST[name] + 1)]
)
def test_padding_makes_no_difference_to_mixed_texts(name, stage):
  found = logits(name, texts(), mixed(name, stage))
  more = logits(name, texts(10), mixed(name, stage))
  np.testing.assert_allclose(more, found, atol=1e-5)
  assert np.abs(found - logits(name, texts())).min(axis=1).max() > 1e-3


def test_a_mixed_text_is_one_of_blended_words_as_long_as_the_longer():
  params = variables_of("text_cnn")["params"]
  table = params["embed"]["table"]["embedding"]
  own, other = (table[x] * (x != 0)[:, None] for x in texts()[:2])
  words = np.zeros_like(texts())
  words[0] = np.arange(1, 8)  # One for each place of the blend.
  new = table.at[words[0]].set(LAM * own + (1 - LAM) * other)
  changed = {"params": params | {"embed": {"table": {"embedding": new}}}}
  found = logits("text_cnn", texts(), mixed("text_cnn", 0))[0]
  expected = compiled("text_cnn")(changed, words)[0]
  np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_mask_of_a_mixed_text_is_the_union():
  mask = np.float32(texts() != 0)[..., None]

  @functools.partial(jax.jit, static_argnums=0)
  def hooked(stage, lam):
    hook = lambda stage, h: mix_at(1, lam)(h, stage=stage).x
    return text_layers.hooked(hook, stage, jnp.asarray(mask))

  np.testing.assert_array_equal(hooked(0, 0.3), mask)
  union = np.maximum(mask, mask[PARTNER])
  np.testing.assert_array_equal(hooked(1, 0.3), union)
  for lam, rows in ((1.0, np.arange(4)), (0.0, PARTNER)):
    np.testing.assert_array_equal(hooked(1, lam), mask[rows])


def test_the_mean_of_a_sentence_leaves_padding_out():
  h = np.random.default_rng(0).normal(size=(4, 7, 5)).astype(np.float32)
  mask = np.float32(texts() != 0)[..., None]
  found = text_layers.masked_mean(h, mask)
  for row, length in enumerate(LENGTHS):
    np.testing.assert_allclose(found[row], h[row, :length].mean(0), rtol=1e-5)
  assert not text_layers.masked_mean(h, 0 * mask).any()


@pytest.mark.parametrize("name", OPTIONS)
def test_a_text_of_padding_alone_has_finite_logits_and_gradients(name):
  x = np.zeros((2, 5), np.int32)

  def loss(variables):
    return jnp.sum(network(name).predict(variables, x) ** 2)

  value, grads = jax.jit(jax.value_and_grad(loss))(variables_of(name))
  for leaf in jax.tree.leaves((value, grads)):
    assert np.isfinite(leaf).all()


@pytest.mark.parametrize("name", OPTIONS)
def test_sentences_are_given_as_the_last_stage(name):
  last = f"stage{LAST[name]}"
  predict = functools.partial(network(name).predict, features=last)
  out, sentence = jax.jit(predict)(variables_of(name), texts())
  head = variables_of(name)["params"]["head"]
  expected = sentence @ head["kernel"] + head["bias"][None]
  np.testing.assert_allclose(out, expected, atol=1e-5)


@pytest.mark.parametrize("module,x,message", (
    (text_cnn.TextCNN(2, dropout=1.0), texts(), "dropout=1.0"),
    (text_transformer.TextTransformer(2, dropout=-1.0), texts(), "dropout=-1"),
    (text_transformer.TextTransformer(2, width=6), texts(), "width=6 must be"),
    (text_cnn.TextCNN(2), np.zeros((1, 4, 4, 3), np.float32), "be the tokens"),
    (text_transformer.TextTransformer(2), np.zeros((1, 4), np.float32), "sst2"),
))
def test_what_makes_no_network_of_texts_is_named(module, x, message):
  with pytest.raises(ValueError, match=message):
    jax.eval_shape(
        functools.partial(module.init, train=False), jax.random.key(0), x
    )
