"""What a run tells people: progress, metrics.jsonl, TensorBoard, curves."""

import json
import pathlib
import statistics
import sys
from typing import Any

import jax
import numpy as np
import tensorboardX

from dmjax.data import base
from dmjax.train import display
from dmjax.train import pace
from dmjax.train import plots
from dmjax.train import workdir as workdir_lib

WAY_OUT = (
    "lower optimizer.lr, clip gradients with optimizer.clip_norm, or lengthen"
    " schedule.warmup. The last checkpoint is from before"
)
# Share of the time that the input takes, above which people are told.
_MUCH = 0.5


class Diverged(RuntimeError):
  """Loss, gradients or parameters are no longer finite numbers."""


class Reporter:
  """Writes metrics and shows progress, on the first process alone.

  `metrics.jsonl` holds one object per report. A resumed run drops the rows
  after the step it resumes from, so that no step stands there twice. The
  `examples_per_second` of a report are those of the last ten seconds, and
  `input_share` the share of these that the input took; both are left out of the
  first where that holds nothing but the compiling call.
  """

  def __init__(
      self,
      workdir: pathlib.Path,
      *,
      step: int,
      total: int,
      batch_size: int,
      note: str = "",
      unit: str = "examples",
  ):
    self._batch_size, self._total, self._unit = batch_size, total, unit
    self._pending: list[tuple[int, Any]] = []
    self._active = jax.process_index() == 0
    self._pace, self._loss = pace.Pace(), None
    self.workdir = workdir
    if self._active:
      self._truncate(step)
      self._events = tensorboardX.SummaryWriter(
          str(workdir / "tensorboard"), purge_step=step + 1 if step else None
      )
    if self._active and note:  # A line of its own: a bar has no room for it.
      print(f"every step costs {note}", file=sys.stderr)
    self._display = display.open_display(step, total, active=self._active)

  def _truncate(self, step):
    path = self.workdir / "metrics.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    rows = [line for line in lines if _is_before(line, step)]
    workdir_lib.write_whole(path, "".join(row + "\n" for row in rows))

  def watch(self, stream: base.Stream) -> base.Stream:
    """The stream, whose time counts as waiting for the input."""

    def following():
      with self._pace.waiting():
        return stream.next()

    return stream._replace(next=following)

  def start(self) -> None:
    """Starts the clock of examples/s, unless it runs."""
    self._pace.start()

  def stop(self) -> None:
    """Reads what is pending and stops the clock: for evaluation and saving."""
    self.flush()
    self._pace.stop()

  @property
  def examples_per_second(self) -> float:
    """Of the whole training while the clock ran, 0 before it did."""
    return self._pace.mean

  def step(self, step: int, metrics: Any, steps: int) -> None:
    """Notes the metrics of a call that ended at `step`, still on the device."""
    self._pending.append((step, metrics))
    self._pace.add(steps * self._batch_size)
    self._show(step)

  def _show(self, step):
    words = [] if self._loss is None else [f"loss {self._loss:.3f}"]
    if self._pace.rate:
      left = self._pace.remaining((self._total - step) * self._batch_size)
      words.append(f"{self._pace.rate:,.0f} {self._unit}/s")
      words.append(f"ETA {pace.in_words(left)}")
      if self._pace.waited > _MUCH:
        words.append(f"{self._pace.waited:.0%} of the time waits for input")
    self._display.show(step, ", ".join(words))

  def flush(self, name: str = "train") -> None:
    """Reads what is pending, writes its mean, and checks that it is finite.

    Args:
      name: Prefix of the metrics.

    Raises:
      Diverged: For a loss that is NaN or Inf, naming the steps.
    """
    if not self._pending:
      return
    step = self._pending[-1][0]
    calls = jax.device_get([metrics for _, metrics in self._pending])
    self._pace.mark()  # Metrics on the host: the steps have run.
    sums = jax.tree.map(lambda *leaves: np.concatenate(leaves), *calls)
    self._pending = []
    means = {k: total.sum() / n.sum() for k, (total, n) in sums.items()}
    self._check(step, sums)
    self._loss = means["loss"]
    if self._pace.rate:
      means["examples_per_second"] = self._pace.rate
      means["input_share"] = self._pace.waited
    self.write(step, {f"{name}/{k}": float(v) for k, v in means.items()})
    self._show(step)

  def _check(self, step, sums):
    for key, what in (("loss", "loss"), ("grad_norm", "gradient norm")):
      values = sums[key][0] if key in sums else np.zeros(1)
      bad = np.flatnonzero(~np.isfinite(values))
      if bad.size:
        first = step - len(values) + 1
        raise Diverged(
            f"the {what} is {values[bad[0]]} at step {first + bad[0]} ({bad.size}"
            f" of the steps {first} to {step}); {WAY_OUT}"
        )

  def write(self, step: int, metrics: dict[str, float]) -> None:
    """Writes one row of metrics."""
    if not self._active:
      return
    with open(self.workdir / "metrics.jsonl", "a", encoding="utf-8") as file:
      file.write(json.dumps({"step": step, **metrics}) + "\n")
    for name, value in metrics.items():
      self._events.add_scalar(name, value, step)

  def close(self) -> None:
    """Ends the progress line and draws the curves."""
    self._display.close()
    if self._active:
      self._events.close()
      rows = read_metrics(self.workdir)
      plots.curves(rows, self.workdir / "curves.png", title=self._title())

  def _title(self):
    if not (self.workdir / "config.json").is_file():
      return self.workdir.name
    return plots.title_of(workdir_lib.read_config(self.workdir))


def read_metrics(workdir: pathlib.Path) -> list[dict[str, float]]:
  """The rows of `metrics.jsonl`."""
  lines = (workdir / "metrics.jsonl").read_text().splitlines()
  return [json.loads(line) for line in lines]


def by_rule(workdir: pathlib.Path, rule: str, last: int) -> float:
  """The test top-1 of a run by the rule of a published table.

  Args:
    workdir: Of the run.
    rule: `best`, `last` or `median`.
    last: Of how many of the last evaluations; 0 for all.

  Returns:
    The fraction, NaN before the first evaluation.
  """
  rows = read_metrics(workdir)
  values = [row["test/top1"] for row in rows if "test/top1" in row] or [np.nan]
  rules = {
      "best": max, "last": lambda values: values[-1],
      "median": statistics.median,
  }
  return rules[rule](values[-last:])


def _is_before(line: str, step: int) -> bool:
  """False for rows after a step, and for one cut short by a crash."""
  try:
    return json.loads(line)["step"] <= step
  except ValueError:
    return False
