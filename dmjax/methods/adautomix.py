"""AdAutoMix: masks for several images, learned against the student."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from dmjax import losses
from dmjax import mixers
from dmjax import models
from dmjax import names
from dmjax.methods import automix_losses
from dmjax.methods import base
from dmjax.methods.automix import check_stage
from dmjax.methods.automix import first_state
from dmjax.methods.automix import teacher_of
from dmjax.methods.momentum import follower
from dmjax.methods.supervised import mixed_accuracy

COSINES = ("reward", "penalty")


def adautomix(
    network: models.Network,
    block: models.Network,
    mixer: Callable[..., mixers.Mixed],
    loss: Callable[..., jax.Array],
    *,
    total_steps: int,
    stage: str = "stage3",
    beta: float = 0.3,
    interval: int = 2,
    cosine: str = "reward",
    linear: float = 0.5,
    lam_margin: float = 0.03,
    momentum: float = 0.999,
    end_momentum: float = 0.999999,
    momentum_delay: float = 0.1,
) -> base.Method:
  """AdAutoMix (arXiv 2312.11954): AutoMix of K images, with an adversary.

  As in AutoMix there are a student q of two heads, its running average k (the
  teacher) and a generator of masks M, of K images that sum to 1:

      L_q = (1 - r) loss(one_q(x), y) + r loss(mix_q(plain mix), w)
            + loss(mix_q(x mixed by M'), w')
      L_k = loss(mix_k(x mixed by M), w)                             in turns with
      L_k = -beta loss(mix_k(x mixed by M), w) - (1 - beta) S,
      S   = sum_k w_k cos(mix_k(x mixed by M), mix_k(x_k))

  The first step and every `interval`-th after it take the second, in which M
  makes images that are hard, and yet look to the teacher like what they are made
  of. Each loss trains its own network alone, as in AutoMix. The student sees M'
  wherever it is not near an edge; a port in OpenMixup has that condition the
  wrong way round, and its student sees plain mixes.

  Shares and sources of the two mixes are drawn independently, where published
  code shares the former. `predict` is the teacher's head for clean images.

  Args:
    network: Of two heads side by side; see `automix_losses.Parts`.
    block: The generator, `models.AdaptiveMask` by `models.of_mix_block`.
    mixer: Draws sources and shares, and makes the plain mix: published as
      `several` with 3 of mixup, `alpha=1, per_batch=True`.
    loss: Of all classification terms.
    total_steps: Length of training, of the teacher's schedule.
    stage: Where the teacher's features are taken.
    beta: Share of the adversarial loss, in [0, 1].
    interval: 2 for every second step, 1 for all of them.
    cosine: What S is: `reward`, as the paper means it, which keeps what an image
      shows; or `penalty`, the sign of its published code.
    linear: r, in [0, 1].
    lam_margin: The student gets the plain mix where the share of the row itself
      is at most this, or at least one minus this.
    momentum: m of the teacher, k <- m k + (1 - m) q, at first.
    end_momentum: And at the end.
    momentum_delay: Fraction of training in which it is constant.

  Returns:
    The method. Its params are those of `student` and `mix_block`; the teacher's
    are in `extra`.

  Raises:
    ValueError: For options out of range.
  """
  _check(stage, interval, cosine, {
      "beta": (beta, 1), "linear": (linear, 1), "lam_margin": (lam_margin, 0.5),
      "momentum": (momentum, 1), "end_momentum": (end_momentum, 1),
      "momentum_delay": (momentum_delay, 1),
  })
  parts = automix_losses.Parts(
      network, block, mixer, loss, losses.mask_l1, stage, lam_margin
  )
  sign = -1.0 if cosine == "reward" else 1.0

  def loss_fn(params, state, batch, key):
    params = params | {"teacher": state.extra["teacher"]}
    variables = {
        k: {"params": params[k], **state.model_state[k]} for k in params
    }
    student, taught, similarity, aux = _terms(parts, variables, batch, key, linear)
    hard = -beta * taught + sign * (1 - beta) * similarity
    block_loss = jnp.where(state.step % interval == 0, hard, taught)
    size = batch["label"].size
    values = {"loss": student + block_loss, "mix_block_loss": taught,
              "similarity": similarity}
    aux.metrics.update({k: (v * size, size) for k, v in values.items()})
    return student + block_loss, aux

  def predict(state, batch):
    logits = network.predict(teacher_of(state), batch["x"])
    return automix_losses.heads(logits)[0]

  def init(key, batch, variables=None):
    pairs = jnp.zeros((1, 2), int), jnp.full((1, 2), 0.5)
    return first_state(parts, key, batch["x"][:1], variables, pairs)

  def learned(state):
    return _learned(parts, state)

  after_update = follower(
      total_steps, momentum=momentum, end_momentum=end_momentum,
      delay=momentum_delay,
  )
  return base.Method(
      network, init, loss_fn, after_update, predict, teacher_of, learned
  )


def make(
    parts: base.Parts, *, mix_block: Mapping[str, Any] = {}, **options
) -> base.Method:
  """The method of a run: a network of two heads, and a generator of masks.

  Args:
    parts: What the run gives.
    mix_block: Attributes of `models.AdaptiveMask`.
    **options: Those of `adautomix`.

  Returns:
    The method.

  Raises:
    ValueError: For a mixer that needs guidance, and unknown names.
  """
  base.check_unguided(parts, "adautomix", such_as="several")
  spec = {"name": "adautomix", **options}
  configured = names.configure("method", {"adautomix": adautomix}, spec)
  known = set(models.AdaptiveMask.__dataclass_fields__) - {"parent", "name"}
  for option in mix_block:
    if option not in known:
      raise ValueError(
          f"method.mix_block has no option {option!r};"
          f" {names.suggest(option, known)}"
      )
  return configured(
      parts.network(2 * parts.num_classes),
      models.of_mix_block(models.AdaptiveMask(**mix_block)),
      parts.mixer, parts.loss, total_steps=parts.total_steps,
  )


def _check(stage, interval, cosine, shares):
  check_stage(stage)
  for name, (value, top) in shares.items():
    if not 0 <= value <= top:
      raise ValueError(f"{name} must lie in [0, {top}], got {value}")
  if not isinstance(interval, int) or interval < 1:
    raise ValueError(f"interval must be an integer >= 1, got {interval!r}")
  if cosine not in COSINES:
    raise ValueError(f"cosine must be one of {COSINES}, got {cosine!r}")


def _terms(parts, variables, batch, key, linear):
  """Losses of student and generator, the similarity, and the rest."""
  images, labels = batch["x"], batch["label"]
  block = variables["mix_block"]
  teacher = jax.lax.stop_gradient(variables["teacher"])
  keys = jax.random.split(key, 8)
  (clean, features), teacher_state = parts.network.train(
      teacher, images, keys[0], features=parts.stage
  )
  taught, shown = parts.mixer(keys[1], images), parts.mixer(keys[2], images)
  masks, block_state = _masks(parts, block, features, taught, images, keys[3])
  hidden, _ = _masks(parts, block, features, shown, images, keys[4])
  student, student_state, hits = _student(
      parts, variables["student"], images, shown,
      jax.lax.stop_gradient(hidden), labels, keys[5], linear,
  )
  logits, teacher_state = parts.network.train(
      teacher | teacher_state, blend(images, taught.sources, masks), keys[6]
  )
  logits, clean = (automix_losses.heads(each)[1] for each in (logits, clean))
  each = parts.loss(logits, labels[taught.sources], taught.weights)
  gaps = jnp.abs(jnp.mean(masks, axis=(2, 3)) - taught.weights)
  metrics = {"accuracy": hits, "mask_gap": (gaps.mean(1).sum(), labels.size)}
  state = {
      "student": student_state, "teacher": teacher_state,
      "mix_block": block_state,
  }
  similar = _similarity(logits, clean, taught)
  return student, jnp.mean(each), similar, base.Aux(state, metrics)


def _masks(parts, block, features, mixed, images, key):
  """`[B, K, H, W]`, and the state of the generator."""
  x = features, mixed.sources, mixed.weights, images.shape[1:3]
  return parts.block.train(block, x, key)


def blend(images: jax.Array, sources: jax.Array, masks: jax.Array) -> jax.Array:
  """`sum_k M_k x_k`, of masks `[B, K, H, W]`; gradients reach the masks."""
  return sum(
      masks[:, k, ..., None] * images[sources[:, k]]
      for k in range(sources.shape[1])
  )


def _student(parts, student, images, mixed, masks, labels, key, linear):
  """Clean, plainly mixed and mixed images, each for the head it is for."""
  share = mixed.weights[:, 0]
  near = jnp.minimum(share, 1 - share) <= parts.lam_margin
  by_masks = blend(images, mixed.sources, masks)
  shown = jnp.where(near[:, None, None, None], mixed.x, by_masks)
  pair, ones = labels[mixed.sources], jnp.ones((labels.size, 1))
  terms, logits = [], None
  for x, head, of, weights, key in (
      (images, 0, labels[:, None], ones, key),
      (mixed.x, 1, pair, mixed.weights, jax.random.fold_in(key, 1)),
      (shown, 1, pair, mixed.weights, jax.random.fold_in(key, 2)),
  ):
    logits, state = parts.network.train(student, x, key)
    student = student | state
    logits = automix_losses.heads(logits)[head]
    terms.append(jnp.mean(parts.loss(logits, of, weights)))
  hits = mixed_accuracy(logits, pair, mixed.weights)
  clean, plain, mix = terms
  return (1 - linear) * clean + linear * plain + mix, state, hits


def _similarity(logits, clean, mixed):
  """Mean of `sum_k w_k cos(logits, clean_k)`."""
  unit = lambda z: z / (jnp.linalg.norm(z, axis=-1, keepdims=True) + 1e-8)
  others = unit(clean)[mixed.sources]
  cosines = jnp.einsum("bc,bkc->bk", unit(logits), others)
  return jnp.mean(jnp.sum(mixed.weights * cosines, axis=1))


def _learned(parts, state):
  variables = {
      "params": state.params["mix_block"], **state.model_state["mix_block"]
  }
  teacher = teacher_of(state)
  return base.Learned(
      features=lambda images: parts.network.predict(
          teacher, images, features=parts.stage
      )[1],
      block=lambda *x: parts.block.predict(variables, x),
      mix=mixers.adautomix,
  )
