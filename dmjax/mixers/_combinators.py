"""Mixers made of mixers."""

from collections.abc import Callable, Sequence
import functools
import inspect
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dmjax.mixers import _blends
from dmjax.mixers import _checks
from dmjax.mixers import _core

Mixer = Callable[..., _core.Mixed]


def choose(
    key: jax.Array,
    x: jax.Array,
    *,
    mixers: Sequence[Mixer],
    probs: Sequence[float] | None = None,
    per_batch: bool = False,
    **options,
) -> _core.Mixed:
  """Applies one of several mixers, drawn at random.

      mixed = mixers[i](key, x),   P(i) = probs[i]

  `choose(key, x, mixers=(mixup, cutmix), per_batch=True)` is the switch of
  timm and DeiT (arXiv 2012.12877): one mixer per batch, and only that one is
  computed. By default each row draws its own, and all mixers are computed.

  Args:
    key: PRNG key.
    x: `[B, ...]`, floating.
    mixers: The mixers, configured with `functools.partial`.
    probs: Their probabilities, summing to 1; uniform by default.
    per_batch: One draw for the whole batch.
    **options: Handed to those mixers that have them (`partner`, `saliency`).

  Returns:
    The mixed batch, with K and mask as wide as the widest mixer's.

  Raises:
    ValueError: For probabilities that do not fit the mixers.

  Example:
    >>> key = jax.random.key(0)
    >>> x = jax.random.uniform(key, (4, 8, 8, 3))
    >>> mixed = mixers.choose(
    ...     key, x, mixers=(mixers.mixup, mixers.cutmix), per_batch=True
    ... )
    >>> print(mixed.x.shape, mixed.mask.shape)
    (4, 8, 8, 3) (4, 8, 8, 1)
  """
  probs = _check_probs(mixers, probs)
  draw_key, mix_key = jax.random.split(key)
  keys = jax.random.split(mix_key, len(mixers))
  branches = [
      lambda mixer=mixer, key=key: call(mixer, key, x, options)
      for mixer, key in zip(mixers, keys, strict=True)
  ]
  shapes = [jax.eval_shape(branch) for branch in branches]
  width = max(shape.sources.shape[1] for shape in shapes)
  mask = any(shape.mask is not None for shape in shapes)
  branches = [
      lambda branch=branch: _widen(branch(), width, mask) for branch in branches
  ]
  if per_batch:
    pick = _pick(draw_key, probs, ())
    return jax.lax.switch(pick, _alike(branches, pick, x, options))
  picks = _pick(draw_key, probs, (x.shape[0],))
  return _select(picks, [branch() for branch in branches])


def sometimes(
    key: jax.Array,
    x: jax.Array,
    *,
    mixer: Mixer,
    p: float = 0.5,
    per_batch: bool = False,
    **options,
) -> _core.Mixed:
  """Applies a mixer with probability p and leaves the rest as it is.

      mixed = mixer(key, x) with probability p,   x with 1 - p

  Args:
    key: PRNG key.
    x: `[B, ...]`, floating.
    mixer: The mixer, configured with `functools.partial`.
    p: Probability of mixing, in [0, 1].
    per_batch: One draw for the whole batch instead of one per row.
    **options: Handed to the mixer if it has them.

  Returns:
    The mixed batch.

  Raises:
    ValueError: For p outside [0, 1].

  Example:
    >>> key = jax.random.key(0)
    >>> x = jax.random.uniform(key, (4, 8, 8, 3))
    >>> mixed = mixers.sometimes(key, x, mixer=mixers.mixup, p=0.0)
    >>> print(mixed.weights[0])
    [1. 0.]
  """
  _checks.check_number("p", p, 0, 1)
  return choose(
      key,
      x,
      mixers=(mixer, _blends.identity),
      probs=(p, 1 - p),
      per_batch=per_batch,
      **options,
  )


def call(mixer: Mixer, key: jax.Array, x: jax.Array, options) -> _core.Mixed:
  """Calls a mixer with those of the options that it has."""
  known = options_of(mixer)
  if any(p.kind is p.VAR_KEYWORD for p in _parameters(mixer)):
    known |= options.keys()  # A closure hands on what it is given.
  if options.get("stage") and "stage" not in known:
    return _blends.identity(key, x)  # A mixer of inputs has mixed at stage 0.
  return mixer(key, x, **{k: v for k, v in options.items() if k in known})


def options_of(mixer: Mixer) -> set[str]:
  """The names a mixer takes after `*`, for instance to see what guidance it has.

  Args:
    mixer: A mixer; for a combinator, the options of its parts count as well.

  Returns:
    The names.

  Example:
    >>> sorted(mixers.options_of(mixers.mixup))
    ['alpha', 'lam', 'partner', 'per_batch']
  """
  names = {p.name for p in _parameters(mixer) if p.kind is p.KEYWORD_ONLY}
  parts = getattr(mixer, "keywords", {})
  for part in (*parts.get("mixers", ()), *filter(None, [parts.get("mixer")])):
    names |= options_of(part)
  return names


def _parameters(mixer):
  return inspect.signature(mixer).parameters.values()


def _check_probs(mixers, probs) -> Any:
  if not mixers:
    raise ValueError("mixers must hold at least one mixer, got none")
  probs = np.full(len(mixers), 1 / len(mixers)) if probs is None else probs
  probs = np.asarray(probs, np.float32)
  if probs.shape != (len(mixers),) or not np.all(probs >= 0):
    raise ValueError(
        f"probs must be {len(mixers)} numbers >= 0, one per mixer, got {probs}"
    )
  if not abs(probs.sum() - 1) <= 1e-4:
    raise ValueError(f"probs must sum to 1, got {probs} (sum {probs.sum()})")
  return probs


def _pick(key, probs, shape):
  return jax.random.categorical(key, jnp.log(probs), shape=shape)


def _widen(mixed, width, mask):
  """Pads sources with the row itself at weight 0, and spells out the mask."""
  batch, sources = mixed.sources.shape
  pad = ((0, 0), (0, width - sources))
  rows = jnp.arange(batch, dtype=jnp.int32)[:, None]
  padded = jnp.broadcast_to(rows, (batch, width)).at[:, :sources]
  return _core.Mixed(
      mixed.x,
      padded.set(mixed.sources),
      jnp.pad(mixed.weights, pad),
      _spell_out(mixed) if mask else None,
  )


def _alike(branches, *inputs):
  """Branches whose results differ between devices alike, under `shard_map`."""
  arrays = [a for a in jax.tree.leaves(inputs) if isinstance(a, jax.Array)]

  def vary(branch):
    return jax.tree.map(lambda a: _core.vary_with(a, *arrays), branch())

  return [functools.partial(vary, branch) for branch in branches]


def _spell_out(mixed):
  if mixed.mask is not None:
    return mixed.mask
  share = mixed.weights[:, 0].reshape((-1,) + (1,) * (mixed.x.ndim - 1))
  return jnp.broadcast_to(share, (*mixed.x.shape[:-1], 1))


def _select(picks, candidates):
  """Row i of candidate picks[i]."""

  def pick(*leaves):
    index = picks.reshape((-1,) + (1,) * (leaves[0].ndim - 1))
    return jax.lax.select_n(jnp.broadcast_to(index, leaves[0].shape), *leaves)

  x = candidates[0].x
  if not _core.is_array(x):  # Nodes or tokens, which no candidate has mixed.
    candidates = [mixed._replace(x=None) for mixed in candidates]
    return jax.tree.map(pick, *candidates)._replace(x=x)
  return jax.tree.map(pick, *candidates)
