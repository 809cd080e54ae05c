"""Mixers beyond images: table rows, sequences, spectrograms, graph nodes."""

import functools

import flax.struct
from hypothesis import given
from hypothesis import strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax import mixers
from tests import mixers_test

KEY = jax.random.key(0)
BATCH = 5
# One example of each kind of input, without the batch.
KINDS = {"row": (7,), "sequence": (12, 3), "spectrogram": (8, 12, 1)}
ANYTHING = ("identity", "manifold_mixup", "mixup")
# Those with a meaning on sequences, too.
SEQUENCES = (*ANYTHING, "alignmix", "cutmix")
HAVE_MEANING = [(name, kind) for name in ANYTHING for kind in KINDS]
HAVE_MEANING += [("cutmix", "sequence"), ("cutmix", "spectrogram")]
HALVES = functools.partial(mixers.mixup, lam=0.5)


def inputs(kind, batch=BATCH):
  return jax.random.uniform(jax.random.key(1), (batch, *KINDS[kind]))


def blended(x, weights, sources, mask=None):
  """The mix of two sources, written out in float64."""
  x, share = np.asarray(x, np.float64), np.asarray(mask, np.float64)
  if mask is None:
    share = np.asarray(weights, np.float64)[:, 0]
    share = share.reshape((-1,) + (1,) * (x.ndim - 1))
  own, other = (x[np.asarray(sources)[:, i]] for i in (0, 1))
  return share * own + (1 - share) * other


def assert_mixed(x, mixed):
  """The contract, with weights and pixels as the mask says, if there is one."""
  mixers_test.assert_shapes(x, mixed._replace(mask=None))
  np.testing.assert_array_equal(mixed.sources[:, 0], np.arange(len(x)))
  np.testing.assert_allclose(mixed.weights.sum(1), 1, atol=1e-6)
  expected = blended(x, mixed.weights, mixed.sources, mixed.mask)
  np.testing.assert_allclose(mixed.x, expected, atol=1e-6)
  if mixed.mask is not None:
    assert mixed.mask.shape == (*x.shape[:-1], 1)
    mean = np.asarray(mixed.mask).reshape(len(x), -1).mean(1)
    np.testing.assert_allclose(mixed.weights[:, 0], mean, atol=1e-6)


@functools.cache
def program(name):
  """The mixer compiled; that of hidden layers at the one stage it may draw."""
  options = {"stages": (0,)} if name == "manifold_mixup" else {}
  return jax.jit(functools.partial(mixers.MIXERS[name], **options))


@pytest.mark.parametrize("name,kind", HAVE_MEANING)
@given(seed=st.integers(0, 2**31 - 1))
def test_mixes_are_what_weights_and_masks_say(name, kind, seed):
  x = inputs(kind)
  mixed = jax.device_get(program(name)(jax.random.key(seed), x))
  assert_mixed(x, mixed)
  assert (mixed.mask is None) == (name != "cutmix")


def test_rows_are_mixed_at_exactly_one_stage():
  x = inputs("row")

  @jax.jit
  def stages(key):
    return [mixers.manifold_mixup(key, x, stage=stage) for stage in range(4)]

  for seed in range(3):
    each = jax.device_get(stages(jax.random.key(seed)))
    mixed = [one for one in each if np.any(one.x != x)]
    assert len(mixed) == 1 and np.all(each[3].x == x)
    assert_mixed(x, mixed[0])
    for one in each:
      np.testing.assert_array_equal(one.weights, mixed[0].weights)


@pytest.mark.parametrize("per_batch", (False, True))
@pytest.mark.parametrize("kind", ("row", "sequence"))
def test_combinators_mix_any_shape(kind, per_batch):
  pasted = mixers.identity if kind == "row" else mixers.cutmix
  mixer = functools.partial(
      mixers.choose,
      mixers=(functools.partial(mixers.sometimes, mixer=HALVES), pasted),
      per_batch=per_batch,
  )
  mixed = jax.jit(jax.vmap(mixer, (0, None)))(
      jax.random.split(KEY, 8), inputs(kind)
  )
  for index in range(8):
    one = jax.tree.map(lambda leaf: leaf[index], jax.device_get(mixed))
    assert_mixed(inputs(kind), one)
    assert (one.mask is None) == (kind == "row")
  assert {0.5, 1.0} <= set(np.unique(mixed.weights))


def segments(key, batch, length, lam, axis):
  """Which steps of each row are pasted, `bool[B, T]`, written out."""
  size, shape = round(length * (1 - lam)), np.ones(2, int)
  shape[axis] = length
  keys = jax.random.split(jax.random.split(key, 3)[2], batch)
  draw = jax.vmap(lambda key: jax.random.randint(key, (2,), 0, shape))
  first = np.asarray(draw(keys))[:, axis, None] - size // 2
  steps = np.arange(length)[None]
  return (steps >= first) & (steps < first + size)


@pytest.mark.parametrize("lam", (0.0, 0.3, 0.75, 1.0))
def test_sequences_are_cut_along_time_by_the_share_of_the_partner(lam):
  x = inputs("sequence", 64)
  mixed = program("cutmix")(KEY, x, lam=jnp.float32(lam))
  expected = segments(KEY, 64, 12, lam, 1)
  np.testing.assert_array_equal(mixed.mask[..., 0] == 0, expected)
  assert expected.sum(1).max() == round(12 * (1 - lam))
  assert_mixed(x, mixed)


