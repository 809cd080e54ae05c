"""Bad input to the losses is named before anything is computed."""

import jax
import numpy as np
import pytest

from dmjax import losses

LOGITS = np.array([[2.0, 0.5, -1.0, 0.0, 1.0]])
PAIR = np.array([[0, 1]])
WEIGHTS = np.array([[0.7, 0.3]])
NAN = float("nan")


@pytest.mark.parametrize(
    "call,words",
    (
        (lambda f: f(np.zeros(3), PAIR, WEIGHTS), "logits must be [B, C]"),
        (lambda f: f(LOGITS, PAIR[:, :1], WEIGHTS), "labels must have shape (1, 2)"),
        (lambda f: f(LOGITS, PAIR, WEIGHTS[0]), "weights must be [B, K]"),
        (lambda f: f(LOGITS, PAIR + 4, WEIGHTS), "labels must lie in [0, 5)"),
        (lambda f: f(LOGITS, PAIR, WEIGHTS * 2), "weights must lie in [0, 1]"),
        (lambda f: f(LOGITS, PAIR, WEIGHTS * NAN), "weights must lie in [0, 1]"),
        (lambda f: f(LOGITS, PAIR, WEIGHTS, label_smoothing=1.0), "label_smoothing"),
    ),
)
def test_bad_arrays_are_named(call, words):
  for loss in (
      losses.mixup_cross_entropy,
      losses.decoupled_cross_entropy,
      losses.mixup_binary_cross_entropy,
  ):
    with pytest.raises(ValueError) as error:
      call(loss)
    assert words in str(error.value)


@pytest.mark.parametrize(
    "options,words",
    (
        ({"select": "most"}, "select must be both, less or more, got 'most'"),
        ({"eta": -1.0}, "eta must be >= 0, got -1.0"),
        ({"power": -1.0}, "power must be >= 0, got -1.0"),
        ({"threshold": 0.0}, "threshold must be > 0, got 0.0"),
        ({"eta": NAN}, "eta must be >= 0, got nan"),
        ({"eta": np.float32(NAN)}, "eta must be >= 0, got nan"),
        ({"eta": np.inf}, "eta must be >= 0, got inf"),
        ({"power": NAN}, "power must be >= 0, got nan"),
        ({"threshold": NAN}, "threshold must be > 0, got nan"),
        ({"label_smoothing": NAN}, r"label_smoothing must lie in \[0, 1\)"),
    ),
)
def test_bad_options_are_named(options, words):
  with pytest.raises(ValueError, match=words):
    losses.decoupled_cross_entropy(LOGITS, PAIR, WEIGHTS, **options)


@pytest.mark.parametrize("threshold", (-0.1, 1.0, 1.5, NAN))
def test_a_target_threshold_out_of_range_is_named(threshold):
  words = r"target_threshold must lie in \[0, 1\), got"
  with pytest.raises(ValueError, match=words):
    losses.mixup_binary_cross_entropy(
        LOGITS, PAIR, WEIGHTS, target_threshold=threshold
    )


@pytest.mark.parametrize("options,words", (
    ({"margin": NAN}, "margin must be >= 0, got nan"),
    ({"lam": NAN}, r"lam must lie in \[0, 1\], got nan"),
    ({"lam": [0.5, 1.5]}, r"lam must lie in \[0, 1\]"),
))
def test_bad_options_of_mask_losses_are_named(options, words):
  options = {"lam": 0.5, **options}
  for loss in (losses.mask_l1, losses.mask_l2, losses.mask_sparsity):
    with pytest.raises(ValueError, match=words):
      loss(np.zeros((2, 4, 4)), **options)


def test_a_traced_eta_is_taken_as_it_is():
  loss = lambda eta: losses.decoupled_cross_entropy(
      LOGITS, PAIR, WEIGHTS, eta=eta
  )
  assert np.isnan(jax.jit(loss)(NAN)).all()
