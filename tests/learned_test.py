"""A trained Mix Block as a mixer and as a picture."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax import main
from dmjax import methods
from dmjax import mixers
from dmjax import models
from dmjax.commands import exits
from dmjax.train import loop
from dmjax.train import mixing
from dmjax.train import run as run_lib
from dmjax.train import workdir as workdir_lib
from tests import tiny_config


def block_mixer(**options):
  """A Mix Block with random parameters as a mixer of 12 pixel images."""
  module = models.create_mix_block("automix", embedding="concat")
  features = jax.random.normal(jax.random.key(0), (5, 3, 3, 6))
  init = lambda key: module.init(key, features, jnp.arange(5), 0.5, (12, 12))
  variables = jax.jit(init)(jax.random.key(1))
  variables = jax.tree.map(lambda p: 100 * np.asarray(p), variables)

  def block(features, partner, lam, shape):
    return module.apply(variables, features, partner, lam, shape)[..., 0]

  return functools.partial(
      mixers.automix, block=block, features=features, **options
  )


def images():
  return jax.random.uniform(jax.random.key(2), (5, 12, 12, 3))


def test_a_mix_block_mixes_by_its_mask():
  mixer = jax.jit(block_mixer(lam=0.3, partner="roll"))
  x, mixed = images(), mixer(jax.random.key(0), images())
  np.testing.assert_array_equal(mixed.sources[:, 1], np.roll(np.arange(5), 1))
  expected = np.array(x)
  for i, j in np.asarray(mixed.sources):
    mask = mixed.mask[i]
    expected[i] = mask * x[i] + (1 - mask) * x[j]
  np.testing.assert_allclose(mixed.x, expected, atol=1e-6)
  assert np.std(mixed.mask) > 0.01
  np.testing.assert_allclose(
      mixed.weights[:, 0], mixed.mask.mean((1, 2, 3)), atol=1e-6
  )
  np.testing.assert_allclose(mixed.weights.sum(1), 1, atol=1e-6)


def test_weights_can_be_the_lambda_of_the_papers():
  lam = jnp.linspace(0, 1, 5)
  mixer = jax.jit(block_mixer(lam=lam, keep_lam=True))
  mixed = mixer(jax.random.key(0), images())
  np.testing.assert_array_equal(mixed.weights[:, 0], lam)


def test_no_gradient_reaches_the_block():
  x = images()
  mixer = block_mixer(lam=0.5, partner="roll")

  def total(x, features):
    return jnp.sum(mixer(jax.random.key(0), x, features=features).x)

  slopes = jax.jit(jax.grad(total, (0, 1)))
  by_x, by_features = slopes(x, mixer.keywords["features"])
  assert np.any(by_x != 0) and np.all(by_features == 0)


def test_masks_of_another_size_are_refused():
  mixer = functools.partial(
      mixers.automix, features=None, block=lambda *_: jnp.ones((5, 3, 3))
  )
  with pytest.raises(ValueError, match="mask of the block must be"):
    mixer(jax.random.key(0), images())


@pytest.fixture
def run(tiny_automix_run):
  return tiny_automix_run[0]


def test_a_run_gives_its_mix_block_as_a_mixer(run):
  mixer = methods.as_mixer(run_lib.learned(run)[1])
  x = jax.random.uniform(jax.random.key(0), (4, 8, 8, 1))
  mixed = jax.jit(functools.partial(mixer, lam=0.4))(jax.random.key(1), x)
  assert mixed.x.shape == x.shape and mixed.mask.shape == (4, 8, 8, 1)
  # That of the state it was saved from, not of a new one.
  config = workdir_lib.read_config(run)
  state = run_lib.restore(run_lib.assemble(config), run)
  kernel = jax.device_get(state.params["mix_block"]["query"]["kernel"])
  module = models.create_mix_block("samix")
  variables = jax.device_get({
      "params": state.params["mix_block"], **state.model_state["mix_block"]
  })
  network = models.create_network(
      "resnet8", num_classes=20, widths=(4, 8, 8), mean=config.data.mean,
      std=config.data.std,
  )
  teacher = jax.device_get({
      "params": state.extra["teacher"], **state.model_state["teacher"]
  })

  @jax.jit
  def mask(partner):
    features = network.predict(teacher, x, features="stage2")[1]
    return module.apply(variables, features, partner, 0.4, (8, 8))

  expected = mask(mixed.sources[:, 1])
  np.testing.assert_allclose(mixed.mask, expected, atol=1e-5)
  assert np.std(kernel) > 0


def test_the_masks_are_drawn_in_training_and_on_demand(run, tmp_path):
  assert (run / "masks.png").stat().st_size > 0
  out = tmp_path / "deep" / "masks.png"
  assert main.main(["preview", "--workdir", str(run), "--out", str(out)]) == 0
  assert out.stat().st_size > 0


def test_a_run_that_learns_no_mixing_is_named(tiny_run, capsys):
  command = ["preview", "--workdir", str(tiny_run[0]), "--out", "x.png"]
  assert main.main(command) == exits.BAD_INPUT
  assert "'supervised', which does not learn to mix" in capsys.readouterr().err


def test_a_mix_block_is_the_mixer_of_another_training(run, tmp_path):
  config = tiny_config.get_config()
  config.mix = {"name": "automix", "workdir": str(run), "alpha": 1.0}
  result = loop.train(config, tmp_path)
  assert result.finished and 0 <= result.metrics["top1"] <= 1
  assert (tmp_path / "mixed.png").stat().st_size > 0


@pytest.mark.parametrize(
    "options,message",
    (({}, "needs the workdir of a run"),
     ({"workdir": "/nowhere"}, "'/nowhere' holds no run of dmjax")),
)
def test_a_mix_block_without_its_run_is_named(options, message):
  with pytest.raises(ValueError, match=message):
    make_mixer({"name": "automix", **options})


def test_an_option_the_mix_block_does_not_have_is_named(run):
  spec = {"name": "automix", "workdir": str(run), "alhpa": 1.0}
  with pytest.raises(ValueError, match="has no option 'alhpa'.*'alpha'"):
    make_mixer(spec)


def make_mixer(spec):
  learned = lambda workdir: methods.as_mixer(run_lib.learned(workdir)[1])
  return mixing.make_mixer(spec, learned)
