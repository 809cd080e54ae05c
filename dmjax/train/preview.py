"""What augmentation and mixers make of a batch, as drawing."""

import collections
import pathlib

import jax
import jax.numpy as jnp
import numpy as np

from dmjax import methods
from dmjax import randomness
from dmjax.methods import stand_ins
from dmjax.train import augmentation
from dmjax.train import comparisons
from dmjax.train import drawing
from dmjax.train import mixing
from dmjax.train import plots
from dmjax.train import scatter
from dmjax.train.run import Run

LAMBDAS = (0.1, 0.3, 0.5, 0.7, 0.9)

_COLUMNS = 8
_CANDIDATES = 32  # Rows that are mixed, of which the columns are chosen.
_POINTS = 256  # Drawn of what is no picture.


def save(run: Run, path: pathlib.Path) -> None:
  """Draws mixes of random rows of training, with their weights.

  As far as there are, each is of another class, and mixed with another one.
  What is no picture is drawn as points, and mixes on the lines between them.

  Args:
    run: The run.
    path: The picture.
  """
  if run.config.unlabelled.split:
    return save_streams(run, path)
  x, labels, mixed, stages = _mixed(run)
  draw, row = _columns(labels, mixed)
  shown = jax.tree.map(lambda leaf: leaf[draw, row], mixed)
  names, domain = run.pipeline("train").class_names, run.domain
  words = {"title": plots.title_of(run.config), "note": _note(run)}
  if domain.points:
    return scatter.mixed_batch(
        domain.points(x), labels, shown, names, path, **words
    )
  shown = shown._replace(x=domain.pictures(shown.x))
  drawing.mixed_batch(
      domain.pictures(x), labels, shown, names, path, stages=stages[draw, row],
      **words,
  )


def save_streams(run: Run, path: pathlib.Path) -> None:
  """Draws both streams of semi-supervised training, in all their views.

  Args:
    run: The run.
    path: The picture.
  """
  data, method = run.training(), run.method
  batch = data.batches(_COLUMNS * jax.process_count(), run.config.seed).next()

  @jax.jit
  def prepare(key, batch, shared):
    view_key, mix_key = jax.random.split(key)
    batch = augmentation.views(
        view_key, data.select(batch, shared), method.views, run.augment
    )
    return batch, method.mixes(mix_key, batch) if method.mixes else {}

  found, mixed = jax.device_get(prepare(_key(run), batch, data.shared))
  labelled, unlabelled = found["labelled"], found["unlabelled"]
  title = f"{plots.title_of(run.config)}: labelled and unlabelled {run.domain.unit}"
  if run.domain.points:
    x = labelled[next(iter(method.views["labelled"]))]
    return scatter.mixed_batch(
        run.domain.points(x), labelled["label"], None, data.class_names, path,
        title=title,
    )
  rows = {f"labelled {n}".removesuffix(" x"): labelled[n]
          for n in method.views["labelled"]}
  rows |= {name: unlabelled[name] for name in method.views["unlabelled"]}
  names = [
      drawing.name_of(data.class_names, label) for label in labelled["label"]
  ]
  rows |= {name.replace("_", " "): images for name, images in mixed.items()}
  drawing.views(
      {name: run.domain.pictures(x) for name, x in rows.items()},
      path, names=names[:_COLUMNS], title=title,
  )


def _mixed(run):
  """Inputs, labels, `D` mixes of them, and the stage of each `[D, B]`.

  Mixes that are drawn as points have no inputs: shares tell where they lie.
  """
  data, mixer = run.pipeline("train"), run.mixer
  # Mixers of hidden layers draw a stage per batch: several draws show several.
  draws = _COLUMNS if mixer.guidance.hidden else 1

  # In one compiled call: op by op it took a fifth of a short run.
  @jax.jit
  def draw(key, batch, shared):
    batch = data.select(batch, shared)
    options = stand_ins.training_free(mixer.guidance, batch["x"])
    if mixer.guidance.hidden:
      options["stage"] = 0  # What becomes of the input, not of features.

    def mix(key):
      mixed = mixer.mix(key, batch["x"], **options)
      if run.domain.points:
        mixed = mixed._replace(x=mixed.weights)
      return mixed, _stage(run, key, len(batch["x"]))

    mixed = jax.lax.map(mix, jax.random.split(key, draws))
    return batch["x"], batch["label"], *mixed

  rows_key, key = jax.random.split(_key(run))
  rows = np.asarray(jax.random.permutation(rows_key, data.size))
  rows = rows[: _POINTS if run.domain.points else _CANDIDATES]
  return jax.device_get(draw(key, data.rows(rows), data.shared))


