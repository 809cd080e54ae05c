"""Mixers of hidden features."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from dmjax.mixers import _core


def manifold_mixup(
    key: jax.Array,
    x: jax.Array,
    *,
    alpha: float = 2.0,
    lam: jax.typing.ArrayLike | None = None,
    partner: str | jax.typing.ArrayLike = "permutation",
    per_batch: bool = False,
    stage: int = 0,
    stages: Sequence[int] = (0, 1, 2),
) -> _core.Mixed:
  """Mixup at a stage of the network drawn at random (arXiv 1806.05236).

      h~ = lam h_i + (1 - lam) h_j at one stage,   lam ~ Beta(alpha, alpha)

  The draw of the stage, of partners and of lambda depends on the key alone. So
  the model calls the mixer at every stage, it mixes at one of them, and the
  labels come from a call of its own:

      hook = lambda stage, h: manifold_mixup(key, h, stage=stage).x
      logits = model.apply(variables, x, train=True, hook=hook)
      mixed = manifold_mixup(key, x)   # its sources and weights

  The stage is chosen inside the compiled program, which is one program for all
  of them; stages that cannot be chosen cost nothing. alpha 2 and the stages 0,
  1, 2 are those of the authors' code. The reference draws one lambda per batch;
  that is `per_batch=True`. The stage is always one per batch.

  The nodes of a graph and the tokens of a text are returned as they are: the
  network that looks up their features calls the mixer with those, as stage 0.
  For a text that is word mixup, and at the last stage of a network sentence
  mixup (arXiv 1905.08941).

  Args:
    key: PRNG key, the same at every stage.
    x: `[B, ...]`, floating: the input or the features of a stage. Or the nodes
      of a graph, of shape `[B]`, or tokens, `int32[B, T]`.
    alpha: Parameter of the Beta distribution.
    lam: Fixes lambda instead, a scalar or `[B]`.
    partner: `permutation`, `roll`, `flip` or `int[B]`.
    per_batch: One lambda for the whole batch.
    stage: Where x comes from: 0 the input, i the output of stage i.
    stages: The stages one of which is drawn, uniformly.

  Returns:
    The batch, mixed if this is the stage drawn and else as it was, with the
    sources and weights of the mix in either case; its mask is None.

  Raises:
    ValueError: For stages that are not integers >= 0, and for none at all.

  Example:
    >>> key = jax.random.key(0)
    >>> x = jax.random.uniform(key, (4, 8, 8, 3))
    >>> hook = lambda stage, h: mixers.manifold_mixup(key, h, stage=stage).x
    >>> h = hook(0, x)                            # the input, mixed or as it is
    >>> h = hook(1, h.mean((1, 2)))               # after the first stage
    >>> h = hook(2, jax.nn.relu(h))               # and so on
    >>> mixed = mixers.manifold_mixup(key, x)     # for the labels
    >>> print(h.shape, mixed.sources.shape)
    (4, 3) (4, 2)
  """
  _check_stages(stage, stages)
  stage_key, key = jax.random.split(key)
  pairs = _core.draw(
      key, x, alpha=alpha, lam=lam, partner=partner, per_batch=per_batch
  )
  if stage not in stages or not _core.is_array(x):
    weights = _core.pair_weights(pairs.lam)
    return _core.Mixed(x, _core.sources(pairs.partner), weights)
  mixed = _core.mix_by_weight(x, pairs)
  chosen = jax.random.choice(stage_key, jnp.asarray(stages))
  return mixed._replace(x=jnp.where(stage == chosen, mixed.x, x))


def _check_stages(stage, stages):
  if not isinstance(stage, int) or stage < 0:
    raise ValueError(f"stage must be an integer >= 0, got {stage!r}")
  if not stages or not all(isinstance(s, int) and s >= 0 for s in stages):
    raise ValueError(
        f"stages must be one or more integers >= 0, got {stages!r}"
    )
