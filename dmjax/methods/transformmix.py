"""TransformMix: a frozen teacher shows two networks how to mix."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from dmjax import losses
from dmjax import mixers
from dmjax import models
from dmjax import names
from dmjax.methods import base
from dmjax.methods import guidance as guidance_lib
from dmjax.methods.supervised import mixed_accuracy


def transformmix(
    teacher: guidance_lib.Teacher,
    block: models.Network,
    mixer: Callable[..., mixers.Mixed],
    loss: Callable[..., jax.Array],
    *,
    lam_weight: float = 10.0,
) -> base.Method:
  """TransformMix (arXiv 2403.12429), its search for warps and masks.

  A module warps both images of a pair and mixes them by a mask M. It learns from
  a trained teacher t that stays as it is:

      x~ = M T_i(x_i) + (1 - M) T_j(x_j),   w = (mean M, 1 - mean M)
      L  = loss(t(x~), y_i, y_j, w) + lam_weight (mean M - lambda)^2

  So a mixed image has to show what its label says. No gradient flows through w:
  with one, the way to the least loss is to show one image alone. The module sees
  the teacher's class activation maps, of the class that the teacher sees, and
  lambda. What it has learned mixes for another run, as `mixers.transformmix`.

  No classifier is trained: `predict` and `variables` are the teacher's, and an
  evaluation repeats the teacher's, as a measure of what teaches.

  The two networks, the teacher and the transfer to other runs are the paper's.
  Its text was not at hand: the loss with its second term, and how the module
  knows lambda, are reconstructed.

  Args:
    teacher: A trained network with a convolutional map before its head.
    block: `models.TransformMix`, of `models.of_mix_block`.
    mixer: Draws the pairs and lambda, such as `mixup`; its blend is not used.
    loss: `loss(logits, labels, weights) -> [B]`.
    lam_weight: Of the second term, 0 or more.

  Returns:
    The method. Its params are those of the module; the teacher's variables are
    in `extra`.

  Raises:
    ValueError: For a negative weight, a mixer of more than two images, and a
      teacher without such a map.
  """
  if not lam_weight >= 0:
    raise ValueError(f"lam_weight must be >= 0, got {lam_weight}")

  def init(key, batch, variables=None):
    if variables is not None:
      raise ValueError(
          "method 'transformmix' trains no classifier: leave out pretrained and"
          " init_from, and name a trained one as method.teacher"
      )
    image = batch["x"][:1]
    pair = image, image[..., 0], jnp.zeros(1, int), 0.5
    variables = block.init(key, pair)
    # A copy: the step donates the state it is given.
    extra = {"teacher": jax.tree.map(jnp.array, teacher.variables)}
    return base.TrainState(
        jnp.int32(0), variables["params"], models.model_state(variables),
        extra=extra,
    )

  def loss_fn(params, state, batch, key):
    pairs_key, block_key = jax.random.split(key)
    taught = jax.lax.stop_gradient(state.extra["teacher"])
    images, pairs = batch["x"], mixer(pairs_key, batch["x"])
    lam, partner = _pairs_of(pairs)
    (own, other, mask), block_state = block.train(
        {"params": params, **state.model_state},
        (images, saliency(teacher, taught, images), partner, lam), block_key,
    )
    mixed = mask[..., None] * own + (1 - mask[..., None]) * other
    share = jnp.mean(mask, axis=(1, 2))
    weights = jnp.stack([share, 1 - share], axis=1)
    logits = _predict(teacher, taught, mixed)
    labels = batch["label"][pairs.sources]
    taught_loss = loss(logits, labels, jax.lax.stop_gradient(weights))
    each = taught_loss + lam_weight * losses.mask_l2(
        mask, lam, margin=0.0, variance=0.0
    )
    metrics = {
        "loss": (each.sum(), each.size),
        "teacher_loss": (taught_loss.sum(), each.size),
        "mask_gap": (jnp.abs(share - lam).sum(), each.size),
        "accuracy": mixed_accuracy(logits, labels, weights),
    }
    return each.mean(), base.Aux(block_state, metrics, losses=each)

  def predict(state, batch):
    return _predict(teacher, state.extra["teacher"], batch["x"])

  def learned(state):
    taught = state.extra["teacher"]
    variables = {"params": state.params, **state.model_state}
    return base.Learned(
        features=lambda images: saliency(teacher, taught, images),
        block=lambda *x: block.predict(variables, x),
        mix=mixers.transformmix,
    )

  return base.Method(
      teacher.network, init, loss_fn, lambda state, carried: state, predict,
      lambda state: state.extra["teacher"], learned,
      note="class activation maps: one extra forward pass of the teacher; its"
      " accuracy is what is evaluated",
  )


def make(
    parts: base.Parts, *, teacher: str = "", width: int = 16, **options
) -> base.Method:
  """The method of a run; its network is the teacher's, not that of the run.

  Args:
    parts: What the run gives.
    teacher: The workdir of a run, or a file as `supervised.make` takes it.
    width: Channels of the two networks of the module.
    **options: Those of `transformmix`.

  Returns:
    The method.

  Raises:
    ValueError: For no teacher, one that cannot be read or has other classes, a
      mixer that needs guidance, and options out of range.
  """
  spec = {"name": "transformmix", **options}
  configured = names.configure("method", {"transformmix": transformmix}, spec)
  base.check_unguided(parts, "transformmix", such_as="mixup")
  if not isinstance(width, int) or width < 1:
    raise ValueError(f"method.width must be an integer >= 1, got {width!r}")
  if not teacher:
    raise ValueError(
        "method 'transformmix' learns from a trained network: name the workdir"
        " of its run, as --config.method.teacher=runs/a"
    )
  known = parts.teacher(teacher)
  if known.num_classes != parts.num_classes:
    raise ValueError(
        f"method.teacher={teacher!r} must know the {parts.num_classes} classes of"
        f" the data, it has {known.num_classes}"
    )
  block = models.of_mix_block(models.TransformMix(width))
  return configured(known, block, parts.mixer, parts.loss)


def saliency(
    teacher: guidance_lib.Teacher, variables, images: jax.Array
) -> jax.Array:
  """The teacher's class activation maps, of the class that it sees itself.

  Args:
    teacher: The teacher.
    variables: Of it.
    images: `[B, H, W, C]` in [0, 1].

  Returns:
    `float32[B, H, W]` in [0, 1], the largest value of each map 1 unless all of
    it is 0. Constant.

  Raises:
    ValueError: For a teacher without a convolutional map before its head.
  """
  network, known = teacher.network, guidance_lib.resized(images, teacher.image_size)
  stage = guidance_lib.last_stage(network, variables, known)
  logits, maps = network.predict(variables, known, features=stage)
  kernel = jnp.asarray(variables["params"]["head"]["kernel"])
  if maps.ndim != 4 or maps.shape[3] != kernel.shape[0]:
    raise ValueError(
        "method.teacher must be a convolutional network whose head sees its last"
        f" stage, got a map of shape {maps.shape} and a head of {kernel.shape}"
    )
  kernel = kernel[:, jnp.argmax(logits, axis=-1)]
  cam = jnp.einsum("bhwd,db->bhw", maps.astype(jnp.float32), kernel)
  cam = jax.image.resize(jax.nn.relu(cam), images.shape[:3], "linear")
  most = jnp.max(cam, axis=(1, 2), keepdims=True)
  return jax.lax.stop_gradient(cam / jnp.maximum(most, 1e-6))


def _predict(teacher, variables, images):
  images = guidance_lib.resized(images, teacher.image_size)
  return teacher.network.predict(variables, images)


def _pairs_of(pairs):
  """Lambda and the partners of pairs, and of pairs alone."""
  if pairs.sources.shape[1] != 2:
    raise ValueError(
        "mix must be a mixer of two images for method 'transformmix', got one"
        f" of {pairs.sources.shape[1]}"
    )
  return pairs.weights[:, 0], pairs.sources[:, 1]
