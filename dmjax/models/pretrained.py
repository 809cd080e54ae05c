"""Published parameters, read without PyTorch."""

from collections.abc import Mapping
import os
from typing import Any

from flax import traverse_util
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from safetensors import numpy as safetensors
from safetensors import SafetensorError

from dmjax import names
from dmjax.models import layouts
from dmjax.models import registry

# Counters and tables that PyTorch stores beside the parameters.
_NO_PARAMETERS = (
    "num_batches_tracked", "relative_position_index", "attn_mask"
)


def load_pretrained(
    name: str,
    path: str | os.PathLike,
    *,
    num_classes: int | None = None,
    image_size: int = 224,
    channels: int = 3,
    key: jax.Array | None = None,
    **options: Any,
) -> tuple[nn.Module, dict[str, Any]]:
  """The network of that name with the parameters of a file.

  A network with a choice of stems gets the `imagenet` one by default.

  Args:
    name: A key of `MODELS`.
    path: A `.safetensors` file in timm's layout.
    num_classes: Size of the head; by default that of the file. A head of
      another size than the file's is initialised anew.
    image_size: Side of the images; the positions in the file must fit it.
    channels: Of the images, likewise.
    key: For the new head; `jax.random.key(0)` by default.
    **options: Other options of `create`.

  Returns:
    The module and its variables, `params` and, if any, `batch_stats`.

  Raises:
    ValueError: If the file cannot be read, if tensors are missing, unexpected or
      of a wrong shape, with a few of them listed; if the network has no published
      layout.
  """
  state = read(path)
  model = registry.create(name, num_classes=num_classes or 1, **options)
  if hasattr(model, "stem") and "stem" not in options:
    model = model.clone(stem="imagenet")
  if num_classes is None:
    model = model.clone(num_classes=_classes(model, state))
  images = jnp.zeros((1, image_size, image_size, channels))

  def init(key):
    return model.init(key, images, train=False)

  key = jax.random.key(0) if key is None else key
  variables = jax.eval_shape(init, key)
  # All else is read from the file, so only the head is worth compiling.
  head = jax.jit(lambda key: init(key)["params"]["head"])(key)
  variables["params"]["head"] = head
  return model, convert(model, state, variables)


def read(path: str | os.PathLike) -> dict[str, np.ndarray]:
  """The parameters and statistics in a `.safetensors` file, by name.

  Raises:
    ValueError: If the file has another ending, such as that of a pickle, or is
      not what its ending says.
  """
  path = os.fspath(path)
  if not path.endswith(".safetensors"):
    raise ValueError(f"path={path!r} must end in .safetensors")
  try:
    state = safetensors.load_file(path)
  except (SafetensorError, OSError, ValueError) as error:
    raise ValueError(f"path={path!r} cannot be read: {error}") from None
  return {k: v for k, v in state.items() if not k.endswith(_NO_PARAMETERS)}


def convert(
    model: nn.Module,
    state: Mapping[str, np.ndarray],
    variables: Mapping[str, Any],
) -> dict[str, Any]:
  """Variables of a network with the values of a PyTorch state dict.

  Args:
    model: A network of `MODELS`, except for Wide ResNet.
    state: Tensors by timm's name.
    variables: What `model.init` returns. Nothing but shapes is read from it,
      and the head where the state's has another number of classes.

  Returns:
    Variables of the same structure, `float32`.

  Raises:
    ValueError: If tensors are missing, unexpected or of a wrong shape, with a
      few of them listed; if the network has no published layout.
  """
  rules = layouts.rules_for(model, state)
  leaves = traverse_util.flatten_dict(variables)
  published = {path: layouts.published_name(path, rules) for path in leaves}
  tensors = {
      path: _arranged(path, state[name])
      for path, name in published.items()
      if name in state
  }
  head = ("params", "head", "kernel")
  if head in tensors and tensors[head].shape[-1] != leaves[head].shape[-1]:
    fresh = {path: leaf for path, leaf in leaves.items() if path[1] == "head"}
    tensors |= fresh
  _check(published, state, tensors, leaves)
  return traverse_util.unflatten_dict(
      {path: jnp.asarray(tensors[path], jnp.float32) for path in leaves}
  )


def state_dict(
    model: nn.Module, variables: Mapping[str, Any]
) -> dict[str, Any]:
  """The variables of a network by timm's names: the inverse of `convert`.

  Args:
    model: A network of `MODELS` that has a published layout.
    variables: Of it, `params` and, if any, `batch_stats`.

  Returns:
    Arrays by name, in PyTorch's axes.

  Raises:
    ValueError: If the network has no published layout.
  """
  rules = layouts.rules_for(model, {})
  leaves = traverse_util.flatten_dict(variables)
  return {
      layouts.published_name(path, rules): _rearranged(path, leaf)
      for path, leaf in leaves.items()
  }


def _classes(model, state):
  """The size of the file's head."""
  rules = layouts.rules_for(model, state)
  name = layouts.published_name(("params", "head", "bias"), rules)
  if name not in state:
    raise ValueError(f"num_classes=None, and {name!r} is not in the file")
  return state[name].size


def _arranged(path, tensor):
  """From PyTorch's axes, `OIHW` and `OI`, to ours, `HWIO` and `IO`."""
  if path[-1] != "kernel":
    return tensor
  return tensor.transpose((2, 3, 1, 0) if tensor.ndim == 4 else None)


def _rearranged(path, leaf):
  """The inverse of `_arranged`."""
  if path[-1] != "kernel":
    return leaf
  return leaf.transpose((3, 2, 0, 1) if leaf.ndim == 4 else None)


def _check(published, state, tensors, leaves):
  """Raises ValueError with what does not match: a few names, and a count."""
  missing = sorted(published[path] for path in published if path not in tensors)
  unexpected = sorted(set(state) - set(published.values()))
  misshapen = sorted(
      f"{published[path]} {tensor.shape}, the network has {leaves[path].shape}"
      for path, tensor in tensors.items()
      if tensor.shape != leaves[path].shape
  )
  if missing or unexpected or misshapen:
    raise ValueError(
        f"state does not fit; missing: {names.few(missing)};"
        f" unexpected: {names.few(unexpected)};"
        f" wrong shape (ours): {names.few(misshapen)}"
    )
