"""The loss of MixupE against a worked example and golden values."""

import functools
import os
import pathlib
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dmjax import losses

SHARED = pathlib.Path(
    os.environ.get("DMJAX_SHARED", pathlib.Path(__file__).parents[2] / "shared")
)
GOLDEN = SHARED / "golden" / "mixupe.npz"
needs_golden = pytest.mark.skipif(
    not GOLDEN.exists(), reason="the golden values are not on this machine"
)

# The names of the variants in the golden file.
GOLDEN_NAMES = {
    "accurate": "v1", "absolute": "v2", "fast": "v3", "detached": "v4",
    "speech": "speech",
}
OF_LOGITS = ("fast", "detached", "speech")
NETS = ("biasfree_relu", "biased_relu", "biased_tanh")

# Three examples of four classes, which serve both passes; eta 0.1, alpha 2.
LOGITS = np.array([[2, 0.5, -1, 0], [0.2, 1.5, 0.3, -0.7], [-1, 0, 3, 1]])
LABELS, PARTNER = np.array([0, 2, 2]), np.array([1, 2, 0])

def objective(mixed, clean, labels, partner, lam, alpha, eta, tau, **options):
  """The whole loss of a batch, and what it is made of."""
  pairs = jnp.stack([labels, labels[partner]], axis=1)
  weights = jnp.broadcast_to(jnp.stack([lam, 1 - lam]), pairs.shape)
  mixup = jnp.mean(losses.mixup_cross_entropy(mixed, pairs, weights))
  terms = losses.mixupe(clean, labels, tau=tau, **options)
  penalty = alpha / (2 * alpha + 1) * jnp.mean(terms)
  total = mixup + eta * penalty
  scale = losses.rescaling(total, mixup)
  return scale * total, {
      "terms": terms, "penalty": penalty, "total": total, "scale": scale
  }


def test_the_loss_of_the_worked_example():
  final, parts = jax.jit(objective)(
      LOGITS, LOGITS, LABELS, PARTNER, 0.7, 2.0, 0.1, 1.0
  )
  expected = (-0.535932, 0.630410, -0.409904)
  np.testing.assert_allclose(parts["terms"], expected, rtol=1e-5)
  np.testing.assert_allclose(parts["penalty"], -0.0420568, rtol=1e-5)
  np.testing.assert_allclose(parts["total"], 1.4454670, rtol=1e-6)
  np.testing.assert_allclose(parts["scale"], 1.0029096, rtol=1e-6)
  np.testing.assert_allclose(final, 1.449673, rtol=1e-6)


def cases(golden, group):
  """The arrays of each case of a group, by name."""
  pattern = re.compile(rf"{group}_case\d+_")
  found = filter(None, map(pattern.match, golden.files))
  for case in sorted({match[0] for match in found}):
    yield {
        name.removeprefix(case): golden[name] for name in golden.files
        if name.startswith(case)
    }


def check_parts(found, read, variant, tolerance):
  """The parts of a loss, in the signs of the golden file."""
  final, parts = found
  name = GOLDEN_NAMES[variant]
  sign = 1 if variant in losses.MIXUPE_OF_SLOPES else -1
  r = read[f"r_{name}"]
  r = np.where(read.get(f"selected_{name}", True), r, 0.0)
  r = np.abs(r) if variant in ("absolute", "speech") else r
  close = functools.partial(np.testing.assert_allclose, rtol=tolerance)
  close(parts["terms"], sign * r, atol=tolerance * max(1, np.abs(r).max()))
  close(parts["penalty"], sign * read[f"penalty_{name}"], atol=tolerance)
  for key in ("total", "scale"):
    close(parts[key], read[f"{key}_{name}"])
  close(final, read[f"final_{name}"])


def check_gradient(found, expected, tolerance):
  # Some biases have none, and logits of 100 are rounded in float32.
  atol = tolerance * max(0.1, np.abs(expected).max())
  np.testing.assert_allclose(found, expected, atol=atol, rtol=0)


@functools.partial(jax.jit, static_argnames="variants")
def of_logits(mixed, clean, *rest, variants=OF_LOGITS):
  return {
      variant: jax.value_and_grad(
          functools.partial(objective, variant=variant), (0, 1), has_aux=True
      )(mixed, clean, *rest)
      for variant in variants
  }


PRECISIONS = (("float64", 1e-10), ("float32", 1e-5))


