"""Texts with tokens swapped, deleted and replaced: EDA on the device."""

import collections
import functools

from hypothesis import given
from hypothesis import strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax import augment

SHAPE, VOCABULARY = (4, 12), 50
STEPS = {
    "swap": functools.partial(augment.swap_tokens, share=0.3),
    "delete": functools.partial(augment.delete_tokens, p=0.4),
    "replace": functools.partial(
        augment.replace_tokens, p=0.4, vocabulary=VOCABULARY
    ),
}


@jax.jit
def everything(seed, x):
  """Each of the three, and all of them one after another."""
  key = jax.random.key(seed)
  found = {name: step(key, x) for name, step in STEPS.items()}
  return found | {"all": augment.chain(key, x, steps=tuple(STEPS.values()))}


def texts(lengths, seed=0):
  tokens = np.random.default_rng(seed).integers(2, VOCABULARY, SHAPE)
  inside = np.arange(SHAPE[1]) < np.array(lengths)[:, None]
  return np.where(inside, tokens, 0).astype(np.int32)


def lengths_of(x):
  return (np.asarray(x) != 0).sum(axis=1)


LENGTHS = st.lists(st.integers(0, SHAPE[1]), min_size=4, max_size=4)


@given(seed=st.integers(0, 2**31 - 1), lengths=LENGTHS)
def test_no_text_grows_and_padding_stays_at_its_end(seed, lengths):
  x = texts(lengths, seed)
  for name, found in everything(seed, x).items():
    after = lengths_of(found)
    assert found.dtype == jnp.int32 and found.shape == SHAPE
    assert (after <= lengths).all() and (after >= np.minimum(lengths, 1)).all()
    assert name in ("delete", "all") or (after == lengths).all()
    inside = np.arange(SHAPE[1]) < after[:, None]
    np.testing.assert_array_equal(np.asarray(found) != 0, inside)
    assert np.max(found) < VOCABULARY


@given(seed=st.integers(0, 2**31 - 1), lengths=LENGTHS)
def test_what_is_swapped_or_left_is_of_the_text(seed, lengths):
  x = texts(lengths, seed)
  found = everything(seed, x)
  for text, swapped, left in zip(x, found["swap"], found["delete"]):
    assert sorted(text.tolist()) == sorted(swapped.tolist())
    left, tokens = [t for t in left.tolist() if t], iter(text.tolist())
    assert all(token in tokens for token in left)  # In the same order.


def test_as_many_tokens_are_changed_as_the_rates_say():
  x = np.broadcast_to(np.arange(100, 200, dtype=np.int32), (400, 100))

  @jax.jit
  def changed(key, x):
    return (
        augment.swap_tokens(key, x, share=0.1),
        augment.delete_tokens(key, x, p=0.3),
        augment.replace_tokens(key, x, p=0.3, vocabulary=10_000),
        augment.delete_tokens(key, x[:, :4], p=1.0),
        augment.swap_tokens(key, x, share=0.0),
        augment.delete_tokens(key, x, p=0.0),
        augment.replace_tokens(key, x, p=0.0, vocabulary=VOCABULARY),
    )

  swapped, left, new, last, *same = changed(jax.random.key(0), x)
  # Ten swaps move twenty tokens at most, fewer where they meet.
  moved = (swapped != x).sum(axis=1)
  assert moved.max() <= 20 and moved.mean() > 15
  np.testing.assert_allclose(lengths_of(left).mean(), 70, atol=1)
  np.testing.assert_allclose(np.mean(new != x), 0.3, atol=0.01)
  assert np.min(new) >= 2
  # One token is left in any case, each as likely.
  counts = collections.Counter(np.asarray(last)[:, 0].tolist())
  assert (lengths_of(last) == 1).all() and min(counts.values()) > 70
  assert set(counts) == {100, 101, 102, 103}
  for found in same:
    np.testing.assert_array_equal(found, x)


@pytest.mark.parametrize("call,message", (
    (lambda k, x: augment.swap_tokens(k, x, share=1.5), "share must lie in"),
    (lambda k, x: augment.delete_tokens(k, x, p=-0.1), "p must lie in"),
    (lambda k, x: augment.delete_tokens(k, x[None], p=0.1), "must be texts"),
    (lambda k, x: augment.swap_tokens(k, x * 1.0, share=0.1), "must be texts"),
    (lambda k, x: augment.replace_tokens(k, x, p=0.1, vocabulary=2), "above 2"),
))
def test_what_does_not_fit_is_named(call, message):
  with pytest.raises(ValueError, match=message):
    call(jax.random.key(0), texts((1, 2, 3, 4)))
