"""FIXED: mixed features that do not tell their domain, and a large margin."""

from collections.abc import Callable
import functools
import math

import jax
import jax.numpy as jnp

from dmjax import losses
from dmjax import mixers
from dmjax import names
from dmjax.methods import base
from dmjax.methods import reversal as reversal_lib
from dmjax.methods import semi
from dmjax.methods.supervised import mixed_accuracy
from dmjax.models import bottleneck
from dmjax.models import model_state
from dmjax.models import Network

Loss = Callable[..., jax.Array]


def fixed(
    network: Network,
    domain_head: Network | None,
    mixer: Callable[..., mixers.Mixed],
    loss: Loss,
    *,
    reversal: float = 0.1,
) -> base.Method:
  """FIXED and FIX (arXiv 2211.05228), for domains that are not trained on.

      L = mean loss(c(z~), y_i, y_j, lambda) + mean CE(D(GRL(z)), domain)

  with z the features of the bottleneck, z~ their mixture, c the linear
  classifier, D the domain head. GRL is the identity forward, and turns the
  gradient by `-reversal` backward: D learns to tell the domains of the features
  apart, which learn to make it fail. Features are mixed, not inputs, with any
  partner, of the same domain or another. Published is `mixup` with alpha 0.2
  and one lambda a step; lambdas of their own for the rows are the mixer's
  option. Two parts can be left out: without mixing (`identity`) it is DANN,
  without a domain head feature mixup, without both ERM.

  Args:
    network: To logits, of `models.bottleneck.with_bottleneck`.
    domain_head: To logits of domains; None for none.
    mixer: `mixer(key, z) -> Mixed`, of features `[B, D]`.
    loss: `loss(logits, labels, weights, *, kernel) -> [B]`, with W of the
      classifier as `kernel`: `losses.large_margin` for FIXED, and any loss that
      ignores it for FIX.
    reversal: What the gradient of the domain head is multiplied by, and turned,
      before it reaches the features; alpha of the paper, 0 or more.

  Returns:
    The method. A batch holds `x`, `label` and `domain`, `int32[B]` each. Its
    params are those of `network` and of `domain_head`. `domain_accuracy` among
    the metrics is that of the domain head, near chance where features tell
    nothing of their domain.

  Raises:
    ValueError: For a reversal that is negative or not finite.
  """
  if not 0 <= reversal < math.inf:
    raise ValueError(f"reversal must be >= 0 and finite, got {reversal}")
  parts = {"network": network}
  if domain_head:
    parts["domain_head"] = domain_head

  def init(key, batch, variables=None):
    return _init(parts, key, batch["x"][:1], variables)

  def of_classes(top, z, batch, key):
    """The loss of each mixed row, and metrics."""
    mixed = mixer(key, z)
    labels = batch["label"][mixed.sources]
    logits = mixed.x @ top["kernel"] + top["bias"][None]
    terms = loss(logits, labels, mixed.weights, kernel=top["kernel"])
    hits = mixed_accuracy(logits, labels, mixed.weights)
    return terms, {"accuracy": hits}

  def of_domains(now, z, batch, key):
    """That of the domain head, whose new state comes last."""
    turned = reversal_lib.reverse(z, reversal)
    logits, after = domain_head.train(now, turned, key)
    terms = semi.cross_entropy(logits, batch["domain"])
    metrics = {
        "domain_accuracy": semi.accuracy(logits, batch["domain"]),
        "loss_domain": semi.mean_of(terms),
    }
    return terms, metrics, after

  def loss_fn(params, state, batch, key):
    mix_key, model_key, head_key = jax.random.split(key, 3)
    now = {k: {"params": params[k], **state.model_state[k]} for k in parts}
    (_, z), after = network.train(
        now["network"], batch["x"], model_key, features=bottleneck.NAME
    )
    states = {"network": after}
    top = params["network"][bottleneck.NAME]["classifier"]
    terms, metrics = of_classes(top, z, batch, mix_key)
    if domain_head:
      more, told, states["domain_head"] = of_domains(
          now["domain_head"], z, batch, head_key
      )
      terms, metrics = terms + more, metrics | told
    metrics["loss"] = semi.mean_of(terms)
    return jnp.mean(terms), base.Aux(states, metrics, losses=terms)

  def variables(state):
    own = state.params["network"]
    return {"params": own, **state.model_state["network"]}

  def predict(state, batch):
    return network.predict(variables(state), batch["x"])

  return base.Method(
      network, init, loss_fn, lambda state, carried: state, predict, variables,
      mixes_features=True,
  )


