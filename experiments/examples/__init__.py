"""Decoupled mixup in the training loops of other libraries, to copy from."""