def _stage(run, key, batch):
  """The stage at which each row is mixed, `int32[B]`; 0 for the input."""
  # What is drawn depends on key and B alone: a probe finds where it acts.
  x = jnp.arange(batch, dtype=jnp.float32).reshape(-1, 1, 1, 1)
  x = jnp.broadcast_to(x, (batch, 2, 2, 1))
  found = jnp.zeros(batch, jnp.int32)
  for stage in sorted(mixing.stages_of(run.config.mix) - {0}):
    mixed = run.mixer.mix(key, x, stage=stage).x
    found = jnp.where(jnp.any(mixed != x, axis=(1, 2, 3)), stage, found)
  return found


def _columns(labels, mixed):
  """Draws and rows: of each draw in turn a class that is not shown yet."""
  draws, batch = mixed.weights.shape[:2]
  other = labels[mixed.sources] != labels[mixed.sources[..., :1]]
  plain = ~np.any(other & (mixed.weights > 0), axis=2)
  shown, rows = collections.Counter(), []
  for column in range(min(_COLUMNS, batch)):
    left = [row for row in range(batch) if row not in rows]
    rank = lambda row: (shown[labels[row]], plain[column % draws, row])
    rows.append(min(left, key=rank))
    shown[labels[rows[-1]]] += 1
  return np.arange(len(rows)) % draws, np.array(rows)


def _note(run):
  """What the picture cannot show of training."""
  needs = run.mixer.guidance
  stand_in = " and ".join(sorted(needs.before))
  notes = {
      "Where a stage is named, its output is mixed inside the network, and the"
      " input stays as it is.": needs.hidden and run.domain.pictures,
      "Rows are mixed inside the network: they lie where their shares say.":
          needs.hidden and run.domain.points,
      "Features are mixed, not the inputs, whose blends stand for theirs.":
          run.method.mixes_features,
      f"Guided by a stand-in for {stand_in} that needs no network.": stand_in,
      "The forward pass on the mix then changes the weights.": needs.after,
      "The pairs; what is learned of mixing them is in masks.png.":
          run.method.learned,
  }
  return "\n".join(note for note, holds in notes.items() if holds)


def save_augmented(run: Run, path: pathlib.Path) -> None:
  """Draws the first training images as they are augmented, before mixing.

  Args:
    run: The run.
    path: The picture.
  """
  data = run.pipeline("train")
  most = _POINTS if run.domain.points else 24
  count = min(most, data.size) // 8 * 8 or data.size
  batch = data.batches(count, run.config.seed).next()

  def prepare(key, batch, shared):
    batch = data.select(batch, shared)
    return run.augment["weak"](key, batch["x"]), batch["label"]

  shown = jax.jit(prepare)(_key(run), batch, data.shared)
  x, labels = jax.device_get(shown)
  title = f"{pathlib.Path(run.config.data.name).name}: augmented, not mixed yet"
  if run.domain.points:
    return scatter.mixed_batch(
        run.domain.points(x), labels, None, data.class_names, path, title=title
    )
  names = [drawing.name_of(data.class_names, label) for label in labels]
  drawing.images(run.domain.pictures(x), path, names=names, title=title)


def _key(run):
  return randomness.for_purpose(jax.random.key(run.config.seed), "preview")


STAGES = {"augment": save_augmented, "mix": save}


def save_masks(
    run: Run, learned: methods.Learned, path: pathlib.Path
) -> None:
  """Draws inputs, masks and mixed images of a few pairs for several lambdas.

  Args:
    run: The run, whose first test images are mixed.
    learned: The Mix Block.
    path: The picture.
  """
  data, mixer = run.pipeline("test"), methods.as_mixer(learned)

  @jax.jit
  def draw(images, lam):
    return mixer(jax.random.key(0), images, lam=lam, partner="roll")

  rows = data.rows(np.arange(min(6, data.size)))
  images = jax.jit(data.select)(rows, data.shared)["x"]
  mixed = [jax.device_get(draw(images, lam)) for lam in LAMBDAS]
  comparisons.masks(jax.device_get(images), mixed, LAMBDAS, path)
