"""CutMix with decoupled cross-entropy on the digits, in Keras 3 on JAX."""

import os

os.environ["KERAS_BACKEND"] = "jax"  # Before Keras is imported.

import jax
import jax.numpy as jnp
import keras
import numpy as np
from sklearn import datasets

from dmjax import losses
from dmjax import mixers


@jax.jit
def mix(key, images, labels):
  """Mixed images and their targets: of each its labels and their weights."""
  mixed = mixers.cutmix(key, images, alpha=1.0)
  return mixed.x, jnp.stack([labels[mixed.sources], mixed.weights], axis=-1)


def decoupled_cross_entropy(targets, logits):
  labels, weights = targets[..., 0].astype(int), targets[..., 1]
  return losses.decoupled_cross_entropy(logits, labels, weights, eta=0.1)


def batches(images, labels):
  key, rng = jax.random.key(0), np.random.default_rng(0)
  while True:
    key, mix_key = jax.random.split(key)
    rows = rng.integers(len(images), size=128)
    yield mix(mix_key, images[rows], labels[rows])


def main(steps=300):
  """Trains and prints the accuracy; returns the loss of every ten steps."""
  images, labels = datasets.load_digits(return_X_y=True)
  images = images.reshape(-1, 8, 8, 1).astype("float32") / 16

  keras.utils.set_random_seed(0)
  model = keras.Sequential([
      keras.layers.Conv2D(32, 3, activation="relu"),
      keras.layers.Conv2D(64, 3, activation="relu"),
      keras.layers.Flatten(), keras.layers.Dense(10),
  ])
  model.compile(keras.optimizers.Adam(3e-3), decoupled_cross_entropy)
  data = batches(images[:1437], labels[:1437])
  many = {"steps_per_epoch": 10, "epochs": steps // 10}
  fitted = model.fit(data, **many, shuffle=False, verbose=0)

  found = model.predict(images[1437:], verbose=0).argmax(-1)
  print(f"Keras: {np.mean(found == labels[1437:]):.1%} of new digits")
  return fitted.history["loss"]


if __name__ == "__main__":
  main()
