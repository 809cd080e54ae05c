"""Exports give the logits of the run, without the run."""

import functools
import json
import pathlib
import shutil
import subprocess
import sys

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors
from safetensors import numpy as safetensors_numpy

from dmjax import main
from dmjax import models
from dmjax import recipes
from dmjax.commands import exits
from dmjax.data import base
from dmjax.models import layouts
from dmjax.train import export
from dmjax.train import export_parameters
from dmjax.train import export_program
from dmjax.train import run as run_lib
from dmjax.train import starting
from tests import tiny_config
from tests import tiny_semi_config

SIDE = 32
# What makes a network of a layout small, by the beginning of its name.
SMALL = {
    "resnet": dict(depths=(1, 1), widths=(4, 8)),
    "resnext": dict(depths=(1, 1), widths=(4, 8), groups=2, group_width=32),
    "mobilenetv2": dict(stages=((1, 8, 1, 1), (2, 12, 1, 2)), last_width=16),
    "efficientnet": dict(
        stages=((1, 8, 1, 1, 3), (4, 12, 1, 2, 5)), last_width=16
    ),
    "deit": dict(patch=8, width=12, depth=2, heads=3),
    "convnext": dict(depths=(1, 1), widths=(4, 8)),
    "swin": dict(width=12, depths=(2, 2), heads=(2, 4), window=4),
}


def small():
  """Every network with a layout, made small, once: names and options by module."""
  found = {}
  for name in models.MODELS:
    if layouts.has_layout(models.create(name, num_classes=1)):
      (options,) = [o for key, o in SMALL.items() if name.startswith(key)]
      module = models.create(name, num_classes=3, **options)
      found[module] = (name, options)
  return found


def filled(shapes):
  """Numbers in [0.1, 1] for a tree of shapes, all leaves others."""
  rng = np.random.default_rng(0)
  draw = lambda s: rng.uniform(0.1, 1, s.shape).astype(s.dtype)
  return jax.tree.map(draw, shapes)


def untrained(config, **sources):
  """A run that is not trained, and a state for it."""
  run = run_lib.assemble(config, **sources)
  init = lambda: run.method.init(jax.random.key(0), run.example)
  return run, filled(jax.eval_shape(init))


def of_rows(kind, shape, classes, **more):
  """A source of zeros."""
  row = {"x": np.zeros(shape, np.float32), "label": 0}
  names = tuple(map(str, range(classes)))
  return base.Source(lambda _: row, 8, names, kind, **more)


def export_to(capsys, workdir, form, path, *arguments):
  """Calls the command; the lines of Python that it prints."""
  capsys.readouterr()
  code = main.main([
      "export", "--workdir", str(workdir), "--to", form, "--out", str(path),
      *arguments,
  ])
  out = capsys.readouterr().out
  assert code == exits.OK and str(path) in out
  return out.split("\n\n")[1]


def images(rows, shape=(8, 8, 1)):
  return np.random.default_rng(rows).random((rows, *shape), np.float32)


@pytest.fixture(scope="module")
def loaded(tiny_run):
  """The run, its state and its logits: `images -> [B, 10]`."""
  run, state = run_lib.load(tiny_run[0])
  predict = jax.jit(run.method.predict)
  return run, state, lambda x: np.asarray(predict(state, {"x": x}))


@pytest.mark.parametrize(
    "model,name,options", [(m, *found) for m, found in small().items()],
    ids=[name for name, _ in small().values()],
)
def test_parameters_come_back_as_they_went(model, name, options, tmp_path):
  x = jnp.zeros((1, SIDE, SIDE, 3))
  init = lambda key: model.init(key, x, train=False)
  variables = filled(jax.eval_shape(init, jax.random.key(0)))
  state = {
      k: np.ascontiguousarray(v)
      for k, v in models.state_dict(model, variables).items()
  }
  assert len(state) == len(jax.tree.leaves(variables))
  safetensors_numpy.save_file(state, tmp_path / "a.safetensors")
  stem = {"stem": model.stem} if hasattr(model, "stem") else {}
  loaded, found = models.load_pretrained(
      name, tmp_path / "a.safetensors", image_size=SIDE, **options, **stem
  )
  # The same module of the same numbers: whatever it computes is the same.
  assert loaded == model
  chex.assert_trees_all_equal(found, variables)


@pytest.mark.parametrize("name", ("preact_resnet18", "wide_resnet28_2", ""))
def test_networks_take_batches_of_any_size(name):
  rows = jax.export.symbolic_shape("batch")[0]
  x = functools.partial(jnp.zeros, (rows, SIDE, SIDE, 3))
  modules = [models.create(name, num_classes=3)] if name else list(small())
  for module in modules:
    predict = functools.partial(module.init_with_output, train=False)
    logits, _ = jax.eval_shape(lambda: predict(jax.random.key(0), x()))
    assert logits.shape == (rows, 3)


def test_the_parameters_of_a_run_start_another_with_the_same_logits(
    tiny_run, loaded, capsys, tmp_path
):
  run, state, logits = loaded
  path = tmp_path / "resnet8.safetensors"
  usage = export_to(capsys, tiny_run[0], "safetensors", path)
  config = tiny_config.get_config()
  config.pretrained = str(path)
  started = starting.first_variables(run_lib.assemble(config))
  chex.assert_trees_all_equal(started, run.method.variables(state))
  # What is printed loads the same, and so does what the file says of itself.
  exec(usage, names := {})
  chex.assert_trees_all_equal(names["variables"], started)
  with safetensors.safe_open(path, "numpy") as file:
    facts = file.metadata()
  mean, std = json.loads(facts["mean"])[0], json.loads(facts["std"])[0]
  assert json.loads(facts["class_names"]) == list(map(str, range(10)))
  apply = jax.jit(lambda v, x: names["model"].apply(v, x, train=False))
  found = apply(names["variables"], (images(2) - mean) / std)
  np.testing.assert_allclose(found, logits(images(2)), rtol=1e-5, atol=1e-6)


