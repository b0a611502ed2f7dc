"""rasterize and interpolate: the public operations on meshes and pixels."""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from rasterizer.batching import as_one, one_by_one
from rasterizer.coverage import nearest_triangles
from rasterizer.derivatives import differentiable_one_by_one
from rasterizer.few import FEW_TRIANGLES, choose, nearest_of_few
from rasterizer.gpu import fits_kernels, gpu_kernels
from rasterizer.homogeneous import SMALLEST_AREA, PixelVertices, pixel_centres, to_pixels
from rasterizer.windows import Target, take

# Triangles tested at once on the CPU. More would need over 32 MB of temporary memory, which the
# allocator then maps anew for every call: touching new pages takes longer than the arithmetic.
_CPU_TRIANGLES = 36864
# Windows per step of the work list. The CPU wants a step that stays in its second-level cache.
_CPU_WINDOWS = 4096
_DEVICE_WINDOWS = 32768
# Pixels of which barycentrics and depth are computed at once on the CPU, for the same reason.
_CPU_BAND = 65536
_FEW_CHANNELS = 4


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Fragments:
    """What each pixel of an image sees.

    triangle_id: (H, W) int32; triangle_id[r, c] = t means that triangle t is the nearest one that
      covers the centre (c + 0.5, r + 0.5) of the pixel in row r and column c. -1 is background.
      Carries no gradient.
    barycentrics: (H, W, 3) float; perspective-correct weights of the triangle's three vertices, in
      the order of `triangles`, summing to 1. 0 in the background. Differentiable in x, y, w.
    depth: (H, W) float; the interpolated w. 0 in the background. Differentiable in x, y, w.
    """

    triangle_id: jax.Array
    barycentrics: jax.Array
    depth: jax.Array


def rasterize(
    vertices_clip: jax.Array,
    triangles: jax.Array,
    image_height: int,
    image_width: int,
    *,
    cull_backfaces: bool = False,
) -> Fragments:
    """Draws a mesh: per pixel the nearest triangle, its barycentrics and its depth.

    A pixel centre on the edge of two triangles belongs to exactly one of them, and one on the
    outline follows the same rule (the centre counts as moved right, then down, by an
    infinitesimal). The smallest z/w wins, without clipping to any range; of equal z/w the smallest
    triangle index. Triangles may be of any size and number, off-screen or across the camera plane
    (only their part with w > 0 is drawn). Triangles vanish that are degenerate, have an index
    outside [0, V), or touch a vertex with a NaN or infinite coordinate. Coverage is decided in
    float32 whatever the dtype of the vertices.

    Args:
      vertices_clip: (V, 4) float (x, y, z, w); pixel x = (x/w + 1)/2 image_width, pixel y likewise
        downwards, w <= 0 behind the camera. The gradient of the outputs flows through x, y, w.
      triangles: (F, 3) integer.
      image_height, image_width: in pixels, at least 1.
      cull_backfaces: leave out triangles with positive signed area in y-down pixels.

    Returns:
      Fragments.

    Raises:
      ValueError: wrong shapes, dtypes or sizes, or (where values are known) an index outside
        [-1, V).
    """
    vertices_clip, triangles = _check_mesh(vertices_clip, triangles)
    _check_size(image_height, image_width)
    if vertices_clip.shape[0] == 0 or triangles.shape[0] == 0:
        triangle_id = jnp.full((image_height, image_width), -1, jnp.int32)
        weights = jnp.zeros((image_height, image_width, 3), vertices_clip.dtype)
        return Fragments(triangle_id, weights, weights[..., 0])
    settings = image_height, image_width, cull_backfaces
    sizes = len(vertices_clip), len(triangles), image_height * image_width
    # The kernels compute in float32 throughout.
    kernels = vertices_clip.dtype == jnp.float32 and fits_kernels(1, *sizes) and gpu_kernels()
    return _rasterize(vertices_clip, triangles, *settings, kernels)


@functools.partial(jax.jit, static_argnums=(2, 3, 4, 5))
def _rasterize(
    vertices_clip, triangles, height: int, width: int, cull_backfaces: bool, kernels: bool
):
    settings = height, width, cull_backfaces
    if not kernels:
        return _rasterize_in_jax(vertices_clip, triangles, *settings)
    return lax.platform_dependent(
        vertices_clip,
        triangles,
        cuda=lambda v, t: _rasterize_with_kernels(v, t, *settings),
        default=lambda v, t: _rasterize_in_jax(v, t, *settings),
    )


