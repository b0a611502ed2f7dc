"""Descending along the gradients reaches what they point at."""

import jax
import numpy as np

from tests.helpers.moving_meshes import PoseProblem, descend


def test_a_pose_is_recovered_from_a_silhouette_alone():
    problem = PoseProblem(40)
    # Without antialias a silhouette has no gradient at all.
    without = jax.grad(lambda motion: problem.loss(motion, blended=False))(problem.start)
    np.testing.assert_allclose(without, 0, atol=1e-5)

    found, values = descend(problem.loss, problem.start, steps=160, rate=0.6)
    assert problem.pixels_off(problem.start).mean() > 3
    assert problem.pixels_off(found).max() < 0.05
    assert values[-1] < values[0] / 1000
