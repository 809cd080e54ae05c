"""What is drawn or given in its place: refused on the host, or taken as it is."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax import mixers

KEY = jax.random.key(0)
X = jnp.ones((5, 16, 16, 3))
MAPS = {
    "saliency": np.ones((5, 16, 16)),
    "cam": np.ones((5, 16, 16)),
    "attention": np.ones((5, 16)),
    "attentions": np.ones((5, 2, 17, 17)),
    "features": np.ones((5, 4, 4, 6)),
}
GUIDANCE = {
    name: {
        option: maps
        for option, maps in MAPS.items()
        if option in mixers.options_of(mixer)
    }
    for name, mixer in mixers.MIXERS.items()
}
NAN = float("nan")


@pytest.mark.parametrize("name", sorted(mixers.MIXERS))
@pytest.mark.parametrize("option,value,words", (
    ("alpha", NAN, "alpha must be > 0, got nan"),
    ("alpha", np.float32(-1), "alpha must be > 0, got -1"),
    ("alpha", float("inf"), "alpha must be > 0, got inf"),
    ("lam", NAN, r"lam must lie in \[0, 1\], got nan"),
    ("lam", [0.5, 0.5, NAN, 0.5, 0.5], r"lam must lie in \[0, 1\]"),
    ("lam", np.float32(1.5), r"lam must lie in \[0, 1\], got 1.5"),
    ("lam", [0.5, 0.5], r"lam must be a scalar or \[B\] with B=5"),
    ("partner", [0, 1, 2, 3, 5], r"partner must hold rows in \[0, 5\)"),
    ("partner", np.array([0, 1, 2, 3, -1]), r"partner .* in \[0, 5\).*-1"),
    ("partner", [0, 1, 2], r"partner must be int\[B\] with B=5"),
    ("partner", np.zeros(5), r"partner must be int\[B\].*float"),
    ("partner", "best", "partner must be one of .*'best'"),
))
def test_draws_out_of_range_are_named(name, option, value, words):
  if option not in mixers.options_of(mixers.MIXERS[name]):
    pytest.skip(f"{name} has no {option}")
  with pytest.raises(ValueError, match=words):
    mixers.MIXERS[name](KEY, X, **GUIDANCE[name], **{option: value})


def test_traced_draws_are_taken_as_they_are():
  partner = jnp.array([7, 0, 1, 2, 3])
  mixed = jax.jit(
      lambda lam, partner: mixers.mixup(KEY, X, lam=lam, partner=partner)
  )(NAN, partner)
  assert np.all(np.isnan(mixed.weights))
  np.testing.assert_array_equal(mixed.sources[:, 1], partner)
  assert np.all(np.isnan(mixers.mixup(KEY, X, lam=jnp.nan * X[:, 0, 0, 0]).x))


@pytest.mark.parametrize("name,option", (
    ("fmix", "decay"), ("alignmix", "epsilon"), ("comixup", "alpha"),
    ("comixup", "beta"), ("comixup", "omega"), ("puzzlemix", "gamma"),
    ("puzzlemix", "transport_cost"), ("gridmix", "area"),
    ("smoothmix", "sigma"), ("resizemix", "scope"), ("smmix", "sides"),
))
def test_options_that_are_no_number_are_named(name, option):
  pair = option in ("area", "sigma", "scope", "sides")
  value = (NAN, 1.0) if pair else NAN
  with pytest.raises(ValueError, match=f"{option} must .*nan"):
    mixers.MIXERS[name](KEY, X, **GUIDANCE[name], **{option: value})


def test_probabilities_that_are_no_number_are_named():
  with pytest.raises(ValueError, match=r"p must lie in \[0, 1\], got nan"):
    mixers.sometimes(KEY, X, mixer=mixers.mixup, p=NAN)
  with pytest.raises(ValueError, match="probs must be 2 numbers"):
    mixers.choose(
        KEY, X, mixers=(mixers.mixup, mixers.cutmix), probs=(NAN, 0.5)
    )


@pytest.mark.parametrize("per_batch", (False, True))
@pytest.mark.parametrize("keys", (1, 2))
def test_combinators_draw_on_each_device_or_on_all_alike(per_batch, keys):
  """Under `shard_map` with its default checks."""
  mesh = jax.sharding.Mesh(np.array(jax.devices()[:2]), ("devices",))
  spec = jax.sharding.PartitionSpec
  run = lambda keys, x: mixers.choose(
      keys[0], x, mixers=(mixers.fmix, mixers.identity), per_batch=per_batch
  )
  run = jax.shard_map(
      run, mesh=mesh, out_specs=spec("devices"),
      in_specs=(spec("devices" if keys == 2 else None), spec("devices")),
  )
  x = jnp.concatenate([X, X])
  assert jax.eval_shape(run, jax.random.split(KEY, keys), x).x.shape == x.shape
