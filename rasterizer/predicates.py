"""The sign of an edge function at a pixel centre, beyond the reach of float32 rounding.

Written a - p for a vertex seen from the pixel, the edge function of the edge from a to b is
(a - p) x (b - p) = ax by - ay bx. Its sign says on which side of the edge the pixel lies. Two
triangles that share an edge must never both claim, or both refuse, a pixel: that needs the sign of
the real number, not of its rounding. Most pixels are far from every edge and float32 with an error
bound decides them (coverage.py); the few that it leaves open come here.

The value is a sum of products without rounding: a float32 number is the sum of two halves of
12 bits, and a product of halves is exact. Halves are cut by masking bits, not by Dekker's
multiplication, because a compiler may contract multiply and add into one operation and break the
latter. The terms are summed with two levels of compensation (Ogita, Rump and Oishi 2005), so the
error is 2^-46 of the products where a - p itself needs more than 24 bits, and zero otherwise.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

_UPPER_HALF = np.int32(-(2**12))


def _halves(value: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The upper 12 bits of the significand and the rest, each as a float32."""
    bits = lax.bitcast_convert_type(value, jnp.int32)
    upper = lax.bitcast_convert_type(bits & _UPPER_HALF, jnp.float32)
    return upper, value - upper


def _two_sum(a: jax.Array, b: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The rounded sum and the exact rest (Knuth)."""
    total = a + b
    b_part = total - a
    return total, (a - (total - b_part)) + (b - b_part)


def _product_terms(a, a_rest, b, b_rest) -> list[jax.Array]:
    """(a + a_rest)(b + b_rest) as terms to add up; only the last two are rounded."""
    (a1, a2), (b1, b2) = _halves(a), _halves(b)
    return [a1 * b1, a1 * b2, a2 * b1, a2 * b2, a * b_rest, a_rest * b]


def _compensated_sum(terms: list[jax.Array]) -> jax.Array:
    total, rest, rest_of_rest = terms[0], jnp.zeros_like(terms[0]), jnp.zeros_like(terms[0])
    for term in terms[1:]:
        total, lost = _two_sum(total, term)
        rest, lost = _two_sum(rest, lost)
        rest_of_rest = rest_of_rest + lost
    return total + (rest + rest_of_rest)


def _seen_from(coordinate: jax.Array, w: jax.Array, pixel: jax.Array):
    """coordinate - w * pixel and, where w is 1, its exact rounding error."""
    shifted = w * pixel
    difference, rest = _two_sum(coordinate, -shifted)
    return difference, jnp.where(w == 1, rest, 0)


def exact_edge(a: tuple, b: tuple, pixel_x: jax.Array, pixel_y: jax.Array):
    """Edge function of the edge from a to b, and the side that decides a pixel on the line.

    Args:
      a, b: (x, y, w) float32 arrays of homogeneous pixel coordinates (homogeneous.py).
      pixel_x, pixel_y: float32 pixel centres, broadcastable with them.

    Returns:
      (value, side): the edge function, and +1 or -1 for the side of the edge that the pixel counts
      to; 0 where a and b are the same point. Swapping a and b negates both, whatever the rounding.
      A pixel exactly on the line counts as moved by an infinitesimal (e, e^2): a top-left rule.
    """
    (xa, ya, wa), (xb, yb, wb) = a, b
    # One canonical direction per edge, so that both of its triangles add the same terms in order.
    swap = (xb < xa) | ((xb == xa) & (yb < ya))
    xa, xb = jnp.where(swap, xb, xa), jnp.where(swap, xa, xb)
    ya, yb = jnp.where(swap, yb, ya), jnp.where(swap, ya, yb)
    wa, wb = jnp.where(swap, wb, wa), jnp.where(swap, wa, wb)
    ax, ay = _seen_from(xa, wa, pixel_x), _seen_from(ya, wa, pixel_y)
    bx, by = _seen_from(xb, wb, pixel_x), _seen_from(yb, wb, pixel_y)
    minus = [-term for term in _product_terms(*ay, *bx)]
    plus = _product_terms(*ax, *by)
    value = _compensated_sum([t for pair in zip(plus, minus, strict=True) for t in pair])
    side = jnp.sign(value)
    for left, right in ((ya * wb, wa * yb), (wa * xb, xa * wb)):
        moved = (left > right).astype(value.dtype) - (left < right).astype(value.dtype)
        side = jnp.where(side == 0, moved, side)
    return jnp.where(swap, -value, value), jnp.where(swap, -side, side)
