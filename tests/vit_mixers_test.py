"""Mixers guided by the attention of vision transformers."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax import losses
from dmjax import mixers
from dmjax.mixers import _token_masks

GUIDED = ("mixpro", "smmix", "tokenmix", "transmix")
QUARTER = np.array([[1, 1], [1, 0]])


def images(batch, height=16, width=16, seed=0):
  return jax.random.uniform(jax.random.key(seed), (batch, height, width, 3))


def maps(batch, tokens, seed=1):
  return jax.random.uniform(jax.random.key(seed), (batch, tokens), minval=0.01)


@functools.partial(jax.jit, static_argnames=("name", "options"))
def run(key, x, guidance, name, options=()):
  """The mixer, with lambda from 0 to 1 over the rows unless it is given."""
  options = {**guidance, **dict(options)}
  if "lam" in mixers.options_of(mixers.MIXERS[name]):
    options.setdefault("lam", jnp.linspace(0.0, 1.0, x.shape[0]))
  return mixers.MIXERS[name](key, x, **options)


def rows_with_token_mask(mixed, mask):
  """The rows whose mask is the given one, on its grid."""
  step = np.array(mixed.mask.shape[1:3]) // mask.shape
  tokens = np.asarray(mixed.mask)[:, :: step[0], :: step[1], 0]
  rows = np.flatnonzero((tokens == mask).all((1, 2)))
  assert rows.size, "no row drew this mask"
  return rows


def token_loop(mask, attention, grid, value):
  """sum over tokens of value(m, a), m read at the token's first pixel."""
  total, (rows, columns) = 0.0, grid
  height, width = mask.shape
  for r in range(rows):
    for c in range(columns):
      pixel = mask[int(r * height / rows), int(c * width / columns)]
      total += value(float(pixel), float(attention[r * columns + c]))
  return total


# TransMix.


def test_transmix_without_attention_is_cutmix():
  key, x = jax.random.key(2), images(5)
  ours, cutmix = run(key, x, {}, "transmix"), run(key, x, {}, "cutmix")
  jax.tree.map(np.testing.assert_array_equal, ours, cutmix)
  guided = run(key, x, {"attention": maps(5, 16)}, "transmix")
  np.testing.assert_array_equal(guided.x, cutmix.x)
  assert np.any(guided.weights != cutmix.weights)


def test_transmix_weighs_labels_as_the_worked_example():
  """m = [[0, 0], [0, 1]] for B: area .25, attention .30, weight .275."""
  attention = jnp.tile(jnp.array([0.4, 0.1, 0.2, 0.3]), (128, 1))
  mixed = run(
      jax.random.key(0), images(128, 4, 4), {"attention": attention},
      "transmix", (("lam", 0.75),),
  )
  rows = rows_with_token_mask(mixed, QUARTER)
  np.testing.assert_allclose(
      mixed.weights[rows], [[0.725, 0.275]] * rows.size, atol=1e-6
  )


@pytest.mark.parametrize("shape,grid", (((15, 15), (4, 4)), ((8, 12), (2, 3))))
def test_transmix_weights_equal_a_loop_over_tokens(shape, grid):
  x, attention = images(12, *shape), maps(12, grid[0] * grid[1])
  mixed = run(jax.random.key(1), x, {"attention": attention}, "transmix")
  for row in range(12):
    mask = np.asarray(mixed.mask[row, :, :, 0])
    seen = token_loop(mask, attention[row], grid, lambda m, a: m * a)
    expected = 0.5 * mask.mean() + 0.5 * seen / float(attention[row].sum())
    np.testing.assert_allclose(mixed.weights[row, 0], expected, atol=1e-5)


def test_second_call_costs_nothing_inside_one_program():
  x, attention = images(4), maps(4, 16)

  def once(key, x, attention):
    return mixers.transmix(key, x, lam=0.5, attention=attention)

  def twice(key, x, attention):
    images = mixers.transmix(key, x, lam=0.5).x
    return mixers.transmix(key, x, lam=0.5, attention=attention)._replace(
        x=images
    )

  def flops(f):
    lowered = jax.jit(f).lower(jax.random.key(0), x, attention)
    return lowered.compile().cost_analysis()["flops"]

  assert flops(twice) <= 1.01 * flops(once)


# MixPro.


