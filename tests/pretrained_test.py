"""Parameters of timm, and the values that timm computes with them."""

import functools
import os
import pathlib
import re
import tempfile

from absl.testing import parameterized
import chex
from flax import traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors import numpy as safetensors

from dmjax import models
from dmjax.models import pretrained
from tests import timm_layouts

SHARED = pathlib.Path(
    os.environ.get("DMJAX_SHARED", pathlib.Path(__file__).parents[2] / "shared")
)

_BASIC = dict(depths=(1, 2, 1, 1), widths=(8, 16, 24, 32), stem_width=64)
# Of every file: network, options that make it small, size of the images, and
# which of our features is timm's last map.
GOLDEN = {
    "resnet_basic": ("resnet18", _BASIC, 64, "stage4"),
    "resnet_bottleneck": ("resnet50", _BASIC, 64, "stage4"),
    "resnext": (
        "resnext50_32x4d",
        dict(
            depths=(1, 1, 1, 1), widths=(16, 32, 48, 64), groups=4,
            group_width=16, stem_width=64,
        ),
        64,
        "stage4",
    ),
    "mobilenetv2": ("mobilenetv2", {}, 64, "stage8"),
    "vit": ("deit_tiny", dict(patch=8, width=24, depth=2), 32, "stage2"),
    "swin": (
        "swin_tiny",
        dict(width=12, depths=(2, 2), heads=(2, 4), window=4),
        64,
        "stage2",
    ),
    "convnext": (
        "convnext_tiny",
        dict(depths=(1, 1, 2, 1), widths=(8, 16, 24, 32)),
        64,
        "stage4",
    ),
}


def golden(family):
  """Path of the parameters, and the arrays, of a golden network."""
  path = SHARED / "golden" / f"backbone_{family}.safetensors"
  if not path.exists():
    pytest.skip(f"no golden values of {family}")
  return path, np.load(path.with_suffix(".npz"))


def normalised(x, params, epsilon):
  """Layer norm over the last axis, in numpy."""
  x = np.asarray(x, np.float64)
  x = x - x.mean(-1, keepdims=True)
  x = x / np.sqrt((x * x).mean(-1, keepdims=True) + epsilon)
  return x * np.asarray(params["scale"]) + np.asarray(params["bias"])


def in_our_layout(family, features, ours, params):
  """timm's last features, and ours after the norm that timm's include."""
  if family == "vit":
    side = ours.shape[1]
    features = features[:, 1:].reshape(-1, side, side, features.shape[-1])
    return features, normalised(ours, params["norm"], 1e-6)
  if family == "swin":
    return features, normalised(ours, params["norm"], 1e-5)
  return features.transpose(0, 2, 3, 1), np.asarray(ours)


def relative_error(ours, theirs):
  return np.max(np.abs(ours - theirs)) / np.max(np.abs(theirs))


class GoldenTest(parameterized.TestCase):

  @parameterized.parameters(*GOLDEN)
  def test_loaded_networks_compute_what_timm_computes(self, family):
    path, arrays = golden(family)
    name, options, size, last = GOLDEN[family]
    model, variables = models.load_pretrained(
        name, path, image_size=size, **options
    )
    x = jnp.asarray(arrays["x_nchw"].transpose(0, 2, 3, 1))
    apply = functools.partial(model.apply, train=False, features=last)
    logits, features = jax.jit(
        apply, compiler_options={"xla_backend_optimization_level": 0}
    )(variables, x)
    self.assertEqual(model.num_classes, 7)
    chex.assert_trees_all_equal(
        pretrained.state_dict(model, variables), pretrained.read(path)
    )
    theirs, ours = in_our_layout(
        family, arrays["features"], features, variables["params"]
    )
    error = {
        "logits": relative_error(np.asarray(logits), arrays["logits"]),
        "features": relative_error(ours, theirs),
    }
    self.assertLess(max(error.values()), 1e-4)


