"""Weather: snow, frost and fog laid over an image."""

import jax
import jax.numpy as jnp
import numpy as np

from dmjax.evaluate.corruptions import _constants
from dmjax.evaluate.corruptions import _resampling

# Mean, deviation and magnification of the flakes, the value from which on there
# is a flake, radius and deviation of its fall, share of the image that stays.
_SNOW = (
    (
        (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
        (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
        (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
        (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
        (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
    ),
    (
        (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
        (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
        (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
        (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
        (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
    ),
)
# Weights of the image and of the frost.
_FROST = (
    ((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)),
    ((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)),
)
# Weight of the fog, and by how much it is smoother at every finer scale.
_FOG = (
    ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)),
    ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)),
)

# Of red, green and blue in the grey value, ITU-R 601.
_LUMA = 0.299, 0.587, 0.114

# Frost is a little blue, and its ridges are fine.
_ICE = 0.85, 0.94, 1.0
_FROST_DECAY = 1.5


def snow(key: jax.Array, image: jax.Array, severity: jax.Array) -> jax.Array:
  """Lays falling flakes over an image that is made brighter.

  Flakes are normal noise, magnified, above a threshold, smeared along a line at
  an angle uniform in [-135, -45]; the same turned by 180 degrees is added.
  """
  field_key, angle_key = jax.random.split(key)
  field = jax.random.normal(field_key, image.shape[:2])
  angle = jax.random.uniform(angle_key, (), minval=-135.0, maxval=-45.0)
  return _snow(image, field, angle, severity)


def _snow(image, field, angle, severity):
  """With a normal field `[H, W]` and an angle in degrees."""
  table = _constants.published(image, *_SNOW)
  mean, std, _, threshold, radius, sigma, stays = _constants.at(table, severity)
  places = lambda side: _resampling.zoom_places(side, table[:, 2])
  flakes = (mean + std * field)[..., None]
  flakes = _resampling.read_at(
      flakes, *_constants.of_sides(image, severity, places)
  )
  flakes = jnp.where(flakes < threshold, 0, jnp.minimum(flakes, 1))
  longest = int(table[:, 4].max())
  flakes = _resampling.trail(flakes, angle, radius, sigma, longest)
  bright = jnp.maximum(image, 1.5 * _grey(image) + 0.5)
  image = stays * image + (1 - stays) * bright
  return jnp.clip(image + flakes + flakes[::-1, ::-1], 0, 1)


def _grey(image):
  if image.shape[-1] == 1:
    return image
  grey = sum(share * image[..., i] for i, share in enumerate(_LUMA))
  return jnp.broadcast_to(grey[..., None], image.shape)


def frost(key: jax.Array, image: jax.Array, severity: jax.Array) -> jax.Array:
  """Adds frost to a darkened image: `clip(a x + b frost)`.

  The published frost is cut out of photographs, which are not part of this
  library. Here it is synthetic: the ridges of a fractal, bluish where there are
  colours. Only the weights are the published ones.
  """
  size = _map_size(image)
  field = jax.random.uniform(key, (size, size), minval=-1.0)
  return _frost(image, field, severity)


def _frost(image, field, severity):
  """With a field uniform in [-1, 1], see `_plasma`."""
  of_image, of_frost = _constants.constants(image, severity, *_FROST)
  height, width, channels = image.shape
  plasma = _plasma(field, _FROST_DECAY)[:height, :width, None]
  ridges = 1 - jnp.abs(2 * plasma - 1)
  ice = np.float32(_ICE if channels == 3 else (1.0,))[None, None]
  return jnp.clip(of_image * image + of_frost * ridges * ice, 0, 1)


def fog(key: jax.Array, image: jax.Array, severity: jax.Array) -> jax.Array:
  """Adds a fractal: `clip((x + c fog) m / (m + c))`, m the largest of x."""
  size = _map_size(image)
  field = jax.random.uniform(key, (size, size), minval=-1.0)
  return _fog(image, field, severity)


def _fog(image, field, severity):
  """With a field uniform in [-1, 1], see `_plasma`."""
  weight, decay = _constants.constants(image, severity, *_FOG)
  height, width, _ = image.shape
  plasma = _plasma(field, decay)[:height, :width, None]
  largest = jnp.max(image)
  foggy = (image + weight * plasma) * largest / (largest + weight)
  return jnp.clip(foggy, 0, 1)


def _map_size(image):
  """The smallest power of two that covers an image."""
  return 1 << (max(*image.shape[:2], 2) - 1).bit_length()


def _plasma(field, decay):
  """The diamond-square algorithm on a torus.

  The middle of every four points, of squares and then of diamonds, becomes
  their mean and noise. The square of `decay` divides the noise at every scale.

  Args:
    field: Noise of each point, `[N, N]`, N a power of two.
    decay: At least 1.

  Returns:
    `[N, N]`, from 0 to 1.
  """
  points = jnp.zeros((1, 1))
  while len(points) < len(field):
    # The points of this scale and those that it adds.
    noise = field[:: len(field) // len(points) // 2]
    noise = noise[:, :: len(field) // len(points) // 2]
    points, field = _refine(points, noise), field / decay**2
  points = points - jnp.min(points)
  return points / jnp.max(points)


def _refine(points, noise):
  """From `[n, n]` points to `[2n, 2n]`, with as much noise."""
  right, below = jnp.roll(points, -1, 1), jnp.roll(points, -1, 0)
  middles = (points + right + below + jnp.roll(right, -1, 0)) / 4
  middles += noise[1::2, 1::2]
  tops = (points + right + middles + jnp.roll(middles, 1, 0)) / 4
  tops += noise[::2, 1::2]
  lefts = (points + below + middles + jnp.roll(middles, 1, 1)) / 4
  lefts += noise[1::2, ::2]
  upper = jnp.stack([points, tops], axis=2).reshape(-1, noise.shape[1])
  lower = jnp.stack([lefts, middles], axis=2).reshape(-1, noise.shape[1])
  return jnp.stack([upper, lower], axis=1).reshape(noise.shape)
