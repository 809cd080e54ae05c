"""CutMix with decoupled cross-entropy on the digits, in Equinox."""

import equinox as eqx
import jax
import numpy as np
import optax
from sklearn import datasets

from dmjax import losses
from dmjax import mixers


def conv_net(key):
  keys, relu = jax.random.split(key, 3), eqx.nn.Lambda(jax.nn.relu)
  return eqx.nn.Sequential([
      eqx.nn.Lambda(lambda image: image.transpose(2, 0, 1)),  # Channels first.
      eqx.nn.Conv2d(1, 32, 3, padding=1, key=keys[0]), relu,
      eqx.nn.Conv2d(32, 64, 3, 2, padding=1, key=keys[1]), relu,
      eqx.nn.Lambda(jax.numpy.ravel), eqx.nn.Linear(1024, 10, key=keys[2]),
  ])


@eqx.filter_jit
def train_step(model, state, images, labels, key, optimizer):
  mixed = mixers.cutmix(key, images, alpha=1.0)

  def loss_fn(model):
    return losses.decoupled_cross_entropy(
        jax.vmap(model)(mixed.x), labels[mixed.sources], mixed.weights, eta=0.1
    ).mean()

  loss, grads = eqx.filter_value_and_grad(loss_fn)(model)
  updates, state = optimizer.update(grads, state)
  return eqx.apply_updates(model, updates), state, loss


def main(steps=300):
  """Trains and prints the accuracy; returns the loss of every step."""
  images, labels = datasets.load_digits(return_X_y=True)
  images = images.reshape(-1, 8, 8, 1).astype("float32") / 16

  key, rng = jax.random.key(0), np.random.default_rng(0)
  model, optimizer, history = conv_net(key), optax.adam(3e-3), []
  state = optimizer.init(eqx.filter(model, eqx.is_array))
  for step in range(steps):
    rows, mix_key = rng.integers(1437, size=128), jax.random.fold_in(key, step)
    model, state, loss = train_step(
        model, state, images[rows], labels[rows], mix_key, optimizer
    )
    history.append(loss)

  found = jax.vmap(model)(images[1437:]).argmax(-1)
  print(f"Equinox: {np.mean(found == labels[1437:]):.1%} of new digits")
  return history


if __name__ == "__main__":
  main()
