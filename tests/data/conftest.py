"""A small prepared folder and its packed form."""

import pytest

from reenact_jax.data import builders
from tests.helpers.toy_clips import write_prepared


@pytest.fixture(scope="session")
def prepared_root(tmp_path_factory):
    root = tmp_path_factory.mktemp("prepared")
    write_prepared(root)
    return root


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory, prepared_root):
    folder = tmp_path_factory.mktemp("packed")
    builders.pack(prepared_root, folder, "clips")
    return folder