PUBLISHED = {
    "resnet18": timm_layouts.resnet("basic", (2, 2, 2, 2)),
    "resnet34": timm_layouts.resnet("basic", (3, 4, 6, 3)),
    "resnet50": timm_layouts.resnet("bottleneck", (3, 4, 6, 3)),
    "resnet101": timm_layouts.resnet("bottleneck", (3, 4, 23, 3)),
    "resnext50_32x4d": timm_layouts.resnet("bottleneck", (3, 4, 6, 3), 32, 4),
    "resnext101_32x4d": timm_layouts.resnet("bottleneck", (3, 4, 23, 3), 32, 4),
    "mobilenetv2": timm_layouts.mobilenet(),
    "efficientnet_b0": timm_layouts.efficientnet(),
    "deit_tiny": timm_layouts.deit(192),
    "deit_small": timm_layouts.deit(384),
    "deit_base": timm_layouts.deit(768),
    "swin_tiny": timm_layouts.swin(),
    "convnext_tiny": timm_layouts.convnext(),
}


def shapes_of(name, num_classes=1000):
  """A network of full size and the shapes of its variables."""
  stem = {"stem": "imagenet"} if name.startswith(("resn", "convn")) else {}
  model = models.create(name, num_classes=num_classes, **stem)
  x = jnp.zeros((1, 224, 224, 3))
  init = lambda key: model.init(key, x, train=False)
  return model, jax.eval_shape(init, jax.random.key(0))


def assert_converts(name, tensors):
  model, variables = shapes_of(name)
  state = {
      key: jax.ShapeDtypeStruct(shape, jnp.float32)
      for key, shape in tensors.items()
  }
  loaded = jax.eval_shape(
      lambda state: pretrained.convert(model, state, variables), state
  )
  chex.assert_trees_all_equal_shapes_and_dtypes(loaded, variables)
  return model, loaded


class PublishedTest(parameterized.TestCase):

  @parameterized.parameters(*PUBLISHED)
  def test_every_published_tensor_has_its_place(self, name):
    model, variables = assert_converts(name, PUBLISHED[name])
    # And the way back has a tensor for each, by the same name.
    named = jax.eval_shape(lambda v: pretrained.state_dict(model, v), variables)
    self.assertEqual({k: v.shape for k, v in named.items()}, PUBLISHED[name])

  def test_older_swin_files_have_their_place(self):
    assert_converts("swin_tiny", timm_layouts.swin(before_0_9=True))

  def test_every_model_is_published_or_says_that_it_is_not(self):
    for name in set(models.MODELS) - set(PUBLISHED) - {"resnet8"}:
      with self.assertRaisesRegex(ValueError, "has no published"):
        pretrained.convert(models.create(name, num_classes=2), {}, {})


def wave(start, shape):
  """Numbers in [-1, 1] without a pattern, the same ones everywhere."""
  size = np.prod(shape)
  return np.sin(start + np.arange(size) ** 2.0).reshape(shape)


def wavy_state(tensors):
  """A state dict for those shapes, every tensor with values of its own."""
  state = {}
  for i, (name, shape) in enumerate(sorted(tensors.items())):
    if name.endswith("running_var"):
      values = 0.2 + 0.1 * wave(i, shape)
    elif len(shape) > 1:
      values = wave(i, shape) / np.sqrt(np.prod(shape[1:]))
    else:
      values = 0.5 + 0.5 * wave(i, shape)
    state[name] = values.astype(np.float32)
  return state


class EfficientNetTest(parameterized.TestCase):

  def test_loaded_efficientnets_compute_what_timm_computes(self):
    stages = ((1, 8, 1, 1, 3), (4, 12, 2, 2, 5))
    state = wavy_state(
        timm_layouts.efficientnet(stages, last=16, num_classes=3)
    )
    with tempfile.TemporaryDirectory() as folder:
      path = os.path.join(folder, "net.safetensors")
      safetensors.save_file(state, path)
      model, variables = models.load_pretrained(
          "efficientnet_b0", path, image_size=16, stages=stages, last_width=16
      )
    # Sides of 16, 8 and 4 tell symmetric padding from any other.
    x = wave(0, (2, 3, 16, 16)).transpose(0, 2, 3, 1)
    apply = functools.partial(model.apply, train=False)
    logits = jax.jit(
        apply, compiler_options={"xla_backend_optimization_level": 0}
    )(variables, jnp.asarray(x, jnp.float32))
    # Of timm 1.0.31.
    expected = np.array([
        [0.81399866, -0.06525772, 1.06017312],
        [0.81292787, -0.0646378, 1.06193653],
    ])
    self.assertLess(relative_error(np.asarray(logits), expected), 1e-5)


