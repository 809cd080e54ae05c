"""What a run tells people: progress line, metrics.jsonl, TensorBoard, curves."""

import json
import pathlib
import statistics
import sys
import time
from typing import Any

import jax
import numpy as np
import tensorboardX
import tqdm

from dmjax.train import plots
from dmjax.train import workdir as workdir_lib


class Diverged(RuntimeError):
  """The loss is no longer a finite number."""


class Reporter:
  """Writes metrics and shows progress, on the first process alone.

  `metrics.jsonl` holds one object per report. A resumed run drops the rows
  after the step it resumes from, so that no step stands there twice.
  """

  def __init__(
      self,
      workdir: pathlib.Path,
      *,
      step: int,
      total: int,
      batch_size: int,
      note: str = "",
  ):
    self._batch_size = batch_size
    self._pending: list[tuple[int, Any]] = []
    self._active = jax.process_index() == 0
    self._seconds, self._images, self._since = 0.0, 0, None
    self.workdir = workdir
    if self._active:
      self._truncate(step)
      self._events = tensorboardX.SummaryWriter(
          str(workdir / "tensorboard"), purge_step=step + 1 if step else None
      )
    # Where the output is no terminal, a line every ten seconds is enough.
    self._bar = tqdm.tqdm(
        total=total * batch_size, initial=step * batch_size, unit="img",
        unit_scale=True, disable=not self._active, dynamic_ncols=True,
        mininterval=0.1 if sys.stderr.isatty() else 10, desc=f"train ({note})" if note else "train",
    )

  def _truncate(self, step):
    path = self.workdir / "metrics.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    rows = [line for line in lines if _is_before(line, step)]
    workdir_lib.write_whole(path, "".join(row + "\n" for row in rows))

  def start(self) -> None:
    """Starts the clock of images/s, unless it runs."""
    if self._since is None:
      self._since = time.perf_counter()

  def stop(self) -> None:
    """Reads what is pending and stops the clock: for evaluation and saving."""
    self.flush()
    if self._since is not None:
      self._seconds += time.perf_counter() - self._since
    self._since = None

  @property
  def images_per_second(self) -> float:
    """Training images per second while the clock ran."""
    return self._images / self._seconds if self._seconds else 0.0

  def step(self, step: int, metrics: Any, steps: int) -> None:
    """Notes the metrics of a call that ended at `step`, still on the device."""
    self._pending.append((step, metrics))
    self._bar.update(steps * self._batch_size)
    if self._since is not None:
      self._images += steps * self._batch_size

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
    sums = jax.tree.map(lambda *leaves: np.concatenate(leaves), *calls)
    self._pending = []
    means = {k: total.sum() / n.sum() for k, (total, n) in sums.items()}
    self._check(step, sums["loss"][0])
    if self._active:
      means["images_per_second"] = self.images_per_second
      self.write(step, {f"{name}/{k}": float(v) for k, v in means.items()})
      self._bar.set_postfix_str(f"loss {means['loss']:.3f}", refresh=False)

  def _check(self, step, losses):
    bad = np.flatnonzero(~np.isfinite(losses))
    if bad.size:
      steps = step - len(losses) + 1 + bad
      raise Diverged(
          f"the loss is {losses[bad[0]]} at step {steps[0]} ({bad.size} of the"
          f" steps {step - len(losses) + 1} to {step}); lower optimizer.lr, clip"
          " gradients with optimizer.clip_norm, or lengthen schedule.warmup."
          " The last checkpoint is from before."
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
    self._bar.close()
    if self._active:
      self._events.close()
      rows = read_metrics(self.workdir)
      plots.curves(rows, self.workdir / "curves.png")


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
