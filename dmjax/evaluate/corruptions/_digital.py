"""Light, geometry, and what happens to files."""

import io

import jax
import jax.numpy as jnp
from jax.scipy import ndimage
import numpy as np

from dmjax.evaluate.corruptions import _constants
from dmjax.evaluate.corruptions import _resampling

# Added to the brightness.
_BRIGHTNESS = (0.05, 0.1, 0.15, 0.2, 0.3), (0.1, 0.2, 0.3, 0.4, 0.5)
# Share of the contrast that is left.
_CONTRAST = (0.75, 0.5, 0.4, 0.3, 0.15), (0.4, 0.3, 0.2, 0.1, 0.05)
# How far pixels are pushed, deviation of what smooths that, and how far three
# corners are: shares of the side. ImageNet-C has 244 pixels for sides of 224.
_ELASTIC = (
    (
        (0, 0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05),
        (0.1, 0.03, 0.03),
    ),
    244 / 224 * np.array((
        (2, 0.7, 0.1), (2, 0.08, 0.2), (0.05, 0.01, 0.02), (0.07, 0.01, 0.02),
        (0.12, 0.01, 0.02),
    )),
)
# Share of the side.
_PIXELATE = (0.95, 0.9, 0.85, 0.75, 0.65), (0.6, 0.5, 0.4, 0.3, 0.25)
# Quality.
_JPEG = (80, 65, 58, 50, 40), (25, 18, 15, 10, 7)


def brightness(
    key: jax.Array, image: jax.Array, severity: jax.Array
) -> jax.Array:
  """Adds to the value of HSV; hue and saturation stay."""
  del key
  more = _constants.constants(image, severity, *_BRIGHTNESS)
  value = jnp.max(image, axis=-1, keepdims=True)
  brighter = jnp.clip(value + more, 0, 1)
  # Colours are proportional to the value, and black becomes grey.
  scaled = image * brighter / jnp.where(value > 0, value, 1)
  return jnp.clip(jnp.where(value > 0, scaled, brighter), 0, 1)


def contrast(
    key: jax.Array, image: jax.Array, severity: jax.Array
) -> jax.Array:
  """Draws the values of each channel to their mean."""
  del key
  left = _constants.constants(image, severity, *_CONTRAST)
  mean = jnp.mean(image, axis=(0, 1), keepdims=True)
  return jnp.clip(mean + left * (image - mean), 0, 1)


def elastic_transform(
    key: jax.Array, image: jax.Array, severity: jax.Array
) -> jax.Array:
  """Moves three corners, and then every pixel by a smooth random field."""
  corner_key, field_key = jax.random.split(key)
  corners = jax.random.uniform(corner_key, (3, 2), minval=-1.0)
  shape = (*image.shape[:2], 2)
  field = jax.random.uniform(field_key, shape, minval=-1.0)
  return _elastic(image, corners, field, severity)


def _elastic(image, corners, field, severity):
  """With corners `[3, 2]` and a field `[H, W, 2]`, of x and y, in [-1, 1]."""
  height, width, _ = image.shape
  table = max(height, width) * _constants.published(image, *_ELASTIC)
  push, _, shake = _constants.at(table, severity)
  blur = lambda side: _resampling.blur_matrices(
      side, table[:, 1], 3.0, "symmetric"
  )
  rows, columns = _constants.of_sides(image, severity, blur)
  y, x = np.indices((height, width), np.float32)
  image = _read(image, *_affine(y, x, shake * corners), "mirror")
  field = push * _resampling.separable(field, rows, columns)
  dx, dy = field[..., 0], field[..., 1]
  return jnp.clip(_read(image, y + dy, x + dx, "reflect"), 0, 1)


def _affine(y, x, moves):
  """Where `(y, x)` comes from when three points move by `(x, y)` of `moves`.

  The points lie at s (1, 1), s (1, -1) and s (-1, -1) from the middle, where s
  is a third of the side. A place is so far, alpha and beta, on the ways from
  the third to the others. It comes from as far on these ways before the move.
  """
  height, width = y.shape
  s = max(min(height, width) // 3, 1)
  middle = np.array((width // 2, height // 2))
  points = middle + s * np.array(((1, 1), (1, -1), (-1, -1)))
  moved = points + moves
  (ax, ay), (bx, by) = moved[:2] - moved[2:]
  x, y = x - moved[2, 0], y - moved[2, 1]
  scale = ax * by - ay * bx
  alpha, beta = (by * x - bx * y) / scale, (ax * y - ay * x) / scale
  return points[2, 1] + 2 * s * alpha, points[2, 0] + 2 * s * (alpha + beta)


def _read(image, y, x, mode):
  """Bilinearly, at places `[H, W]`."""
  read = lambda plane: ndimage.map_coordinates(plane, [y, x], 1, mode)
  return jax.vmap(read, -1, -1)(image)


def pixelate(
    key: jax.Array, image: jax.Array, severity: jax.Array
) -> jax.Array:
  """Makes the image smaller, by means of pixels, and large again, by copies."""
  del key
  shares = _constants.published(image, *_PIXELATE)
  coarse = lambda side: np.stack([_coarse(side, share) for share in shares])
  rows, columns = _constants.of_sides(image, severity, coarse)
  return jnp.clip(_resampling.separable(image, rows, columns), 0, 1)


def _coarse(size, share):
  small = max(int(size * share), 1)
  down = _resampling.box_matrix(size, small)
  return _resampling.box_matrix(small, size) @ down


def jpeg_compression(image: np.ndarray, severity: int) -> np.ndarray:
  """Encodes an image as JPEG, and decodes it. On the host; it needs Pillow.

  Args:
    image: `uint8[H, W, C]`, C = 1 or 3.
    severity: From 1 to 5.

  Returns:
    `uint8[H, W, C]`.
  """
  from PIL import Image  # pylint: disable=import-outside-toplevel

  quality = int(_constants.published(image, *_JPEG)[severity - 1])
  encoded = io.BytesIO()
  pixels = image[..., 0] if image.shape[-1] == 1 else image
  Image.fromarray(pixels).save(encoded, "JPEG", quality=quality)
  return np.asarray(Image.open(encoded)).reshape(image.shape)
