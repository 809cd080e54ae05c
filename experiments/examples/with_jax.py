"""Mixup with decoupled cross-entropy on the digits, in JAX and nothing else."""

import jax
import jax.numpy as jnp
import numpy as np
from sklearn import datasets

from dmjax import losses
from dmjax import mixers


def init(key, widths=(64, 256, 10)):
  """The weights of a multilayer perceptron."""
  return [
      jax.random.normal(key, (m, n)) * jnp.sqrt(2 / m)
      for key, m, n in zip(jax.random.split(key, 2), widths, widths[1:])
  ]


def apply(params, x):
  *hidden, head = params
  for w in hidden:
    x = jax.nn.relu(x @ w)
  return x @ head


@jax.jit
def train_step(params, x, labels, key, rate=0.5):
  mixed = mixers.mixup(key, x, alpha=1.0)  # Rows `[B, D]` mix as images do.

  def loss_fn(params):
    logits = apply(params, mixed.x)
    return losses.decoupled_cross_entropy(
        logits, labels[mixed.sources], mixed.weights, eta=0.1
    ).mean()

  loss, grads = jax.value_and_grad(loss_fn)(params)
  return jax.tree.map(lambda p, g: p - rate * g, params, grads), loss


def main(steps=600):
  """Trains and prints the accuracy; returns the loss of every step."""
  x, labels = datasets.load_digits(return_X_y=True)
  x = x.astype("float32") / 16

  key, rng, history = jax.random.key(0), np.random.default_rng(0), []
  params = init(key)
  for step in range(steps):
    rows, mix_key = rng.integers(1437, size=128), jax.random.fold_in(key, step)
    params, loss = train_step(params, x[rows], labels[rows], mix_key)
    history.append(loss)

  found = apply(params, x[1437:]).argmax(-1)
  print(f"JAX: {np.mean(found == labels[1437:]):.1%} of new digits")
  return history


if __name__ == "__main__":
  main()
