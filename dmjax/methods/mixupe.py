"""MixupE: mixup whose penalty on directional derivatives is made stronger."""

from collections.abc import Callable
import functools
import inspect
import math

import jax
import jax.numpy as jnp
import numpy as np

from dmjax import losses
from dmjax import mixers
from dmjax import names
from dmjax.methods import base
from dmjax.methods import guidance as guidance_lib
from dmjax.methods.supervised import supervised
from dmjax.models import Network
from dmjax.parallel import AXIS

STATISTICS = ("mixed", "both")


def mixupe(
    network: Network,
    mixer: Callable[..., mixers.Mixed],
    loss: Callable[..., jax.Array],
    *,
    variant: str = "fast",
    eta: float = 0.001,
    tau: float = 1.0,
    alpha: float | None = None,
    stage: int = 0,
    statistics: str = "mixed",
    rescale: bool = True,
    guidance: mixers.Guidance | None = None,
    ema_decay: float = 0.0,
    saliency: str = "input_gradient",
    teacher: guidance_lib.Teacher | None = None,
    axis_name: str | None = None,
) -> base.Method:
  """MixupE (arXiv 2212.13381): mixup and a term of the clean examples.

      L = (L_mixup + eta a / (2 a + 1) mean(term)) sg(|L_mixup| / |L|)

  with the terms of `losses.mixupe`, of logits of the examples as they are: a
  pass of their own, in training mode, beside that of the mixed ones. What
  `losses.rescaling` says of the value of L holds of the batch of all devices.
  The defaults of variant, eta and tau are those of the authors' CIFAR-100
  command, whose mixer is `mixup` with alpha 2, one lambda for a batch.

  `accurate` and `absolute` need the derivative towards the mean of all
  examples. At stage 0 that is the mean of all inputs seen so far, the present
  batch included, as augmentation made them; it is part of the state, in
  `extra`. At a later stage it is the mean of the features of the batch on all
  devices, and gradients flow through it as well; this also serves inputs that
  are no arrays of numbers, such as the nodes of a graph.

  Args:
    network: To logits.
    mixer: `mixer(key, x) -> Mixed`, any that `supervised` takes.
    loss: Of the mixed examples, `loss(logits, labels, weights) -> [B]`.
    variant: `fast`, `absolute`, `accurate`, `detached` or `speech`, as in
      `losses.mixupe`.
    eta: Weight of the term, 0 or more.
    tau: Of `fast` and `accurate`: no term from here on.
    alpha: a, of the Beta distribution of lambda; that of the mixer where None.
    stage: Of `accurate` and `absolute`: where the derivative is taken, 0 at the
      input, i at the output of stage i.
    statistics: Whose batch statistics are remembered: `mixed`, of the mixed
      examples alone, or `both`, the clean ones after them, as published.
    rescale: Keep the value of the mixup loss.
    guidance: As in `supervised`.
    ema_decay: Likewise.
    saliency: Likewise.
    teacher: Likewise.
    axis_name: Axis over which the batch is spread. None for one device.

  Returns:
    The method, as `supervised`. `regulariser` among its metrics is the mean of
    the terms.

  Raises:
    ValueError: For an unknown variant and options out of range, a mixer without
      alpha where none is given, inputs that have no derivative, a stage that
      the network lacks, and as `supervised`.
  """
  _check(variant, eta, tau, stage, statistics)
  share = _share(mixer, alpha)
  method = supervised(
      network, mixer, loss, guidance=guidance, ema_decay=ema_decay,
      saliency=saliency, teacher=teacher,
  )
  derives = variant in losses.MIXUPE_OF_SLOPES
  remembers = derives and stage == 0

  def init(key, batch, variables=None):
    if not remembers:
      return method.init(key, batch, variables)
    _check_input(variant, batch["x"])
    state = method.init(key, batch, variables)
    mean = jnp.zeros(batch["x"].shape[1:])
    return state.replace(extra=(state.extra or {}) | {"mean": mean})

  def clean_pass(variables, x, key, mean):
    """Logits, slopes, and the new model state."""
    train = functools.partial(network.train, variables, key=key)
    if not derives:
      logits, after = train(x)
      return logits, None, after
    derivative = functools.partial(losses.directional_derivative, has_aux=True)
    if mean is not None:
      return derivative(train, x, mean)
    apply = _towards_mean(train, x, stage, axis_name)
    return derivative(apply, jnp.zeros(()), jnp.ones(()))

  def loss_fn(params, state, batch, key):
    mixed_key, clean_key = jax.random.split(key)
    mixup, aux = method.loss(params, state, batch, mixed_key)
    before = aux.model_state if statistics == "both" else state.model_state
    mean = _mean_so_far(state, batch["x"], axis_name) if remembers else None
    logits, slopes, after = clean_pass(
        {"params": params, **before}, batch["x"], clean_key, mean
    )
    terms = losses.mixupe(
        logits, batch["label"], variant=variant, tau=tau, slopes=slopes
    )
    each = aux.losses + eta * share * terms
    total = jnp.mean(each)
    if rescale:
      scale = losses.rescaling(*_everywhere((total, mixup), axis_name))
      each, total = scale * each, scale * total
    metrics = aux.metrics | {
        "loss": (total * terms.size, terms.size),
        "regulariser": (terms.sum(), terms.size),
    }
    model_state = after if statistics == "both" else aux.model_state
    carried = mean[None] if remembers else None  # A row of each device.
    return total, base.Aux(model_state, metrics, carried, each)

  def after_update(state, carried):
    state = method.after_update(state, None)
    if not remembers:
      return state
    mean = jnp.mean(carried, axis=0)  # The devices agree.
    return state.replace(extra=state.extra | {"mean": mean})

  note = "clean inputs: one extra forward and backward pass"
  note += ", with a derivative along the forward one" * derives
  return method._replace(
      init=init, loss=loss_fn, after_update=after_update,
      note="; ".join(filter(None, (note, method.note))),
  )


