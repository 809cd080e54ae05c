"""What is measured of a trained network."""

from dmjax.evaluate.metrics import clean_sums
from dmjax.evaluate.metrics import mixed_sums
from dmjax.evaluate.metrics import summarize

__all__ = ("clean_sums", "mixed_sums", "summarize")