SMALL = dict(depths=(1, 1), widths=(4, 8))


def small_state(num_classes=6):
  """A state dict of a small ResNet, every tensor with values of its own."""
  tensors = timm_layouts.resnet("basic", (1, 1))
  tensors |= timm_layouts.affine("fc", num_classes, 8)
  rng = np.random.default_rng(0)
  state = {}
  for name, shape in tensors.items():
    # 64 and 128 channels become 4 and 8.
    shape = [{64: 4, 128: 8}.get(side, side) for side in shape]
    state[name] = rng.normal(size=shape).astype(np.float32)
  state["bn1.num_batches_tracked"] = np.int64(3)[None]
  return state


class LoadTest(parameterized.TestCase):

  def _load(self, state, **options):
    options = dict(image_size=32) | SMALL | options
    with tempfile.TemporaryDirectory() as folder:
      path = os.path.join(folder, "net.safetensors")
      safetensors.save_file(state, path)
      return models.load_pretrained("resnet18", path, **options)

  def test_values_arrive_with_their_axes_in_place(self):
    state = small_state()
    model, variables = self._load(state)
    params, stats = variables["params"], variables["batch_stats"]
    conv = state["layer2.0.downsample.0.weight"]
    for o, i in ((0, 0), (7, 3), (2, 1)):
      self.assertEqual(
          params["stage2_block0"]["downsample_conv"]["kernel"][0, 0, i, o],
          conv[o, i, 0, 0],
      )
    np.testing.assert_array_equal(
        params["head"]["kernel"], state["fc.weight"].T
    )
    np.testing.assert_array_equal(
        stats["stem_norm"]["var"], state["bn1.running_var"]
    )
    self.assertEqual((model.num_classes, model.stem), (6, "imagenet"))

  def test_a_head_of_another_size_is_new_and_nothing_else_is(self):
    state = small_state()
    _, old = self._load(state)
    _, new = self._load(state, num_classes=3)
    _, other = self._load(state, num_classes=3, key=jax.random.key(1))
    self.assertEqual(new["params"]["head"]["kernel"].shape, (8, 3))
    kernels = [v["params"].pop("head")["kernel"] for v in (new, other)]
    old["params"].pop("head")
    self.assertGreater(jnp.std(kernels[0]), 0)
    self.assertGreater(jnp.max(jnp.abs(kernels[0] - kernels[1])), 0)
    chex.assert_trees_all_equal(old, new)

  def test_every_tensor_that_does_not_fit_is_listed(self):
    state = small_state()
    del state["layer1.0.conv2.weight"], state["bn1.running_mean"]
    state["layer3.0.conv1.weight"] = np.zeros((1,), np.float32)
    state["conv1.weight"] = np.zeros((4, 3, 3, 3), np.float32)
    with pytest.raises(ValueError) as caught:
      self._load(state)
    self.assertRegex(
        str(caught.value),
        r"missing: bn1.running_mean, layer1.0.conv2.weight;"
        r" unexpected: layer3.0.conv1.weight; wrong shape.*:"
        + re.escape(" conv1.weight (3, 3, 3, 4), the network has (7, 7, 3, 4)"),
    )

  def test_the_caller_may_choose_the_stem(self):
    state = small_state()
    state["conv1.weight"] = np.zeros((4, 3, 3, 3), np.float32)
    model, _ = self._load(state, stem="cifar")
    self.assertEqual(model.stem, "cifar")

  def test_half_precision_files_become_float32(self):
    state = {k: v.astype(np.float16) for k, v in small_state().items()}
    _, variables = self._load(state)
    for leaf in traverse_util.flatten_dict(variables).values():
      self.assertEqual(leaf.dtype, jnp.float32)

  def test_a_file_without_a_head_is_not_guessed_at(self):
    state = {k: v for k, v in small_state().items() if k[:2] != "fc"}
    with self.assertRaisesRegex(ValueError, "num_classes=None.*'fc.bias'"):
      self._load(state)

  def test_pickles_are_refused(self):
    with self.assertRaisesRegex(ValueError, "path='net.pth' must end"):
      models.load_pretrained("resnet18", "net.pth")