@pytest.mark.parametrize("progress", (None, 0.0, 0.3, 1.0, 1.5))
def test_mixpro_weights_equal_a_loop_over_tokens(progress):
  x, attention = images(8), maps(8, 64)
  guidance = {"attention": attention}
  if progress is not None:
    guidance["progress"] = jnp.full(8, progress)
  mixed = run(jax.random.key(3), x, guidance, "mixpro")
  factor = 1.0 if progress is None else min(progress, 1.0)
  for row in range(8):
    mask = np.asarray(mixed.mask[row, :, :, 0])
    seen = token_loop(mask, attention[row], (8, 8), lambda m, a: m * a)
    seen /= float(attention[row].sum())
    expected = factor * seen + (1 - factor) * mask.mean()
    np.testing.assert_allclose(mixed.weights[row, 0], expected, atol=1e-5)


@pytest.mark.parametrize("shape,cells", (((16, 16), 4), ((15, 10), 5)))
def test_mixpro_keeps_the_ceiling_of_lambda_cells(shape, cells):
  lam = jnp.linspace(0, 1, 9)
  mixed = run(
      jax.random.key(0), images(9, *shape), {"lam": lam}, "mixpro",
      (("cells", cells),),
  )
  step = np.array(shape) // cells
  grid = np.asarray(mixed.mask)[:, :: step[0], :: step[1], 0]
  np.testing.assert_array_equal(
      mixed.mask[..., 0], grid.repeat(step[0], 1).repeat(step[1], 2)
  )
  np.testing.assert_array_equal(grid.sum((1, 2)), np.ceil(lam * cells**2))
  np.testing.assert_allclose(
      mixed.weights[:, 0], grid.mean((1, 2)), atol=1e-6
  )
  assert len({g.tobytes() for g in grid[3:6]}) == 3  # Cells of each row's own.


# TokenMix.


def test_tokenmix_sums_the_scores_of_the_tokens_that_are_seen():
  """A keeps .4 + .1 + .2, B shows .5: .7 / 1.2; swapped it would be .3 / .8."""
  scores = jnp.array([[0.4, 0.1, 0.2, 0.3], [0.2, 0.2, 0.1, 0.5]] * 64)
  guidance = {"attention": scores, "partner": jnp.arange(128) ^ 1}
  mixed = run(
      jax.random.key(0), images(128, 4, 4), guidance, "tokenmix",
      (("lam", 0.75),),
  )
  rows = rows_with_token_mask(mixed, QUARTER)
  even = rows[rows % 2 == 0]
  assert even.size
  np.testing.assert_allclose(mixed.weights[even, 0], 0.7 / 1.2, atol=1e-6)


@pytest.mark.parametrize("mode", ("block", "random"))
def test_tokenmix_weights_equal_a_loop_over_tokens(mode):
  x, attention = images(8, 16, 24), 3 * maps(8, 24)
  mixed = run(
      jax.random.key(5), x, {"attention": attention}, "tokenmix",
      (("mode", mode),),
  )
  partner = np.asarray(mixed.sources[:, 1])
  for row in range(8):
    mask, a, b = mixed.mask[row, :, :, 0], *attention[(row, partner[row]), :]
    own = token_loop(mask, a, (4, 6), lambda m, s: m * s)
    other = token_loop(mask, b, (4, 6), lambda m, s: (1 - m) * s)
    own, other = own / float(a.sum()), other / float(b.sum())
    np.testing.assert_allclose(
        mixed.weights[row, 0], own / (own + other), atol=1e-5
    )
    block = np.asarray(mask).reshape(4, 4, 6, 4)
    assert np.all(block == block[:, :1, :, :1])  # No token is cut.


@pytest.mark.parametrize("mode", ("block", "random"))
def test_tokenmix_pastes_the_number_of_tokens_asked_for(mode):
  lam = jnp.linspace(0, 1, 31)
  mixed = run(
      jax.random.key(0), images(31), {"attention": maps(31, 16), "lam": lam},
      "tokenmix", (("mode", mode),),
  )
  pasted = 16 * (1 - np.asarray(mixed.mask)).mean((1, 2, 3))
  np.testing.assert_array_equal(pasted, np.round(16 * (1 - np.asarray(lam))))


