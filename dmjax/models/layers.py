"""What several networks share: initialisers, drop path, answers, the MLP."""

from collections.abc import Callable
import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

Hook = Callable[[int, jax.Array], jax.Array]

he_normal = nn.initializers.variance_scaling(2.0, "fan_out", "normal")
# Of the transformers and ConvNeXt. Theirs is cut at an absolute 2, which is a
# hundred standard deviations: a plain normal.
narrow_normal = nn.initializers.normal(0.02)


def no_hook(stage: int, x: jax.Array) -> jax.Array:
  """The hook of a network that is called without one."""
  del stage
  return x


def conv_and_norm(
    module: Any,
    train: bool,
    *,
    use_bias: bool = False,
    momentum: float = 0.9,
    epsilon: float = 1e-5,
) -> tuple[Callable[..., nn.Module], Callable[..., nn.Module]]:
  """How a convolutional network makes its convolutions and batch norms.

  Args:
    module: The network, with `dtype` and `axis_name`.
    train: Whether the norms use and update batch statistics.
    use_bias: Of the convolutions.
    momentum: Of the running statistics, `momentum old + (1 - momentum) new`.
    epsilon: Of the norms.

  Returns:
    `conv(width, kernel, ...)` and `norm(...)`.
  """
  conv = functools.partial(
      nn.Conv, use_bias=use_bias, dtype=module.dtype, kernel_init=he_normal
  )
  norm = functools.partial(
      nn.BatchNorm, use_running_average=not train, momentum=momentum,
      epsilon=epsilon, dtype=module.dtype, axis_name=module.axis_name,
  )
  return conv, norm


def pool_and_head(x: jax.Array, num_classes: int) -> jax.Array:
  """A map `[B, h, w, D]` to logits by its mean; to be called inside a module."""
  x = jnp.mean(x.astype(jnp.float32), axis=(1, 2))
  init = nn.initializers.normal(0.01)
  return nn.Dense(num_classes, kernel_init=init, name="head")(x)


def check_stem(stem: str):
  """Raises ValueError unless the stem is one of the two there are."""
  if stem not in ("cifar", "imagenet"):
    raise ValueError(f"stem={stem!r} must be 'cifar' or 'imagenet'")


def answer(
    logits: jax.Array, maps: dict[str, jax.Array], features: str | None
) -> jax.Array | tuple[jax.Array, jax.Array]:
  """The logits, with the map that `features` names beside them if it does.

  Args:
    logits: `float32[B, C]`.
    maps: What the network can return, by name.
    features: A key of `maps`, or None.

  Returns:
    The logits, or the pair of logits and map.

  Raises:
    ValueError: If there is no map of that name.
  """
  if features is None:
    return logits
  if features not in maps:
    raise ValueError(f"features={features!r} must be among {', '.join(maps)}")
  return logits, maps[features]


def check_rate(name: str, rate: float):
  """Raises ValueError, with the name, unless the rate is in [0, 1)."""
  if not 0 <= rate < 1:
    raise ValueError(f"{name}={rate} must be in [0, 1)")


def drop_rates(rate: float, depths: tuple[int, ...]) -> list[list[float]]:
  """Per stage and block, rates that grow linearly from 0 to `rate`.

  Raises:
    ValueError: If the rate is not in [0, 1).
  """
  check_rate("drop_path", rate)
  last = max(sum(depths) - 1, 1)
  starts = [sum(depths[:stage]) for stage in range(len(depths))]
  return [
      [rate * block / last for block in range(start, start + depth)]
      for start, depth in zip(starts, depths)
  ]


def drop_path(x: jax.Array, rate: float, train: bool) -> jax.Array:
  """Stochastic depth (arXiv 1603.09382): `x * Bernoulli(1 - p) / (1 - p)`.

  One draw per example from the rng collection `dropout`, which is only asked
  for in training and with `rate` above 0. To be called inside a module.

  Args:
    x: `[B, ...]`, the output of a residual branch.
    rate: p, the probability that the branch of an example is dropped.
    train: Whether to drop at all.

  Returns:
    The branch `[B, ...]`, zero for the examples that dropped it.
  """
  inner = tuple(range(1, x.ndim))
  return nn.Dropout(rate, broadcast_dims=inner, deterministic=not train)(x)


class Mlp(nn.Module):
  """Two dense layers, four times as wide in between, with the exact GELU."""

  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x):
    width = x.shape[-1]
    x = dense(4 * width, self.dtype, name="fc1")(x)
    x = nn.gelu(x, approximate=False)
    return dense(width, self.dtype, name="fc2")(x)


def dense(width: int, dtype: Any, name: str, use_bias: bool = True):
  """A dense layer as the transformers initialise it."""
  return nn.Dense(
      width, use_bias, dtype, kernel_init=narrow_normal, name=name
  )