@pytest.mark.parametrize("axes,axis", (("height", 0), ("width", 1)))
def test_an_image_is_cut_along_one_axis_through_all_of_the_other(axes, axis):
  x = inputs("spectrogram", 16)
  mixed = jax.jit(functools.partial(mixers.cutmix, axes=axes, lam=0.5))(KEY, x)
  expected = segments(KEY, 16, x.shape[1 + axis], 0.5, axis)
  expected = np.expand_dims(expected, (2 - axis, 3))
  pasted = np.broadcast_to(expected, (*x.shape[:3], 1))
  np.testing.assert_array_equal(mixed.mask == 0, pasted)
  assert_mixed(x, mixed)


def test_segments_may_have_lengths_in_a_range():
  mixer = functools.partial(mixers.cutmix, axes="width", minmax=(0.25, 0.6))
  x = inputs("spectrogram", 200)
  mixed = jax.jit(mixer)(KEY, x)
  pasted = np.asarray(mixed.mask[..., 0]) == 0
  assert np.all(pasted == pasted[:, :1])
  # From int(0.25 * 12) to int(0.6 * 12) - 1.
  assert set(pasted[:, 0].sum(1)) == {3, 4, 5, 6}
  assert_mixed(x, mixed)


def refused(name, x, guides):
  """The message with which a mixer refuses these inputs, while it is traced."""
  mixer = mixers.MIXERS[name]
  with pytest.raises(ValueError) as error:
    jax.eval_shape(functools.partial(mixer, **guides), KEY, x)
  return str(error.value)


@pytest.mark.parametrize("kind", ("row", "sequence"))
@pytest.mark.parametrize("name", mixers.MIXERS)
def test_mixers_without_a_meaning_say_so_while_they_are_traced(name, kind):
  guides = mixers_test.guidance(name, BATCH)
  x = inputs(kind)
  if name in (ANYTHING if kind == "row" else SEQUENCES):
    mixed = jax.eval_shape(mixers.MIXERS[name], KEY, x)
    return mixers_test.assert_shapes(x, mixed._replace(mask=None))
  message = refused(name, x, guides)
  assert "x must be" in message and "images [B, H, W, C]" in message
  assert str(x.shape) in message and "mixup'" in message


def test_a_learned_mixer_asks_for_images():
  mixer = functools.partial(mixers.automix, block=None, features=None)
  with pytest.raises(ValueError, match="x must be images .* 'mixup'"):
    jax.eval_shape(mixer, KEY, inputs("row"))


@pytest.mark.parametrize("name", mixers.MIXERS)
def test_spectrograms_are_images_to_every_mixer(name):
  x, guides = inputs("spectrogram"), mixers_test.guidance(name, BATCH, (8, 12))
  mixer = mixers_test.mixer(name)
  mixers_test.assert_shapes(x, jax.eval_shape(mixer, KEY, x, **guides))


@pytest.mark.parametrize("kind,axes,message", (
    ("spectrogram", "time", "axes must be one of both, height, width.*'time'"),
    ("sequence", "width", "axes='width' is for images.*leave it out"),
))
def test_axes_that_are_none_are_named(kind, axes, message):
  with pytest.raises(ValueError, match=message):
    mixers.cutmix(KEY, inputs(kind), axes=axes)


@flax.struct.dataclass
class Nodes:
  """Nodes of a graph: some rows of features that they all share."""

  rows: jax.Array
  features: jax.Array

  @property
  def shape(self):
    return self.rows.shape

  @property
  def ndim(self):
    return self.rows.ndim

  @property
  def dtype(self):
    return self.features.dtype

  def __getitem__(self, index):
    return self.replace(rows=self.rows[index])


def nodes():
  features = jax.random.normal(KEY, (11, 4))
  return Nodes(jnp.arange(BATCH) * 2, features)


def somewhere(key, x, **options):
  mixer = functools.partial(mixers.manifold_mixup, lam=0.5, stages=(0, 1))
  return mixers.sometimes(key, x, mixer=mixer, **options)


@pytest.mark.parametrize("mixer", (
    mixers.identity, mixers.manifold_mixup, somewhere,
    functools.partial(somewhere, per_batch=True),
))
def test_nodes_stay_as_they_are_with_the_sources_of_their_features(mixer):
  x = nodes()
  mixed, hidden = jax.jit(lambda key: (
      mixer(key, x), mixer(key, x.features[x.rows])
  ))(KEY)
  jax.tree.map(np.testing.assert_array_equal, mixed.x, x)
  np.testing.assert_array_equal(mixed.sources, hidden.sources)
  np.testing.assert_array_equal(mixed.weights, hidden.weights)
  assert mixed.mask is None


def test_features_of_nodes_are_mixed_inside_of_the_network():
  x = nodes()

  @jax.jit
  def network(key):
    hidden, mix = x.features[x.rows], functools.partial(somewhere, key)
    for stage in (0, 1):
      hidden = mix(hidden, stage=stage).x
    return hidden, mix(x)

  for seed in range(3):
    hidden, mixed = network(jax.random.key(seed))
    expected = blended(x.features[x.rows], mixed.weights, mixed.sources)
    np.testing.assert_allclose(hidden, expected, atol=1e-6)


@pytest.mark.parametrize("name", sorted(set(mixers.MIXERS) - set(ANYTHING)))
def test_mixers_of_inputs_say_where_nodes_are_mixed(name):
  message = refused(name, nodes(), mixers_test.guidance(name, BATCH))
  reason = "positions" if name == "alignmix" else "nodes of a graph"
  assert reason in message and "'manifold_mixup'" in message


def test_mixup_does_not_mix_nodes():
  assert "'manifold_mixup'" in refused("mixup", nodes(), {})