@functools.partial(jax.custom_jvp, nondiff_argnums=(2, 3, 4))
def _rasterize_with_kernels(vertices_clip, triangles, height, width, cull_backfaces):
    # Here, because others need not wait half a second for it.
    from rasterizer import pallas_gpu

    draw = pallas_gpu.rasterizer_of(height, width, cull_backfaces)
    return Fragments(*draw(vertices_clip, triangles))


@_rasterize_with_kernels.defjvp
def _(height, width, cull_backfaces, primals, tangents):
    vertices_clip, triangles = primals
    drawn = _rasterize_with_kernels(vertices_clip, triangles, height, width, cull_backfaces)

    def resolve(vertices_clip):
        corners = _corners_by_columns
        return _resolve_at_once(vertices_clip, triangles, drawn.triangle_id, corners=corners)

    change = jax.jvp(resolve, (vertices_clip,), tangents[:1])[1]
    no_change = np.zeros(drawn.triangle_id.shape, jax.dtypes.float0)
    return drawn, Fragments(no_change, *change)


def _rasterize_in_jax(vertices_clip, triangles, height: int, width: int, cull_backfaces: bool):
    pixels = to_pixels(lax.stop_gradient(vertices_clip).astype(jnp.float32), height, width)
    table = jnp.stack([pixels.x, pixels.y, pixels.z, pixels.w], axis=-1)
    table = jnp.where(pixels.valid[:, None], table, jnp.nan)
    # Triangles with an unknown vertex point at one more row, which is unusable.
    table = jnp.pad(table, ((0, 1), (0, 0)), constant_values=jnp.nan)
    known = (triangles >= 0) & (triangles < vertices_clip.shape[0])
    triangles = jnp.where(known, triangles, vertices_clip.shape[0])
    triangle_id = _visibility(height, width, cull_backfaces)(table, triangles)
    weights, depth = _resolve(vertices_clip, triangles, triangle_id)
    return Fragments(triangle_id, weights, depth)


def interpolate(attributes: jax.Array, triangles: jax.Array, fragments: Fragments) -> jax.Array:
    """Vertex attributes at every pixel, weighted by its barycentrics.

    Args:
      attributes: (V, C) float of any width.
      triangles: (F, 3) integer rows into `attributes`, one per rasterized triangle: the rasterized
        triangles themselves, or a table of their own for attributes of corners (uv seams).
      fragments: what `rasterize` returned for them.

    Returns:
      (H, W, C) in the dtype of the attributes, 0 in the background. Differentiable in the
      attributes and, through the barycentrics, in the vertices.
    """
    attributes, triangles = jnp.asarray(attributes), jnp.asarray(triangles)
    if attributes.ndim != 2:
        raise ValueError(
            f"expected attributes of shape (V, C), found {attributes.shape}; "
            "give one row per vertex, and vmap over a batch"
        )
    height, width = fragments.triangle_id.shape
    if attributes.size == 0 or triangles.shape[0] == 0:
        return jnp.zeros((height, width, attributes.shape[1]), attributes.dtype)
    weights = fragments.barycentrics.reshape(-1, 3).astype(attributes.dtype)
    values = _weigh(attributes, weights, triangles, fragments.triangle_id)
    return values.reshape(height, width, -1)


def _weigh_rows(attributes, weights, triangles, triangle_id) -> jax.Array:
    """(P, C): attributes (V, C) at the corners of pixels' triangles (P,), times weights (P, 3)."""
    covered, corner = _pixel_corners(triangles, triangle_id)
    value = sum(weights[:, k, None] * take(attributes, corner[:, k]) for k in range(3))
    return jnp.where(covered[:, None], value, 0)


def _weigh_columns(attributes, weights, triangles, triangle_id) -> jax.Array:
    """The same with an array per channel, for derivatives.

    Transposed, short rows would have to be put together from their columns, and sums taken over
    them, which is slow on the CPU.
    """
    if attributes.shape[1] > _FEW_CHANNELS:
        return _weigh_rows(attributes, weights, triangles, triangle_id)
    covered, corner = _pixel_corners(triangles, triangle_id)
    values = []
    for column in attributes.T:
        value = sum(weights[:, k] * take(column, corner[:, k]) for k in range(3))
        values.append(jnp.where(covered, value, 0))
    return jnp.stack(values, axis=-1)


_weigh = differentiable_one_by_one(
    _weigh_columns, 2, on_cpu=one_by_one(_weigh_rows), elsewhere=_weigh_rows
)


