"""Equal error rate and detection cost, and the probe that reports them."""

from matplotlib import figure as figure_lib
import numpy as np
import pytest

from dmjax.evaluate import probes
from dmjax.evaluate import verification
from tests import mixupe_test

PROBE = probes.PROBES["verification"]


@mixupe_test.needs_golden
def test_values_are_the_golden_ones():
  found = list(mixupe_test.cases(np.load(mixupe_test.GOLDEN), "eer"))
  assert len(found) == 3
  for read in found:
    trials = read["scores"], read["is_target"]
    for function, name in (
        (verification.equal_error_rate, "eer"),
        (verification.min_detection_cost, "min_dcf_p01"),
    ):
      np.testing.assert_allclose(function(*trials), read[name], rtol=1e-12)


@pytest.mark.parametrize("inside,outside,eer,cost", (
    ([3, 4], [1, 2], 0.0, 0.0),  # Told apart.
    ([1, 2], [3, 4], 1.0, 1.0),  # The wrong way round.
    ([1, 1], [1, 1, 1], 0.5, 1.0),  # All equal.
    ([1, 3], [0, 2], 0.5, 0.5),  # At 3 one target is missed.
    ([2, 2, 2], [1, 1, 2], 1 / 4, 1.0),  # Between 2, (0, 1/3), and above, (1, 0).
    ([0, 5], [1, 2, 3, 4], 0.5, 0.5),
))
def test_cases_by_hand(inside, outside, eer, cost):
  scores = np.array([*inside, *outside], float)
  targets = np.arange(len(scores)) < len(inside)
  np.testing.assert_allclose(verification.equal_error_rate(scores, targets), eer)
  found = verification.min_detection_cost(scores, targets)
  np.testing.assert_allclose(found, cost)


@pytest.mark.parametrize("levels", (3, 8, 1000))
def test_rates_are_those_of_a_sweep_of_thresholds(levels):
  rng = np.random.default_rng(levels)
  targets = rng.random(120) < 0.3
  scores = np.round(levels * (rng.random(120) + 0.4 * targets)) / levels
  points = []
  for threshold in (*sorted(set(scores)), np.inf):
    accepted = scores >= threshold
    points.append((np.mean(accepted[~targets]), np.mean(~accepted[targets])))
  found = np.stack(verification.error_rates(scores, targets), axis=1)
  np.testing.assert_array_equal(found, points)
  cost = min((0.1 * miss + 0.9 * alarm) / 0.1 for alarm, miss in points)
  np.testing.assert_allclose(
      verification.min_detection_cost(scores, targets, prior=0.1), cost
  )
  eer = verification.equal_error_rate(scores, targets)
  # The line between two points that both errors cross on.
  crossing = [
      (a, b) for a, b in zip(points, points[1:]) if a[1] < a[0] and b[1] >= b[0]
  ]
  (a, b), = crossing
  share = (a[0] - a[1]) / (a[0] - a[1] + b[1] - b[0])
  np.testing.assert_allclose(eer, a[0] + share * (b[0] - a[0]))


def test_rates_do_not_depend_on_the_order_or_the_scale_of_scores():
  rng = np.random.default_rng(0)
  scores, targets = rng.normal(size=50), np.arange(50) < 20
  order = rng.permutation(50)
  for function in (
      verification.equal_error_rate, verification.min_detection_cost
  ):
    value = function(scores, targets)
    assert function(scores[order], targets[order]) == value
    assert function(np.exp(scores), targets) == value


def test_every_pair_of_different_rows_is_a_trial_once():
  embeddings = np.array([[2.0, 0], [0, 1], [1, 1], [2, 0]])
  labels = np.array([0, 1, 0, 1])
  scores, targets = verification.trials(embeddings, labels)
  assert len(scores) == 6 and targets.sum() == 2
  half = np.sqrt(0.5)
  np.testing.assert_allclose(sorted(scores), [0, 0, half, half, half, 1])
  # The last row is the first one again.
  scores, targets = verification.trials(
      embeddings, labels, np.array([0, 1, 2, 0])
  )
  assert len(scores) == 5 and 1 not in np.round(scores, 9)


def test_what_no_rate_can_be_had_of_is_refused():
  for targets in (np.ones(3, bool), np.zeros(3, bool)):
    with pytest.raises(ValueError, match="of one class and of two, got [03] and"):
      verification.equal_error_rate(np.arange(3.0), targets)
  for prior in (0.0, 1.0):
    with pytest.raises(ValueError, match=f"prior must lie in .*, got {prior}"):
      verification.min_detection_cost(
          np.arange(2.0), np.array([True, False]), prior=prior
      )


def outcomes_of(rows, seed=0):
  """Embeddings of two classes that overlap."""
  rng = np.random.default_rng(seed)
  labels = np.arange(rows) % 2
  embedding = rng.normal(size=(rows, 3)) + 2 * labels[:, None]
  return {"embedding": embedding, "label": labels, "number": np.arange(rows)}


def test_the_probe_tells_errors_of_all_pairs():
  one = outcomes_of(20)
  cases = PROBE.cases(probes.Options())
  (found,) = PROBE.summarize(cases, [one], None)
  trials = verification.trials(one["embedding"], one["label"])
  assert found["eer"] == verification.equal_error_rate(*trials)
  assert found["min_dcf"] == verification.min_detection_cost(*trials)
  assert (found["trials"], found["targets"]) == (190, 90)
  assert found["errors"][0] == [1, 0] and found["errors"][-1] == [0, 1]
  axes = figure_lib.Figure().subplots()
  runs = {"a": [found], "b": PROBE.summarize(cases, [outcomes_of(20, 1)], None)}
  PROBE.draw(axes, cases, runs, metric="eer")
  texts = [text.get_text() for text in axes.get_legend().get_texts()]
  assert texts[0] == f"a: EER {found['eer']:.1%}" and len(axes.lines) == 3


def test_the_probe_takes_another_split_and_not_too_many_rows():
  (case,) = PROBE.cases(probes.Options(trials="test[speaker=ann]"))
  assert case.name == case.split == "test[speaker=ann]"
  many = {"label": np.zeros(7_000)}
  with pytest.raises(ValueError, match="6,000 at most, got 7,000; take --limit"):
    PROBE.summarize([case], [many], None)
