"""Mixed inputs: whether a network sees both classes, and how much of each."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dmjax import mixers
from dmjax.evaluate import metrics as metrics_lib
from dmjax.evaluate.probes import base

_LAMBDAS = tuple(tenth / 10 for tenth in range(1, 10))


def cases(options: base.Options) -> list[base.Case]:
  """Every unguided mixer of inputs, at lambda = 0.1 ... 0.9.

  Mixers that have no `lam` to be given, such as `smoothmix`, are left out.
  Inputs that are no images are blended as a whole, by `mixup` alone.

  Args:
    options: Of the probes; `kind` decides between the mixers.

  Returns:
    The cases, by mixer.
  """
  images = options.kind == "image"
  return [
      base.Case(f"{name} {lam:.1f}", name, {"lam": lam}, lam, name)
      for name in (_unguided() if images else ["mixup"])
      for lam in _LAMBDAS
  ]


def _unguided():
  """Names of the mixers that need nothing but the inputs and a lambda."""
  return [
      name
      for name, mixer in mixers.MIXERS.items()
      if mixers.guidance_of(mixer) == mixers.needs()
      and "lam" in mixers.options_of(mixer)
  ]


def measure(model: base.Model, program: str):
  """What becomes of a row that is mixed with another.

  Args:
    model: The network.
    program: A mixer. Lambda is what it asks for; what it gets, say of a box
      that is clipped, is the weight.

  Returns:
    A function that gives, `float32[B]` each, `mixed_top1` and `mixed_top2` as
    `dmjax.evaluate.mixed_sums` counts them, NaN for a pair of one class, which
    does not count; `weight`, the true share of class a; and `share`, the
    network's: p_a / (p_a + p_b).
  """
  mixer = mixers.MIXERS[program]

  def mix(key, x, other, lam):
    pair = jnp.stack([x, other])
    mixed = mixer(key, pair, lam=lam, partner=jnp.array([1, 0]))
    return mixed.x[0], mixed.weights[0, 0]

  def outcomes(state, batch, setting):
    x, other = batch["x"], batch["other"]
    mixed, weight = jax.vmap(mix, (0, 0, 0, None))(
        batch["key"], x, other["x"], setting["lam"]
    )
    labels = jnp.stack([batch["label"], other["label"]], axis=1)
    logits = model.logits(state, mixed).astype(jnp.float32)
    return jax.vmap(_judged)(logits, labels) | {"weight": weight}

  return outcomes


def _judged(logits, labels):
  """Of one row: the means of a batch of one, and the share of class a."""
  sums = metrics_lib.mixed_sums(logits[None], labels[None], jnp.ones(1, bool))
  own, other = logits[labels]
  return {
      "mixed_top1": sums["mixed_top1"] / sums["mixed_count"],
      "mixed_top2": sums["mixed_top2"] / sums["mixed_count"],
      "share": jax.nn.sigmoid(own - other),
  }


def summarize(
    cases: Sequence[base.Case],
    outcomes: Sequence[base.Outcomes],
    labels: np.ndarray,
) -> list[dict[str, Any]]:
  """Means over the pairs of two classes.

  Args:
    cases: Mixers and lambdas.
    outcomes: As `measure` gives them.
    labels: Not used.

  Returns:
    `mixed_top1`, `mixed_top2`; `share_error`, the mean of |share - weight|; and
    the point (`weight`, `share`) of the calibration curve.
  """
  del cases, labels
  return [_metrics(one) for one in outcomes]


def _metrics(outcomes):
  pairs = ~np.isnan(outcomes["mixed_top1"])
  names = "mixed_top1", "mixed_top2", "share", "weight"
  rows = {name: outcomes[name][pairs].astype(float) for name in names}
  rows["share_error"] = np.abs(rows["share"] - rows["weight"])
  return {k: float(v.sum()) / max(len(v), 1) for k, v in rows.items()}


PROBE = base.Probe(
    about="both classes of a mixed input, by mixer and lambda",
    cases=cases,
    measure=measure,
    axis="lambda",
    summarize=summarize,
    kinds=("image", "sound", "table"),
    metric="mixed_top1",
    row="mixed_top1",
)
