"""Pictures of a run say what they show."""

import types

import jax
import jax.numpy as jnp
from matplotlib import figure as figure_lib
import numpy as np
import pytest

from dmjax import mixers
from dmjax.data import images
from dmjax.train import drawing
from dmjax.train import mixing
from dmjax.train import plots
from dmjax.train import preview

DIGITS = tuple(str(digit) for digit in range(10))


@pytest.fixture
def drawn(monkeypatch):
  """The figures that were saved."""
  figures = []
  monkeypatch.setattr(
      figure_lib.Figure, "savefig", lambda self, *_, **__: figures.append(self)
  )
  return figures


def evaluated(step):
  return {"step": step, "test/nll": 1.0, "test/top1": 0.5,
          "test/mixed_top1": 0.4, "test/mixed_top2": 0.1}


@pytest.mark.parametrize("evaluations", ((), (40,), (20, 40, 60)))
def test_curves_have_a_title_and_one_range_of_steps(
    drawn, tmp_path, evaluations
):
  rows = [{"step": step, "train/loss": 2.0} for step in range(5, 80, 5)]
  rows += map(evaluated, evaluations)
  plots.curves(rows, tmp_path / "curves.png", title="digits: resnet8")
  figure, = drawn
  assert figure.get_suptitle() == "digits: resnet8"
  assert all(axes.get_title() for axes in figure.axes)
  assert {axes.get_xlim() for axes in figure.axes} == {(0, 1.02 * 75)}
  for axes in figure.axes[1:]:
    assert bool(axes.texts) == (not evaluations)
    for line in axes.lines:
      assert line.get_marker() == "o"
      assert tuple(line.get_xdata()) == evaluations


def test_curves_of_no_rows_are_drawn(tmp_path):
  plots.curves([], tmp_path / "curves.png", title="a run")
  assert (tmp_path / "curves.png").stat().st_size > 1000


def test_losses_that_do_not_compare_share_no_axis(drawn, tmp_path):
  rows = [{"step": 1, "train/loss": 2.0}, evaluated(2)]
  plots.curves(rows, tmp_path / "curves.png")
  loss, nll, accuracy = drawn[0].axes
  assert [len(axes.lines) for axes in (loss, nll, accuracy)] == [1, 1, 3]
  assert "mixed" in loss.get_title() and "clean" in nll.get_title()
  assert accuracy.yaxis.get_major_formatter().format_pct(0.5, 1) == "50%"


def test_what_is_memorised_has_a_panel_of_its_own(drawn, tmp_path):
  shares = {"test/memorised": 0.25, "test/train_top1_true": 0.5}
  plots.curves([evaluated(1), evaluated(2) | shares], tmp_path / "curves.png")
  *_, accuracy, noise = drawn[0].axes
  assert len(drawn[0].axes) == 4 and len(accuracy.lines) == 3
  labels = [line.get_label() for line in noise.lines]
  assert labels == ["true labels: 50.0%", "wrong labels, memorised: 25.0%"]


def test_a_title_names_dataset_network_mixer_and_loss():
  pair = {"name": "choose", "mixers": ({"name": "mixup"}, {"name": "cutmix"})}
  config = {
      "data": {"name": "/data/birds"}, "model": {"name": "resnet18"},
      "mix": {"name": "sometimes", "mixer": pair},
      "loss": {"name": "mixup_cross_entropy"}, "method": {"name": "supervised"},
  }
  assert plots.title_of(config) == (
      "birds: resnet18, sometimes(choose(mixup, cutmix)), mixup_cross_entropy"
  )


def test_a_caption_has_all_weights_and_no_class_reads_as_a_number():
  names = [drawing.name_of(DIGITS, label) for label in (3, 5, 3, 0, 1)]
  text = drawing.caption(names, [0.0, 0.5, 0.496, 0.004, 0.0])
  assert text.splitlines() == [
      "class 3: 0 %", "class 5: 50 %", "class 3: 50 %", "class 0: <1 %"
  ]


def test_long_names_are_cut():
  assert drawing.name_of(["a_very_long_name"], 0) == "a_very_long…"


def texts(drawn):
  """Titles of the images and captions below, column by column."""
  figure, = drawn
  rows = figure.axes[0].get_gridspec().nrows
  grid = np.array(figure.axes).reshape(rows, -1)
  titles = [[axes.get_title() for axes in column] for column in grid.T]
  return grid, titles, [axes.get_xlabel() for axes in grid[-1]]


def some_mixed(sources, weights):
  x = np.zeros((len(sources), 4, 4, 1))
  return mixers.Mixed(x, np.array(sources), np.array(weights), None)


def draw(tmp_path, mixed, **options):
  images, labels = np.zeros((6, 4, 4, 1)), np.arange(6)
  path = tmp_path / "mixed.png"
  drawing.mixed_batch(images, labels, mixed, DIGITS, path, **options)


