"""Texts as tokens `int32[B, T]`: some swapped, deleted or replaced.

0 is padding, at the end of a text alone. The three are three of the operations
of EDA (arXiv 1901.11196); its synonyms need a thesaurus, and any other token
stands in for them. No text grows, and padding stays padding.
"""

import jax
import jax.numpy as jnp

from dmjax.augment import _checks

# Of padding, and of whatever the vocabulary lacks.
_RESERVED = 2


def swap_tokens(key: jax.Array, x: jax.Array, *, share: float) -> jax.Array:
  """Swaps two random tokens of a text, `round(share * length)` times.

  Args:
    key: PRNG key.
    x: Texts `int32[B, T]`.
    share: Of the tokens, in [0, 1]; 0 leaves x as it is.

  Returns:
    `int32[B, T]`.

  Raises:
    ValueError: For x that are no texts, and a share out of range.

  Example:
    >>> key = jax.random.key(0)
    >>> x = jnp.array([[5, 6, 7, 8], [9, 4, 3, 0]])
    >>> print(augment.swap_tokens(key, x, share=0.25).shape)
    (2, 4)
  """
  _check(x, "share", share)
  most = round(share * x.shape[1])

  def swap(key, text):
    length = jnp.sum(text != 0)
    times = jnp.round(share * length)
    # Of an empty text the padding is swapped.
    pairs = jax.random.randint(key, (most, 2), 0, jnp.maximum(length, 1))

    def once(text, place):
      pair, number = place
      swapped = text.at[pair].set(text[pair[::-1]])
      return jnp.where(number < times, swapped, text), None

    return jax.lax.scan(once, text, (pairs, jnp.arange(most)))[0]

  return jax.vmap(swap)(jax.random.split(key, len(x)), x)


def delete_tokens(key: jax.Array, x: jax.Array, *, p: float) -> jax.Array:
  """Deletes each token with probability p, but one, which is drawn first.

  Args:
    key: PRNG key.
    x: Texts `int32[B, T]`.
    p: Probability, in [0, 1]; 0 leaves x as it is.

  Returns:
    `int32[B, T]`: what is left moves together, padding follows.

  Raises:
    ValueError: For x that are no texts, and a probability out of range.

  Example:
    >>> key = jax.random.key(0)
    >>> x = jnp.array([[5, 6, 7, 8], [9, 4, 3, 0]])
    >>> print(augment.delete_tokens(key, x, p=0.0))
    [[5 6 7 8]
     [9 4 3 0]]
  """
  _check(x, "p", p)

  def delete(key, text):
    key, kept_key = jax.random.split(key)
    length = jnp.sum(text != 0)
    kept = jax.random.randint(kept_key, (), 0, jnp.maximum(length, 1))
    gone = jax.random.bernoulli(key, p, text.shape)
    gone = jnp.where(jnp.arange(len(text)) == kept, False, gone)
    text = jnp.where(gone, 0, text)
    return text[jnp.argsort(text == 0, stable=True)]

  return jax.vmap(delete)(jax.random.split(key, len(x)), x)


def replace_tokens(
    key: jax.Array, x: jax.Array, *, p: float, vocabulary: int
) -> jax.Array:
  """Replaces each token by a random one with probability p.

  Args:
    key: PRNG key.
    x: Texts `int32[B, T]`.
    p: Probability, in [0, 1]; 0 leaves x as it is.
    vocabulary: Number of tokens; the first two, padding and the unknown token,
      replace none.

  Returns:
    `int32[B, T]`.

  Raises:
    ValueError: For x that are no texts, a probability out of range, and a
      vocabulary without other tokens.

  Example:
    >>> key = jax.random.key(0)
    >>> x = jnp.array([[5, 6, 7, 8], [9, 4, 3, 0]])
    >>> print(augment.replace_tokens(key, x, p=0.1, vocabulary=10).shape)
    (2, 4)
  """
  _check(x, "p", p)
  if vocabulary <= _RESERVED:
    raise ValueError(
        f"vocabulary must be above {_RESERVED}, padding and the unknown token,"
        f" got {vocabulary}"
    )
  key, new_key = jax.random.split(key)
  chosen = jax.random.bernoulli(key, p, x.shape) & (x != 0)
  new = jax.random.randint(new_key, x.shape, _RESERVED, vocabulary, x.dtype)
  return jnp.where(chosen, new, x)


def _check(x, name, rate):
  if x.ndim != 2 or not jnp.issubdtype(x.dtype, jnp.signedinteger):
    raise ValueError(
        f"x must be texts int32[B, T], got {x.dtype}{list(x.shape)}"
    )
  _checks.check_number(name, rate, 1)
