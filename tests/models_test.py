"""One suite of properties for every network in the registry.

What costs only shapes is tested at full size; what needs numbers, on a small
network of every kind.
"""

import functools

from absl.testing import parameterized
import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from dmjax import models
from dmjax.models import layers

# Networks of tables, recordings, texts and graphs have tests of their own.
OTHERS = (
    "mlp", "temporal_cnn", "gcn", "patch_mlp", "text_cnn", "text_transformer",
)
ALL = tuple(name for name in models.MODELS if name not in OTHERS)

PARAMETERS = {
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnext50_32x4d": 25_028_904,
    "resnext101_32x4d": 44_177_704,
    "mobilenetv2": 3_504_872,
    "efficientnet_b0": 5_288_548,
    "deit_tiny": 5_717_416,
    "deit_small": 22_050_664,
    "deit_base": 86_567_656,
    "swin_tiny": 28_288_354,
    "convnext_tiny": 28_589_128,
}

_NARROW = dict(depths=(1, 2), widths=(8, 16))
# One small network of every kind, for images of 32 px.
SMALL = {
    "resnet18": _NARROW,
    "resnext50_32x4d": _NARROW | dict(groups=2, group_width=32),
    "wide_resnet28_2": dict(depth=10, widen=1),
    "mobilenetv2": dict(stages=((1, 8, 1, 1), (4, 12, 2, 2)), last_width=16),
    "efficientnet_b0": dict(
        stages=((1, 8, 1, 1, 3), (4, 12, 2, 2, 5)), last_width=16
    ),
    "deit_tiny": dict(patch=8, width=24, depth=2),
    "swin_tiny": dict(width=12, depths=(2, 2), heads=(2, 4), window=4),
    "convnext_tiny": _NARROW,
    "preact_resnet18": _NARROW,
}
# What running statistics keep of their old values, if it is not 0.9.
KEPT = {"WideResNet": 0.999}
DROP_PATH = tuple(sorted(
    set(SMALL) - {"wide_resnet28_2", "mobilenetv2", "preact_resnet18"}
))

# Side of the images, a stage, and the map that it must have.
MAPS = (
    ("resnet18", 32, "stage3", (8, 8, 256)),
    ("resnext50_32x4d", 64, "stage3", (16, 16, 1024)),
    ("wide_resnet28_8", 32, "stage2", (16, 16, 256)),
    ("mobilenetv2", 224, "stage8", (7, 7, 1280)),
    ("mobilenetv2", 224, "stage5", (14, 14, 96)),
    ("efficientnet_b0", 224, "stage8", (7, 7, 1280)),
    ("efficientnet_b0", 224, "stage5", (14, 14, 112)),
    ("deit_small", 224, "stage6", (14, 14, 384)),
    ("swin_tiny", 224, "stage3", (14, 14, 384)),
    ("swin_tiny", 224, "stage4", (7, 7, 768)),
    ("convnext_tiny", 32, "stage3", (8, 8, 384)),
    ("resnet50", 224, "stage3", (14, 14, 1024)),
)


def side_of(name):
  """The smallest images that suit a network of full size."""
  return 224 if name.startswith(("swin", "deit")) else 32


def imagenet(name):
  has_stems = name.startswith(("resn", "convn"))
  return {"stem": "imagenet"} if has_stems else {}


def shapes(model, side, batch=2, **call):
  """Shapes of the variables and of what the network returns for them."""
  x = jax.ShapeDtypeStruct((batch, side, side, 3), jnp.float32)
  run = functools.partial(model.init_with_output, train=False, **call)
  outputs, variables = jax.eval_shape(run, jax.random.key(0), x)
  return variables, outputs


# Compiling is most of what these tests do.
jit = functools.partial(
    jax.jit, compiler_options={"xla_backend_optimization_level": 0}
)


def with_statistics(model, variables, x):
  """The variables, with the statistics of this batch where there are any."""
  if "batch_stats" not in variables:
    return variables
  zeros = jax.tree.map(jnp.zeros_like, variables["batch_stats"])
  _, updates = model.apply(
      variables | {"batch_stats": zeros}, x, train=True,
      mutable=["batch_stats"],
  )
  share = 1 - KEPT.get(type(model).__name__, 0.9)
  return variables | jax.tree.map(lambda leaf: leaf / share, updates)


@functools.cache
def small(name):
  """A small network, variables far from their initial values, and images."""
  model = models.create(name, num_classes=5, **SMALL[name])
  rng = np.random.default_rng(0)
  x = rng.normal(size=(4, 32, 32, 3)).astype(np.float32)

  def filled(path, leaf):
    # Fresh blocks are identities and would hide what happens inside.
    if path[-1].key in ("scale", "gamma", "var"):
      return np.full(leaf.shape, 0.7, np.float32)
    size = np.sqrt(np.prod(leaf.shape[:-1])) if leaf.ndim > 1 else 10
    return np.float32(rng.normal(size=leaf.shape) / size)

  variables = jax.tree_util.tree_map_with_path(filled, shapes(model, 32)[0])
  return model, jit(functools.partial(with_statistics, model))(variables, x), x


