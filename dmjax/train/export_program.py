"""The predictions of a run as a StableHLO program, which JAX alone can run."""

import json
import pathlib
from typing import Any

import jax
from jax import export
import numpy as np

import dmjax
from dmjax import methods
from dmjax.train import prediction
from dmjax.train import workdir as workdir_lib
from dmjax.train.run import Run

ENDINGS, BESIDE = (".stablehlo", ".bin"), (".json",)
PLATFORMS = ("cpu", "cuda", "tpu")


def check(config: Any, workdir: pathlib.Path, batch: int | None) -> None:
  """Raises ValueError for a run whose inputs do not stand alone."""
  del batch
  if not workdir_lib.blank_sources(workdir):
    raise ValueError(
        f"--to stablehlo: the examples of {config.data.name!r} share arrays, such"
        " as a graph, and a program takes inputs that stand alone;"
        " dmjax.load brings the run into code of your own"
    )


def make(
    run: Run, state: methods.TrainState, path: pathlib.Path, batch: int | None
) -> tuple[dict[pathlib.Path, bytes], list[str]]:
  """`predict` with its parameters, and a JSON file of what it takes and gives.

  Args:
    run: A trained run.
    state: Its state.
    path: Of the program.
    batch: Size of its batches; any by default.

  Returns:
    The contents of both files, and how to load the program.

  Raises:
    ValueError: For a network whose batches cannot be of any size.
  """
  exported = _export(run, jax.device_get(state), batch)
  facts = _facts(run, state, exported, path)
  contents = {
      path: bytes(exported.serialize()),
      path.with_suffix(BESIDE[0]): _lines(facts).encode(),
  }
  return contents, [
      "from jax import export  # Of pip install jax flatbuffers.",
      f"logits = export.deserialize(open({str(path)!r}, 'rb').read()).call(x)",
  ]


def _export(run, state, batch):
  predict = jax.jit(lambda x: run.method.predict(state, {"x": x}))
  size = batch or export.symbolic_shape("batch")[0]
  x = jax.ShapeDtypeStruct((size, *_shape(run)), run.example["x"].dtype)
  try:
    return export.export(predict, platforms=PLATFORMS)(x)
  except (TypeError, jax.errors.InconclusiveDimensionOperation) as error:
    if batch:
      raise
    said = " ".join(str(error).split())
    raise ValueError(
        "--batch: this network has to know the size of its batches"
        f" ({said:.80}); give a number"
    ) from error


def _shape(run):
  """Of an input; images are of the size that they are evaluated at."""
  if run.sources["test"].kind != "image":
    return run.example["x"].shape[1:]
  side = prediction.image_side(run)
  return (side, side, run.example["x"].shape[-1])


def _facts(run, state, exported, path):
  source = run.sources["test"]
  (x,), (logits,) = exported.in_avals, exported.out_avals
  return {
      "program": path.name,
      "format": "StableHLO, jax.export",
      "platforms": exported.platforms,
      "input": _described(x) | {
          "kind": source.kind, "range": [0, 1] if source.mean is None else None,
      },
      "output": _described(logits) | {"kind": "logits"},
      "class_names": source.class_names,
      "network": run.config.model.name,
      "step": int(np.asarray(state.step)),
      "versions": {"dmjax": dmjax.__version__, "jax": jax.__version__},
  }


def _lines(facts):
  """JSON with a fact on each line."""
  lines = [f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in facts.items()]
  return "{\n" + ",\n".join(lines) + "\n}\n"


def _described(array):
  """Shape and dtype; a size that is not fixed has a name."""
  shape = [s if isinstance(s, int) else str(s) for s in array.shape]
  return {"shape": shape, "dtype": str(array.dtype)}
