"""ReMixMatch: aligned guesses, strong views, and rotation."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
import optax

from dmjax import mixers
from dmjax import names
from dmjax.methods import base
from dmjax.methods import guesses
from dmjax.methods import semi
from dmjax.methods import semi_mixing
from dmjax.methods import thresholds
from dmjax.models import Network

VIEWS = {"weak": "weak", "strong": "strong", "strong2": "strong"}
# Batches whose mean prediction is remembered, and the quarters of a turn.
LENGTH = 128
TURNS = 4


def remixmatch(
    network: Network,
    mixer: Callable[..., mixers.Mixed],
    loss: Callable[..., jax.Array],
    *,
    num_classes: int,
    total_steps: int,
    class_shares: Sequence[float] = (),
    temperature: float = 0.5,
    weight: float = 1.5,
    strong_weight: float = 0.5,
    rotation_weight: float = 0.5,
    ramp_share: float = 1 / 64,
    ema_decay: float = 0.999,
) -> base.Method:
  """ReMixMatch (arXiv 1911.09785, algorithm 1), with two strong views.

      q = sharpen(align(softmax f(u_w)))
      W = [x; u_w; u_1; u_2],   p = [y; q; q; q],   mixed as in MixMatch
      L = CE(f(x'), p') + w_u(t) CE(f(u'), q') + w_1(t) CE(f(u_1), q)
            + w_rot CE(g(rot_r u_1), r)

  with w_u and w_1 that rise in a line over `ramp_share` of training, and g four
  more outputs of the network, which tell the quarter turns r of each image.

  Before they are sharpened, guesses are scaled by the share that a class should
  have, over the share that it had in the last 128 batches, this one not among
  them. What is mixed and what is not go through the network together, after a
  pass for the guesses, whose new batch statistics are dropped.

  A loss that takes `where`, such as `decoupled_cross_entropy`, is one-sided:
  labelled sources, and they alone, carry its term.

  Args:
    network: To `num_classes + 4` logits.
    mixer: As in `mixmatch`; the paper has mixup with alpha 0.75.
    loss: `loss(logits, labels [B, 2, K], weights) -> [B]`, of all mixed rows.
    num_classes: K.
    total_steps: T.
    class_shares: Of the classes among the labels; empty for equal ones.
    temperature: Of the guesses, in (0, 1].
    weight: Of mixed unlabelled rows, w_u once it has risen.
    strong_weight: Of the first strong view as it is, w_1 likewise.
    rotation_weight: Of its rotation, w_rot.
    ramp_share: Share of training in which they rise, in (0, 1]. Published are
      16,384 of 2^20 steps.
    ema_decay: Of the running average that is evaluated.

  Returns:
    The method. Its memory, `state.extra`, are the mean predictions of the last
    128 global batches, `{"means": [128, K]}`, the newest last.

  Raises:
    ValueError: For options out of range, a mixer without lambda, and images
      that are not square.
  """
  guesses.check_weights(
      weight=weight, strong_weight=strong_weight,
      rotation_weight=rotation_weight,
  )
  thresholds.check_share("temperature", temperature)
  thresholds.check_share("ramp_share", ramp_share)
  semi_mixing.alpha_of(mixer)
  shares = _shares(class_shares, num_classes)

  def loss_fn(params, state, batch, key):
    labelled, unlabelled = batch["labelled"], batch["unlabelled"]
    guess_key, mix_key, turn_key, model_key = jax.random.split(key, 4)
    weak, still = {"weak": unlabelled["weak"]}, jax.lax.stop_gradient(params)
    logits, _ = semi.forward(network, still, state, weak, guess_key)
    probs = jax.nn.softmax(logits["weak"][:, :num_classes])
    seen = jnp.mean(state.extra["means"], axis=0)
    q = guesses.sharpen(align(probs, shares, seen), temperature)
    labels = guesses.labels_of(labelled["label"], q, len(VIEWS))
    mixed = guesses.mix_streams(mixer, VIEWS, mix_key, batch)
    strong = unlabelled["strong"]
    turned, turns = turn(turn_key, strong)
    rows = {"mixed": mixed.x, "strong": strong, "turned": turned}
    logits, model_state = semi.forward(network, params, state, rows, model_key)
    count = len(labelled["x"])
    terms = terms_of(loss, logits, labels, mixed, count, q, turns)
    ramp = guesses.ramp(state.step, total_steps, ramp_share)
    scales = {
        "labelled": 1.0, "unlabelled": weight * ramp,
        "strong": strong_weight * ramp, "rotation": rotation_weight,
    }
    total = sum(scales[name] * jnp.mean(v) for name, v in terms.items())
    metrics = {f"loss_{name}": semi.mean_of(v) for name, v in terms.items()}
    of_labelled = logits["mixed"][:count, :num_classes]
    metrics |= {
        "accuracy": semi.accuracy(of_labelled, labelled["label"]),
        "loss": (total * count, count),
    }
    return total, base.Aux(model_state, metrics, {"probs": probs})

  return semi.method_of(
      network, loss_fn, num_classes=num_classes, ema_decay=ema_decay,
      unlabelled=VIEWS, memory=lambda: memory(num_classes), remember=remember,
      mixes=guesses.pictures(mixer, VIEWS),
      note="guessed labels and unmixed strong views: three more forward passes"
      " over the unlabelled images",
  )


def align(probs: jax.Array, wanted: jax.Array, seen: jax.Array) -> jax.Array:
  """Predictions `[B, K]`, moved from the shares seen to those wanted, `[K]`."""
  scaled = probs * ((1e-6 + wanted) / (1e-6 + seen))[None]
  return scaled / jnp.sum(scaled, axis=1, keepdims=True)


def memory(num_classes: int) -> dict[str, jax.Array]:
  """What is remembered before the first step: equal shares of all classes."""
  return {"means": jnp.full((LENGTH, num_classes), 1 / num_classes)}


def remember(
    memory: dict[str, jax.Array], carried: dict[str, jax.Array]
) -> dict[str, jax.Array]:
  """Puts the mean of a global batch, `probs [B, K]`, in place of the oldest."""
  mean = jnp.mean(carried["probs"], axis=0, keepdims=True)
  return {"means": jnp.concatenate([memory["means"][1:], mean])}


def turn(key: jax.Array, x: jax.Array) -> tuple[jax.Array, jax.Array]:
  """Each image by a random number of quarter turns, and the numbers."""
  turns = jax.random.randint(key, x.shape[:1], 0, TURNS)
  return quarter_turns(x, turns), turns


def quarter_turns(x: jax.Array, turns: jax.Array) -> jax.Array:
  """Turns each image `[B, H, H, C]` counter-clockwise, by 0 ... 3 quarters."""
  if x.ndim != 4 or x.shape[1] != x.shape[2]:
    raise ValueError(
        f"x must be square images [B, H, H, C], got shape {x.shape}: remixmatch"
        " turns them by quarters; set data.image_size"
    )
  # All four of each: a quarter turn is a copy, cheap beside the network.
  every = jnp.stack([jnp.rot90(x, k, axes=(1, 2)) for k in range(TURNS)])
  return every[turns, jnp.arange(len(x))]


def terms_of(
    loss: Callable[..., jax.Array], logits: dict[str, jax.Array],
    labels: jax.Array, mixed: mixers.Mixed, count: int, q: jax.Array,
    turns: jax.Array,
) -> dict[str, jax.Array]:
  """The losses of each row.

  Args:
    loss: As in `remixmatch`.
    logits: `mixed [N, K + 4]`, `strong` and `turned [U, K + 4]`.
    labels: Soft labels of the rows before they are mixed, `[N, K]`.
    mixed: Who is mixed with whom.
    count: B, the labelled ones, which come first.
    q: Guesses, `[U, K]`.
    turns: Quarter turns of `turned`, `int[U]`.

  Returns:
    `labelled`, `[B]`, `unlabelled`, `[N - B]`, `strong` and `rotation`, `[U]`.
  """
  classes = labels.shape[1]
  rows = loss(
      logits["mixed"][:, :classes], labels[mixed.sources], mixed.weights,
      **guesses.one_sided(loss, mixed.sources < count),
  )
  return {
      "labelled": rows[:count],
      "unlabelled": rows[count:],
      "strong": optax.softmax_cross_entropy(logits["strong"][:, :classes], q),
      "rotation": semi.cross_entropy(logits["turned"][:, classes:], turns),
  }


def make(parts: base.Parts, **options) -> base.Method:
  """The method of a run.

  Args:
    parts: What the run gives.
    **options: Those of `remixmatch`.

  Returns:
    The method.

  Raises:
    ValueError: For a mixer that needs guidance, and as `remixmatch`.
  """
  spec = {"name": "remixmatch", **options}
  configured = names.configure("method", {"remixmatch": remixmatch}, spec)
  return configured(
      parts.network(parts.num_classes + TURNS), semi_mixing.mixer_of(parts),
      parts.loss, num_classes=parts.num_classes, total_steps=parts.total_steps,
  )


def _shares(class_shares, num_classes):
  """The shares `[K]`; ValueError unless there is one for each class."""
  equal = [1 / num_classes] * num_classes
  shares = np.asarray(class_shares if len(class_shares) else equal, float)
  fits = shares.shape == (num_classes,) and np.all(shares >= 0)
  if not fits or abs(np.sum(shares) - 1) > 1e-3:
    raise ValueError(
        f"class_shares must be {num_classes} shares >= 0 that sum to 1, one for"
        f" each class, or empty for equal ones; got {class_shares}"
    )
  return shares
