"""What MixMatch and its kin share: guessed labels, and rows mixed with them."""

from collections.abc import Callable, Collection
import inspect

import jax
import jax.numpy as jnp

from dmjax import mixers
from dmjax.methods import base
from dmjax.methods import semi_mixing


def sharpen(probs: jax.Array, temperature: float) -> jax.Array:
  """`p^(1/T) / sum p^(1/T)` of each row (MixMatch, arXiv 1905.02249, eq. 7).

  Args:
    probs: `[B, K]`.
    temperature: T, in (0, 1]; 1 changes nothing.

  Returns:
    `[B, K]`.
  """
  return jax.nn.softmax(jnp.log(probs) / temperature)


def ramp(step: jax.Array, total_steps: int, share: float) -> jax.Array:
  """Rises from 0 to 1 over a share of training, in a line, and stays there."""
  return jnp.clip(step / (share * total_steps), 0.0, 1.0)


def mix_rows(
    mixer: Callable[..., mixers.Mixed], key: jax.Array, x: jax.Array
) -> mixers.Mixed:
  """Mixes each row with another, and keeps most of the row itself.

      lam = max(l, 1 - l),   l ~ Beta(alpha, alpha)

  Partners come from the mixer: by default those of a random permutation in
  which no row meets itself.

  Args:
    mixer: A mixer of pairs with lambda, see `semi_mixing.larger_share`.
    key: PRNG key.
    x: Rows, `[B, ...]`.

  Returns:
    The mixed rows.
  """
  lam_key, mix_key = jax.random.split(key)
  lam = semi_mixing.larger_share(mixer, lam_key, x.shape[0])
  return mixer(mix_key, x, lam=lam)


def mix_streams(
    mixer: Callable[..., mixers.Mixed], views: Collection[str], key: jax.Array,
    batch: dict[str, base.Batch],
) -> mixers.Mixed:
  """Mixes the rows [x; u_1; ...] of both streams, as `mix_rows`.

  Args:
    mixer: As in `mix_rows`.
    views: Names of the unlabelled ones, in the order of the rows.
    key: PRNG key.
    batch: Of the two streams.

  Returns:
    The mixed rows, the labelled ones first.
  """
  rows = [batch["labelled"]["x"], *(batch["unlabelled"][v] for v in views)]
  return mix_rows(mixer, key, jnp.concatenate(rows))


def pictures(
    mixer: Callable[..., mixers.Mixed], views: Collection[str]
) -> Callable[..., dict[str, jax.Array]]:
  """What `mix_streams` makes of each stream and view, as `Method.mixes`."""

  def mixes(key, batch):
    x = mix_streams(mixer, views, key, batch).x
    labelled, rest = jnp.split(x, [len(batch["labelled"]["x"])])
    each = dict(zip(views, jnp.split(rest, len(views))))
    named = {"labelled": labelled, **each}
    return {f"mixed_{name}": images for name, images in named.items()}

  return mixes


def labels_of(labels: jax.Array, guess: jax.Array, views: int) -> jax.Array:
  """Soft labels of the rows [x; u_1; ...]: those of x, and the guess by view.

  Args:
    labels: `int[B]`.
    guess: `[U, K]`.
    views: Of each unlabelled image.

  Returns:
    `[B + views U, K]`.
  """
  own = jax.nn.one_hot(labels, guess.shape[1], dtype=guess.dtype)
  return jnp.concatenate([own] + [guess] * views)


def one_sided(loss: Callable[..., jax.Array], labelled: jax.Array) -> dict:
  """Options of a loss that asks for nothing in the name of a guess.

  Args:
    loss: Any; what takes `where`, such as `decoupled_cross_entropy`, is told.
    labelled: `bool[B, 2]`, sources whose label is known.

  Returns:
    The options.
  """
  takes = "where" in inspect.signature(loss).parameters
  return {"where": labelled} if takes else {}


def check_weights(**weights: float) -> None:
  """Raises ValueError unless all are >= 0."""
  for name, weight in weights.items():
    if not weight >= 0:
      raise ValueError(f"{name} must be >= 0, got {weight}")
