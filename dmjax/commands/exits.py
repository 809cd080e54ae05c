"""Exit codes."""

OK = 0
BAD_INPUT = 2
DIVERGED = 3
PREEMPTED = 75  # EX_TEMPFAIL: the same command again goes on.
INTERRUPTED = 130
