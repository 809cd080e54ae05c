"""Layer-wise decay of the learning rate, by the names of the parameters."""

from collections.abc import Mapping
import re
from typing import Any

import jax
import optax

# Names that networks of `dmjax.models` give to a block, or to what comes before
# the first one of its stage, and those of what comes before all blocks.
_BLOCK = re.compile(r"(?:stage(\d+)_)?block(\d+)$|stage(\d+)_downsample")
_INPUT = re.compile(r"stem|patch|cls_token|pos_embed")


def scale_by_layer(decay: float) -> optax.GradientTransformation:
  """Scales updates by layer, as `layer_scales` says.

  Behind everything else in a chain it scales the learning rate, and decoupled
  weight decay along with it, as in timm.

  Args:
    decay: In (0, 1].

  Returns:
    The gradient transformation, without a state.

  Raises:
    ValueError: For a decay outside (0, 1].
  """
  check(decay)

  def scale(updates, params):
    del params
    scales = layer_scales(updates, decay)
    return jax.tree.map(lambda update, s: update * s, updates, scales)

  return optax.stateless(scale)


def layer_scales(params: Any, decay: float) -> Any:
  """`decay ** (number of layers from the end)` of every parameter.

  The layers of a network are its stem or embeddings, then every block, then
  all that comes after the blocks, whose scale is 1 (ELECTRA, arXiv 2003.10555).
  The final norm is in that last layer, as in BEiT (arXiv 2106.08254); timm has
  it in the layer of the last block.

  Args:
    params: Parameters of a network, or of several by name; what has no blocks,
      such as a Mix Block, has scale 1.
    decay: The factor from a layer to the one before.

  Returns:
    A number for each leaf.
  """
  if not isinstance(params, Mapping):
    return jax.tree.map(lambda leaf: 1.0, params)
  layers = _layers(params)
  if not layers:
    return {name: layer_scales(part, decay) for name, part in params.items()}
  last = max(layers.values()) + 1

  def scales(name, part):
    factor = decay ** (last - layers.get(name, last))
    return jax.tree.map(lambda leaf: factor, part)

  return {name: scales(name, part) for name, part in params.items()}


def _layers(network):
  """Layers by name of all but the last; none for what has no blocks."""
  matches = {name: _BLOCK.match(name) for name in network}
  places = {name: _place(match) for name, match in matches.items() if match}
  if not places:
    return {}
  order = sorted(set(places.values()))
  inputs = {name: 0 for name in network if _INPUT.match(name)}
  return inputs | {name: 1 + order.index(at) for name, at in places.items()}


def _place(match):
  """Stage and index as numbers; a downsampling goes with the block after it."""
  stage, index, stage_after = match.groups()
  return int(stage or stage_after or 0), int(index or 0)


def check(decay: float) -> None:
  """Raises ValueError for a decay outside (0, 1]."""
  if not 0 < decay <= 1:
    raise ValueError(
        f"optimizer.layer_decay must lie in (0, 1], 1 for none, got {decay!r}"
    )
