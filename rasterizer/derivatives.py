"""Derivatives that `vmap` computes for one picture after another on the CPU.

Derivatives of a whole batch at once need memory for the whole batch at once: from 32 MB on the
allocator maps it anew in every call, and touching new pages takes longer than the arithmetic.
`batching.one_by_one` cannot help, because what it returns cannot be transposed; and a `custom_vjp`
has no forward mode. So the derivative is a primitive of its own: a linear function that knows its
transpose, and whose rule for batches is a loop over both.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend import core
from jax.interpreters import ad, batching, mlir


def differentiable_one_by_one(
    smooth: Callable, num_smooth: int, *, on_cpu: Callable, elsewhere: Callable
) -> Callable:
    """A function of arrays whose derivatives `vmap` computes one by one on the CPU.

    Args:
      smooth: the function in the form to be differentiated.
      num_smooth: it is differentiated in this many leading arguments, all float; at least 1.
      on_cpu, elsewhere: the same function in the forms that are faster for values. What `vmap` does
        with these is their own.

    Returns:
      The function, with derivatives in both modes. The reverse mode keeps the arguments alone and
      computes the function again.
    """

    @jax.custom_jvp
    def function(*args):
        return lax.platform_dependent(*args, cpu=on_cpu, default=elsewhere)

    @function.defjvp
    def _(primals, tangents):
        arguments, fixed = primals[:num_smooth], primals[num_smooth:]

        def at_once(arguments, tangents, *fixed):
            return jax.jvp(lambda *a: smooth(*a, *fixed), arguments, tangents)

        def by_picture(arguments, tangents, *fixed):
            change = _derivative(smooth, arguments, fixed, tangents)
            return on_cpu(*arguments, *fixed), change

        return lax.platform_dependent(
            arguments, tuple(tangents[:num_smooth]), *fixed, cpu=by_picture, default=at_once
        )

    return function


def _derivative(smooth: Callable, arguments, fixed, tangents):
    """The derivative of smooth(*arguments, *fixed) along tangents of the arguments."""
    count = len(arguments)
    known = (*arguments, *fixed)

    def along(*args):
        args, tangents = args[: len(known)], args[len(known) :]
        change = jax.jvp(lambda *a: smooth(*a, *args[count:]), args[:count], tangents)[1]
        return jax.tree.leaves(change)

    def back(*args):
        args, cotangents = args[: len(known)], args[len(known) :]
        value, pull = jax.vjp(lambda *a: smooth(*a, *args[count:]), *args[:count])
        return list(pull(jax.tree.unflatten(jax.tree.structure(value), cotangents)))

    shape = jax.eval_shape(smooth, *known)
    changes = _linear.bind(
        *known,
        *tangents,
        function=jax.make_jaxpr(along)(*known, *tangents),
        transposed=jax.make_jaxpr(back)(*known, *jax.tree.leaves(shape)),
        num_known=len(known),
    )
    return jax.tree.unflatten(jax.tree.structure(shape), changes)


# function(known..., x...) -> list of arrays, linear in x, and transposed(known..., y...) -> list of
# arrays like x; both closed jaxprs.
_linear = core.Primitive("linear_one_by_one")
_linear.multiple_results = True


def _evaluate(*args, function, transposed, num_known):
    return core.jaxpr_as_fun(function)(*args)


def _abstract_evaluate(*args, function, transposed, num_known):
    return function.out_avals


def _jvp(primals, tangents, **parameters):
    known = parameters["num_known"]
    along = [ad.instantiate_zeros(t) for t in tangents[known:]]
    values = _linear.bind(*primals, **parameters)
    changes = _linear.bind(*primals[:known], *along, **parameters)
    moved = [k for k in range(known) if not isinstance(tangents[k], ad.Zero)]
    if moved:  # second derivatives

        def evaluate(*values):
            args = list(primals)
            for k, value in zip(moved, values, strict=True):
                args[k] = value
            return core.jaxpr_as_fun(parameters["function"])(*args)

        more = jax.jvp(evaluate, [primals[k] for k in moved], [tangents[k] for k in moved])[1]
        changes = [change + m for change, m in zip(changes, more, strict=True)]
    return values, changes


def _transpose(cotangents, *args, function, transposed, num_known):
    cotangents = [ad.instantiate_zeros(c) for c in cotangents]
    found = _linear.bind(
        *args[:num_known],
        *cotangents,
        function=transposed,
        transposed=function,
        num_known=num_known,
    )
    wanted = map(ad.is_undefined_primal, args[num_known:])
    return [None] * num_known + [f if w else None for f, w in zip(found, wanted, strict=True)]


def _batch(args, axes, **parameters):
    batched = [jnp.moveaxis(a, k, 0) for a, k in zip(args, axes, strict=True) if k is not None]

    def call(elements):
        elements = iter(elements)
        each = (a if k is None else next(elements) for a, k in zip(args, axes, strict=True))
        return _linear.bind(*each, **parameters)

    found = lax.map(call, batched)
    return found, [0] * len(found)


_linear.def_impl(_evaluate)
_linear.def_abstract_eval(_abstract_evaluate)
mlir.register_lowering(_linear, mlir.lower_fun(_evaluate, multiple_results=True))
ad.primitive_jvps[_linear] = _jvp
ad.primitive_transposes[_linear] = _transpose
batching.primitive_batchers[_linear] = _batch
