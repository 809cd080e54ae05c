"""Malformed commands end in one line, and leave nothing."""

import pytest

from experiments import malformed
from experiments import malformed_commands

# The whole table is `python -m experiments.malformed`.
CASES = malformed_commands.CASES


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.command)
def test_a_malformed_command_is_refused_in_one_line(case):
  outcome = malformed.run(case)
  assert not list(malformed.faults(case, outcome)), outcome.err
