"""CutMix with decoupled cross-entropy on the digits, in Flax Linen."""

import flax.linen as nn
from flax.training import train_state
import jax
import numpy as np
import optax
from sklearn import datasets

from dmjax import losses
from dmjax import mixers


class ConvNet(nn.Module):

  @nn.compact
  def __call__(self, x):
    x = nn.relu(nn.Conv(32, (3, 3))(x))
    x = nn.relu(nn.Conv(64, (3, 3), strides=2)(x))
    return nn.Dense(10)(x.reshape(len(x), -1))


@jax.jit
def train_step(state, images, labels, key):
  mixed = mixers.cutmix(key, images, alpha=1.0)

  def loss_fn(params):
    logits = state.apply_fn(params, mixed.x)
    return losses.decoupled_cross_entropy(
        logits, labels[mixed.sources], mixed.weights, eta=0.1
    ).mean()

  loss, grads = jax.value_and_grad(loss_fn)(state.params)
  return state.apply_gradients(grads=grads), loss


def main(steps=300):
  """Trains and prints the accuracy; returns the loss of every step."""
  images, labels = datasets.load_digits(return_X_y=True)
  images = images.reshape(-1, 8, 8, 1).astype("float32") / 16

  model, key, rng = ConvNet(), jax.random.key(0), np.random.default_rng(0)
  state = train_state.TrainState.create(
      apply_fn=model.apply, params=model.init(key, images[:1]),
      tx=optax.adam(3e-3),
  )
  history = []
  for step in range(steps):
    rows, mix_key = rng.integers(1437, size=128), jax.random.fold_in(key, step)
    state, loss = train_step(state, images[rows], labels[rows], mix_key)
    history.append(loss)

  found = model.apply(state.params, images[1437:]).argmax(-1)
  print(f"Flax Linen: {np.mean(found == labels[1437:]):.1%} of new digits")
  return history


if __name__ == "__main__":
  main()
