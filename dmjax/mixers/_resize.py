"""Mixers that paste a resized image, or a resized part of one."""

import jax
import jax.numpy as jnp

from dmjax.mixers import _boxes
from dmjax.mixers import _core


def resizemix(
    key: jax.Array,
    x: jax.Array,
    *,
    alpha: float = 1.0,
    lam: jax.typing.ArrayLike | None = None,
    partner: str | jax.typing.ArrayLike = "permutation",
    per_batch: bool = False,
    scope: tuple[float, float] = (0.1, 0.8),
) -> _core.Mixed:
  """Pastes the whole partner, made smaller (arXiv 2012.11101).

      x~ = M x_i + (1 - M) R x_j,   M = 0 in a box of sides tau (H, W)

  where R resizes the whole image to that box and tau ~ Beta(alpha, alpha),
  drawn again uniformly over `scope` where it falls outside. With alpha = 1, the
  default, that is the uniform tau of the paper; another alpha is what OpenMixup
  calls `use_alpha`. The centre of the box is uniform over the pixels, the box
  is clipped at the border and the partner is resized (nearest pixel) to what is
  left of it, as in the reference, which draws one box per batch; that is
  `per_batch=True`. The mask is that of the box; the reference returns it with
  its axes exchanged.

  Args:
    key: PRNG key.
    x: Images `[B, H, W, C]`, floating.
    alpha: Parameter of the Beta distribution of tau.
    lam: Fixes `tau = sqrt(1 - lam)` instead, a scalar or `[B]`.
    partner: `permutation`, `roll`, `flip` or `int[B]`.
    per_batch: One tau and one box for the whole batch.
    scope: Range of a tau that is drawn.

  Returns:
    The mixed batch; its mask is 0 in the box and 1 elsewhere.

  Raises:
    ValueError: For a scope that does not lie in [0, 1].

  Example:
    >>> key = jax.random.key(0)
    >>> x = jax.random.uniform(key, (4, 8, 8, 3))
    >>> mixed = mixers.resizemix(key, x)
    >>> print(mixed.x.shape, mixed.mask.shape)
    (4, 8, 8, 3) (4, 8, 8, 1)
  """
  _core.check_images(x)
  if not 0 <= scope[0] <= scope[1] <= 1:
    raise ValueError(
        f"scope must be (smallest, largest) within [0, 1], got {scope}"
    )
  pairs = _core.draw(
      key, x, alpha=alpha, lam=lam, partner=partner, per_batch=per_batch
  )
  shape, drawn = x.shape[1:3], lam is None

  def row(key, share, image):
    tau_key, centre_key = jax.random.split(key)
    tau = _tau(tau_key, share, scope) if drawn else jnp.sqrt(1 - share)
    start, stop = _clipped_box(centre_key, shape, tau)
    return _boxes.box(shape, start, stop), _shrink(image, start, stop)

  inside, pasted = jax.vmap(row)(pairs.keys, pairs.lam, x[pairs.partner])
  return _core.mix_by_mask(x, pairs.partner, ~inside, pasted)


