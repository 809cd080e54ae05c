"""Heat maps against what is written out, and lines by their ends."""

import functools
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax import models
from dmjax.data import images
from dmjax.evaluate import explanations
from dmjax.train import explained

RNG = np.random.default_rng(0)
# A network without pooling: logits are sums over places and channels.
LINEAR = {
    "conv": RNG.normal(size=(3, 6)).astype(np.float32),
    "head": RNG.normal(size=(5, 4, 6, 7)).astype(np.float32),
}
X = RNG.random((3, 5, 4, 3), np.float32)
LABELS = np.array([2, 6, 0], np.int32)


def predict_linear(variables, x, *, hook=None, features=None):
  found = x @ variables["conv"]
  found = hook(1, found) if hook else found
  logits = jnp.einsum("bhwd,hwdc->bc", found, variables["head"])
  return (logits, {"stage1": found}[features]) if features else logits


linear = models.Network(None, None, predict_linear)


def network_of(name, shape, **options):
  """A small network with random variables, and images."""
  network = models.create_network(name, num_classes=5, **options)
  x = jax.random.uniform(jax.random.key(1), shape)
  return network, jax.jit(network.init)(jax.random.key(0), x), x


@functools.cache
def vit():
  return network_of(
      "deit_tiny", (2, 8, 12, 3), patch=4, width=12, depth=3, heads=2
  )


def as_heat(heat):
  heat = np.maximum(heat, 0)
  return heat / heat.max() if heat.any() else heat


def test_grad_cam_equals_a_gradient_written_out():
  pixels, labels = np.repeat(X, 7, axis=0), np.tile(np.arange(7), 3)
  found = explanations.grad_cam(linear, LINEAR, pixels, labels, stage=1)
  for image, label, heat in zip(pixels, labels, found):
    expected = np.zeros((5, 4))
    for d in range(6):
      weight = np.mean(LINEAR["head"][:, :, d, label])
      expected += weight * (image @ LINEAR["conv"][:, d])
    np.testing.assert_allclose(heat, as_heat(expected), atol=1e-5)
  seen = np.any(np.asarray(found) > 0, axis=(1, 2))
  assert seen.any() and not seen.all()


def test_grad_cam_of_an_image_does_not_depend_on_the_others():
  explain = functools.partial(explanations.grad_cam, linear, LINEAR, stage=1)
  whole = explain(X, LABELS)
  for i in range(3):
    alone = explain(X[i : i + 1], LABELS[i : i + 1])
    np.testing.assert_allclose(alone[0], whole[i], rtol=1e-5)


def test_what_speaks_against_a_class_has_no_heat():
  against = LINEAR | {"conv": np.ones((3, 6), np.float32),
                      "head": -np.ones((5, 4, 6, 7), np.float32)}
  assert not explanations.grad_cam(linear, against, X, LABELS, stage=1).any()


def test_grad_cam_is_class_activation_mapping_where_that_is_defined():
  network, variables, x = network_of("resnet8", (3, 16, 8, 3), widths=(4, 6, 8))
  last = jax.jit(functools.partial(network.predict, features="stage3"))
  logits, maps = jax.device_get(last(variables, x))
  labels = logits.argmax(axis=1)
  explain = functools.partial(explanations.grad_cam, network, stage=3)
  found = jax.jit(explain)(variables, x, labels)
  assert maps.shape[1:3] == (4, 2) and found.shape == (3, 16, 8)
  kernel = variables["params"]["head"]["kernel"]
  for one, label, heat in zip(maps, labels, found):
    cam = np.maximum(one @ kernel[:, label], 0)
    resized = np.asarray(jax.image.resize(cam, (16, 8), "linear"))
    np.testing.assert_allclose(heat, as_heat(resized), atol=1e-5)
    assert heat.any() and heat.min() >= 0


