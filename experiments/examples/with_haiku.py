"""CutMix with decoupled cross-entropy on the digits, in Haiku."""

import haiku as hk
import jax
import numpy as np
import optax
from sklearn import datasets

from dmjax import losses
from dmjax import mixers


@hk.without_apply_rng
@hk.transform
def network(images):
  return hk.Sequential([
      hk.Conv2D(32, 3), jax.nn.relu, hk.Conv2D(64, 3, stride=2), jax.nn.relu,
      hk.Flatten(), hk.Linear(10),
  ])(images)


optimizer = optax.adam(3e-3)


@jax.jit
def train_step(params, state, images, labels, key):
  mixed = mixers.cutmix(key, images, alpha=1.0)

  def loss_fn(params):
    logits = network.apply(params, mixed.x)
    return losses.decoupled_cross_entropy(
        logits, labels[mixed.sources], mixed.weights, eta=0.1
    ).mean()

  loss, grads = jax.value_and_grad(loss_fn)(params)
  updates, state = optimizer.update(grads, state)
  return optax.apply_updates(params, updates), state, loss


def main(steps=300):
  """Trains and prints the accuracy; returns the loss of every step."""
  images, labels = datasets.load_digits(return_X_y=True)
  images = images.reshape(-1, 8, 8, 1).astype("float32") / 16

  keys, rng, history = hk.PRNGSequence(0), np.random.default_rng(0), []
  state = optimizer.init(params := network.init(next(keys), images[:1]))
  for _ in range(steps):
    rows = rng.integers(1437, size=128)
    batch = images[rows], labels[rows]
    params, state, loss = train_step(params, state, *batch, next(keys))
    history.append(loss)

  found = network.apply(params, images[1437:]).argmax(-1)
  print(f"Haiku: {np.mean(found == labels[1437:]):.1%} of new digits")
  return history


if __name__ == "__main__":
  main()
