"""Pre-activation ResNets against the published ones, written out by hand."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax import models

DEPTHS = {"preact_resnet18": (2, 2, 2, 2), "preact_resnet50": (3, 4, 6, 3)}
# Kernel, input and output width of the convolutions of a block, by the widths of
# its input and of its stage. Each has a norm before it.
BASIC = lambda inner, width: ((3, inner, width), (3, width, width))
BOTTLENECK = lambda inner, width: (
    (1, inner, width), (3, width, width), (1, width, 4 * width)
)
BLOCKS = {"preact_resnet18": BASIC, "preact_resnet50": BOTTLENECK}


def parameters(name, classes):
  """The number of parameters of the published code, block by block."""
  count, inner = 27 * 64, 64
  for depth, width in zip(DEPTHS[name], (64, 128, 256, 512)):
    for _ in range(depth):
      block = BLOCKS[name](inner, width)
      out = block[-1][2]
      count += sum(k * k * a * b + 2 * a for k, a, b in block)
      # At 32 px all blocks that change the size change the width as well.
      count += inner * out if inner != out else 0
      inner = out
  return count + (inner + 1) * classes


def shapes(name, side, classes=10, **options):
  """Shapes of variables, logits, and what the hook sees."""
  model, seen = models.create(name, num_classes=classes, **options), {}

  def hook(stage, x):
    seen[stage] = x.shape[1:]
    return x

  x = jnp.zeros((2, side, side, 3))
  init = functools.partial(model.init, train=False, hook=hook)
  variables = jax.eval_shape(init, jax.random.key(0), x)
  apply = functools.partial(model.apply, train=False, features="stage4")
  return variables, jax.eval_shape(apply, variables, x), seen


@pytest.mark.parametrize("name,count", (
    ("preact_resnet18", 11_171_146), ("preact_resnet50", 23_509_066),
))
def test_networks_have_the_published_number_of_parameters(name, count):
  variables, _, _ = shapes(name, 32)
  sizes = [leaf.size for leaf in jax.tree.leaves(variables["params"])]
  assert sum(sizes) == parameters(name, 10) == count


@pytest.mark.parametrize("side,options", ((32, {}), (64, {"stem_stride": 2})))
@pytest.mark.parametrize("name,factor", (
    ("preact_resnet18", 1), ("preact_resnet50", 4),
))
def test_stages_have_the_published_maps(name, factor, side, options):
  _, (logits, features), seen = shapes(name, side, classes=200, **options)
  assert logits.shape == (2, 200)
  assert list(seen) == [0, 1, 2, 3, 4] and seen[0] == (side, side, 3)
  for stage in (1, 2, 3, 4):
    half = 2 ** (stage - 1)
    assert seen[stage] == (32 // half, 32 // half, 64 * half * factor)
  assert features.shape[1:] == seen[4]


@pytest.mark.parametrize("stride", (0, 3, "2"))
def test_other_strides_of_the_stem_are_refused(stride):
  with pytest.raises(ValueError, match=f"stem_stride={stride!r} must be"):
    shapes("preact_resnet18", 32, stem_stride=stride)


def convolve(x, kernel, stride=1):
  """A padded convolution, `[B, H, W, C]`, one kernel element at a time."""
  size = kernel.shape[0]
  x = np.pad(x, ((0, 0), *[(size // 2, size // 2)] * 2, (0, 0)))
  steps = [range(0, n - size + 1, stride) for n in x.shape[1:3]]
  rows, columns = (np.asarray(s) for s in steps)
  return sum(
      x[:, rows + i][:, :, columns + j] @ kernel[i, j]
      for i, j in np.ndindex(size, size)
  )


def activated(x, norm):
  """Batch norm by the statistics of this batch, and the ReLU."""
  mean, var = x.mean((0, 1, 2)), x.var((0, 1, 2))
  x = (x - mean) / np.sqrt(var + 1e-5) * norm["scale"] + norm["bias"]
  return np.maximum(x, 0)


def by_hand(params, x, blocks):
  """The published network in float64, with the stride of each block."""
  x = convolve(x, params["stem_conv"]["kernel"], 2)
  for name, stride in blocks:
    block, y = params[name], x
    convs = sorted(part for part in block if part.startswith("conv"))
    for i, conv in enumerate(convs):
      y = activated(y, block[f"norm{i + 1}"])
      if i == 0 and "downsample_conv" in block:
        x = convolve(y, block["downsample_conv"]["kernel"], stride)
      # The last convolution but one has the stride.
      stretch = stride if i == len(convs) - 2 else 1
      y = convolve(y, block[conv]["kernel"], stretch)
    x = x + y
  head = params["head"]
  return x.mean((1, 2)) @ head["kernel"] + head["bias"]


@pytest.mark.parametrize("bottleneck", (False, True))
def test_outputs_agree_with_the_published_network_by_hand(bottleneck):
  model = models.create(
      "preact_resnet18", num_classes=3, depths=(2, 1), widths=(4, 8),
      bottleneck=bottleneck, stem_stride=2,
  )
  x = jax.random.normal(jax.random.key(0), (3, 16, 16, 3))

  def moved(leaf):
    """Away from scales of 1 and biases of 0."""
    return leaf + 0.1 * jnp.cos(jnp.arange(leaf.size)).reshape(leaf.shape)

  @jax.jit
  def run(key):
    variables = model.init(key, x, train=False)
    variables["params"] = jax.tree.map(moved, variables["params"])
    out, _ = model.apply(variables, x, train=True, mutable=["batch_stats"])
    return variables["params"], out

  params, logits = jax.device_get(run(jax.random.key(1)))
  params = jax.tree.map(np.float64, params)
  blocks = [("stage1_block0", 1), ("stage1_block1", 1), ("stage2_block0", 2)]
  expected = by_hand(params, np.float64(x), blocks)
  np.testing.assert_allclose(logits, expected, atol=1e-4 * abs(expected).max())
