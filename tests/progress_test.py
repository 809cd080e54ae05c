"""What people see of a run while it trains."""

import io
import json
import logging
import sys
import warnings

import numpy as np
import pytest

from dmjax.data import base
from dmjax.train import display
from dmjax.train import pace
from dmjax.train import progress
from dmjax.train import zoo


class Clock:
  """A time that passes when it is told to."""

  def __init__(self):
    self.now = 100.0

  def __call__(self):
    return self.now

  def sleep(self, seconds):
    self.now += seconds


@pytest.fixture
def clock(monkeypatch):
  clock = Clock()
  monkeypatch.setattr(pace.time, "perf_counter", clock)
  monkeypatch.setattr(display.time, "monotonic", clock)
  return clock


class Terminal(io.StringIO):
  """Text that says it is a terminal."""

  def isatty(self):
    return True


def on_terminal(monkeypatch):
  """To be called in the test, before which pytest sets stderr anew."""
  terminal = Terminal()
  monkeypatch.setattr(sys, "stderr", terminal)
  return terminal


def seen(terminal):
  """The lines of a terminal, as they stand there at the end."""
  lines = terminal.getvalue().split("\n")
  return [line.rstrip("\r").rsplit("\r", 1)[-1].rstrip() for line in lines]


def train(tempo, clock, *, calls, seconds, images=10):
  for _ in range(calls):
    tempo.start()
    tempo.add(images)
    clock.sleep(seconds)
  tempo.mark()


def test_a_pause_does_not_slow_the_rate(clock):
  tempo = pace.Pace()
  train(tempo, clock, calls=4, seconds=0.5)
  tempo.stop()
  clock.sleep(1000)
  train(tempo, clock, calls=1, seconds=0.5)
  assert tempo.rate == pytest.approx(20)
  assert tempo.mean == pytest.approx(20)


def test_the_rate_moves_and_the_mean_remembers(clock):
  tempo = pace.Pace()
  for _ in range(5):
    train(tempo, clock, calls=4, seconds=1)
  for _ in range(6):
    train(tempo, clock, calls=20, seconds=0.1)
  assert tempo.rate == pytest.approx(100)
  assert tempo.mean == pytest.approx((200 + 1200) / (20 + 12))


def test_a_call_that_begins_while_the_clock_stands_does_not_count(clock):
  tempo = pace.Pace()
  tempo.add(10)
  clock.sleep(60)  # Compiles.
  tempo.mark()
  assert tempo.rate == 0 and tempo.remaining(100) == np.inf
  train(tempo, clock, calls=2, seconds=1)
  assert tempo.rate == pytest.approx(10)
  assert tempo.remaining(100) == pytest.approx(10)


def test_the_time_left_holds_every_pause_but_the_first(clock):
  tempo = pace.Pace()
  for pause in (600, 5):  # The first evaluation compiles.
    train(tempo, clock, calls=5, seconds=1)
    tempo.stop()
    clock.sleep(pause)
  train(tempo, clock, calls=0, seconds=0)
  assert tempo.remaining(100) == pytest.approx(10)
  train(tempo, clock, calls=5, seconds=1)
  # 150 images took 15 s, and a pause of 5 s beside the first.
  assert tempo.remaining(100) == pytest.approx(100 * (15 + 5) / 150)


def test_what_is_waited_is_a_share_of_the_time_the_clock_runs(clock):
  tempo = pace.Pace()
  for _ in range(3):  # The first call waits while the clock stands.
    with tempo.waiting():
      clock.sleep(3)
    tempo.start()
    clock.sleep(1)
  tempo.mark()
  assert tempo.waited == pytest.approx(6 / 9)


@pytest.mark.parametrize(
    ("seconds", "words"), ((0, "0:00"), (20.4, "0:20"), (3732, "1:02:12"))
)
def test_a_time_in_words(seconds, words):
  assert pace.in_words(seconds) == words


def make_reporter(workdir, **options):
  options = {"step": 0, "total": 100, "batch_size": 10} | options
  return progress.Reporter(workdir, **options)


def call(reporter, clock, step, *, seconds=1.0, loss=2.5):
  clock.sleep(seconds)
  reporter.step(step, {"loss": (np.full(1, loss), np.ones(1))}, 1)
  reporter.start()


def test_the_first_report_has_the_rate_of_the_calls_after_the_first(
    tmp_path, clock
):
  reporter = make_reporter(tmp_path)
  call(reporter, clock, 1, seconds=60)  # Compiles.
  for step in (2, 3, 4, 5):
    call(reporter, clock, step)
  reporter.flush()
  row, = progress.read_metrics(tmp_path)
  assert row["train/examples_per_second"] == pytest.approx(10)
  assert reporter.examples_per_second == pytest.approx(10)
  reporter.close()


