"""Colours carried from one face model to another."""

import dataclasses

import numpy as np
import pytest

from reenact_jax.face_model.borrowed_albedo import _visible, with_albedo_of
from reenact_jax.face_model.procedural import procedural_head


def plain(model, mean):
    """The model without colours, of another shape."""
    return dataclasses.replace(
        model,
        mean=np.float32(mean),
        texture_mean=None,
        texture_basis=np.zeros((0, *mean.shape), np.float32),
    )


def test_a_bent_copy_gets_its_own_colours_back():
    donor = procedural_head("light")
    bent = np.asarray(donor.mean) * [1.1, 0.95, 1.05] + [0.1, -0.2, 0.3]
    model = with_albedo_of(plain(donor, bent), donor)
    assert model.widths == donor.widths
    # The inside of the mouth takes the colours of what lies before it.
    region = np.intersect1d(model.region_triangles, _visible(donor))
    apart = np.abs(model.texture_mean - donor.texture_mean)[region].mean()
    spread = np.abs(donor.texture_mean - donor.texture_mean[region].mean(axis=0))[region].mean()
    assert apart < 0.1 * spread
    modes = np.abs(model.texture_basis - donor.texture_basis)[:, region].mean()
    assert modes < 0.15 * np.abs(donor.texture_basis[:, region]).mean()
    # Hair stays out of the region, as on the donor.
    kept, all_of_it = (set(np.unique(each.region_triangles)) for each in (model, donor))
    assert kept <= all_of_it and len(kept) > 0.9 * len(all_of_it)


def test_another_mesh_gets_eyes_and_lips_where_its_own_are():
    donor, fine = procedural_head("light"), procedural_head("full")
    model = with_albedo_of(plain(fine, np.asarray(fine.mean) * 1.05), donor)
    points = model.landmarks68
    apart = np.abs(model.texture_mean[points] - fine.texture_mean[points])
    assert np.median(apart) < 0.06
    assert model.name == f"{fine.name}+{donor.name}" and model.has_albedo


def test_a_donor_without_colours_is_refused():
    donor = procedural_head("light")
    with pytest.raises(ValueError, match="has no albedo to lend"):
        with_albedo_of(donor, plain(donor, np.asarray(donor.mean)))
