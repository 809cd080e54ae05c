"""Attacks: the worst image within a distance of each, by the gradient.

An attack is a pure function of a loss, `loss(x) -> [B]`, and of images in
[0, 1]; the loss has normalisation inside. Rows do not touch each other, and
distances are the largest change of any pixel.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

Loss = Callable[[jax.Array], jax.Array]


def error_log_odds(logits: jax.Array, labels: jax.Array) -> jax.Array:
  """Log odds of an error, `log((1 - p_y) / p_y)`, which attacks raise.

      log_odds = logsumexp( z[c] for c != y ) - z[y]

  The cross-entropy is `softplus(log_odds)`, so its gradient is this one times
  a positive number: signs are the same, and so is which of two images is worse.
  But that number is 0 in float32 where a network is very sure, and the
  cross-entropy loses the part of the label long before. An attack on it would
  find nothing and call the network robust.

  Args:
    logits: `[B, C]`, C >= 2.
    labels: `int[B]`.

  Returns:
    `float32[B]`.
  """
  logits = logits.astype(jnp.float32)
  own = jax.nn.one_hot(labels, logits.shape[-1], dtype=bool)
  rest = jax.nn.logsumexp(jnp.where(own, -jnp.inf, logits), axis=-1)
  return rest - jnp.sum(jnp.where(own, logits, 0.0), axis=-1)


def fgsm(loss: Loss, x: jax.Array, eps: jax.typing.ArrayLike) -> jax.Array:
  """The fast gradient sign method (Goodfellow et al., arXiv 1412.6572).

      x' = clip( x + eps * sign(grad loss(x)), 0, 1 )

  A pixel without any influence has sign 0 and stays.

  Args:
    loss: `x -> [B]`, of each row by itself.
    x: Images, `[B, ...]` in [0, 1].
    eps: The radius, a scalar >= 0; it may be traced. 0 gives `x`.

  Returns:
    The attacked images, as `x`.
  """
  return jnp.clip(x + eps * _ascent(loss, x), 0.0, 1.0)


def pgd(
    loss: Loss,
    key: jax.Array | None,
    x: jax.Array,
    eps: jax.typing.ArrayLike,
    *,
    steps: int = 10,
    step_size: jax.typing.ArrayLike | None = None,
    restarts: int = 1,
    random_start: bool = True,
) -> jax.Array:
  """Projected gradient ascent in the L-infinity ball (arXiv 1706.06083).

      x'_0     = project( x + u ),   u ~ U[-eps, eps]
      x'_{t+1} = project( x'_t + step_size * sign(grad loss(x'_t)) )

  `project` clips to [x - eps, x + eps], around the original image, and to
  [0, 1]. It costs `steps` forward-backward passes for each restart and, with
  several restarts, a forward pass for each.

  Args:
    loss: `x -> [B]`, of each row by itself.
    key: A key for each row, `[B]`; None without a random start.
    x: Images, `[B, ...]` in [0, 1].
    eps: The radius, a scalar >= 0; it may be traced. 0 gives `x`.
    steps: Number of steps, static.
    step_size: Of a step, a scalar; None for `2.5 * eps / steps`, the rule of
      Madry et al.: the edge is within reach of any start, with room to move
      along it.
    restarts: Attacks from starts of their own, static. The worst by `loss` is
      kept, row by row; the first ones do not depend on how many there are.
    random_start: Whether to start away from `x`.

  Returns:
    The attacked images, as `x`.

  Raises:
    ValueError: For `steps` or `restarts` below 1, and for restarts that all
      start at `x`.
  """
  check_counts(steps, restarts)
  if restarts > 1 and not random_start:
    raise ValueError(
        f"restarts={restarts} without random_start would repeat one attack;"
        " set restarts=1 or random_start=True"
    )
  step_size = 2.5 * eps / steps if step_size is None else step_size
  box = jnp.maximum(x - eps, 0.0), jnp.minimum(x + eps, 1.0)

  def attack(restart):
    noise = eps * _noise(key, restart, x) if random_start else 0.0
    start = jnp.clip(x + noise, *box)
    return _climb(loss, start, box, step_size, steps)

  return _worst_of(attack, loss, restarts)


def check_counts(steps: int, restarts: int) -> None:
  """Raises ValueError for a number of steps or restarts below 1."""
  for name, value in (("steps", steps), ("restarts", restarts)):
    if value < 1:
      raise ValueError(f"{name} must be at least 1, got {value}")


def _ascent(loss, x):
  """Signs of the gradient of each row's own loss; 0 where it is 0."""
  return jnp.sign(jax.grad(lambda x: jnp.sum(loss(x)))(x))


def _noise(keys, restart, x):
  """U[-1, 1] like `x`, from the key of each row alone."""

  def row(key):
    key = jax.random.fold_in(key, restart)
    return jax.random.uniform(key, x.shape[1:], x.dtype, -1.0, 1.0)

  return jax.vmap(row)(keys)


def _climb(loss, x, box, step_size, steps):
  """Steps along the signs of the gradient, each projected into the box."""

  def step(_, x):
    return jnp.clip(x + step_size * _ascent(loss, x), *box)

  return _repeat(0, steps, step, x)


def _worst_of(attack, loss, restarts):
  """Of `attack(0)`, `attack(1)`, ... the image of highest loss, row by row."""
  first = attack(0)
  if restarts == 1:
    return first

  def again(restart, worst):
    found = attack(restart)
    return _worse(worst, (found, loss(found)))

  return _repeat(1, restarts, again, (first, loss(first)))[0]


def _repeat(first, last, body, start):
  """A loop, written out on CPU, where convolutions in one are 4x slower."""
  unroll = jax.default_backend() == "cpu"
  return jax.lax.fori_loop(first, last, body, start, unroll=unroll)


def _worse(one, other):
  """Of two `(images, losses)` the one of higher loss, row by row."""
  (x, value), (y, other_value) = one, other
  higher = other_value > value
  shape = (-1,) + (1,) * (x.ndim - 1)
  return (
      jnp.where(higher.reshape(shape), y, x),
      jnp.where(higher, other_value, value),
  )
