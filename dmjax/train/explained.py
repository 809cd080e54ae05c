"""Pictures that explain a trained run: heat maps, and its loss along lines."""

from collections.abc import Callable, Mapping, Sequence
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
from matplotlib import figure as figure_lib
import numpy as np

from dmjax import losses
from dmjax import methods
from dmjax.evaluate import explanations
from dmjax.train import drawing
from dmjax.train import fitting
from dmjax.train import plots
from dmjax.train.run import Run

_MOST_CLASSES = 10
_CHUNK = 64  # Rows that are read at a time.
_PAIRS = 128
_POINTS = np.linspace(0, 1, 21, dtype=np.float32)


def save_cam(run: Run, state: methods.TrainState, path: pathlib.Path) -> None:
  """Draws what the network looks at in a test image of every class.

  The heat is Grad-CAM of the label at the last stage, or attention rollout for
  vision transformers. Of many classes ten are drawn.

  Args:
    run: The run, with its test data.
    state: Its state.
    path: The picture.

  Raises:
    ValueError: For inputs that are no images, and a network without maps.
  """
  if (kind := run.sources["test"].kind) != "image":
    raise ValueError(
        f"cam needs images, and the run is on inputs of kind {kind!r}; leave it"
        " out of --probes"
    )
  x, labels = _one_of_each(run)
  variables = run.method.variables(state)
  how, explain = _explainer(run.method.network, variables, x)
  heat = jax.jit(explain)(variables, x, labels)
  p = jax.jit(lambda x: jax.nn.softmax(run.method.predict(state, {"x": x})))(x)
  heat_maps(
      x, jax.device_get(heat), labels, jax.device_get(p),
      run.sources["test"].class_names, path,
      title=f"{plots.title_of(run.config)}\n{how}",
  )


def _explainer(network, variables, x):
  """What fits the network, in words and as `(variables, x, labels) -> heat`."""
  seen = explanations.stages(network, variables, x)
  last = max(seen)
  if seen[last].ndim == 3:  # Tokens.
    return "attention rollout to the class token", (
        lambda v, x, y: explanations.attention_rollout(network, v, x)
    )
  return f"Grad-CAM of the label at stage {last}", (
      lambda v, x, y: explanations.grad_cam(network, v, x, y, stage=last)
  )


def _one_of_each(run):
  """Test images `[B, H, W, C]` of different classes, and these, in order."""
  data, found = run.pipeline("test"), {}
  order = np.random.default_rng(0).permutation(data.size)
  wanted = min(_MOST_CLASSES, data.num_classes)
  for start in range(0, data.size, _CHUNK):
    for x, label in zip(*_read(data, order[start : start + _CHUNK])):
      if len(found) < wanted:
        found.setdefault(int(label), x)
    if len(found) == wanted:
      break
  labels = np.array(sorted(found), np.int32)
  return np.stack([found[label] for label in labels]), labels


def _read(data, rows):
  """Inputs and labels of some rows, on the host."""
  batch = data.select(data.rows(rows), data.shared)
  return jax.device_get((batch["x"], batch["label"]))


def heat_maps(
    images: np.ndarray,
    heat: np.ndarray,
    labels: np.ndarray,
    probabilities: np.ndarray,
    class_names: Sequence[str],
    path: pathlib.Path,
    *,
    title: str = "",
) -> None:
  """A column for each image: itself, the heat over it, what it is taken for.

  Args:
    images: `[B, H, W, C]` in [0, 1].
    heat: `[B, H, W]` in [0, 1].
    labels: `int[B]`.
    probabilities: `[B, classes]`; the largest is named below the column, in red
      where it is of another class.
    class_names: Names of the classes.
    path: The picture.
    title: Above the picture.
  """
  size = (max(1.15 * len(images), 4), 3.3)
  figure = figure_lib.Figure(figsize=size, layout="constrained")
  grid = figure.subplots(2, len(images), squeeze=False)
  for column, *row in zip(grid.T, images, heat, labels, probabilities):
    _draw_column(column, *row, class_names)
  grid[0, 0].set_ylabel("example", fontsize=9)
  grid[1, 0].set_ylabel("heat", fontsize=9)
  figure.suptitle(title, fontsize=9)
  figure.savefig(path, dpi=150)


def _draw_column(column, image, heat, label, p, class_names):
  said = int(np.argmax(p))
  name = drawing.name_of(class_names, said)
  drawing.show(column[0], image, drawing.name_of(class_names, label))
  drawing.show(column[1], image)
  # What is cold stays as it is.
  column[1].imshow(heat, cmap="YlOrRd", vmin=0, vmax=1, alpha=0.75 * heat)
  column[1].set_xlabel(
      drawing.caption([name], [p[said]]), fontsize=7.5,
      color="black" if said == label else "tab:red",
  )