@needs_golden
@pytest.mark.parametrize("dtype,tolerance", PRECISIONS)
def test_fast_forms_and_their_gradients_equal_the_reference(dtype, tolerance):
  with np.load(GOLDEN) as golden, jax.enable_x64(dtype == "float64"):
    for read in cases(golden, "fast"):
      floats = lambda *names: (jnp.asarray(read[name], dtype) for name in names)
      found = of_logits(
          *floats("logits_mixed", "logits_clean"), read["labels"],
          read["partner"], *floats("lam", "alpha", "eta", "tau"),
      )
      for variant, (parts, grads) in found.items():
        check_parts(parts, read, variant, tolerance)
        for name, grad in zip(("mixed", "clean"), grads):
          key = f"grad_logits_{name}_{GOLDEN_NAMES[variant]}"
          assert grad.dtype == dtype
          check_gradient(grad, read[key], tolerance)


def network(params, x, kind):
  """Three layers of the golden file; batch norm after the first."""
  activate = jnp.tanh if kind.endswith("tanh") else jax.nn.relu
  h = x
  for layer in range(3):
    h = h @ params[f"w{layer}"] + params.get(f"b{layer}", jnp.zeros(1))[None]
    if layer == 0 and kind.startswith("batchnorm"):
      h = (h - h.mean(0, keepdims=True)) / jnp.sqrt(
          h.var(0, keepdims=True) + 1e-5
      )
      h = h * params["bn_scale"][None] + params["bn_bias"][None]
    h = activate(h) if layer < 2 else h
  return h


@functools.partial(jax.jit, static_argnames="kind")
def of_network(params, x, mean, labels, partner, lam, *options, taus, kind):
  def loss(params, variant):
    apply = lambda x: network(params, x, kind)
    clean, slopes = losses.directional_derivative(apply, x, mean)
    if variant not in losses.MIXUPE_OF_SLOPES:
      clean, slopes = apply(x), None
    mixed = apply(lam * x + (1 - lam) * x[partner])
    return objective(
        mixed, clean, labels, partner, lam, *options, taus[variant],
        variant=variant, slopes=slopes,
    )

  return {
      variant: jax.value_and_grad(loss, has_aux=True)(params, variant)
      for variant in losses.MIXUPE_VARIANTS
  }


def run_network(read, kind, dtype):
  """All variants on one case of a network, and its parameters."""
  read = {
      k: jnp.asarray(v, dtype if v.dtype == np.float64 else v.dtype)
      for k, v in read.items()
  }
  params = {k: v for k, v in read.items() if k[0] in "wb" and len(k) == 2}
  params |= {k: v for k, v in read.items() if k in ("bn_scale", "bn_bias")}
  taus = {
      variant: read.get(f"tau_{name}", 1.0)
      for variant, name in GOLDEN_NAMES.items()
  }
  names = ("x", "x_mean", "labels", "partner", "lam", "alpha", "eta")
  args = [read[name] for name in names]
  return of_network(params, *args, taus=taus, kind=kind), params


@needs_golden
@pytest.mark.parametrize("kind,dtype,tolerance", (
    *((kind, *PRECISIONS[0]) for kind in NETS),
    ("biased_relu", *PRECISIONS[1]),
))
def test_all_variants_of_a_network_equal_the_reference(kind, dtype, tolerance):
  with np.load(GOLDEN) as golden, jax.enable_x64(dtype == "float64"):
    for read in cases(golden, f"jac_{kind}"):
      found, params = run_network(read, kind, dtype)
      for variant, (parts, grads) in found.items():
        check_parts(parts, read, variant, tolerance)
        for name in params:
          key = f"grad_{name}_{GOLDEN_NAMES[variant]}"
          check_gradient(grads[name], read[key], tolerance)


@needs_golden
def test_under_batch_norm_only_the_sum_of_derivatives_is_the_reference():
  """Its derivative of a row is that of the sum over rows."""
  kind = "batchnorm_relu"
  with np.load(GOLDEN) as golden, jax.enable_x64(True):
    for read in cases(golden, f"jac_{kind}"):
      found, params = run_network(read, kind, "float64")
      (_, parts), _ = found["absolute"]
      r = read["r_forward_mode"]
      np.testing.assert_allclose(parts["terms"], np.abs(r), atol=1e-10)
      np.testing.assert_allclose(r.sum(), read["r_v1"].sum(), atol=1e-10)
      assert np.abs(r - read["r_v1"]).max() > 1e-3
      for variant in OF_LOGITS:
        parts, grads = found[variant]
        check_parts(parts, read, variant, 1e-10)
        for name in params:
          key = f"grad_{name}_{GOLDEN_NAMES[variant]}"
          check_gradient(grads[name], read[key], 1e-10)
