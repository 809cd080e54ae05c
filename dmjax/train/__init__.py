"""The engine: state, step, loop, checkpoints and progress."""
