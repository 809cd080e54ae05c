"""DoubleMix: hidden states mixed with those of perturbed copies of a text."""

from collections.abc import Callable, Sequence
import functools

import jax
import jax.numpy as jnp

from dmjax import losses
from dmjax import mixers
from dmjax import names
from dmjax.methods import base
from dmjax.methods.supervised import mixed_accuracy
from dmjax.methods.supervised import supervised
from dmjax.models import Network

# The two perturbed copies of a batch, by their views.
_COPIES = ("first", "second")
# Deviation of what the third copy differs by.
_NOISE = 1e-5


def doublemix(
    network: Network,
    mixer: Callable[..., mixers.Mixed],
    loss: Callable[..., jax.Array],
    *,
    weight: float = 8.0,
    stages: Sequence[int] = (1,),
    alpha: float = 0.75,
    tau: float = 1.0,
    copies: int = 2,
    guidance: mixers.Guidance | None = None,
    ema_decay: float = 0.0,
) -> base.Method:
  """DoubleMix (arXiv 2209.05297), in the form of its authors' code.

  At one stage of the network the states h_0 of an example are mixed with those
  of copies h_k of it that augmentation has perturbed, in two steps. The label
  stays what it is, and both predictions are made to agree:

      s = sum_k w_k h_k,             w ~ Dirichlet(tau, ..., tau)
      h = lam h_0 + (1 - lam) s,     lam = max(l, 1 - l), l ~ Beta(alpha, alpha)
      L = loss(f(x), y) + weight JSD(f(x), f(h))

  A step has one w, one lam and one stage. Streams go through the network
  together, each with a dropout of its own.

  Beyond the paper, the mixer mixes what training sees, all streams alike: then
  x and its copies are mixed ones, with labels y_i and y_j. Without labels that
  are mixed there is no decoupled loss. `identity` is the paper's.

  A third copy is the example itself, whose input differs by noise of 1e-5. In
  the authors' code its states skip the layers before the stage, which is a
  defect; here they go through them.

  Args:
    network: To logits.
    mixer: `mixer(key, x) -> Mixed`, without guidance.
    loss: `loss(logits, labels, weights) -> [B]`.
    weight: Of the divergence, 0 or more.
    stages: Stages of the network one of which is drawn, uniformly. The authors
      take the last quarter of the layers but the very last.
    alpha: Of the Beta distribution of lam.
    tau: Of the Dirichlet distribution of w.
    copies: 2, or 3 with the noisy one.
    guidance: As in `supervised`.
    ema_decay: Likewise.

  Returns:
    The method. A batch holds the views `x`, `first` and `second`, and `label`.
    `divergence` among its metrics is the mean of JSD.

  Raises:
    ValueError: For options out of range, a mixer that needs guidance, a stage
      that the network lacks, and as `supervised`.
  """
  _check(weight, stages, alpha, tau, copies)
  needs = mixers.guidance_of(mixer) if guidance is None else guidance
  if needs.before or needs.after:
    raise ValueError(
        "mix must be a mixer without guidance for method 'doublemix', such as"
        " 'identity' or 'manifold_mixup'"
    )
  method = supervised(
      network, mixer, loss, guidance=needs, ema_decay=ema_decay
  )

  def loss_fn(params, state, batch, key):
    mix_key, draw_key, noise_key, model_key = jax.random.split(key, 4)
    streams = [batch["x"], batch["x"], *(batch[name] for name in _COPIES)]
    streams += [batch["x"]] * (copies - 2)
    mix = functools.partial(mixer, mix_key)
    mixed = mix(batch["x"])
    if not needs.hidden:
      streams = [mix(x).x for x in streams]
    drawn = draw(draw_key, stages, alpha=alpha, tau=tau, copies=copies)
    seen = set()

    def hook(stage, h):
      seen.add(stage)
      parts = jnp.split(h, len(streams))
      if needs.hidden:
        parts = [mix(part, stage=stage).x for part in parts]
      if stage == 0 and copies == 3:
        parts[-1] = _with_noise(noise_key, parts[-1])
      return jnp.concatenate(mix_second(stage, parts, *drawn))

    out, after = network.train(
        {"params": params, **state.model_state}, _together(streams), model_key,
        hook=hook,
    )
    _check_seen(stages, seen)
    clean, second = jnp.split(out, len(streams))[:2]
    labels = batch["label"][mixed.sources]
    divergence = losses.jensen_shannon(jnp.stack([clean, second]))
    each = loss(clean, labels, mixed.weights) + weight * divergence
    metrics = {
        "loss": (each.sum(), each.size),
        "divergence": (divergence.sum(), each.size),
        "accuracy": mixed_accuracy(clean, labels, mixed.weights),
    }
    return each.mean(), base.Aux(after, metrics, losses=each)

  views = {"x": "weak"} | dict.fromkeys(_COPIES, "strong")
  note = f"{copies + 2} times the examples: mixed ones and their copies"
  return method._replace(loss=loss_fn, views=views, note=note)