def test_rollout_is_a_product_of_attentions_and_identities():
  attentions = RNG.dirichlet(np.ones(7), size=(2, 4, 7)).astype(np.float32)
  found = explanations.rollout(jnp.asarray(attentions))
  for layers, row in zip(attentions, found):
    whole = np.eye(7)
    for layer in layers:
      whole = (layer + np.eye(7)) / 2 @ whole
    np.testing.assert_allclose(row, whole[0, 1:], rtol=1e-5)
    assert row.sum() == pytest.approx(1 - whole[0, 0], rel=1e-5)


def test_the_heat_of_a_transformer_is_largest_at_the_patch_of_most_share():
  network, variables, x = vit()
  heat = jax.jit(functools.partial(explanations.attention_rollout, network))(
      variables, x
  )
  attend = functools.partial(network.predict, features="attentions")
  shares = explanations.rollout(jax.jit(attend)(variables, x)[1])
  assert heat.shape == (2, 8, 12) and float(heat.max()) == pytest.approx(1)
  for image, share in zip(np.asarray(heat), shares):
    row, column = np.unravel_index(image.argmax(), image.shape)
    assert 3 * (row // 4) + column // 4 == np.argmax(share)
    low_row, low_column = divmod(int(np.argmin(share)), 3)
    patch = image[4 * low_row :, 4 * low_column :][:4, :4]
    assert patch.min() == image.min()


@pytest.mark.parametrize(
    "name,options",
    (("swin_tiny", {"width": 12, "depths": (2,), "heads": (2,), "window": 2}),
     ("resnet8", {"widths": (4, 4, 4)})),
)
def test_networks_without_a_class_token_have_no_rollout(name, options):
  network = models.create_network(name, num_classes=5, **options)
  x = jnp.zeros((1, 8, 8, 3))
  variables = jax.eval_shape(network.init, jax.random.key(0), x)
  with pytest.raises(ValueError, match="class token.*grad_cam.*'attentions'"):
    explanations.attention_rollout(network, variables, x)


def test_stages_without_a_map_are_refused_by_name():
  network, variables, x = vit()
  explain = functools.partial(explanations.grad_cam, network, variables)
  with pytest.raises(ValueError, match="stage=2 must give a map.*rollout"):
    explain(x, LABELS[:2], stage=2)
  with pytest.raises(ValueError, match="'stage9' must be among stage1"):
    explain(x, LABELS[:2], stage=9)
  with pytest.raises(ValueError, match=r"x must be images .*got \(2, 8\)"):
    explain(jnp.zeros((2, 8)), LABELS[:2], stage=1)


def test_stages_are_those_of_the_hook():
  seen = explanations.stages(*vit())
  assert list(seen) == [0, 1, 2, 3]
  assert seen[0].shape == (2, 8, 12, 3) and seen[3].shape == (2, 7, 12)


def test_the_ends_of_a_line_have_the_losses_of_the_ends():
  logits = lambda x: predict_linear(LINEAR, x)
  labels = LABELS, (LABELS + 1) % 7
  ends = X, X[::-1]
  found = explanations.loss_along_line(
      logits, *ends, *labels, np.array([0.0, 0.3, 1.0])
  )
  log_p = lambda x: np.asarray(jax.nn.log_softmax(logits(x)))
  rows = np.arange(3)
  for at, end in ((0, 0), (2, 1)):
    expected = -log_p(ends[end])[rows, labels[end]]
    np.testing.assert_allclose(found[at], expected, rtol=1e-5)
  mixed = log_p(0.7 * ends[0] + 0.3 * ends[1])
  expected = -0.7 * mixed[rows, labels[0]] - 0.3 * mixed[rows, labels[1]]
  np.testing.assert_allclose(found[1], expected, rtol=1e-5)
  assert (found[1] >= -0.7 * np.log(0.7) - 0.3 * np.log(0.3)).all()


def test_the_ends_of_a_line_between_networks_are_the_networks():
  statistics = {"mean": np.ones(2)}
  one = {"params": {"a": RNG.normal(size=3)}, "batch_stats": statistics}
  other = jax.tree.map(lambda leaf: leaf - 2, one)
  at = functools.partial(explanations.interpolate, one, other)
  for t, expected in ((0.0, one), (1.0, other)):
    jax.tree.map(np.testing.assert_array_equal, at(t), expected)
  np.testing.assert_allclose(at(0.25)["batch_stats"]["mean"], 0.5)
  with pytest.raises(ValueError, match="variables1 must be of the same"):
    explanations.interpolate(one, {"params": one["params"]}, 0.5)


def a_run(seed=0, kind="image"):
  """A run on a few images, of the classes in turn, and its state."""
  config = {"method": {"name": "supervised"}, "model": {"name": "linear"},
            "mix": {"name": "mixup"}, "loss": {"name": "ce"},
            "data": {"name": "drawn"}}
  x = np.random.default_rng(1).random((20, 5, 4, 3), np.float32)
  labels = np.arange(20, dtype=np.int32) % 7
  variables = jax.tree.map(lambda leaf: leaf + seed, LINEAR)
  data = types.SimpleNamespace(
      size=20, num_classes=7, shared=(), rows=lambda rows: rows,
      select=lambda rows, shared: {"x": x[rows], "label": labels[rows]},
  )
  method = types.SimpleNamespace(
      network=linear, variables=lambda state: state,
      predict=lambda state, batch: predict_linear(state, batch["x"]),
  )
  source = types.SimpleNamespace(kind=kind, class_names=tuple("abcdefg"))
  return types.SimpleNamespace(
      config=Config(config), domain=images.DOMAIN, method=method,
      pipeline=lambda split: data, sources={"test": source},
  ), variables


class Config(dict):
  """What the pictures read of a configuration."""

  evaluate = types.SimpleNamespace(batch_size=9)


@pytest.fixture
def drawn(monkeypatch):
  """The figures that were saved."""
  figures = []
  monkeypatch.setattr(
      explained.figure_lib.Figure, "savefig",
      lambda self, *_, **__: figures.append(self),
  )
  return figures


def test_a_picture_of_heat_has_a_column_per_class_and_says_what_was_seen(drawn):
  run, state = a_run()
  explained.save_cam(run, state, "cam.png")
  (figure,) = drawn
  above, below = np.array(figure.axes).reshape(2, -1)
  assert [axes.get_title() for axes in above] == list("abcdefg")
  assert "Grad-CAM of the label at stage 1" in figure.get_suptitle()
  x, labels = explained._one_of_each(run)
  said = np.argmax(predict_linear(state, x), axis=1)
  for axes, label, other in zip(below, labels, said):
    assert axes.get_xlabel().startswith(f"{'abcdefg'[other]}: ")
    wrong = axes.xaxis.label.get_color() != "black"
    assert wrong == (label != other)


def test_heat_is_for_pixelsalone():
  run, state = a_run(kind="table")
  with pytest.raises(ValueError, match="cam needs images.*'table'; leave it"):
    explained.save_cam(run, state, "cam.png")


def test_lines_end_at_the_losses_of_the_two_runs(drawn):
  run, state = a_run()
  others = {"runs/b": a_run(seed=1)}
  explained.save_lines(run, state, "lines.png", others)
  rows, runs = drawn[0].axes
  labels = [line.get_label() for line in rows.lines]
  assert labels == ["this run", "runs/b", "least possible"]
  x, y = explained._some_rows(run, 9)
  log_p = lambda v: np.asarray(jax.nn.log_softmax(predict_linear(v, x)))
  states = state, others["runs/b"][1]
  ends = [-log_p(each)[np.arange(9), y].mean() for each in states]
  (line,) = runs.lines
  np.testing.assert_allclose(line.get_ydata()[[0, -1]], ends, rtol=1e-5)


def test_lines_without_others_have_one_panel(drawn):
  explained.save_lines(*a_run(), "lines.png", {})
  assert len(drawn[0].axes) == 1


def test_lines_refuse_another_network_and_a_graph_by_itself():
  run, state = a_run()
  other = run, {"conv": state["conv"]}
  with pytest.raises(ValueError, match="network of 'runs/b' .*missing: head"):
    explained.save_lines(run, state, "lines.png", {"runs/b": other})
  with pytest.raises(ValueError, match="the run is on a graph"):
    explained.save_lines(*a_run(kind="graph"), "lines.png", {})
