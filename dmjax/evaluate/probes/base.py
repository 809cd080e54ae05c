"""What a probe is: cases to try a network on, and what becomes of each row.

A probe says what happens to single rows; sums, means and curves are made of them
on the host. So nothing depends on the batch size or the number of devices, and
two runs are compared row by row.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

Outcomes = dict[str, Any]


class Model(NamedTuple):
  """What a probe sees of a trained run.

  Attributes:
    logits: `(state, x) -> [B, C]`, in evaluation. Images are in [0, 1].
    network: Its network, see `dmjax.models.Network`.
    variables: `state -> variables` of the network.
    num_classes: C.
    embed: `(state, x) -> [B, D]`, of any examples; None where nobody asks.
  """

  logits: Callable[[Any, Any], jax.Array]
  network: Any
  variables: Callable[[Any], dict[str, Any]]
  num_classes: int
  embed: Callable[[Any, Any], jax.Array] | None = None


class Options(NamedTuple):
  """What can be asked of probes.

  Attributes:
    eps: Radii of attacks, in pixels of 255.
    steps: Of `pgd`.
    restarts: Of `pgd`.
    ood: Another dataset, for `ood`; empty for none.
    corrupted: A folder of public arrays such as CIFAR-10-C's, for
      `corruptions`; empty to corrupt here.
    data_dir: Where TFDS datasets lie.
    kind: Of the inputs, see `Probe.kinds`.
    trials: Another split of the data, for `verification`; empty for the test
      rows.
  """

  eps: tuple[float, ...] = (1, 2, 4, 8)
  steps: int = 10
  restarts: int = 1
  ood: str = ""
  corrupted: str = ""
  data_dir: str = ""
  kind: str = "image"
  trials: str = ""


class Case(NamedTuple):
  """One way to try a network: a line of the table.

  Attributes:
    name: In the table: `eps 2/255`.
    program: Cases of one program share a compiled function.
    setting: What it is given, numbers by name.
    place: On the horizontal axis of the picture.
    series: The curve of the picture that it belongs to.
    data: Names rows that `Probe.source` makes of the test rows.
    dataset: Names another dataset, whose rows are tried instead; what runs the
      probe opens it.
    split: Names another split of the same dataset, likewise.
  """

  name: str
  program: str = ""
  setting: Mapping[str, float] = {}
  place: float = 0.0
  series: str = ""
  data: str = ""
  dataset: str = ""
  split: str = ""


class Probe(NamedTuple):
  """A probe, as its file ends in one.

  Attributes:
    about: What it tells, in a line.
    kinds: Kinds of input that it is for; empty for all.
    cases: `options -> cases`; raises ValueError for options out of range, and
      gives none where the options do not ask for it.
    measure: `(model, program) -> (state, batch, setting) -> outcomes`, pure, on
      the device. A batch has `x`, `label`, a `key` for each row, and `other`
      with the `x` and `label` of another row. Outcomes are arrays `[B, ...]`.
    summarize: `(cases, outcomes of each on the host, labels [N]) -> metrics of
      each`.
    axis: What the place of the cases is.
    metric: Of these, the one that is drawn and compared.
    row: The outcome whose mean over rows is that metric, NaN where a row does
      not count; empty where it is no mean.
    source: `(case, source of the test rows, options) -> Source` for cases that
      name other data; it may be a changed view of the test rows.
    draw: `(axes, cases, {run: metrics of each case}, metric=)`; curves of `metric`
      over `place` where None.
    on_request: Tried only where it is asked for by name.
  """

  about: str
  cases: Callable[[Options], Sequence[Case]]
  measure: Callable[[Model, str], Callable[..., Outcomes]]
  summarize: Callable[..., list[dict[str, Any]]]
  kinds: tuple[str, ...] = ()
  axis: str = ""
  metric: str = "top1"
  row: str = "hit"
  source: Callable[..., Any] | None = None
  draw: Callable[..., None] | None = None
  on_request: bool = False


def judged(logits: jax.Array, labels: jax.Array) -> Outcomes:
  """What is kept of a row that was classified.

  Args:
    logits: `[B, C]`.
    labels: `int[B]`.

  Returns:
    `hit` and `nll`, `float32[B]`.
  """
  logits = logits.astype(jnp.float32)
  nll = -jnp.take_along_axis(
      jax.nn.log_softmax(logits), labels[:, None], axis=1
  )[:, 0]
  hit = (jnp.argmax(logits, -1) == labels).astype(jnp.float32)
  return {"hit": hit, "nll": nll}


def means(
    cases: Sequence[Case], outcomes: Sequence[Outcomes], labels: np.ndarray
) -> list[dict[str, Any]]:
  """`top1` and `nll` of every case, of what `judged` kept."""
  del cases, labels
  return [
      {"top1": float(np.mean(o["hit"], dtype=float)),
       "nll": float(np.mean(o["nll"], dtype=float))}
      for o in outcomes
  ]
