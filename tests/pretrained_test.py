"""Parameters of timm, and the values that timm computes with them."""

import os
import pathlib
import re

from absl.testing import parameterized
import chex
from flax import traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors import numpy as safetensors

from dmjax import models
from dmjax.models import layouts
from dmjax.models import pretrained

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
    apply = jax.jit(model.apply, static_argnames=("train", "features"))
    logits, features = apply(variables, x, train=False, features=last)
    self.assertEqual(model.num_classes, 7)
    theirs, ours = in_our_layout(
        family, arrays["features"], features, variables["params"]
    )
    error = {
        "logits": relative_error(np.asarray(logits), arrays["logits"]),
        "features": relative_error(ours, theirs),
    }
    print(family, error)
    self.assertLess(max(error.values()), 1e-4)
