"""Mixup between labelled and unlabelled images (arXiv 2203.10761)."""

from collections.abc import Callable
import inspect
from typing import NamedTuple

import jax
import jax.numpy as jnp

from dmjax import mixers
from dmjax.methods import base

FAVOURS = ("labelled", "unlabelled")


class Mixing(NamedTuple):
  """What is mixed in a step of semi-supervised training, and its loss.

  Attributes:
    mix: `(key, labelled [B, ...], unlabelled [B, ...]) -> {"mixed_labelled",
      "mixed_unlabelled"}`, of labelled images with each other, and of each with
      the unlabelled one of its row; further unlabelled ones are left out.
    losses: `(logits, mixed, labels, pseudo, believed) -> losses [B]`, under the
      same names; logits `[B, heads K]` under them too.
    heads: 1, or 2 for mixed images with a head of their own.
    note: What it costs, in words.
  """

  mix: Callable[..., dict[str, mixers.Mixed]]
  losses: Callable[..., dict[str, jax.Array]]
  heads: int
  note: str = "mixed images: two more for each labelled one"

  def pictures(self, key, batch):
    """The mixed images of a batch, as `Method.mixes`."""
    views = batch["labelled"]["x"], batch["unlabelled"]["weak"]
    return {name: each.x for name, each in self.mix(key, *views).items()}


def mixing(
    mixer: Callable[..., mixers.Mixed],
    loss: Callable[..., jax.Array],
    *,
    num_classes: int,
    heads: int = 2,
    favour: str = "unlabelled",
    one_sided: bool = True,
) -> Mixing:
  """Mixes labelled images among themselves, and with unlabelled ones.

      x~ = lam x_i + (1 - lam) u_i,   lam = min(l, 1 - l),   l ~ Beta(a, a)
      L_lu = believed_i loss(f(x~), (y_i, v_i), (lam, 1 - lam))

  with v the pseudo-label. The image looks mostly like u, whose label may be
  wrong; the decoupled term of y alone, `one_sided`, asks y to win among all
  classes but v, and trusts v with nothing. Pairs of labelled images carry the
  terms of both. Where a mixer clips its boxes, u is seen even more than 1 - lam.

  The published code (OpenMixup, `DMixMatch`) reads the paper the other way: most
  of the labelled image, and the terms of both classes. That is
  `favour="labelled", one_sided=False`.

  On one head mixed images lower the confidence in clean ones, and with it the
  share of pseudo-labels that are believed; a second head keeps them apart.

  Args:
    mixer: A mixer of pairs without guidance, with the options `alpha`, `lam`
      and `partner`.
    loss: `loss(logits, labels, weights) -> [B]`. For the one-sided form it takes
      `where`, as `decoupled_cross_entropy` does.
    num_classes: K.
    heads: 1 or 2.
    favour: Whose share is the larger.
    one_sided: Whether the pseudo-label carries no decoupled term.

  Returns:
    The mixing.

  Raises:
    ValueError: For other heads, another favour, and a mixer without lambda.
  """
  if heads not in (1, 2):
    raise ValueError(f"heads must be 1 or 2, got {heads}")
  if favour not in FAVOURS:
    raise ValueError(f"favour must be one of {FAVOURS}, got {favour!r}")
  alpha_of(mixer)
  # The favoured image comes first: a mixer of boxes clips them at the border,
  # and so leaves of the row itself never less than lambda, but often more.
  order = 1 if favour == "labelled" else -1
  sided = one_sided and "where" in inspect.signature(loss).parameters
  of_pair = {"where": (True, False)[::order]} if sided else {}

  def mix(key, labelled, unlabelled):
    pair_key, lam_key, mix_key = jax.random.split(key, 3)
    count = labelled.shape[0]
    lam = larger_share(mixer, lam_key, count)
    # Row i is mixed with row i of the other half; only the first is kept.
    halves = (labelled, unlabelled[:count])[::order]
    rows = jnp.arange(2 * count)
    pairs = mixer(
        mix_key, jnp.concatenate(halves), lam=jnp.concatenate([lam, 1 - lam]),
        partner=(rows + count) % rows.size,
    )
    return {
        "mixed_labelled": mixer(pair_key, labelled),
        "mixed_unlabelled": jax.tree.map(lambda leaf: leaf[:count], pairs),
    }

  def losses(logits, mixed, labels, pseudo, believed):
    count = labels.shape[0]
    logits = {k: v[:, -num_classes:] for k, v in logits.items()}
    own, other = mixed["mixed_labelled"], mixed["mixed_unlabelled"]
    both = jnp.concatenate((labels, pseudo[:count])[::order])
    of_other = loss(
        logits["mixed_unlabelled"], both[other.sources], other.weights, **of_pair
    )
    # Where nothing is seen of the labelled image, nothing is known.
    seen = believed[:count] * (other.weights[:, ::order][:, 0] > 0)
    return {
        "mixed_labelled": loss(
            logits["mixed_labelled"], labels[own.sources], own.weights
        ),
        "mixed_unlabelled": seen * of_other,
    }

  return Mixing(mix, losses, heads)


def of_parts(parts: base.Parts, **options) -> Mixing | None:
  """The mixing of a run; None where its mixer is `identity`.

  Args:
    parts: What the run gives.
    **options: Those of `mixing`.

  Returns:
    The mixing.

  Raises:
    ValueError: For a mixer that needs guidance, which nobody can give here.
  """
  mixer = mixer_of(parts)
  if getattr(mixer, "func", mixer) is mixers.identity:
    return None
  return mixing(mixer, parts.loss, num_classes=parts.num_classes, **options)


def mixer_of(parts: base.Parts) -> Callable[..., mixers.Mixed]:
  """The mixer of a run; ValueError for guidance, which nobody can give here."""
  if parts.guidance != mixers.needs():
    asked = sorted(parts.guidance.before | parts.guidance.after)
    raise ValueError(
        "mix must be a mixer without guidance for semi-supervised training, such"
        f" as 'mixup'; got one that needs {', '.join(asked) or 'hidden layers'}"
    )
  return parts.mixer


def alpha_of(mixer: Callable[..., mixers.Mixed]) -> float:
  """The alpha that a mixer of pairs is configured with; ValueError for others."""
  parameters = inspect.signature(mixer).parameters.values()
  options = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
  # What has no default is guidance.
  guided = inspect.Parameter.empty in options.values()
  if guided or not {"alpha", "lam", "partner"} <= set(options):
    raise ValueError(
        "mix must be a mixer of pairs with lambda and without guidance for"
        " semi-supervised training, such as 'mixup' or 'cutmix'; got one with"
        f" the options {', '.join(options)}"
    )
  return options["alpha"]


def larger_share(
    mixer: Callable[..., mixers.Mixed], key: jax.Array, count: int
) -> jax.Array:
  """`max(l, 1 - l)` of `count` rows, l ~ Beta(alpha, alpha).

  The `alpha`, `per_batch` and `lam` that the mixer is configured with are heeded.

  Args:
    mixer: A mixer of pairs with lambda.
    key: PRNG key.
    count: Number of rows.

  Returns:
    `float32[count]`.
  """
  alpha, options = alpha_of(mixer), inspect.signature(mixer).parameters
  lam = options["lam"].default
  if lam is None:
    together = "per_batch" in options and options["per_batch"].default
    lam = jax.random.beta(key, alpha, alpha, (1 if together else count,))
  return jnp.broadcast_to(jnp.maximum(lam, 1 - jnp.asarray(lam)), (count,))
