"""A bottleneck of features before the classifier, and a head of domains.

Both as FIXED (arXiv 2211.05228) and other work on domains have them.
"""

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from dmjax.models import network

# Of the parameters and batch statistics that are added to those of a network,
# and of the features that `Network.train` returns when it is asked for them.
NAME = "bottleneck"
Variables = Mapping[str, Any]


class Bottleneck(nn.Module):
  """Batch norm of linear features, without ReLU, and a linear classifier.

  Attributes:
    num_classes: Size of the classifier.
    axis_name: Axis over which batch statistics are averaged, if any.
  """

  num_classes: int
  axis_name: str | None = None

  @nn.compact
  def __call__(self, h: jax.Array, *, train: bool):
    """Maps `[B, D]` to logits `float32[B, C]` and features `float32[B, D]`."""
    norm = _norm(self, train, "norm")
    z = norm(h.astype(jnp.float32))
    return nn.Dense(self.num_classes, name="classifier")(z), z


class DomainHead(nn.Module):
  """Two dense layers with batch norm and ReLU, and a linear one.

  Attributes:
    num_domains: Size of the output.
    width: Of the hidden layers.
    axis_name: Axis over which batch statistics are averaged, if any.
  """

  num_domains: int
  width: int = 256
  axis_name: str | None = None

  @nn.compact
  def __call__(self, z: jax.Array, *, train: bool) -> jax.Array:
    """Maps features `[B, D]` to logits of domains `float32[B, num_domains]`."""
    for layer in range(2):
      z = nn.Dense(self.width, name=f"dense{layer}")(z)
      z = nn.relu(_norm(self, train, f"norm{layer}")(z))
    return nn.Dense(self.num_domains, name="head")(z)


def of_domain_head(
    num_domains: int, *, width: int = 256, axis_name: str | None = None
) -> network.Network:
  """A `DomainHead` as three pure functions, of features `[B, D]`.

  Args:
    num_domains: Size of the output.
    width: Of the hidden layers.
    axis_name: Axis over which batch statistics are averaged, if any.

  Returns:
    The network.

  Raises:
    ValueError: For fewer than two domains, and a width below 1.
  """
  if num_domains < 2:
    raise ValueError(f"num_domains must be >= 2, got {num_domains}")
  check_width("width", width)
  head = DomainHead(num_domains, width, axis_name)
  return network.of_linen(head, mean=())


def with_bottleneck(
    body: network.Network, num_classes: int, *, axis_name: str | None = None
) -> network.Network:
  """A network whose head is a bottleneck, and a classifier behind it.

      z = BN(body(x)),   logits = z W + b

  so the width of the bottleneck is the number of outputs of `body`. Parameters
  are those of `body`, and `bottleneck` with `norm` and `classifier`.

  Args:
    body: To `[B, D]`.
    num_classes: Size of the classifier.
    axis_name: Axis over which batch statistics are averaged, if any.

  Returns:
    The network. With `features="bottleneck"` it returns z beside the logits.
  """
  top = Bottleneck(num_classes, axis_name)

  def init(key, x):
    body_key, top_key = jax.random.split(key)
    variables = body.init(body_key, x)
    h = jax.eval_shape(body.predict, variables, x)
    of_top = top.init(top_key, jnp.zeros(h.shape), train=False)
    return _joined(variables, of_top)

  def train(variables, x, key, *, hook=None, features=None):
    of_body, of_top = _parted(variables)
    own = None if features == NAME else features
    out, state = body.train(of_body, x, key, hook=hook, features=own)
    h, maps = out if own else (out, None)
    (logits, z), of_top = top.apply(
        of_top, h, train=True, mutable=list(network.model_state(of_top))
    )
    return _answer(logits, z, maps, features), _joined(state, of_top)

  def predict(variables, x, *, hook=None, features=None):
    of_body, of_top = _parted(variables)
    own = None if features == NAME else features
    out = body.predict(of_body, x, hook=hook, features=own)
    h, maps = out if own else (out, None)
    logits, z = top.apply(of_top, h, train=False)
    return _answer(logits, z, maps, features)

  return network.Network(init, train, predict)


def check_width(name: str, width: int) -> None:
  """Raises ValueError, with the name, for a width below 1."""
  if width < 1:
    raise ValueError(f"{name} must be >= 1, got {width}")


def _norm(module, train, name):
  """Batch norm with the momentum of PyTorch's."""
  return nn.BatchNorm(
      use_running_average=not train, momentum=0.9, epsilon=1e-5,
      axis_name=module.axis_name, name=name,
  )


def _answer(logits, z, maps, features):
  if features is None:
    return logits
  return logits, z if features == NAME else maps


def _joined(of_body: Variables, of_top: Variables) -> dict[str, Any]:
  """Both, by collection; those of the top under its name."""
  return {
      kind: {**of_body.get(kind, {}), NAME: of_top[kind]}
      if kind in of_top else of_body[kind]
      for kind in {**of_body, **of_top}
  }


def _parted(variables: Variables) -> tuple[dict[str, Any], dict[str, Any]]:
  """What `_joined` joined."""
  of_top = {k: tree[NAME] for k, tree in variables.items() if NAME in tree}
  of_body = {
      kind: {name: leaf for name, leaf in tree.items() if name != NAME}
      for kind, tree in variables.items()
  }
  return {kind: tree for kind, tree in of_body.items() if tree}, of_top