def make(
    parts: base.Parts,
    *,
    width: int = 256,
    hidden: int = 256,
    margin: float = 1e4,
    top_k: int = 1,
    reduction: str = "avg",
    **options,
) -> base.Method:
  """FIXED for a run; the defaults are those of the authors' code.

  Args:
    parts: What the run gives. Its mixer mixes features, and its loss is not
      used.
    width: Of the bottleneck.
    hidden: Of the layers of the domain head.
    margin: G, see `losses.large_margin`.
    top_k: Likewise.
    reduction: Likewise.
    **options: Others of `fixed`. With `reversal=0` there is no domain head, and
      nothing has to be known of domains.

  Returns:
    The method.

  Raises:
    ValueError: For a mixer that needs guidance, data of fewer than two domains,
      and options out of range.
  """
  loss = functools.partial(
      losses.large_margin, margin=margin, top_k=top_k, reduction=reduction
  )
  _check_loss(loss, parts.num_classes)
  return _of_run("fixed", parts, loss, width, hidden, options)


def make_fix(
    parts: base.Parts, *, width: int = 256, hidden: int = 256, **options
) -> base.Method:
  """FIX (arXiv 2211.05228): FIXED with the loss of the run for its margin loss.

  Args:
    parts: What the run gives.
    width: Of the bottleneck.
    hidden: Of the layers of the domain head.
    **options: Others of `fixed`.

  Returns:
    The method.

  Raises:
    ValueError: As `make`.
  """

  def loss(logits, labels, weights, *, kernel):
    del kernel
    return parts.loss(logits, labels, weights)

  return _of_run("fix", parts, loss, width, hidden, options)


def _of_run(name, parts, loss, width, hidden, options):
  configured = names.configure(
      "method", {name: fixed}, {"name": name, **options}
  )
  if parts.guidance != mixers.needs():
    raise ValueError(
        f"mix must be a mixer of features without guidance for method {name!r},"
        f" such as 'mixup'; got one that needs {parts.guidance}"
    )
  bottleneck.check_width("width", width)
  norms = {"axis_name": parts.axis_name}
  network = bottleneck.with_bottleneck(
      parts.network(width), parts.num_classes, **norms
  )
  domain_head = None
  if options.get("reversal", 0.1):
    _check_domains(name, parts.num_domains)
    domain_head = bottleneck.of_domain_head(
        parts.num_domains, width=hidden, **norms
    )
  return configured(network, domain_head, parts.mixer, loss)


def _check_domains(name, num_domains):
  if num_domains >= 2:
    return
  have = "one domain" if num_domains else "none that say where they are from"
  raise ValueError(
      f"method {name!r} needs training data of two domains or more, got {have};"
      " such as 'digits_domains', 'spoken_digit' by speaker or a folder"
      " <domain>/<class>/*.png with data.train 'all'. method.reversal=0 goes"
      " without a domain head"
  )


def _check_loss(loss, num_classes):
  """Raises ValueError for options that the loss refuses."""
  shape = jax.ShapeDtypeStruct
  jax.eval_shape(
      lambda z, y, w, kernel: loss(z, y, w, kernel=kernel),
      shape((2, num_classes), jnp.float32), shape((2, 1), jnp.int32),
      shape((2, 1), jnp.float32), shape((1, num_classes), jnp.float32),
  )


def _init(parts, key, x, variables):
  network_key, head_key = jax.random.split(key)
  fresh = {"network": parts["network"].init(network_key, x)}
  if variables is not None:  # Of a network that may lack a bottleneck.
    fresh["network"] = {
        kind: fresh["network"][kind] | variables.get(kind, {})
        for kind in fresh["network"]
    }
  if "domain_head" in parts:
    _, z = jax.eval_shape(
        functools.partial(
            parts["network"].predict, features=bottleneck.NAME
        ), fresh["network"], x,
    )
    fresh["domain_head"] = parts["domain_head"].init(
        head_key, jnp.zeros(z.shape)
    )
  return base.TrainState(
      jnp.int32(0), {k: each["params"] for k, each in fresh.items()},
      {k: model_state(each) for k, each in fresh.items()},
  )