def test_rows_of_a_picture_of_pairs_are_labelled(drawn, tmp_path):
  mixed = some_mixed([[0, 4], [1, 5]], [[0.7, 0.3], [1.0, 0.0]])
  draw(tmp_path, mixed, title="digits", note="a note")
  grid, titles, captions = texts(drawn)
  labels = [axes.get_ylabel() for axes in grid[:, 0]]
  assert labels == ["example", "partner", "mixed"]
  assert titles == [["class 0", "class 4", ""], ["class 1", "", ""]]
  assert captions == ["class 0: 70 %\nclass 4: 30 %", "class 1: 100 %"]
  assert drawn[0].get_suptitle() == "digits"
  assert drawn[0].get_supxlabel() == "a note"


def test_partners_are_drawn_by_their_weight_and_all_have_captions(
    drawn, tmp_path
):
  mixed = some_mixed([[2, 3, 4, 5, 0, 1]], [[0.0, 0.0, 0.1, 0.2, 0.3, 0.4]])
  draw(tmp_path, mixed)
  _, (titles,), (caption,) = texts(drawn)
  assert titles == ["class 2", "class 1", "class 0", "class 5", ""]
  assert caption.splitlines() == [
      "class 2: 0 %", "class 1: 40 %", "class 0: 30 %", "class 5: 20 %",
      "class 4: 10 %",
  ]
  assert "the 3 heaviest" in drawn[0].get_supxlabel()


def test_what_is_mixed_inside_the_network_says_where(drawn, tmp_path):
  mixed = some_mixed([[0, 4], [1, 5]], [[0.7, 0.3], [0.2, 0.8]])
  draw(tmp_path, mixed, stages=np.array([2, 0]))
  _, _, captions = texts(drawn)
  assert captions[0].splitlines()[0] == "after stage 2:"
  assert captions[1].splitlines()[0] == "class 1: 20 %"


def a_run(**mix):
  return types.SimpleNamespace(
      config=types.SimpleNamespace(mix=mix), mixer=mixing.make_mixer(mix),
      method=types.SimpleNamespace(learned=None, mixes_features=False),
      domain=images.DOMAIN,
  )


def test_the_stage_of_a_hidden_mixer_is_the_one_it_draws():
  stages = (0, 2, 5)
  run = a_run(name="manifold_mixup", stages=stages)
  keys = jax.random.split(jax.random.key(0), 12)
  found = jax.jit(jax.vmap(lambda key: preview._stage(run, key, 4)))(keys)

  def mixes(stage):
    mix = lambda key: mixers.manifold_mixup(
        key, jnp.eye(4), stage=stage, stages=stages, partner="roll"
    )
    return jax.jit(jax.vmap(lambda key: mix(key).x[0, 0] < 1))(keys)

  chosen = np.array(stages)[np.argmax([mixes(stage) for stage in stages], 0)]
  assert set(chosen) == set(stages)
  np.testing.assert_array_equal(found.max(axis=1), chosen)


@pytest.mark.parametrize("mixer", ("alignmix", "manifold_mixup"))
def test_the_input_of_a_hidden_mixer_stays_as_it_is(mixer):
  run = a_run(name=mixer, stages=(3,))
  run.config.seed = 0
  x = np.random.default_rng(0).random((12, 4, 4, 1), np.float32)
  run.pipeline = lambda split: types.SimpleNamespace(
      rows=lambda rows: {"x": x[rows], "label": rows}, size=12, shared={},
      select=lambda batch, shared: batch,
  )
  shown, _, mixed, stages = preview._mixed(run)
  for batch in mixed.x:
    np.testing.assert_array_equal(batch, shown)
  assert (mixed.weights < 1).any() and (stages == 3).any()


def test_mixers_of_inputs_are_mixed_at_the_input():
  run = a_run(name="choose", mixers=({"name": "cutmix"}, {"name": "mixup"}))
  assert not preview._stage(run, jax.random.key(0), 4).any()


@pytest.mark.parametrize(
    ("mixer", "words"),
    (("manifold_mixup", "inside the network"), ("comixup", "saliency"),
     ("transmix", "forward pass"), ("cutmix", "")),
)
def test_notes_say_what_a_picture_cannot_show(mixer, words):
  note = preview._note(a_run(name=mixer))
  assert words in note and bool(note) == bool(words)


def test_columns_show_different_classes_mixed_with_others():
  rng = np.random.default_rng(0)
  labels = np.repeat(np.arange(8), 4)
  partner = np.stack([rng.permutation(32) for _ in range(3)])
  rows = np.broadcast_to(np.arange(32), (3, 32))
  weights = np.full((3, 32, 2), 0.5)
  mixed = mixers.Mixed(None, np.stack([rows, partner], -1), weights, None)
  draws, chosen = preview._columns(labels, mixed)
  assert list(draws) == [0, 1, 2, 0, 1, 2, 0, 1]
  assert len(set(labels[chosen])) == 8
  assert (labels[chosen] != labels[partner[draws, chosen]]).all()
