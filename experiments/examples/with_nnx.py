"""CutMix with decoupled cross-entropy on the digits, in Flax NNX."""

from flax import nnx
import numpy as np
import optax
from sklearn import datasets

from dmjax import losses
from dmjax import mixers


class ConvNet(nnx.Module):

  def __init__(self, rngs):
    self.conv1 = nnx.Conv(1, 32, (3, 3), rngs=rngs)
    self.conv2 = nnx.Conv(32, 64, (3, 3), strides=2, rngs=rngs)
    self.head = nnx.Linear(4 * 4 * 64, 10, rngs=rngs)

  def __call__(self, x):
    x = nnx.relu(self.conv2(nnx.relu(self.conv1(x))))
    return self.head(x.reshape(len(x), -1))


@nnx.jit
def train_step(model, optimizer, images, labels, key):
  mixed = mixers.cutmix(key, images, alpha=1.0)

  def loss_fn(model):
    return losses.decoupled_cross_entropy(
        model(mixed.x), labels[mixed.sources], mixed.weights, eta=0.1
    ).mean()

  loss, grads = nnx.value_and_grad(loss_fn)(model)
  optimizer.update(model, grads)
  return loss


def main(steps=300):
  """Trains and prints the accuracy; returns the loss of every step."""
  images, labels = datasets.load_digits(return_X_y=True)
  images = images.reshape(-1, 8, 8, 1).astype("float32") / 16

  rngs, rng = nnx.Rngs(0, mix=1), np.random.default_rng(0)
  model = ConvNet(rngs)
  optimizer = nnx.Optimizer(model, optax.adam(3e-3), wrt=nnx.Param)
  history = []
  for _ in range(steps):
    rows = rng.integers(1437, size=128)
    history.append(
        train_step(model, optimizer, images[rows], labels[rows], rngs.mix())
    )

  found = model(images[1437:]).argmax(-1)
  print(f"Flax NNX: {np.mean(found == labels[1437:]):.1%} of new digits")
  return history


if __name__ == "__main__":
  main()