def test_a_report_of_the_first_call_alone_has_no_rate(tmp_path, clock):
  reporter = make_reporter(tmp_path)
  call(reporter, clock, 1, seconds=60)
  reporter.flush()
  row, = progress.read_metrics(tmp_path)
  assert row == {"step": 1, "train/loss": 2.5}
  reporter.close()


def test_a_run_that_waits_for_its_input_says_so(tmp_path, clock, capsys):
  reporter = make_reporter(tmp_path)
  stream = reporter.watch(base.Stream(lambda: clock.sleep(3), lambda: "here"))
  assert stream.position() == "here"
  for step in range(1, 5):
    stream.next()
    call(reporter, clock, step)
  reporter.flush()
  reporter.close()
  assert "75% of the time waits for input" in capsys.readouterr().err
  row, = progress.read_metrics(tmp_path)
  assert row["train/input_share"] == pytest.approx(0.75)


def test_where_stderr_is_no_terminal_there_is_a_line_every_ten_seconds(
    tmp_path, clock, capsys
):
  reporter = make_reporter(tmp_path, note="two extra passes")
  for step in range(1, 27):
    call(reporter, clock, step)
    if step % 5 == 0:
      reporter.flush()
  reporter.stop()
  reporter.close()
  text = capsys.readouterr().err
  assert "\r" not in text and text.endswith("\n")
  note, *lines = text.splitlines()
  assert note == "every step costs two extra passes"
  assert lines == [
      f"train {step}/100 ({step}%), loss 2.500, 10 examples/s, ETA {left}"
      for step, left in ((5, "1:35"), (15, "1:25"), (25, "1:15"), (26, "1:14"))
  ]


def test_closing_twice_shows_nothing_twice(tmp_path, clock, capsys):
  reporter = make_reporter(tmp_path)
  for step in range(1, 4):
    call(reporter, clock, step)
  reporter.stop()
  reporter.close()
  assert len(capsys.readouterr().err.splitlines()) == 1
  reporter.close()
  assert not capsys.readouterr().err


def test_messages_stand_above_the_bar_on_lines_of_their_own(monkeypatch):
  terminal = on_terminal(monkeypatch)
  handlers = list(logging.root.handlers)
  shown = display.open_display(0, 20)
  for step in range(1, 21):
    shown.show(step, "loss 1.500")
    if step == 5:
      logging.getLogger("data").warning("7 images were skipped")
    if step == 9:
      warnings.warn("the disk is slow", UserWarning)
  shown.close()
  print("the end", file=terminal)
  lines = seen(terminal)
  assert "7 images were skipped" in "".join(lines)
  for line in lines:
    assert not ("train" in line and ("skipped" in line or "slow" in line))
  assert any(line.endswith("UserWarning: the disk is slow") for line in lines)
  assert "20/20" in lines[-3] and "loss 1.500" in lines[-3]
  assert lines[-2] == "the end"
  assert logging.root.handlers == handlers


def test_a_bar_that_is_closed_early_ends_its_line(monkeypatch):
  terminal = on_terminal(monkeypatch)
  shown = display.open_display(0, 20)
  shown.show(3, "")
  shown.close()
  print("dmjax train: the loss is nan", file=terminal)
  assert seen(terminal)[-2] == "dmjax train: the loss is nan"


def test_other_processes_show_nothing(monkeypatch):
  terminal = on_terminal(monkeypatch)
  shown = display.open_display(0, 20, active=False)
  shown.show(20, "loss 1.500")
  shown.close()
  assert not terminal.getvalue()


def test_drawing_all_mixers_shows_progress_on_a_terminal(
    tmp_path, monkeypatch
):
  terminal = on_terminal(monkeypatch)
  monkeypatch.setattr(zoo, "mix_photographs", lambda *_: None)
  monkeypatch.setattr(zoo.comparisons, "zoo", lambda *_: None)
  zoo.save(tmp_path / "zoo.png")
  count = len(zoo.mixers.MIXERS)
  assert f"{count}/{count}" in terminal.getvalue()


def test_rows_after_the_step_that_is_resumed_from_go(tmp_path, clock):
  rows = [{"step": step, "train/loss": 1.0} for step in (10, 20, 30)]
  lines = [json.dumps(row) for row in rows] + ['{"step": 4']
  (tmp_path / "metrics.jsonl").write_text("\n".join(lines))
  make_reporter(tmp_path, step=20).close()
  assert progress.read_metrics(tmp_path) == rows[:2]
