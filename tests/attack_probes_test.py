"""The probes of attacks: their cases, their outcomes and what they cost."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax.evaluate import attacks
from dmjax.evaluate.probes import base
from dmjax.evaluate.probes import fgsm
from dmjax.evaluate.probes import pgd

SHAPE = (3, 3, 1)


def draw(rows=6, classes=4, seed=0):
  """Weights `[9, C]` and a batch."""
  rng = np.random.default_rng(seed)
  batch = {
      "x": rng.uniform(size=(rows, *SHAPE)).astype(np.float32),
      "label": rng.integers(classes, size=rows),
      "key": jax.random.split(jax.random.key(seed), rows),
  }
  return rng.normal(size=(9, classes)).astype(np.float32), batch


@pytest.mark.parametrize("probe", (fgsm.PROBE, pgd.PROBE))
def test_cases_are_the_radii_after_a_clean_one(probe):
  cases = probe.cases(base.Options(eps=(8, 0.5, 0, 2)))
  assert [c.place for c in cases] == [0, 0.5, 2, 8]
  assert [c.name for c in cases][1:3] == ["eps 0.5/255", "eps 2/255"]
  assert [c.setting["eps"] for c in cases] == [0, 0.5, 2, 8]
  assert cases[0].program == "clean"
  assert len({c.program for c in cases}) == 2


def test_what_is_static_names_the_program():
  cases = pgd.PROBE.cases(base.Options(steps=20, restarts=3))
  assert cases[1].program == "steps 20, restarts 3"


@pytest.mark.parametrize(
    "options, message",
    (
        ({"eps": (1, -2)}, "eps must be .*got -2"),
        ({"eps": (float("nan"),)}, "eps must be .*got nan"),
        ({"eps": (float("inf"),)}, "eps must be .*got inf"),
        ({"steps": 0}, "steps must be at least 1, got 0"),
        ({"restarts": -1}, "restarts must be at least 1, got -1"),
    ),
)
def test_options_out_of_range_are_named(options, message):
  probe = fgsm.PROBE if "eps" in options else pgd.PROBE
  with pytest.raises(ValueError, match=message):
    probe.cases(base.Options(**options))


def model_of(logits, classes=4):
  return base.Model(logits, None, lambda state: state, classes)


def curved(state, x):
  """A network with a bend, so that attacks turn on their way."""
  return jnp.sin(3 * x.reshape(len(x), -1)) @ state


CURVED = {
    probe: jax.jit(probe.measure(model_of(curved), program))
    for probe, program in (
        (fgsm.PROBE, "one step"),
        (pgd.PROBE, "steps 3, restarts 2"),
    )
}


@pytest.mark.parametrize("probe", CURVED)
def test_outcomes_do_not_depend_on_the_batch(probe):
  weights, batch = draw(seed=5)
  measure, setting = CURVED[probe], {"eps": 20.0}
  whole = measure(weights, batch, setting)
  rows = [jax.tree.map(lambda a, i=i: a[i : i + 1], batch) for i in range(6)]
  found = [measure(weights, row, setting) for row in rows]
  found = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *found)
  for name, value in whole.items():
    np.testing.assert_allclose(value, found[name], rtol=1e-5)


@pytest.mark.parametrize("probe", CURVED)
def test_one_program_serves_every_radius_compiled_or_vmapped(probe):
  weights, batch = draw(seed=6)
  measure, radii = CURVED[probe], (0.0, 2.0, 30.0)
  one_by_one = [measure(weights, batch, {"eps": eps}) for eps in radii]
  at_once = jax.vmap(measure, (None, None, 0))(
      weights, batch, {"eps": jnp.array(radii)}
  )
  for name, value in at_once.items():
    expected = [each[name] for each in one_by_one]
    np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-6)
  clean = base.judged(curved(weights, batch["x"]), batch["label"])
  np.testing.assert_allclose(at_once["nll"][0], clean["nll"], rtol=1e-5)
  assert np.all(at_once["nll"][1] > clean["nll"])


def test_radii_are_in_pixels_of_255():
  weights, batch = draw(seed=8)
  found = CURVED[fgsm.PROBE](weights, batch, {"eps": 20.0})

  def loss(x):
    return attacks.error_log_odds(curved(weights, x), batch["label"])

  x = attacks.fgsm(loss, batch["x"], 20 / 255)
  expected = base.judged(curved(weights, x), batch["label"])
  np.testing.assert_allclose(found["nll"], expected["nll"], rtol=1e-5)
  np.testing.assert_array_equal(found["hit"], expected["hit"])


def counting(passes):
  """A linear model that counts its passes when they run."""

  def count(name):
    def tick():
      passes[name] += 1

    jax.debug.callback(tick)

  @jax.custom_vjp
  def logits(weights, x):
    count("forward")
    return x.reshape(len(x), -1) @ weights

  def forward(weights, x):
    return logits(weights, x), weights

  def backward(weights, slope):
    count("backward")
    back = slope @ weights.T
    return jnp.zeros_like(weights), back.reshape(-1, *SHAPE)

  logits.defvjp(forward, backward)
  return logits


@pytest.mark.parametrize(
    "probe, program, forward, backward",
    (
        (fgsm.PROBE, "one step", 2, 1),
        (fgsm.PROBE, "clean", 1, 0),
        (pgd.PROBE, "clean", 1, 0),
        (pgd.PROBE, "steps 10, restarts 1", 11, 10),
        (pgd.PROBE, "steps 2, restarts 3", 3 * (2 + 1) + 1, 3 * 2),
    ),
)
def test_no_pass_is_wasted(probe, program, forward, backward):
  weights, batch = draw()
  passes = {"forward": 0, "backward": 0}
  measure = jax.jit(probe.measure(model_of(counting(passes)), program))
  jax.block_until_ready(measure(weights, batch, {"eps": 8.0}))
  jax.effects_barrier()
  assert passes == {"forward": forward, "backward": backward}
