"""A face is recovered from one picture through rasterize, interpolate and antialias."""

import numpy as np

from tests.helpers.face_recovery import FaceProblem


def test_pose_identity_and_expression_are_recovered_from_a_picture():
    problem = FaceProblem(64)
    found, losses = problem.fit()
    assert losses[-1] < losses[0] / 50
    assert problem.millimetres_off(problem.start) > 15
    assert problem.millimetres_off(found) < 1.0
    for name, tolerance in (("rotation", 0.01), ("shift", 0.01), ("expression", 0.2)):
        np.testing.assert_allclose(found[name], problem.true[name], atol=tolerance)
    np.testing.assert_allclose(found["identity"], problem.true["identity"], atol=0.5)