def draw(
    key: jax.Array, stages: Sequence[int], *, alpha: float, tau: float,
    copies: int,
) -> tuple[jax.Array, jax.Array, jax.Array]:
  """What a step draws: the stage, `w [copies]` and lam in [1/2, 1]."""
  stage_key, copy_key, lam_key = jax.random.split(key, 3)
  stage = jax.random.choice(stage_key, jnp.asarray(stages))
  w = jax.random.dirichlet(copy_key, jnp.full(copies, tau))
  lam = jax.random.beta(lam_key, alpha, alpha)
  return stage, w, jnp.maximum(lam, 1 - lam)


def mix_second(
    stage: int, parts: Sequence[jax.Array], chosen: jax.Array, w: jax.Array,
    lam: jax.Array,
) -> list[jax.Array]:
  """The streams, at the stage that was chosen with the second of them mixed.

  Args:
    stage: Where they come from.
    parts: The states of the example, once more, and of its copies.
    chosen: The stage where they are mixed.
    w: `[copies]`, of the first step.
    lam: Of the second step.

  Returns:
    The streams.
  """
  clean, own, *perturbed = parts
  sum_of = functools.partial(jnp.einsum, "k,k...->...", precision="highest")
  synthetic = sum_of(w, jnp.stack(perturbed))
  mixed = (lam * own + (1 - lam) * synthetic).astype(own.dtype)
  return [clean, jnp.where(stage == chosen, mixed, own), *perturbed]


def make(parts: base.Parts, **options) -> base.Method:
  """The method of a run.

  Args:
    parts: What the run gives.
    **options: Those of `doublemix`.

  Returns:
    The method.
  """
  spec = {"name": "doublemix", **options}
  configured = names.configure("method", {"doublemix": doublemix}, spec)
  return configured(
      parts.network(parts.num_classes), parts.mixer, parts.loss,
      guidance=parts.guidance,
  )


def _together(streams):
  if not hasattr(streams[0], "astype"):
    raise ValueError("method 'doublemix' needs inputs that are arrays")
  return jnp.concatenate(streams)


def _with_noise(key, h):
  """Padding, which is 0, stays it, in the mask of a text too."""
  noise = jax.random.normal(key, h.shape, h.dtype)
  return jnp.where(h == 0, h, h + _NOISE * noise)


def _check(weight, stages, alpha, tau, copies):
  if not weight >= 0:
    raise ValueError(f"weight must be >= 0, got {weight}")
  for name, value in (("alpha", alpha), ("tau", tau)):
    if not value > 0:
      raise ValueError(f"{name} must be positive, got {value}")
  if copies not in (2, 3):
    raise ValueError(f"copies must be 2 or 3, got {copies!r}")
  if not stages or not all(isinstance(s, int) and s >= 0 for s in stages):
    raise ValueError(
        f"stages must be one or more integers >= 0, got {stages!r}"
    )


def _check_seen(stages, seen):
  if lacking := set(stages) - seen:
    raise ValueError(
        f"stages must be among {sorted(seen)}, the stages of the network, got"
        f" {sorted(lacking)}"
    )