def grown_by_loops(grid, proposals, count):
  """The blocks accepted one after the other, by sets of tokens."""
  tokens = set()
  for u_area, u_aspect, u_top, u_left in np.asarray(proposals, np.float64):
    missing = count - len(tokens)
    area, aspect = 1 + u_area * max(missing - 1, 0), 0.3 ** (2 * u_aspect - 1)
    rows, columns = round((area * aspect) ** 0.5), round((area / aspect) ** 0.5)
    if rows >= grid[0] or columns >= grid[1]:
      continue
    top = int(u_top * (grid[0] - rows + 1))
    left = int(u_left * (grid[1] - columns + 1))
    block = {
        (r, c)
        for r in range(top, top + rows)
        for c in range(left, left + columns)
    }
    if len(block - tokens) <= missing:
      tokens |= block
  return tokens


def test_blocks_grow_as_in_a_loop_over_proposals():
  grid = (14, 14)
  grow = jax.jit(functools.partial(_token_masks._grow_blocks, grid))
  for seed, count in enumerate((0, 1, 30, 98, 150, 196)):
    key = jax.random.key(seed)
    mask = np.asarray(grow(key, count))
    proposals = jax.random.uniform(
        jax.random.split(key)[0], (_token_masks._PROPOSALS, 4)
    )
    grown = grown_by_loops(grid, proposals, count)
    assert mask.sum() == count
    assert grown <= {tuple(token) for token in np.argwhere(mask)}
    assert count > 98 or len(grown) >= 0.9 * count  # Little is left to fill.


def test_blocks_are_more_coherent_than_random_tokens():
  def borders(mode):
    mixed = run(
        jax.random.key(0), images(16, 14, 14), {"attention": maps(16, 196)},
        "tokenmix", (("lam", 0.5), ("mode", mode)),
    )
    return np.abs(np.diff(np.asarray(mixed.mask), axis=1)).mean()

  assert borders("block") < 0.6 * borders("random")


# SMMix.


def smmix_by_loops(x, attention, grid, partner, side):
  """One row of SMMix, by trying every window."""
  patch = x.shape[1] // grid[0], x.shape[2] // grid[1]
  own, other = attention.reshape(len(x), *grid)[[0, partner]]
  windows = [
      (r, c)
      for r in range(grid[0] - side + 1)
      for c in range(grid[1] - side + 1)
  ]
  score = lambda m, w: m[w[0] : w[0] + side, w[1] : w[1] + side].sum()
  to = min(windows, key=lambda w: score(own, w))
  source = max(windows, key=lambda w: score(other, w))
  out = x[0].copy()
  for r in range(side * patch[0]):
    for c in range(side * patch[1]):
      out[to[0] * patch[0] + r, to[1] * patch[1] + c] = x[
          partner, source[0] * patch[0] + r, source[1] * patch[1] + c
      ]
  return out


@pytest.mark.parametrize("grid", ((8, 8), (4, 6)))
def test_smmix_equals_a_search_over_all_windows(grid):
  x, attention = images(7, 4 * grid[0], 4 * grid[1]), maps(7, grid[0] * grid[1])
  mixed = run(jax.random.key(0), x, {"attention": attention}, "smmix")
  pasted = (1 - np.asarray(mixed.mask)).sum((1, 2, 3))
  sides = np.sqrt(pasted).astype(int) // 4
  np.testing.assert_array_equal((4 * sides) ** 2, pasted)
  for row, partner in np.asarray(mixed.sources):
    order = [row, *(i for i in range(7) if i != row)]
    expected = smmix_by_loops(
        np.asarray(x)[order], np.asarray(attention)[order], grid,
        order.index(partner), sides[row],
    )
    np.testing.assert_array_equal(mixed.x[row], expected)
    area = 1 - sides[row] ** 2 / (grid[0] * grid[1])
    np.testing.assert_allclose(mixed.weights[row, 0], area, atol=1e-6)


def test_smmix_sides_are_those_of_the_published_range():
  x, attention = images(64, 14, 14), maps(64, 196)

  def sides(per_batch):
    mixed = run(
        jax.random.key(0), x, {"attention": attention}, "smmix",
        (("per_batch", per_batch),),
    )
    return np.sqrt((1 - np.asarray(mixed.mask)).sum((1, 2, 3)))

  assert set(sides(False)) == set(range(3, 11))
  assert len(set(sides(True))) == 1


