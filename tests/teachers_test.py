"""Another network that guides a mixer: a run, or a file of parameters."""

import functools
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors import numpy as safetensors

from dmjax import losses
from dmjax import methods
from dmjax import mixers
from dmjax import models
from dmjax import recipes
from dmjax.methods import guidance
from dmjax.train import loop
from dmjax.train import run as run_lib
from dmjax.train import teachers
from tests import timm_layouts

LOSS = losses.mixup_cross_entropy
pytestmark = pytest.mark.usefixtures("without_pictures")


@functools.cache
def network(outputs=4):
  return models.create_network("resnet8", num_classes=outputs, widths=(4, 8, 8))


@functools.cache
def teacher(side=16, outputs=4):
  net = network(outputs)
  x = jnp.zeros((1, side, side, 3))
  variables = jax.jit(net.init)(jax.random.key(9), x)
  return guidance.Teacher(net, variables, side, outputs)


def batch():
  rng = np.random.default_rng(0)
  x = jnp.asarray(rng.uniform(size=(8, 8, 8, 3)), jnp.float32)
  return {"x": x, "label": jnp.arange(8) % 4}


def test_the_mixer_gets_the_features_of_the_teacher_at_the_size_it_knows():
  """A teacher of larger images has finer cells: 4 x 4 instead of 2 x 2."""
  data, key, known = batch(), jax.random.key(3), teacher()
  method = methods.supervised(
      network(), mixers.attentivemix, LOSS, teacher=known
  )
  state = jax.jit(method.init)(jax.random.key(0), data)
  found, _ = jax.jit(method.loss)(state.params, state, data, key)

  @jax.jit
  def by_hand(state):
    images = jax.image.resize(data["x"], (8, 16, 16, 3), "linear")
    _, features = known.network.predict(
        known.variables, images, features="stage3"
    )
    assert features.shape[1:3] == (4, 4)
    mix_key, model_key = jax.random.split(key)
    mixed = mixers.attentivemix(mix_key, data["x"], features=features)
    logits, _ = network().train(
        {"params": state.params, **state.model_state}, mixed.x, model_key
    )
    return LOSS(logits, data["label"][mixed.sources], mixed.weights).mean()

  np.testing.assert_allclose(found, by_hand(state), rtol=1e-5)


def test_the_teacher_is_part_of_the_state_and_gets_no_gradient():
  data, known = batch(), teacher()
  method = methods.supervised(network(), mixers.snapmix, LOSS, teacher=known)
  state = jax.jit(method.init)(jax.random.key(0), data)
  assert jax.tree.all(
      jax.tree.map(np.array_equal, state.extra["teacher"], known.variables)
  )
  def lose(extra):
    return method.loss(
        state.params, state.replace(extra=extra), data, jax.random.key(3)
    )[0]

  grads = jax.jit(jax.grad(lose))(state.extra)
  assert not any(map(np.any, jax.device_get(jax.tree.leaves(grads))))


def test_class_activation_maps_of_a_teacher_have_the_size_of_the_images():
  data, known = batch(), teacher()
  guide = guidance.make_guide(
      network(), mixers.needs("cam"), saliency="input_gradient", teacher=known
  )
  maps = jax.eval_shape(guide, None, data, known.variables)
  assert maps["cam"].shape == (8, 8, 8)


def test_a_teacher_that_nothing_asks_for_is_refused():
  with pytest.raises(ValueError, match="teacher is for mixers that ask for"):
    methods.supervised(network(), mixers.cutmix, LOSS, teacher=teacher())


def test_the_note_says_who_makes_the_maps():
  alone = methods.supervised(network(), mixers.attentivemix, LOSS)
  taught = methods.supervised(
      network(), mixers.attentivemix, LOSS, teacher=teacher()
  )
  assert alone.note.endswith("of the network itself")
  assert taught.note.endswith("of the teacher")


def smoke(words, **method):
  config = recipes.load(f"digits:resnet8,{words},smoke")
  config.update(total="4 steps", batch_size=32)
  config.method.update(method)
  return config


@pytest.fixture(scope="module")
def taught(tiny_run, tmp_path_factory):
  """A run with the teacher of another; returns both workdirs."""
  root = tmp_path_factory.mktemp("runs")
  shutil.copytree(tiny_run[0], root / "teacher")
  config = smoke("attentivemix", teacher=str(root / "teacher"))
  loop.train(config, root / "taught")
  return root


def test_a_run_teaches_by_the_parameters_that_it_is_evaluated_with(taught):
  run, state = run_lib.load(taught / "taught")
  other, known = run_lib.load(taught / "teacher")
  jax.tree.map(
      np.testing.assert_array_equal, state.extra["teacher"],
      jax.device_get(other.method.variables(known)),
  )
  assert run.borrowed == {str(taught / "teacher"): 24}


def test_a_taught_run_does_without_its_teacher_once_it_has_begun(taught):
  (taught / "teacher").rename(taught / "gone")
  run, state = run_lib.load(taught / "taught")
  (taught / "gone").rename(taught / "teacher")
  assert state.step == 4
  assert run.method.note.endswith("of the teacher")


def test_a_run_without_a_checkpoint_is_no_teacher(tmp_path):
  (tmp_path / "begun").mkdir()
  config = smoke("attentivemix", teacher=str(tmp_path / "begun"))
  with pytest.raises(ValueError, match="has no checkpoint yet"):
    run_lib.assemble(config)


def parameters(path):
  """A file of ResNet-18 in timm's layout, of a class or two."""
  shapes = timm_layouts.resnet("basic", (2, 2, 2, 2))
  rng = np.random.default_rng(0)
  safetensors.save_file(
      {k: rng.uniform(0.5, 1, v).astype(np.float32) for k, v in shapes.items()},
      path,
  )


def test_a_file_is_a_network_of_its_name_at_224_pixels(tmp_path):
  path = tmp_path / "resnet18.safetensors"
  parameters(path)
  known = teachers.of_file(path)
  shape = jax.eval_shape(
      functools.partial(known.network.predict, features="stage4"),
      known.variables, jnp.zeros((1, known.image_size, known.image_size, 3)),
  )[1].shape
  assert (known.image_size, shape[1:3]) == (224, (7, 7))
  assert known.num_classes == 1000


@pytest.mark.parametrize("name,message", (
    ("mine.safetensors", "named after its network, as resnet50.safetensors"),
    ("resnet18.safetensors", "method.teacher: path=.* cannot be read"),
    ("runs/none", "method.teacher=.* must be the workdir of a run or a .safe"),
))
def test_a_teacher_that_is_none_is_named(tmp_path, name, message):
  if name.endswith(".safetensors"):
    (tmp_path / name).touch()
  config = smoke("attentivemix", teacher=str(tmp_path / name))
  with pytest.raises(ValueError, match=message):
    run_lib.assemble(config, workdir=tmp_path / "run")


def test_class_activation_maps_need_a_teacher_of_the_same_classes():
  parts = methods.Parts(
      network=network, num_classes=10, mixer=mixers.snapmix,
      guidance=mixers.needs("cam"), loss=LOSS, total_steps=1, steps=None,
      teacher=lambda name: teacher(), axis_name=None,
  )
  with pytest.raises(ValueError, match="must know the 10 classes.*it has 4"):
    guidance.teacher_of(parts, "runs/a")
