"""FixMatch, its thresholds, and mixup of labelled and unlabelled images."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from dmjax import names
from dmjax.methods import base
from dmjax.methods import semi
from dmjax.methods import semi_mixing
from dmjax.methods import thresholds
from dmjax.models import Network
from dmjax.parallel import AXIS


def fixmatch(
    network: Network,
    *,
    num_classes: int,
    num_unlabelled: int,
    total_steps: int,
    threshold: thresholds.Threshold = thresholds.fixed(),
    weight: float = 1.0,
    mixing: semi_mixing.Mixing | None = None,
    ema_decay: float = 0.999,
    axis_name: str | None = None,
) -> base.Method:
  """FixMatch (arXiv 2001.07685), with decoupled mixup (2203.10761) if asked.

      L = CE(f(x), y) + weight mean_u [ w(p) CE(f(strong u), argmax p) ]
            + L_ll + (1 - cos(pi t / T)) / 2 L_lu,     p = softmax(f(weak u))

  with w of the threshold, and the last two terms those of `mixing`. All views
  go through the network together; no gradient flows into p. The mean is over
  all unlabelled images, also those that are not believed.

  Args:
    network: To logits, of one head or of two side by side (`mixing.heads`).
    num_classes: K.
    num_unlabelled: N, of the memory of a threshold.
    total_steps: T.
    threshold: Who is believed; see `thresholds`.
    weight: Of the unlabelled images.
    mixing: What is mixed, and its loss; None for plain FixMatch.
    ema_decay: Of the running average that is evaluated.
    axis_name: Axis over which the batch is spread: a threshold with a memory
      sees all of it. None for one device.

  Returns:
    The method. Its memory, `state.extra`, is that of the threshold.

  Raises:
    ValueError: For a negative weight or a decay outside [0, 1).
  """
  if not weight >= 0:
    raise ValueError(f"weight must be >= 0, got {weight}")

  def loss(params, state, batch, key):
    labelled, unlabelled = batch["labelled"], batch["unlabelled"]
    mix_key, model_key = jax.random.split(key)
    mixed = {}
    if mixing:
      mixed = mixing.mix(mix_key, labelled["x"], unlabelled["weak"])
    rows = {
        "x": labelled["x"], "weak": unlabelled["weak"],
        "strong": unlabelled["strong"], **{k: m.x for k, m in mixed.items()},
    }
    logits, model_state = semi.forward(network, params, state, rows, model_key)
    x, weak, strong = (
        logits[name][:, :num_classes] for name in ("x", "weak", "strong")
    )
    probs = jax.lax.stop_gradient(jax.nn.softmax(weak))
    pseudo = jnp.argmax(probs, axis=1)
    seen = {"probs": probs, "index": unlabelled["index"]}
    everywhere = semi.gather(seen, axis_name)
    believed = threshold.weigh(state.extra, probs, everywhere)
    terms = {
        "labelled": semi.cross_entropy(x, labelled["label"]),
        "unlabelled": believed * semi.cross_entropy(strong, pseudo),
    }
    if mixing:
      terms |= mixing.losses(
          {name: logits[name] for name in mixed}, mixed, labelled["label"],
          pseudo, believed,
      )
    ramp = (1 - jnp.cos(jnp.pi * state.step / total_steps)) / 2
    scales = {"unlabelled": weight, "mixed_unlabelled": ramp}
    total = sum(scales.get(k, 1.0) * jnp.mean(v) for k, v in terms.items())
    memory = threshold.update(state.extra, everywhere)
    total += threshold.penalty(
        memory, *semi.gather((strong, believed), axis_name)
    )
    metrics = {f"loss_{name}": semi.mean_of(v) for name, v in terms.items()}
    metrics |= {
        "accuracy": semi.accuracy(x, labelled["label"]),
        "believed": semi.mean_of(believed),
        "loss": (total * len(x), len(x)),
    }
    return total, base.Aux(model_state, metrics, seen)

  return semi.method_of(
      network, loss, num_classes=num_classes, ema_decay=ema_decay,
      unlabelled=semi.WEAK_AND_STRONG,
      memory=lambda: threshold.init(num_classes, num_unlabelled),
      remember=threshold.update,
      mixes=mixing and mixing.pictures, note=mixing.note if mixing else "",
  )


def make(
    parts: base.Parts,
    *,
    threshold: Mapping[str, Any] = {"name": "fixed"},
    heads: int = 2,
    favour: str = "unlabelled",
    one_sided: bool = True,
    **options,
) -> base.Method:
  """The method of a run; its `mix` is `identity` for plain FixMatch.

  Args:
    parts: What the run gives.
    threshold: Name and options of one of `THRESHOLDS`.
    heads: See `semi_mixing.mixing`, as the next two.
    favour: Likewise.
    one_sided: Likewise.
    **options: Others of `fixmatch`.

  Returns:
    The method.

  Raises:
    ValueError: For a mixer that needs guidance, unknown names, and options out
      of range.
  """
  spec = {"name": "fixmatch", **options}
  configured = names.configure("method", {"fixmatch": fixmatch}, spec)
  mixing = semi_mixing.of_parts(
      parts, heads=heads, favour=favour, one_sided=one_sided
  )
  outputs = parts.num_classes * (mixing.heads if mixing else 1)
  weighing = names.configure("threshold", thresholds.THRESHOLDS, threshold)
  return configured(
      parts.network(outputs), num_classes=parts.num_classes,
      num_unlabelled=parts.num_unlabelled, total_steps=parts.total_steps,
      threshold=weighing(), mixing=mixing, axis_name=AXIS,
  )
