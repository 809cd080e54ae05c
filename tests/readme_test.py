"""The code of the README runs as it stands."""

import pathlib
import re

import jax
import jax.numpy as jnp
import numpy as np
import optax

README = (pathlib.Path(__file__).parents[1] / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def example():
  """What a reader has: images, labels, a linear model, an optimizer."""
  key = jax.random.key(0)
  images = jax.random.uniform(key, (8, 6, 6, 3))
  params = {"w": jnp.zeros((108, 4))}
  apply = lambda params, x: x.reshape(len(x), -1) @ params["w"]
  return {
      "key": key, "images": images, "labels": jnp.arange(8) % 4,
      "params": params, "apply": apply, "optimizer": optax.sgd(0.1),
      "model": lambda x: apply(params, x),
  }


def test_the_first_lines_give_a_loss():
  names = example()
  exec(BLOCKS[0], names)
  # Log of four classes, and the decoupled term of a guess: softplus(log 2).
  assert np.log(4) - 1e-4 < names["loss"] < np.log(4) + 0.2 * np.log(3) + 1e-4


def test_the_step_learns():
  names = example()
  exec(BLOCKS[1], names)
  params, found = names["params"], []
  opt_state = names["optimizer"].init(params)
  for i in range(30):
    key = jax.random.fold_in(names["key"], i)
    params, opt_state, loss = names["step"](
        params, opt_state, key, names["images"], names["labels"]
    )
    found.append(float(loss))
  assert np.mean(found[-5:]) < found[0]


def test_every_mixer_is_in_the_table():
  from dmjax import mixers  # pylint: disable=g-import-not-at-top

  for name in mixers.MIXERS:
    assert f"| `{name}` |" in README
