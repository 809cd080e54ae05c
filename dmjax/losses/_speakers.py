"""Scores and losses by which utterances of speakers are compared.

Scores are logits: every mixup loss takes them, with the speakers that went into
a query as its labels. They are those of contrastive-mixup (arXiv 2202.10672),
whose abstract alone was at hand: what a query is, and which utterances make its
prototypes, is our reconstruction. Embeddings need not be unit vectors.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from dmjax.losses._cross_entropy import mixup_cross_entropy


def prototypical_scores(
    queries: jax.typing.ArrayLike,
    supports: jax.typing.ArrayLike,
    *,
    scale: jax.typing.ArrayLike = 10.0,
    offset: jax.typing.ArrayLike = -5.0,
) -> jax.Array:
  """How near queries are to the mean of each speaker's other utterances.

      s_jk = scale cos(q_j, c_k) + offset,   c_k = mean_u e_ku / |e_ku|

  The offset has no gradient under a softmax.

  Args:
    queries: `[Q, D]`, embeddings; for the loss those of mixed utterances.
    supports: `[P, S, D]`, embeddings of S utterances of each speaker, none of
      which went into a query.
    scale: Greater than 0.
    offset: Added to all.

  Returns:
    `float32[Q, P]` (float64 for float64 embeddings).

  Raises:
    ValueError: For shapes that do not fit.

  Example:
    >>> queries, supports = jnp.eye(2, 3), jnp.eye(2, 3)[:, None]
    >>> print(losses.prototypical_scores(queries, supports).round(2))
    [[ 5. -5.]
     [-5.  5.]]
  """
  queries, supports = _floats(queries), _floats(supports)
  if queries.ndim != 2 or supports.ndim != 3:
    raise _misfit("queries [Q, D] and supports [P, S, D]", queries, supports)
  prototypes = _unit(jnp.mean(_unit(supports), axis=1))
  return jnp.asarray(scale * _unit(queries) @ prototypes.T + offset)


def ge2e_scores(
    queries: jax.typing.ArrayLike,
    utterances: jax.typing.ArrayLike,
    labels: jax.typing.ArrayLike,
    *,
    scale: jax.typing.ArrayLike = 10.0,
    offset: jax.typing.ArrayLike = -5.0,
) -> jax.Array:
  """Every utterance as a query, GE2E (arXiv 1710.10467), for mixed queries.

      s_juk = scale cos(q_ju, c_k) + offset

  with c_k the mean of all utterances of speaker k, without the u-th where k
  went into the query: that utterance is in the query itself.

  Args:
    queries: `[P, U, D]`: the u-th utterance of speaker j, mixed with the u-th of
      others.
    utterances: `[P, U, D]`, the same ones as they are; U of 2 or more.
    labels: The speakers in each query, `int[P, U, K]`.
    scale: Greater than 0.
    offset: Added to all.

  Returns:
    `float32[P, U, P]` (float64 for float64 embeddings).

  Raises:
    ValueError: For shapes that do not fit, and a single utterance.

  Example:
    >>> key = jax.random.key(0)
    >>> e = jax.random.normal(key, (2, 3, 8))       # 3 of each of 2 speakers
    >>> labels = jnp.arange(2)[:, None, None].repeat(3, axis=1)
    >>> print(losses.ge2e_scores(e, e, labels).shape)
    (2, 3, 2)
  """
  queries, utterances = _floats(queries), _floats(utterances)
  if queries.ndim != 3 or queries.shape != utterances.shape:
    raise _misfit("queries and utterances, both [P, U, D],", queries, utterances)
  if queries.shape[1] < 2:
    raise ValueError("utterances must be 2 of each speaker or more, got 1")
  queries, utterances = _unit(queries), _unit(utterances)
  whole = jnp.sum(utterances, axis=1, keepdims=True)
  others = _unit(whole - utterances)
  every = jnp.einsum("jud,kd->juk", queries, _unit(whole)[:, 0])
  left_out = jnp.einsum("jud,kud->juk", queries, others)
  inside = jax.nn.one_hot(labels, len(queries), dtype=bool).any(axis=2)
  return jnp.asarray(scale * jnp.where(inside, left_out, every) + offset)


def am_softmax(
    cosines: jax.typing.ArrayLike,
    labels: jax.typing.ArrayLike,
    weights: jax.typing.ArrayLike,
    *,
    margin: float = 0.2,
    scale: float = 30.0,
    loss: Callable[..., jax.Array] | None = None,
) -> jax.Array:
  """Softmax with an additive margin (arXiv 1801.05599), of mixed labels.

      L = sum_k w_k CE(scale (cos - margin [c = y_k]), y_k)

  Every source has the margin in its own term alone. What a mixup `loss` adds to
  the cross-entropies of single sources, such as the decoupled term, is added
  here too, of scores with the margin at all classes of the mix.

  Args:
    cosines: `[B, C]`, between embeddings and a vector of each class.
    labels: Classes of the sources, `int[B, K]`.
    weights: Share of each source, `[B, K]`.
    margin: 0 or more.
    scale: Greater than 0.
    loss: `loss(logits, labels, weights) -> [B]`; mixup cross-entropy if None.

  Returns:
    `float32[B]` (float64 for float64 cosines).

  Raises:
    ValueError: For a margin or a scale out of range.

  Example:
    >>> cosines = jnp.array([[0.9, 0.1, -0.2]])
    >>> labels, weights = jnp.array([[0, 1]]), jnp.array([[0.75, 0.25]])
    >>> loss = losses.am_softmax(cosines, labels, weights)
    >>> print(f"{loss[0]:.3f}")
    7.500
  """
  if margin < 0 or scale <= 0:
    raise ValueError(
        f"margin must be >= 0 and scale > 0, got {margin} and {scale}"
    )
  cosines, labels = _floats(cosines), jnp.asarray(labels)
  weights = jnp.asarray(weights)
  marks = jax.nn.one_hot(labels, cosines.shape[-1], dtype=cosines.dtype)
  apart = scale * (cosines[:, None] - margin * marks)
  own = _of_sources(loss or mixup_cross_entropy, apart, labels, weights)
  if loss is None:
    return own
  present = marks * (weights > 0)[..., None]
  scores = scale * (cosines - margin * present.max(axis=1))
  single = _of_sources(
      loss, jnp.broadcast_to(scores[:, None], marks.shape), labels, weights
  )
  return own + loss(scores, labels, weights) - single


def _of_sources(loss, scores, labels, weights):
  """`sum_k w_k loss_k` of `scores [B, K, C]`, each source by itself."""
  batch, sources, classes = scores.shape
  found = loss(
      scores.reshape(-1, classes), labels.reshape(-1, 1),
      jnp.ones((batch * sources, 1)),
  )
  return jnp.sum(weights * found.reshape(batch, sources), axis=1)


def _floats(x):
  """As float32, or float64 where it is."""
  x = jnp.asarray(x)
  return x if x.dtype == jnp.float64 else x.astype(jnp.float32)


def _unit(x):
  """`x / |x|` of the last axis; zeros stay zeros, with a finite gradient."""
  square = jnp.sum(x**2, axis=-1, keepdims=True)
  return x * jax.lax.rsqrt(jnp.maximum(square, 1e-24))


def _misfit(wanted, first, second):
  return ValueError(
      f"{wanted} must fit, got shapes {first.shape} and {second.shape}"
  )
