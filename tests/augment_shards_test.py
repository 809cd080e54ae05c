"""Augmentation under `shard_map` with its default checks."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax import augment

P = functools.partial
ROWS, SAME = map(jax.sharding.PartitionSpec, ("devices", None))
KEYS = jax.random.split(jax.random.key(0), 2)
POLICIES = ("rand-m9-mstd0.5-inc1", "openmixup-m7", "fixmatch-n1", "trivial")

FUNCTIONS = {
    "random_crop": P(augment.random_crop, padding=3),
    "random_flip": augment.random_flip,
    "random_resized_crop": augment.random_resized_crop,
    "colour_jitter": P(augment.colour_jitter, strength=0.4),
    "random_erase": P(augment.random_erase, probability=0.5),
    "cutout": P(augment.cutout, size=4),
}
CHAIN = P(augment.chain, steps=tuple(FUNCTIONS.values()))
FUNCTIONS |= {
    "three_augment": augment.three_augment, "augmix": augment.augmix
} | {
    name: P(
        augment.rand_augment, policy=augment.parse_policy(name), fill=(0.5,)
    )
    for name in POLICIES
}


def images(size):
  return jax.random.uniform(jax.random.key(1), (size, 9, 14, 3))


def sharded(function, *specs):
  """The function of keys `[devices]` and images, on two devices."""
  mesh = jax.sharding.Mesh(np.array(jax.devices()[:2]), ("devices",))
  return jax.shard_map(
      lambda keys, x: function(keys[0], x), mesh=mesh, in_specs=specs,
      out_specs=ROWS,
  )


def test_each_shard_is_augmented_by_itself():
  x = images(8)
  changed = jax.jit(sharded(CHAIN, ROWS, ROWS))(KEYS, x)
  for i, rows in enumerate((slice(0, 4), slice(4, 8))):
    expected = jax.jit(CHAIN)(KEYS[i], x[rows])
    np.testing.assert_allclose(changed[rows], expected, atol=1e-5)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("specs", ((ROWS, ROWS), (ROWS, SAME), (SAME, ROWS)))
def test_keys_or_images_may_be_the_same_on_all_devices(name, specs):
  x = images(4 if specs[1] == SAME else 8)
  run = sharded(FUNCTIONS[name], *specs)
  assert jax.eval_shape(run, KEYS, x).shape == (8, *x.shape[1:])


def test_an_operation_may_differ_between_devices():
  operation = lambda numbers, x: augment.apply_operation(x, numbers, 0.5)
  for specs in ((ROWS, ROWS), (ROWS, SAME), (SAME, ROWS)):
    run = sharded(operation, *specs)
    x = images(4 if specs[1] == SAME else 8)
    assert jax.eval_shape(run, jnp.arange(2), x).shape == (8, 9, 14, 3)