@functools.cache
def _visibility(height: int, width: int, cull_backfaces: bool):
    """(V, 4) pixel vertices, (F, 3) triangles -> (H, W) ids.

    On the CPU a batch is drawn picture by picture. Elsewhere the whole batch is one mesh drawn into
    one tall image, so that a while loop has one trip count and every step is full.
    """

    def draw(vertices, triangles, num_images, **settings):
        target = Target(num_images, triangles.shape[0] // num_images, height, width, cull_backfaces)
        ids = nearest_triangles(vertices, triangles, target, **settings)
        return ids.reshape(num_images, height, width)

    @one_by_one
    def on_cpu(vertices, triangles):
        if triangles.shape[0] <= FEW_TRIANGLES:
            target = Target(1, triangles.shape[0], height, width, cull_backfaces)
            return nearest_of_few(vertices, triangles, target)
        settings = {"dense_chunk": _CPU_TRIANGLES, "listed_chunk": _CPU_WINDOWS, "staged": True}
        return draw(vertices, triangles, 1, **settings)[0]

    @as_one
    def elsewhere(vertices, triangles):
        num_images, num_vertices = vertices.shape[:2]
        start = lax.broadcasted_iota(jnp.int32, triangles.shape, 0) * num_vertices
        merged = (triangles + start).reshape(-1, 3)
        settings = {
            "dense_chunk": merged.shape[0],
            "listed_chunk": _DEVICE_WINDOWS,
            "staged": False,
        }
        return draw(vertices.reshape(-1, 4), merged, num_images, **settings)

    def visible(vertices, triangles):
        return lax.platform_dependent(
            vertices,
            triangles,
            cpu=on_cpu,
            default=lambda v, t: elsewhere(v[None], t[None])[0],
        )

    return visible


def _pixel_corners(triangles: jax.Array, triangle_id: jax.Array) -> tuple[jax.Array, jax.Array]:
    """(P,) whether a pixel is covered and (P, 3) its vertices, 0 where it is not."""
    flat = triangle_id.reshape(-1)
    corner = triangles.at[jnp.maximum(flat, 0)].get(mode="promise_in_bounds")
    covered = flat >= 0
    return covered, jnp.where(covered[:, None], corner, 0)


def _resolve_at_once(vertices_clip, triangles, triangle_id, *, corners):
    """Barycentrics (H, W, 3) and depth (H, W) of known triangles at known pixels."""
    height, width = triangle_id.shape
    pixels = to_pixels(vertices_clip, height, width)
    weights, depth = _resolve_pixels(
        corners(pixels), triangles, triangle_id.reshape(-1), 0, height, width
    )
    return weights.reshape(height, width, 3), depth.reshape(height, width)


@one_by_one
def _resolve_in_bands(vertices_clip, triangles, triangle_id):
    height, width = triangle_id.shape
    count = height * width
    num_bands = -(-count // _CPU_BAND)
    by = _corners_by_choice if triangles.shape[0] <= FEW_TRIANGLES else _corners_by_rows
    if num_bands == 1:
        return _resolve_at_once(vertices_clip, triangles, triangle_id, corners=by)
    corners = by(to_pixels(vertices_clip, height, width))
    size = -(-count // num_bands)
    flat = jnp.pad(triangle_id.reshape(-1), (0, num_bands * size - count), constant_values=-1)
    weights, depth = lax.map(
        lambda band: _resolve_pixels(corners, triangles, *band, height, width),
        (flat.reshape(num_bands, size), lax.iota(jnp.int32, num_bands) * size),
    )
    weights, depth = weights.reshape(-1, 3)[:count], depth.reshape(-1)[:count]
    return weights.reshape(height, width, 3), depth.reshape(height, width)


def _corners_by_columns(pixels: PixelVertices):
    """Function from triangles (F, 3) and ids (P,) to whether a pixel is covered (P,), and for each
    of its corners x, y, w and scale, (P,) each."""

    def corners(triangles, triangle_id):
        covered, corner = _pixel_corners(triangles, triangle_id)
        columns = (pixels.x, pixels.y, pixels.w, pixels.scale)
        return covered, [[take(c, corner[:, k]) for c in columns] for k in range(3)]

    return corners


def _corners_by_rows(pixels: PixelVertices):
    """The same with one gather in place of four: twice as fast, but not to differentiate."""
    table = jnp.stack([pixels.x, pixels.y, pixels.w, pixels.scale], axis=-1)

    def corners(triangles, triangle_id):
        covered, corner = _pixel_corners(triangles, triangle_id)
        return covered, [list(take(table, corner[:, k]).T) for k in range(3)]

    return corners


def _corners_by_choice(pixels: PixelVertices):
    """The same for few triangles, without a gather per pixel."""
    columns = (pixels.x, pixels.y, pixels.w, pixels.scale)

    def corners(triangles, triangle_id):
        rows = [[choose(take(c, triangles[:, k]), triangle_id) for c in columns] for k in range(3)]
        return triangle_id >= 0, rows

    return corners


def _resolve_pixels(corners, triangles, triangle_id, first, height: int, width: int):
    """Barycentrics (P, 3) and depth (P,) of consecutive pixels from number `first` on.

    With r = (x - w px, y - w py) of a vertex as the pixel sees it, the edge function opposite a
    corner is the cross product of the other two, and edge * scale is proportional to its
    perspective-correct weight.
    """
    covered, rows = corners(triangles, triangle_id)
    dtype = rows[0][0].dtype
    pixel = first + lax.iota(jnp.int32, triangle_id.shape[0])
    px = pixel_centres((pixel % width).astype(dtype), width)
    py = pixel_centres((pixel // width).astype(dtype), height)
    x = [row[0] - row[2] * px for row in rows]
    y = [row[1] - row[2] * py for row in rows]
    edges = [x[j] * y[k] - y[j] * x[k] for j, k in ((1, 2), (2, 0), (0, 1))]
    weights = [edge * row[3] for edge, row in zip(edges, rows, strict=True)]
    total = weights[0] + weights[1] + weights[2]
    homogeneous = sum(edge * row[2] for edge, row in zip(edges, rows, strict=True))
    # A covered pixel has a positive area in exact arithmetic; rounding may still bring it to zero.
    scale = jnp.maximum(jnp.maximum(rows[0][3], rows[1][3]), rows[2][3])
    solid = covered & (jnp.abs(homogeneous) > SMALLEST_AREA)
    solid &= jnp.abs(total) > SMALLEST_AREA * lax.stop_gradient(scale)
    inverse = 1 / jnp.where(solid, total, 1)
    flat = jnp.where(covered, 1 / 3, 0).astype(dtype)
    barycentrics = jnp.stack([jnp.where(solid, w * inverse, flat) for w in weights], axis=-1)
    needle = sum(1 / jnp.where(covered, row[3], 1) for row in rows) / 3
    depth = jnp.where(solid, homogeneous * inverse, jnp.where(covered, needle, 0))
    return barycentrics, depth


_resolve = differentiable_one_by_one(
    # An array per coordinate: see `_weigh_columns`.
    functools.partial(_resolve_at_once, corners=_corners_by_columns),
    1,
    on_cpu=_resolve_in_bands,
    elsewhere=functools.partial(_resolve_at_once, corners=_corners_by_rows),
)


def _check_mesh(vertices_clip, triangles) -> tuple[jax.Array, jax.Array]:
    vertices_clip = jnp.asarray(vertices_clip)
    if vertices_clip.ndim != 2 or vertices_clip.shape[1] != 4:
        raise ValueError(
            f"expected vertices_clip of shape (V, 4), found {vertices_clip.shape}; "
            "use a camera's clip function for 3-D points, and vmap over a batch"
        )
    if not jnp.issubdtype(vertices_clip.dtype, jnp.floating):
        raise ValueError(f"expected float vertices_clip, found {vertices_clip.dtype}")
    if np.ndim(triangles) != 2 or np.shape(triangles)[1] != 3:
        raise ValueError(f"expected triangles of shape (F, 3), found {np.shape(triangles)}")
    if not jnp.issubdtype(jnp.result_type(triangles), jnp.integer):
        raise ValueError(f"expected integer triangles, found {jnp.result_type(triangles)}")
    if isinstance(triangles, np.ndarray) and triangles.size:
        low, high, num_vertices = triangles.min(), triangles.max(), vertices_clip.shape[0]
        if low < -1 or high >= num_vertices:
            raise ValueError(
                f"expected triangle indices in [0, {num_vertices}) (or -1 for padding), "
                f"found {low} to {high}"
            )
    if vertices_clip.dtype not in (jnp.float32, jnp.float64):
        vertices_clip = vertices_clip.astype(jnp.float32)
    return vertices_clip, jnp.asarray(triangles, jnp.int32)


def _check_size(image_height: int, image_width: int) -> None:
    for name, size in (("image_height", image_height), ("image_width", image_width)):
        if not isinstance(size, int | np.integer) or size < 1:
            raise ValueError(f"expected {name} to be an integer of at least 1, found {size!r}")
    if image_height * image_width >= 2**31:
        raise ValueError(
            f"expected fewer than 2^31 pixels, found {image_height} x {image_width}; draw in tiles"
        )
