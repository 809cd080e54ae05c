"""Training methods: what is optimised, as pure functions of one TrainState."""

from dmjax.methods.automix import automix
from dmjax.methods.base import Method
from dmjax.methods.base import TrainState
from dmjax.methods.learned import Learned
from dmjax.methods.supervised import supervised

__all__ = ("Learned", "Method", "TrainState", "automix", "supervised")