def test_smmix_stays_inside_images_that_tokens_do_not_divide():
  x, attention = images(16, 15, 17), maps(16, 16)
  mixed = jax.device_get(
      run(jax.random.key(0), x, {"attention": attention}, "smmix")
  )
  values = np.asarray(x)
  for row, partner in np.asarray(mixed.sources):
    inside = mixed.mask[row, :, :, 0] == 0
    assert np.isin(mixed.x[row][inside], values[partner]).all()
    np.testing.assert_array_equal(mixed.x[row][~inside], values[row][~inside])


# All of them.


def test_weights_of_each_example_meet_its_own_loss():
  """The mean of lambda times loss is not the product of their means."""
  key, x = jax.random.key(0), images(2)
  half = (("lam", 0.5),)
  mask = np.asarray(run(key, x, {}, "mixpro", half).mask)
  kept = mask[:, ::4, ::4, 0].reshape(2, 16)
  # Row 0 attends only to what it kept, row 1 only to what was pasted.
  attention = np.stack([kept[0], 1 - kept[1]])
  mixed = run(key, x, {"attention": attention}, "mixpro", half)
  np.testing.assert_array_equal(mixed.weights, [[1, 0], [0, 1]])
  logits = jnp.array([[4.0, 0.0, 0.0], [0.0, 0.0, 4.0]])
  labels = jnp.array([[0, 1], [0, 1]])
  each = jax.jit(losses.mixup_cross_entropy)(logits, labels, mixed.weights)
  ce = -np.asarray(jax.nn.log_softmax(logits))
  np.testing.assert_allclose(each, [ce[0, 0], ce[1, 1]], rtol=1e-5)
  lam = mixed.weights.mean(0)
  factorised = lam[0] * ce[:, 0].mean() + lam[1] * ce[:, 1].mean()
  # Losses .036 and 4.036 for y_0, 4.036 and 4.036 for y_1.
  np.testing.assert_allclose(each.mean(), 2.036, atol=1e-3)
  np.testing.assert_allclose(factorised, 3.036, atol=1e-3)


@pytest.mark.parametrize("name", ("mixpro", "tokenmix", "transmix"))
def test_lambda_one_gives_weight_one_exactly(name):
  x = images(5, 15, 15)
  mixed = run(
      jax.random.key(0), x, {"attention": maps(5, 9)}, name, (("lam", 1.0),)
  )
  np.testing.assert_array_equal(mixed.x, x)
  np.testing.assert_array_equal(mixed.weights, [[1.0, 0.0]] * 5)


@pytest.mark.parametrize("name", GUIDED)
def test_no_gradient_flows_through_guidance(name):
  x = images(3)
  guidance = {"attention": maps(3, 16)}
  if name == "mixpro":
    guidance["progress"] = jnp.array([0.2, 0.5, 0.8])

  def loss(guidance):
    mixed = run(jax.random.key(1), x, guidance, name)
    return jnp.sum(mixed.x) + jnp.sum(mixed.weights[:, 0])

  for gradient in jax.jit(jax.grad(loss))(guidance).values():
    np.testing.assert_array_equal(gradient, jnp.zeros_like(gradient))


@pytest.mark.parametrize("name", ("mixpro", "tokenmix", "transmix"))
def test_attention_of_zero_leaves_the_area(name):
  mixed = run(
      jax.random.key(0), images(5), {"attention": jnp.zeros((5, 16))}, name
  )
  np.testing.assert_allclose(
      mixed.weights[:, 0], mixed.mask.mean((1, 2, 3)), atol=1e-6
  )


@pytest.mark.parametrize("name", GUIDED)
@pytest.mark.parametrize("shape", ((3, 17), (3, 15), (2, 16), (3, 4, 4)))
def test_attention_that_is_no_grid_is_refused(name, shape):
  """17 is a grid of 4 x 4 with the class token left in."""
  with pytest.raises(ValueError, match="attention"):
    mixers.MIXERS[name](jax.random.key(0), images(3), attention=jnp.ones(shape))


@pytest.mark.parametrize(
    "name,option,value",
    (
        ("tokenmix", "mode", "blocks"),
        ("mixpro", "cells", 0),
        ("smmix", "sides", (0.8, 0.2)),
    ),
)
def test_options_out_of_range_are_named_in_the_error(name, option, value):
  with pytest.raises(ValueError, match=option) as error:
    mixers.MIXERS[name](
        jax.random.key(0), images(3), attention=maps(3, 16), **{option: value}
    )
  assert repr(value) in str(error.value)