ALONE = """
import sys
import jax
import numpy as np
{usage}
ours = {{"dmjax", "flax", "optax", "safetensors"}} & set(sys.modules)
assert not ours, ours
np.save("logits.npy", logits)
"""


def test_a_program_gives_the_logits_of_the_run_where_there_is_jax_alone(
    tiny_run, loaded, capsys, tmp_path
):
  path = tmp_path / "a.stablehlo"
  usage = export_to(capsys, tiny_run[0], "stablehlo", path)
  np.save(tmp_path / "x.npy", images(3))
  code = ALONE.format(usage='x = np.load("x.npy")\n' + usage)
  subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
  found = np.load(tmp_path / "logits.npy")
  np.testing.assert_allclose(found, loaded[2](images(3)), rtol=1e-4, atol=1e-5)


def test_what_lies_beside_a_program_says_what_it_takes(
    tiny_run, capsys, tmp_path
):
  path = tmp_path / "a.bin"
  export_to(
      capsys, tiny_run[0], "stablehlo", path, "--batch", "2", "--step", "20"
  )
  facts = json.loads((tmp_path / "a.json").read_text())
  assert facts["input"] == {
      "shape": [2, 8, 8, 1], "dtype": "float32", "kind": "image", "range": [0, 1],
  }
  assert facts["output"]["shape"] == [2, 10] and facts["step"] == 20
  assert facts["class_names"] == list(map(str, range(10)))
  assert facts["platforms"] == ["cpu", "cuda", "tpu"]


def rows_of(kind, shape, **more):
  """A source of zeros, of three classes."""
  row = {"x": np.zeros(shape, np.float32), "label": 0}
  return base.Source(
      lambda _: row, 8, ("a", "b", "c"), kind, mean=(0.1,), std=(0.5,), **more
  )


@pytest.mark.parametrize(
    "recipe,kind,shape",
    (
        ("wine:mlp,mixup", "table", (13,)),
        ("spoken_digit:temporal_cnn,mixup", "sound", (8, 20, 1)),
    ),
)
def test_programs_of_other_inputs_take_batches_of_any_size(
    recipe, kind, shape, tmp_path
):
  source = rows_of(kind, shape)
  config = recipes.load(recipe)
  config.batch_size = 4
  run, state = untrained(config, train=source, test=source)
  path = tmp_path / "a.stablehlo"
  contents, _ = export_program.make(run, state, path, None)
  program = jax.export.deserialize(contents[path])
  facts = json.loads(contents[path.with_suffix(".json")])
  assert facts["input"]["shape"] == ["batch", *shape]
  assert facts["input"]["range"] is None
  for rows in (1, 3):
    x = images(rows, shape)
    expected = run.method.predict(state, {"x": x})
    np.testing.assert_allclose(program.call(x), expected, rtol=1e-4, atol=1e-5)


def test_of_outputs_beside_the_classes_none_is_exported():
  config = tiny_semi_config.get_config()
  config.mix = {"name": "mixup"}
  config.method = {"name": "remixmatch"}
  run, state = untrained(config)
  module = models.create("resnet8", num_classes=10, widths=(4, 8, 8))
  head = export_parameters.classifier(run, state, module)["params"]["head"]
  trained = state.ema["head"]
  assert trained["kernel"].shape[-1] > 10
  chex.assert_trees_all_equal(head, {
      "kernel": trained["kernel"][:, :10], "bias": trained["bias"][:10],
  })


def test_files_are_named_after_the_network_and_never_replaced(
    tiny_run, tmp_path
):
  workdir = tmp_path / "a"
  workdir.mkdir()
  for name in ("config.json", "data.json"):
    shutil.copy(tiny_run[0] / name, workdir)
  path = export.check(workdir, "safetensors")
  assert path == workdir / "resnet8.safetensors"
  path.touch()
  with pytest.raises(ValueError, match="resnet8.safetensors' is there already"):
    export.check(workdir, "safetensors")
  (workdir / "resnet8.json").touch()
  with pytest.raises(ValueError, match="resnet8.json' is there already"):
    export.check(workdir, "stablehlo")


def test_a_graph_is_not_exported(tmp_path):
  config = recipes.load("cora:gcn")
  (tmp_path / "config.json").write_text(config.to_json())
  (tmp_path / "data.json").write_text(json.dumps({
      "class_names": ["0"], "kind": "graph", "shape": [], "size": 1,
      "shared": True,
  }))
  with pytest.raises(ValueError, match="'cora' share arrays.*dmjax.load"):
    export.check(tmp_path, "stablehlo")
  with pytest.raises(ValueError, match="no names for model 'gcn', only for resn"):
    export.check(tmp_path, "safetensors")


def test_a_network_that_has_to_know_its_batch_says_so():
  source = rows_of("table", (13,))
  config = recipes.load("wine:mlp")
  config.batch_size = 4
  run, state = untrained(config, train=source, test=source)

  def predict(state, batch):
    return batch["x"] * jnp.ones((len(batch["x"]), 1))

  run = run._replace(method=run.method._replace(predict=predict))
  with pytest.raises(ValueError, match="--batch: .*give a number"):
    export_program.make(run, state, pathlib.Path("a.stablehlo"), None)
