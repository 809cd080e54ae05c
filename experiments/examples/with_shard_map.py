"""CutMix with decoupled cross-entropy on all devices, by `jax.shard_map`."""

import jax
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P
import numpy as np
from sklearn import datasets

from dmjax import losses
from dmjax import mixers


def apply(params, images):
  x = jax.nn.relu(images.reshape(len(images), -1) @ params["hidden"])
  return x @ params["head"]


def train_step(params, images, labels, key):
  """Of one device's rows. Their partners are among them: none are sent."""
  key = jax.random.fold_in(key, jax.lax.axis_index("data"))
  mixed = mixers.cutmix(key, images, alpha=1.0)

  def loss_fn(params):
    logits = apply(params, mixed.x)
    return jax.lax.pmean(losses.decoupled_cross_entropy(
        logits, labels[mixed.sources], mixed.weights, eta=0.1
    ).mean(), "data")

  loss, grads = jax.value_and_grad(loss_fn)(params)
  return jax.tree.map(lambda p, g: p - 0.5 * g, params, grads), loss


def main(steps=600):
  """Trains and prints the accuracy; returns the loss of every step."""
  images, labels = datasets.load_digits(return_X_y=True)
  images = images.reshape(-1, 8, 8, 1).astype("float32") / 16

  mesh = jax.make_mesh((jax.device_count(),), ("data",))
  rows_apart = NamedSharding(mesh, P("data"))
  step_fn = jax.jit(jax.shard_map(
      train_step, mesh=mesh, out_specs=P(),
      in_specs=(P(), P("data"), P("data"), P()),
  ))
  key, rng, history = jax.random.key(0), np.random.default_rng(0), []
  params = {"hidden": rng.normal(0, 0.2, (64, 256)).astype("float32"),
            "head": rng.normal(0, 0.1, (256, 10)).astype("float32")}
  for step in range(steps):
    rows, mix_key = rng.integers(1437, size=128), jax.random.fold_in(key, step)
    batch = jax.device_put((images[rows], labels[rows]), rows_apart)
    params, loss = step_fn(params, *batch, mix_key)
    history.append(loss)

  right = apply(params, images[1437:]).argmax(-1) == labels[1437:]
  print(f"{mesh.size} devices: {np.mean(right):.1%} of new digits")
  return history


if __name__ == "__main__":
  main()
