"""Probes of a trained run: their cases, over all test rows, on all devices."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
import tqdm

from dmjax import names as names_lib
from dmjax import parallel
from dmjax.data import pipelines
from dmjax.evaluate import probes as probes_lib
from dmjax.methods import embeddings
from dmjax.train import evaluation
from dmjax.train import other_rows
from dmjax.train.run import Run


class Found(NamedTuple):
  """What a probe has found out.

  Attributes:
    cases: Its cases.
    metrics: Of each case.
    outcomes: Of each case, arrays `[N, ...]` in the order of the test rows.
    labels: `int[N]`, of the rows.
  """

  cases: Sequence[probes_lib.Case]
  metrics: Sequence[Mapping[str, Any]]
  outcomes: Sequence[Mapping[str, np.ndarray]]
  labels: np.ndarray


def check(
    names: Sequence[str], kind: str, options: probes_lib.Options
) -> dict[str, Sequence[probes_lib.Case]]:
  """The cases of some probes; nothing is computed.

  Args:
    names: Keys of `PROBES`; none for all that fit, but for those on request.
    kind: Of the input.
    options: What is asked of them.

  Returns:
    Cases by probe.

  Raises:
    ValueError: For an unknown probe, one that is not for this kind of input, and
      options out of range.
  """
  for name in names:
    probe = names_lib.lookup("probe", name, probes_lib.PROBES)
    if probe.kinds and kind not in probe.kinds:
      raise ValueError(
          f"probe {name!r} is for inputs of kind {', '.join(probe.kinds)}, and"
          f" the run is on {kind!r}; leave it out of --probes"
      )
  fit = [
      name for name, probe in probes_lib.PROBES.items()
      if kind in (probe.kinds or (kind,)) and not probe.on_request
  ]
  cases = {
      name: probes_lib.PROBES[name].cases(options) for name in names or fit
  }
  return {name: found for name, found in cases.items() if found}


def probe(
    run: Run,
    state: Any,
    cases: Mapping[str, Sequence[probes_lib.Case]],
    options: probes_lib.Options,
    *,
    limit: int = 0,
    title: str = "",
) -> dict[str, Found]:
  """Tries a trained run on every case, with a progress bar.

  Args:
    run: The run, with its test data.
    state: Its state.
    cases: By probe, of `check`.
    options: What was asked of them.
    limit: Of the test rows so many, the same ones for all runs; 0 for all.
    title: Of the bar.

  Returns:
    What was found, by probe.
  """
  state = parallel.replicate(state)
  size = min(limit or run.sources["test"].size, run.sources["test"].size)
  total = sum(map(len, cases.values())) * size
  found = {}
  with tqdm.tqdm(desc=title, total=total, unit=run.domain.unit, unit_scale=True,
                 disable=None) as bar:
    for name, of_probe in cases.items():
      bar.set_postfix_str(name)
      tried = _try(run, state, probes_lib.PROBES[name], of_probe, options, limit,
                   bar.update)
      labels = tried[0]["label"]
      metrics = probes_lib.PROBES[name].summarize(of_probe, tried, labels)
      found[name] = Found(of_probe, metrics, tried, labels)
  return found


def _try(run, state, asked, cases, options, limit, advance):
  """Outcomes of each case, on the host, by row."""
  model = probes_lib.Model(
      logits=lambda state, x: run.method.predict(state, {"x": x}),
      network=run.method.network, variables=run.method.variables,
      num_classes=run.sources["test"].num_classes,
      embed=embeddings.of_method(run.method),
  )
  compiled, found = {}, []
  for case in cases:
    pipeline = _pipeline(run, asked, case, options)
    if case.program not in compiled:
      measure = asked.measure(model, case.program)
      compiled[case.program] = parallel.pmap(_step(measure, pipeline))
    found.append(_outcomes(
        compiled[case.program], state, case.setting, pipeline,
        run.config.evaluate.batch_size, limit, advance,
    ))
  return found


def _pipeline(run, asked, case, options):
  """Of the test rows, or of the other data that a case names."""
  if case.dataset or case.split:
    return other_rows.open_pipeline(run, case, options.data_dir)
  if not case.data:
    return run.pipeline("test")
  source = asked.source(case, run.sources["test"], options)
  return pipelines.open_pipeline(run.config.data, source, "test")


def _step(measure: Callable[..., Any], pipeline):
  """Outcomes of a batch, of the rows of all devices."""
  prepare = evaluation.preparer(pipeline)

  def step(state, batches, shared):
    batch = jax.tree.map(lambda x: x[0], batches)
    batch = prepare(batch, shared["data"])
    rows = {key: batch[key] for key in ("label", "number", "valid")}
    found = rows | measure(state, batch, shared["setting"])
    return (), jax.lax.all_gather(found, parallel.AXIS, tiled=True)

  return step


def _outcomes(step, state, setting, pipeline, batch_size, limit, advance):
  """Arrays over all rows, in their order, without padding."""
  shared = {
      "data": pipeline.shared,
      "setting": {k: np.float32(v) for k, v in setting.items()},
  }
  parts = []
  for batch in evaluation.batches(pipeline, batch_size, limit):
    parts.append(step(state, parallel.shard(batch), shared)[1])
    # Waits for the batch before: this one is computed while the next is read.
    parts[-2:-1] = jax.device_get(parts[-2:-1])
    advance(int(batch["valid"].sum()) * jax.process_count())
  parts = jax.device_get(parts)
  whole = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
  order = np.argsort(whole["number"], kind="stable")
  order = order[whole["valid"][order]]
  return {key: values[order] for key, values in whole.items() if key != "valid"}
