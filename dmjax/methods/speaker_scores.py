"""How contrastive mixup compares the embeddings of a batch with each speaker.

Each gives `(scores or cosines, labels, weights)`, the new model state, and the
clean embeddings with their labels.
"""

import jax
import jax.numpy as jnp

from dmjax import losses
from dmjax.methods import contrast


def scaled(cosines: jax.Array, scores: dict[str, jax.Array]) -> jax.Array:
  """Cosines with the scale and the offset that are learned."""
  return jnp.exp(scores["log_scale"]) * cosines + scores["offset"]


def _prototypical(encode, mix, batch, per_class, params):
  x = batch["x"].reshape(-1, per_class, *batch["x"].shape[1:])
  labels = batch["label"].reshape(-1, per_class)[:, 1:]
  mixed = mix(x[:, 0], 1)
  supports = x[:, 1:].reshape(-1, *x.shape[2:])
  embeddings, after = encode(jnp.concatenate([supports, mixed.x]))
  supports, queries = jnp.split(embeddings, [len(supports)])
  scores = losses.prototypical_scores(
      queries, supports.reshape(*labels.shape, -1), **_of(params)
  )
  found = scores, mixed.sources, mixed.weights
  return found, after, (supports, labels.reshape(-1))


def _ge2e(encode, mix, batch, per_class, params):
  mixed = mix(batch["x"], per_class)
  embeddings, after = encode(jnp.concatenate([batch["x"], mixed.x]))
  grouped = embeddings.reshape(2, -1, per_class, embeddings.shape[-1])
  # A source of weight 0 is not in the query.
  own = mixed.sources[:, :1]
  labels = jnp.where(mixed.weights > 0, mixed.sources, own) // per_class
  scores = losses.ge2e_scores(
      grouped[1], grouped[0], labels.reshape(*grouped.shape[1:3], -1),
      **_of(params),
  )
  found = scores.reshape(len(labels), -1), labels, mixed.weights
  return found, after, (embeddings[: len(labels)], batch["label"])


def _am_softmax(encode, mix, batch, per_class, params):
  mixed = mix(batch["x"], per_class)
  embeddings, after = encode(mixed.x)
  cosines = embeddings @ contrast.unit(params["classes"]).T
  labels = batch["label"][mixed.sources]
  return (cosines, labels, mixed.weights), after, None


COMPARE = {
    "prototypical": _prototypical, "ge2e": _ge2e, "am_softmax": _am_softmax,
}


def _of(params):
  scores = params["scores"]
  return {"scale": jnp.exp(scores["log_scale"]), "offset": scores["offset"]}