def relative_error(a, b):
  a, b = np.asarray(a, np.float32), np.asarray(b, np.float32)
  return np.max(np.abs(a - b)) / np.max(np.abs(b))


class ShapeTest(parameterized.TestCase):

  @parameterized.parameters(*PARAMETERS.items())
  def test_networks_have_the_published_number_of_parameters(self, name, count):
    model = models.create(name, num_classes=1000, **imagenet(name))
    variables, _ = shapes(model, 224)
    leaves = jax.tree.leaves(variables["params"])
    self.assertEqual(sum(leaf.size for leaf in leaves), count)

  @parameterized.parameters(*ALL)
  def test_bfloat16_leaves_parameters_and_logits_float32(self, name):
    # The engine hands the same options to every network.
    model = models.create(
        name, num_classes=9, dtype=jnp.bfloat16, axis_name=None
    )
    variables, (logits, features) = shapes(
        model, side_of(name), features="stage2"
    )
    for leaf in jax.tree.leaves(variables):
      self.assertEqual(leaf.dtype, jnp.float32)
    self.assertEqual((logits.shape, logits.dtype), ((2, 9), jnp.float32))
    self.assertEqual(features.dtype, jnp.bfloat16)
    self.assertEqual(variables["params"]["head"]["kernel"].shape[1], 9)

  @parameterized.parameters(*SMALL)
  def test_hooks_are_called_in_order_with_the_maps_of_features(self, name):
    seen = {}

    def hook(stage, x):
      seen[stage] = x.shape
      return x

    model = models.create(name, num_classes=3, **SMALL[name])
    shapes(model, 32, hook=hook)
    last = max(seen)
    self.assertEqual(list(seen), list(range(last + 1)))
    self.assertEqual(seen[0], (2, 32, 32, 3))
    for stage in (1, last):
      _, (_, features) = shapes(model, 32, features=f"stage{stage}")
      tokens = features.shape[1] * features.shape[2]
      with_class_token = (2, tokens + 1, features.shape[-1])
      self.assertIn(seen[stage], (features.shape, with_class_token))
    with self.assertRaisesRegex(ValueError, "features='stage99' must be"):
      shapes(model, 32, features="stage99")

  @parameterized.parameters(*MAPS)
  def test_stages_have_the_maps_of_the_papers(self, name, side, stage, shape):
    stem = imagenet(name) if side == 224 else {}
    model = models.create(name, num_classes=3, **stem)
    _, (_, features) = shapes(model, side, features=stage)
    self.assertEqual(features.shape, (2, *shape))

  def test_every_kind_of_network_has_a_small_one(self):
    kind = lambda name: type(models.create(name, num_classes=2))
    self.assertEqual({kind(n) for n in ALL}, {kind(n) for n in SMALL})