def snapmix(
    key: jax.Array,
    x: jax.Array,
    *,
    cam: jax.Array,
    alpha: float = 5.0,
    lam: jax.typing.ArrayLike | None = None,
    partner: str | jax.typing.ArrayLike = "permutation",
    per_batch: bool = False,
) -> _core.Mixed:
  """Weights are the part of each object that is seen (arXiv 2012.04846).

      x~  = x_i outside box_i,  resize(x_j in box_j) inside
      w_i = 1 - S_i(box_i),     w_j = S_j(box_j)

  S(box) is the part of a class activation map, scaled to 0 ... 1 and then to
  sum 1, that lies in the box. The two boxes are drawn apart, each with sides
  `sqrt(1 - lam) (H, W)` for its own lambda; where either of them is empty
  nothing is pasted. Weights do not sum to 1: what hides the object of one
  image need not show that of the other.

  Same-class pairs: with a loss `sum_k w_k L_k`, such as those of
  `dmjax.losses`, the common class gets `w_i + w_j`. The authors give that sum
  to each of the two terms, which counts it twice; mixers see no labels and do
  not.

  A map without contrast counts area, `w_i = 1 - |box_i|` and `w_j = |box_j|`.
  The authors draw boxes once per batch; that is `per_batch=True`.

  Args:
    key: PRNG key.
    x: Images `[B, H, W, C]`, floating.
    cam: `[B, H, W]`, activation map of each image for its class, enlarged to
      the image; its scale and offset do not matter. Constant.
    alpha: Both lambdas ~ Beta(alpha, alpha).
    lam: Fixes both lambdas instead, a scalar or `[B]`.
    partner: `permutation`, `roll`, `flip` or `int[B]`.
    per_batch: The same two boxes for the whole batch.

  Returns:
    The mixed batch; its mask is 0 in `box_i`, its weights sum to 0 ... 2.

  Raises:
    ValueError: For maps that do not fit the images.

  Example:
    >>> key = jax.random.key(0)
    >>> x = jax.random.uniform(key, (4, 8, 8, 3))
    >>> mixed = mixers.snapmix(key, x, cam=x.mean(3))
    >>> print(mixed.x.shape, mixed.weights.shape)
    (4, 8, 8, 3) (4, 2)
  """
  _core.check_images(x)
  cam = _core.check_maps("cam", cam, x)
  pairs = _core.draw(
      key, x, alpha=alpha, lam=lam, partner=partner, per_batch=per_batch
  )
  shape, drawn = x.shape[1:3], lam is None

  def row(key, share, image):
    lam_key, *keys = jax.random.split(key, 3)
    other = _core.beta(lam_key, alpha, ()) if drawn else share
    to = _clipped_box(keys[0], shape, jnp.sqrt(1 - share))
    source = _clipped_box(keys[1], shape, jnp.sqrt(1 - other))
    pasted = _resize_box(image.astype(jnp.float32), source, to)
    to, source = _boxes.box(shape, *to), _boxes.box(shape, *source)
    empty = ~(jnp.any(to) & jnp.any(source))
    return to & ~empty, source & ~empty, pasted

  to, source, pasted = jax.vmap(row)(pairs.keys, pairs.lam, x[pairs.partner])
  own = 1 - _share_inside(cam, to)
  weights = jnp.stack([own, _share_inside(cam[pairs.partner], source)], axis=1)
  mixed = _core.mix_by_mask(x, pairs.partner, ~to, pasted)
  return mixed._replace(weights=weights)


def _tau(key, tau, scope):
  """`tau` where it lies in the scope, and a uniform draw from it elsewhere."""
  uniform = jax.random.uniform(key, (), minval=scope[0], maxval=scope[1])
  return jnp.where((tau >= scope[0]) & (tau <= scope[1]), tau, uniform)


def _clipped_box(key, shape, scale):
  """First and last corner of a box of sides scale * (H, W) somewhere."""
  return _boxes.corners(shape, _boxes.uniform_pixel(key, shape), scale)


def _shrink(image, start, stop):
  """The image resized to a box (nearest pixel); outside it, border pixels."""
  sides = jnp.maximum(stop - start, 1)
  rows, columns = (
      jnp.clip((jnp.arange(n) - start[i]) * n // sides[i], 0, n - 1)
      for i, n in enumerate(image.shape[:2])
  )
  return image[rows[:, None], columns[None, :]]


def _resize_box(image, source, to):
  """What is in box `source` resized to box `to` (bilinear), border outside.

  Every output row is a mixture of two input rows, and the same for columns, so
  the resize is a product with two sparse matrices: no dynamic shapes.
  """
  height, width = (
      _bilinear(n, *((box[0][i], box[1][i]) for box in (source, to)))
      for i, n in enumerate(image.shape[:2])
  )
  return jnp.einsum("hr,rsc,ws->hwc", height, image, width, precision="highest")


def _bilinear(size, source, to):
  """`[size, size]`: output pixels in `to` from input pixels in `source`."""
  scale = (source[1] - source[0]) / jnp.maximum(to[1] - to[0], 1)
  place = (jnp.arange(size) + 0.5 - to[0]) * scale + source[0] - 0.5
  place = jnp.clip(place, source[0], jnp.maximum(source[1] - 1, source[0]))
  pixels = jnp.arange(size)
  return jnp.maximum(0.0, 1 - jnp.abs(place[:, None] - pixels[None, :]))


def _share_inside(maps, inside):
  """Share of each map `[B, H, W]` that lies inside a box, `float32[B]`."""
  maps = maps - jnp.min(maps, axis=(1, 2), keepdims=True)
  # A flat map has no maximum to divide by: it counts pixels instead.
  flat = jnp.max(maps, axis=(1, 2), keepdims=True) <= 0
  maps = jnp.where(flat, 1.0, maps)
  maps = maps / jnp.max(maps, axis=(1, 2), keepdims=True)
  share = jnp.sum(maps * inside, axis=(1, 2)) / jnp.sum(maps, axis=(1, 2))
  return jnp.clip(share, 0.0, 1.0)
