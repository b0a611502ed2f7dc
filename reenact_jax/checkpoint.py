"""Checkpoints through Orbax: network parameters, optimiser, and the position in the data.

Parameters are an item of their own, so that evaluation reads them without the optimiser.
"""

from pathlib import Path
from typing import Any, TypeVar

import jax
import orbax.checkpoint as ocp

from reenact_jax.errors import UserError

Tree = TypeVar("Tree")


class Checkpoints:
    """The checkpoints of one run.

    A checkpoint is written under a temporary name and renamed when it is complete (by Orbax), so a
    run that is killed while writing goes on from the one before.
    """

    def __init__(self, folder: Path, *, keep: int | None = None):
        options = ocp.CheckpointManagerOptions(max_to_keep=keep, create=keep is not None)
        # Named handlers let a fresh manager read the shapes of what another process wrote.
        self._manager = ocp.CheckpointManager(
            folder.absolute(),
            options=options,
            item_handlers={
                "params": ocp.StandardCheckpointHandler(),
                "optimizer": ocp.StandardCheckpointHandler(),
                "data": ocp.JsonCheckpointHandler(),
            },
        )

    @property
    def latest_step(self) -> int | None:
        return self._manager.latest_step()

    def save(self, step: int, params: dict, optimizer: Tree, data_state: dict[str, Any]) -> None:
        """Starts writing in the background. Arrays must be unreplicated host arrays."""
        if step == self.latest_step:
            return
        items = ocp.args.Composite(
            params=ocp.args.StandardSave(params),
            optimizer=ocp.args.StandardSave(optimizer),
            data=ocp.args.JsonSave(data_state),
        )
        self._manager.save(step, args=items)

    def restore(self, params: dict, optimizer: Tree) -> tuple[dict, Tree, dict[str, Any]]:
        """Reads the newest checkpoint; the arguments say structure, shapes and dtypes.

        Raises:
          UserError: if it is a checkpoint of another network or cannot be read.
        """
        items = ocp.args.Composite(
            params=ocp.args.StandardRestore(_abstract(params)),
            optimizer=ocp.args.StandardRestore(_abstract(optimizer)),
            data=ocp.args.JsonRestore(),
        )
        restored = self._restore(params, items)
        return restored.params, restored.optimizer, restored.data

    def restore_params(self, params: dict) -> dict:
        """Reads the network parameters of the newest checkpoint alone. Raises like `restore`."""
        items = ocp.args.Composite(params=ocp.args.StandardRestore(_abstract(params)))
        return self._restore(params, items).params

    def close(self) -> None:
        """Waits for what is still being written."""
        self._manager.wait_until_finished()
        self._manager.close()

    def _restore(self, params: dict, items: ocp.args.Composite) -> ocp.args.Composite:
        step = self.latest_step
        folder = self._manager.directory / str(step)
        try:
            found = _shapes(self._manager.item_metadata(step).params)
            _check_same_network(folder, expected=_shapes(params), found=found)
            return self._manager.restore(step, args=items)
        except UserError:
            raise
        except (ValueError, OSError, KeyError, AttributeError) as error:
            raise UserError(
                f"the checkpoint {folder} cannot be read ({error}): remove that folder to go on "
                "from the one before"
            ) from error


def _check_same_network(folder, *, expected: dict, found: dict) -> None:
    names = sorted(found.keys() | expected.keys())
    differing = [name for name in names if found.get(name) != expected.get(name)]
    if differing:
        first = differing[0]
        raise UserError(
            f"{folder} is a checkpoint of another model: {len(differing)} of {len(names)} arrays "
            f"differ, first {first}: expected {expected.get(first, 'none')}, found "
            f"{found.get(first, 'none')}; use the configuration that it was trained with, or "
            "another --workdir"
        )


def _abstract(tree: Tree) -> Tree:
    return jax.tree.map(ocp.utils.to_shape_dtype_struct, tree)


def _shapes(tree: Any) -> dict[str, tuple[int, ...]]:
    """Path -> shape of every array, comparable across container types."""
    leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): tuple(leaf.shape)
        for path, leaf in leaves
    }
