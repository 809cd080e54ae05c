"""Layer-wise decay of the learning rate."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax import config as config_lib
from dmjax import models
from dmjax import overrides
from dmjax import recipes
from dmjax.train import layer_decay
from dmjax.train import optimizer as optimizer_lib
from dmjax.train import validate

DECAY = 0.75


@functools.cache
def params_of(name):
  """Shapes of the parameters of a network."""
  network = models.create(name, num_classes=10)
  x = jnp.zeros((1, 224, 224, 3))
  init = lambda key: network.init(key, x, train=False)["params"]
  return jax.eval_shape(init, jax.random.key(0))


def layers_of(params):
  """Layers from the end by name, those of all leaves of a part being one."""
  scales = layer_decay.layer_scales(params, DECAY)
  assert jax.tree.structure(scales) == jax.tree.structure(params)
  found = {}
  for name, part in scales.items():
    (scale,) = set(jax.tree.leaves(part))
    found[name] = round(np.log(scale) / np.log(DECAY))
    assert scale == pytest.approx(DECAY ** found[name])
  return found


def test_deit_tiny_has_fourteen_layers():
  expected = {f"block{i}": 13 - 1 - i for i in range(12)}
  expected |= {"patch_embed": 13, "cls_token": 13, "pos_embed": 13}
  assert layers_of(params_of("deit_tiny")) == expected | {"norm": 0, "head": 0}


def test_resnet18_has_ten_layers():
  blocks = [f"stage{s}_block{i}" for s in (1, 2, 3, 4) for i in (0, 1)]
  expected = {name: 8 - place for place, name in enumerate(blocks)}
  expected |= {"stem_conv": 9, "stem_norm": 9, "head": 0}
  assert layers_of(params_of("resnet18")) == expected


@pytest.mark.parametrize("name,depths,first,last", (
    ("swin_tiny", (2, 2, 6, 2), ("patch_embed", "patch_norm"),
     ("norm", "head")),
    ("convnext_tiny", (3, 3, 9, 3), ("stem_conv", "stem_norm"),
     ("norm", "head")),
    ("wide_resnet28_2", (4, 4, 4), ("stem_conv",), ("norm", "head")),
    ("mobilenetv2", (1, 2, 3, 4, 3, 3, 1), ("stem_conv", "stem_norm"),
     ("last_conv", "last_norm", "head")),
))
def test_layers_are_input_blocks_and_the_rest(name, depths, first, last):
  found = layers_of(params_of(name))
  expected, layer = {}, sum(depths)
  for stage, depth in enumerate(depths, 1):
    # What makes a map smaller is in the layer of the block behind it.
    before = [k for k in found if k.startswith(f"stage{stage}_downsample")]
    expected |= dict.fromkeys(before, layer)
    for index in range(depth):
      expected[f"stage{stage}_block{index}"] = layer
      layer -= 1
  expected |= dict.fromkeys(first, sum(depths) + 1) | dict.fromkeys(last, 0)
  assert found == expected


@pytest.mark.parametrize(
    "name",
    sorted(set(models.MODELS) - {
        "mlp", "temporal_cnn", "gcn", "patch_mlp", "text_cnn",
        "text_transformer",
    }),
)
def test_every_part_of_every_network_has_a_place(name):
  """A new name of a stem would else be taken for a part of the last layer."""
  found = layers_of(params_of(name))
  blocks = sum(part.rpartition("block")[2].isdigit() for part in found)
  assert set(found.values()) == set(range(blocks + 2)) and blocks >= 3
  last = {part for part, layer in found.items() if layer == 0}
  assert {"head"} <= last <= {"head", "norm", "last_conv", "last_norm"}


def small():
  """Parameters of a student of two blocks and of a Mix Block."""
  rng = np.random.default_rng(0)
  leaf = lambda: jnp.float32(rng.normal(size=(3, 2)))
  student = ("stem_conv", "block0", "block1", "head")
  return {
      "student": {name: {"kernel": leaf()} for name in student},
      "mix_block": {"query": {"kernel": leaf()}, "value_conv1": leaf()},
  }


SCALES = {
    "student": {
        "stem_conv": {"kernel": DECAY**3}, "block0": {"kernel": DECAY**2},
        "block1": {"kernel": DECAY}, "head": {"kernel": 1.0},
    },
    "mix_block": {"query": {"kernel": 1.0}, "value_conv1": 1.0},
}


def test_the_mix_block_of_automix_is_not_scaled():
  assert layer_decay.layer_scales(small(), DECAY) == SCALES


def optimizer_of(name, groups=None, **changes):
  section = config_lib.default().optimizer.to_dict()
  for key in ("momentum", "layer_decay"):
    del section[key]
  section |= {"name": name, "weight_decay": 0.1, "clip_norm": 1.0} | changes
  return optimizer_lib.make_optimizer(section, lambda step: 0.1, groups)


def updates_of(optimizer, params):
  """The second of two updates."""
  state, grads = optimizer.init(params), jax.tree.map(jnp.sin, params)
  for _ in range(2):
    updates, state = optimizer.update(grads, state, params)
  return updates


@pytest.mark.parametrize("grouped", (False, True))
@pytest.mark.parametrize("name", sorted(optimizer_lib.OPTIMIZERS))
def test_updates_are_those_without_it_times_the_scale(name, grouped):
  """Weight decay too, and those of an optimizer that has a part to itself."""
  groups = {"mix_block": optimizer_of("sgd", momentum=0.9)} if grouped else None
  plain = updates_of(optimizer_of(name, groups), small())
  found = updates_of(optimizer_of(name, groups, layer_decay=DECAY), small())
  expected = jax.tree.map(lambda update, scale: update * scale, plain, SCALES)
  chex.assert_trees_all_close(found, expected, rtol=1e-6)


def test_a_decay_of_one_leaves_the_optimizer_as_it_was():
  params = small()
  states = [
      optimizer_of("sgd", **changes).init(params)
      for changes in ({}, {"layer_decay": 1.0}, {"layer_decay": 1})
  ]
  for state in states[1:]:
    assert jax.tree.structure(state) == jax.tree.structure(states[0])


@pytest.mark.parametrize("decay", (0.0, -0.5, 1.1, float("nan")))
def test_a_decay_out_of_range_is_named(decay):
  words = r"optimizer.layer_decay must lie in \(0, 1\].*, got"
  with pytest.raises(ValueError, match=words):
    optimizer_of("sgd", layer_decay=decay)
  config = config_lib.default()
  config.optimizer.layer_decay = decay
  with pytest.raises(ValueError, match=words):
    validate.check_config(config)


def test_recipes_take_it_from_the_command_line():
  config, _ = overrides.apply(
      recipes.load("cifar100:deit_small,mixup"),
      ["--config.optimizer.layer_decay=0.65"],
  )
  assert config.optimizer.layer_decay == 0.65
  validate.check_config(config)
