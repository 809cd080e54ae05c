"""The losses, and what they make of edges, computed when this is built."""

from collections.abc import Callable
import inspect
import pathlib

import jax
import jax.numpy as jnp
import numpy as np

from dmjax import losses
import docstrings
from generate import markdown

_LOGITS = ((2.0, 1.0, 0.0, -1.0),)
_CLASSES = 4
# What is special, logits [1, C], labels [1, K] and weights [1, K].
EDGES = {
    "a pair, for comparison": (_LOGITS, ((0, 1),), ((0.7, 0.3),)),
    "equal weights": (_LOGITS, ((0, 1),), ((0.5, 0.5),)),
    "all weight on one source": (_LOGITS, ((0, 1),), ((1.0, 0.0),)),
    "both of one class": (_LOGITS, ((0, 0),), ((0.7, 0.3),)),
    "a class repeated among three": (
        _LOGITS, ((0, 1, 0),), ((0.5, 0.3, 0.2),)
    ),
    "two classes, both in the mix": (((2.0, 1.0),), ((0, 1),), ((0.7, 0.3),)),
    "soft labels": (_LOGITS, np.float32([[
        [0.8, 0.1, 0.1, 0.0], [0.1, 0.9, 0.0, 0.0]]]), ((0.7, 0.3),)),
    "logits of 10,000, right": (
        ((1e4, 1e4, -1e4, -1e4),), ((0, 1),), ((0.7, 0.3),)
    ),
    "logits of 10,000, wrong": (
        ((-1e4, -1e4, 1e4, 1e4),), ((0, 1),), ((0.7, 0.3),)
    ),
    "bfloat16 logits": (
        jnp.asarray(_LOGITS, jnp.bfloat16), ((0, 1),), ((0.7, 0.3),)
    ),
}
_HEAD = """\
# Losses

Per example, `float32[B]`, computed in float32 whatever the logits are: reduce
them last. What takes no mixed labels, such as the term of MixupE and the losses
of masks, is in [the reference](reference/losses.md).

"""
_TABLE = """\
## Edges

The loss with its default options, and in brackets the largest entry of its
gradient by the logits; computed when this page was built.

"""


def write(out: pathlib.Path) -> None:
  """Writes the page."""
  told = [_about(name, loss) for name, loss in losses.LOSSES.items()]
  rows = [
      (edge, *(cell(loss, *example) for loss in losses.LOSSES.values()))
      for edge, example in EDGES.items()
  ]
  head = ["edge", *(f"`{name}`" for name in losses.LOSSES)]
  table = markdown.table(head, rows)
  (out / "losses.md").write_text(_HEAD + "\n".join(told) + _TABLE + table + "\n")


def cell(loss: Callable[..., jax.Array], logits, labels, weights) -> str:
  """A loss and its steepest gradient, as text."""
  value, gradient = jax.value_and_grad(
      lambda z: jnp.sum(loss(z, labels, weights))
  )(jnp.asarray(logits))
  return f"{value:.4g} ({jnp.max(jnp.abs(gradient)):.2g})"


def _about(name, loss):
  doc = inspect.getdoc(loss) or ""
  papers = markdown.papers(docstrings.papers(doc))
  return (
      f"## {name}\n\n{docstrings.summary(doc)}.\n\n"
      f"```text\n{docstrings.equation(doc)}\n```\n\nPaper: {papers}. Options and"
      f" guarantees: {{py:func}}`dmjax.losses.{name}`.\n"
  )
