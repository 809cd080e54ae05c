"""A run of a few seconds on a slice of the digits, for tests."""

from dmjax import config as config_lib


def get_config():
  """The configuration."""
  config = config_lib.default()
  config.batch_size = 32
  config.total = "24 steps"
  config.model = {"name": "resnet8", "dtype": "float32", "widths": (4, 8, 8)}
  config.data.update(
      name="digits", train="train[:200]", test="test[:70]", crop_padding=1,
      crop_mode="constant", flip=False, mean=(0.3,), std=(0.4,),
  )
  config.mix.alpha = 1.0
  config.evaluate.update(every="12 steps", batch_size=32)
  config.checkpoint.every = "4 steps"
  config.log.every = "5 steps"
  config.method.ema_decay = 0.9
  return config