class ValueTest(parameterized.TestCase):

  @parameterized.parameters(*SMALL)
  def test_exchanging_examples_at_any_stage_exchanges_their_logits(self, name):
    model, variables, x = small(name)
    stages = []

    @jit
    def logits(chosen):
      def hook(stage, x):
        stages.append(stage)
        return jnp.where(stage == chosen, x[::-1], x)

      return model.apply(variables, x, train=False, hook=hook)

    plain = logits(-1)
    self.assertGreater(relative_error(plain[::-1], plain), 1e-2)
    for stage in tuple(stages):
      self.assertLess(relative_error(logits(stage), plain[::-1]), 1e-4)

  @parameterized.parameters(*SMALL)
  def test_bfloat16_computes_almost_the_same(self, name):
    model, variables, x = small(name)

    def outputs(model):
      apply = functools.partial(model.apply, train=False, features="stage2")
      return jit(apply)(variables, x)

    logits, features = outputs(model)
    rounded_logits, rounded_features = outputs(model.clone(dtype=jnp.bfloat16))
    self.assertLess(relative_error(rounded_features, features), 0.05)
    self.assertLess(relative_error(rounded_logits, logits), 0.05)

  @parameterized.parameters(*DROP_PATH)
  def test_drop_path_varies_with_its_key_and_ends_with_training(self, name):
    model, variables, x = small(name)
    dropping = model.clone(drop_path=0.5)

    @jit
    def trained(key):
      return dropping.apply(
          variables, x, train=True, rngs={"dropout": key},
          mutable=["batch_stats"],
      )[0]

    one, again, other = (trained(jax.random.key(i)) for i in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    self.assertGreater(relative_error(one, other), 1e-3)
    evaluated = jit(functools.partial(dropping.apply, train=False))
    plain = jit(functools.partial(model.apply, train=False))
    np.testing.assert_array_equal(evaluated(variables, x), plain(variables, x))

  @parameterized.parameters("deit_tiny", "swin_tiny", "convnext_tiny")
  def test_without_drop_path_training_is_deterministic(self, name):
    model, variables, x = small(name)
    trained = jit(functools.partial(model.apply, train=True))
    plain = jit(functools.partial(model.apply, train=False))
    np.testing.assert_array_equal(trained(variables, x), plain(variables, x))

  def test_dropout_drops_whole_channels_of_the_mean_and_keeps_their_sum(self):
    _, variables, x = small("efficientnet_b0")
    model = models.create(
        "efficientnet_b0", num_classes=16, dropout=0.75,
        **SMALL["efficientnet_b0"],
    )
    head = {"kernel": jnp.eye(16), "bias": jnp.zeros(16)}
    params = variables["params"] | {"head": head}
    apply = functools.partial(
        model.apply, train=True, features="stage3", mutable=["batch_stats"]
    )
    key = jax.random.key(0)
    (means, features), _ = jit(apply)(
        variables | {"params": params}, x, rngs={"dropout": key}
    )
    shares = means / jnp.mean(features, axis=(1, 2))
    kept = np.abs(shares) > 1
    np.testing.assert_allclose(shares, 4.0 * kept, rtol=1e-4)
    self.assertBetween(kept.mean(), 0.1, 0.4)

  @parameterized.parameters(
      "resnet18", "wide_resnet28_2", "mobilenetv2", "efficientnet_b0"
  )
  def test_running_statistics_keep_that_share_of_the_old(self, name):
    model, variables, x = small(name)
    share = KEPT.get(type(model).__name__, 0.9)

    @jit
    def updated(stats):
      return model.apply(
          variables | {"batch_stats": stats}, x, train=True,
          mutable=["batch_stats"],
      )[1]["batch_stats"]

    zeros = jax.tree.map(np.zeros_like, jax.device_get(variables["batch_stats"]))
    ones = jax.tree.map(np.ones_like, zeros)
    new = jax.device_get([updated(ones), updated(zeros)])
    kept = jax.tree.map(np.subtract, *new)
    expected = jax.tree.map(lambda leaf: share * leaf, ones)
    chex.assert_trees_all_close(kept, expected, atol=1e-4)


class LayersTest(parameterized.TestCase):

  def test_rates_grow_linearly_over_all_stages(self):
    rates = layers.drop_rates(0.3, (1, 2, 1))
    self.assertEqual([len(stage) for stage in rates], [1, 2, 1])
    np.testing.assert_allclose(sum(rates, []), [0, 0.1, 0.2, 0.3])
    self.assertEqual(layers.drop_rates(0.3, (1,)), [[0]])

  def test_dropped_paths_are_whole_examples_and_keep_the_mean(self):
    class Dropping(nn.Module):

      @nn.compact
      def __call__(self, x):
        return layers.drop_path(x, 0.25, True)

    x = jnp.ones((4096, 2, 3))
    y = Dropping().apply({}, x, rngs={"dropout": jax.random.key(0)})
    rows = np.asarray(y).reshape(4096, 6)
    np.testing.assert_array_equal(rows, rows[:, :1].repeat(6, 1))
    np.testing.assert_allclose(np.unique(rows), [0, 4 / 3], rtol=1e-6)
    self.assertAlmostEqual(rows.mean(), 1, delta=0.05)


class CreateTest(parameterized.TestCase):

  @parameterized.parameters(
      ("resnet19", {}, "unknown model 'resnet19'.*resnet18"),
      ("deit_tiny", {"drop_paths": 0.1}, "no 'drop_paths'; did you mean 'drop_path'"),
      ("mobilenetv2", {"stem": "cifar"}, "no 'stem'"),
      ("deit_tiny", {"parent": None}, "no 'parent'"),
  )
  def test_unknown_names_and_options_name_the_nearest(
      self, name, options, message
  ):
    with self.assertRaisesRegex(ValueError, message):
      models.create(name, num_classes=2, **options)

  @parameterized.parameters(
      ("resnet18", {"stem": "tiny"}, "stem='tiny' must be"),
      ("convnext_tiny", {"stem": "tiny"}, "stem='tiny' must be"),
      ("wide_resnet28_2", {"depth": 27}, "depth=27 must be"),
      ("resnet18", {"drop_path": 1.0}, "drop_path=1.0 must be in"),
      ("deit_tiny", {"drop_path": -0.1}, "drop_path=-0.1 must be in"),
      ("efficientnet_b0", {"dropout": 1.0}, "dropout=1.0 must be in"),
  )
  def test_impossible_options_are_refused(self, name, options, message):
    model = models.create(name, num_classes=2, **options)
    with self.assertRaisesRegex(ValueError, message):
      shapes(model, side_of(name))

  def test_only_batch_statistics_have_an_axis(self):
    for name in SMALL:
      given = models.create(name, num_classes=2, axis_name="batch")
      small = models.create(name, num_classes=2, **SMALL[name])
      variables, _ = shapes(small, 32)
      self.assertEqual("batch_stats" in variables, hasattr(given, "axis_name"))
      self.assertEqual(getattr(given, "axis_name", "batch"), "batch")