def make(parts: base.Parts, *, teacher: str = "", **options) -> base.Method:
  """The method of a run; options are those of `mixupe`.

  Args:
    parts: What the run gives.
    teacher: As in `supervised.make`.
    **options: Others of `mixupe`.

  Returns:
    The method.
  """
  spec = {"name": "mixupe", **options}
  configured = names.configure("method", {"mixupe": mixupe}, spec)
  return configured(
      parts.network(parts.num_classes), parts.mixer, parts.loss,
      guidance=parts.guidance, teacher=guidance_lib.teacher_of(parts, teacher),
      axis_name=AXIS,
  )


def _check(variant, eta, tau, stage, statistics):
  if variant not in losses.MIXUPE_VARIANTS:
    near = names.suggest(variant, losses.MIXUPE_VARIANTS)
    raise ValueError(f"unknown variant {variant!r}; {near}")
  if not 0 <= eta < math.inf:
    raise ValueError(f"eta must be >= 0 and finite, got {eta}")
  if not math.isfinite(tau):
    raise ValueError(f"tau must be finite, got {tau}")
  if not isinstance(stage, int) or stage < 0:
    raise ValueError(f"stage must be an integer >= 0, got {stage!r}")
  if statistics not in STATISTICS:
    raise ValueError(
        f"statistics must be one of {STATISTICS}, got {statistics!r}"
    )


def _check_input(variant, x):
  """Raises ValueError for inputs that have no mean or no derivative."""
  array = isinstance(x, (jax.Array, np.ndarray))
  if not array or not jnp.issubdtype(x.dtype, jnp.floating):
    what = x.dtype if array else type(x).__name__
    raise ValueError(
        f"variant={variant!r} at stage=0 needs inputs that are floating arrays,"
        f" got {what}; give a later stage, such as stage=1, or variant='fast'"
    )


def _share(mixer, alpha):
  """`1 - E[lam] = a / (2 a + 1)`, lam ~ Beta(a + 1, a)."""
  if alpha is None:
    option = inspect.signature(mixer).parameters.get("alpha")
    alpha = option.default if option else None
  if alpha is None:
    raise ValueError(
        "alpha must be given for a mixer that has none of its own, such as a"
        " choice of several; 1.0 is that of a uniform lambda"
    )
  if not 0 < alpha < math.inf:
    raise ValueError(f"alpha must be positive and finite, got {alpha}")
  return alpha / (2 * alpha + 1)


def _everywhere(tree, axis_name):
  """Means over devices."""
  return jax.lax.pmean(tree, axis_name) if axis_name else tree


def _mean(x, axis_name):
  """Of the rows on all devices, in float32."""
  return _everywhere(jnp.mean(x.astype(jnp.float32), axis=0), axis_name)


def _mean_so_far(state, x, axis_name):
  """Of all inputs, those of this step included."""
  mean = state.extra["mean"]
  return mean + (_mean(x, axis_name) - mean) / (state.step + 1)


def _towards_mean(train, x, stage, axis_name):
  """`t -> logits, model state` of features that have gone t of the way."""
  seen = set()

  def hook(at, h, t):
    seen.add(at)
    if at != stage:
      return h
    mean = _mean(h, axis_name).astype(h.dtype)[None]
    return h + t.astype(h.dtype) * (mean - h)

  def apply(t):
    out = train(x, hook=functools.partial(hook, t=t))
    if stage not in seen:
      raise ValueError(
          f"stage must be among {sorted(seen)}, the stages of the network, got"
          f" {stage}"
      )
    return out

  return apply