def save_lines(
    run: Run,
    state: methods.TrainState,
    path: pathlib.Path,
    others: Mapping[str, tuple[Run, methods.TrainState]],
) -> None:
  """Draws the loss between pairs of test rows, and between this run and others.

  The former is of pairs of two classes, to the mixed label; the latter of the
  same test rows, while all variables go from those of one run to the other's.

  Args:
    run: The run, with its test data.
    state: Its state.
    path: The picture.
    others: Other runs on the same test data, by name; none or more.

  Raises:
    ValueError: For a graph without other runs, and for another network.
  """
  ends = {
      name: _fitting(f"lines: the network of {name!r}", run, state, *other)
      for name, other in others.items()
  }
  panels = []
  if run.sources["test"].kind != "graph":
    curves = _between_rows({"this run": (run, state), **others})
    panels.append(("between two test rows", "share of the second row", curves))
  elif not others:
    raise ValueError(
        "lines needs inputs that can be mixed, and the run is on a graph; name"
        " other runs with --against, or leave it out of --probes"
    )
  if others:
    curves = _between_runs(run, run.method.variables(state), ends)
    panels.append(("between two runs", "share of the other run", curves))
  lines(panels, path, title=plots.title_of(run.config))


def _fitting(what, run, state, other, its):
  """Variables of the other run; ValueError where the network is another."""
  found = other.method.variables(its)
  fitting.check(what, found, run.method.variables(state))
  return found


def _between_rows(runs):
  """Losses `[points, pairs]` of every run between test rows of two classes."""
  curves = {}
  for name, (run, state) in runs.items():
    x, labels = _some_rows(run, _PAIRS)
    other = np.roll(np.arange(len(x)), -1)
    pairs = np.flatnonzero(labels != labels[other])
    ends = [end[rows] for end in (x, labels) for rows in (pairs, other[pairs])]
    curves[name] = jax.device_get(jax.jit(_along(run.method, state))(*ends))
  entropy = np.array([-t * np.log(t) if t else 0.0 for t in _POINTS])
  return curves | {"least possible": (entropy + entropy[::-1])[:, None]}


def _along(method, state) -> Callable[..., jax.Array]:
  logits = lambda x: method.predict(state, {"x": x})
  return lambda *ends: explanations.loss_along_line(logits, *ends, _POINTS)


def _some_rows(run, count):
  """Inputs and labels of test rows, the same ones for all runs on them."""
  data = run.pipeline("test")
  rows = np.random.default_rng(0).permutation(data.size)
  return _read(data, rows[:count])


def _between_runs(run, variables, ends):
  """Losses `[points, rows]` of test rows on the way to every other run."""
  x, labels = _some_rows(run, run.config.evaluate.batch_size)

  @jax.jit
  def loss(t, variables0, variables1, x):
    between = explanations.interpolate(variables0, variables1, t)
    logits = run.method.network.predict(between, x)
    ones = jnp.ones((len(labels), 1))
    return losses.mixup_cross_entropy(logits, labels[:, None], ones)

  return {
      name: np.stack([loss(t, variables, end, x) for t in _POINTS])
      for name, end in ends.items()
  }


def lines(
    panels: Sequence[tuple[str, str, Mapping[str, Any]]],
    path: pathlib.Path,
    *,
    title: str = "",
) -> None:
  """A panel for each kind of line: the mean loss, and the middle half of rows.

  Args:
    panels: For each its title, what t is, and losses `[points, rows]` by name.
    path: The picture.
    title: Above the picture.
  """
  size = (4.6 * len(panels), 3.4)
  figure = figure_lib.Figure(figsize=size, layout="constrained")
  grid = figure.subplots(1, len(panels), squeeze=False)[0]
  names = list(dict.fromkeys(name for *_, curves in panels for name in curves))
  for axes, (what, share, curves) in zip(grid, panels):
    for name, found in curves.items():
      colour = f"C{names.index(name) % 10}"
      axes.plot(_POINTS, found.mean(axis=1), color=colour, label=name)
      low, high = np.quantile(found, (0.25, 0.75), axis=1)
      axes.fill_between(_POINTS, low, high, color=colour, alpha=0.15)
    axes.set(xlabel=share, ylabel="cross-entropy", xlim=(0, 1), ylim=(0, None))
    axes.set_title(what, fontsize=10)
    axes.legend(fontsize=8, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
  figure.suptitle(title, fontsize=10)
  figure.savefig(path, dpi=150)
