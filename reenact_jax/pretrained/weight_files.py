"""Reading of weight files: PyTorch's .pth, never running code out of it, and .safetensors."""

import pickle
from pathlib import Path

import numpy as np


def read_arrays(path: Path, *, converter: str, section: str = "", prefix: str = "") -> dict:
    """Named arrays of a .pth state dict or a .safetensors file, as they are stored.

    Args:
      path: the file.
      converter: the script that makes a .safetensors file of the .pth, for the message where torch
        is missing.
      section: key of the state dict inside a checkpoint that holds more (optimiser, schedule). A
        .pth that is that state dict itself is read too.
      prefix: what the names in a bundle of several networks begin with; where any name does,
        only those are read, without it.

    Returns:
      name -> numpy array; those of a .pth are float32.

    Raises:
      ImportError: a .pth without torch.
      ValueError: another kind of file, a truncated one, or one that holds other objects than
        tensors.
    """
    if path.suffix == ".safetensors":
        return _read_safetensors(path, prefix)
    if path.suffix != ".pth":
        raise ValueError(f"expected a .pth or .safetensors file, found {path}")
    return _read_pth(path, converter, section)


def _read_safetensors(path: Path, prefix: str) -> dict[str, np.ndarray]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            names = list(file.keys())
            in_bundle = [name for name in names if prefix and name.startswith(prefix)]
            chosen = in_bundle or names
            cut = len(prefix) if in_bundle else 0
            return {name[cut:]: file.get_tensor(name) for name in chosen}
    except SafetensorError as err:
        raise ValueError(f"expected a safetensors file, found {path}: {err}") from err


def _read_pth(path: Path, converter: str, section: str) -> dict[str, np.ndarray]:
    try:
        import torch
    except ImportError as err:
        raise ImportError(
            f"reading {path} needs PyTorch: install the extra with `pip install "
            f"'reenact-jax[convert]'`, or convert the file once with {converter} on a machine "
            "that has it and use the .safetensors file"
        ) from err
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as err:
        raise ValueError(
            f"expected a PyTorch state dict, found {path}, which is damaged or holds objects other "
            f"than tensors; such objects are never loaded: {_first_line(err)}"
        ) from err
    except Exception as err:  # torch raises whatever a damaged file leads its reader to
        raise ValueError(
            f"expected a PyTorch state dict, found {path}, which torch does not read (a download "
            f"that broke off?): {_first_line(err)}"
        ) from err
    if section and isinstance(state, dict) and section in state:
        state = state[section]
    if not isinstance(state, dict) or not all(torch.is_tensor(v) for v in state.values()):
        where = f" under {section!r} or at its top" if section else ""
        raise ValueError(
            f"expected a flat PyTorch state dict (name -> tensor){where}, found {path} without one"
        )
    return {name: tensor.float().numpy() for name, tensor in state.items()}


def check_shapes(
    arrays: dict[str, np.ndarray],
    expected: dict[str, tuple[int, ...]],
    *,
    network: str,
    path: Path,
    ignored: frozenset[str] | set[str] = frozenset(),
) -> None:
    """Refuses arrays that are not those of the network, with a list from both sides.

    Args:
      arrays: name -> array.
      expected: name -> shape of every array that the network needs.
      network: its name, for the message.
      path: of the file, for the message.
      ignored: names that may be there and are not used.

    Raises:
      ValueError: if a name is missing or unknown or a shape is another.
    """
    missing = sorted(expected.keys() - arrays.keys())
    unknown = sorted(arrays.keys() - expected.keys() - ignored)
    misshapen = [
        f"{name}: expected {shape}, found {arrays[name].shape}"
        for name, shape in expected.items()
        if name in arrays and arrays[name].shape != shape
    ]
    if missing or unknown or misshapen:
        raise ValueError(
            f"expected the weights of {network}, found in {path}: missing {_some(missing)}; "
            f"unknown {_some(unknown)}; wrong shapes {_some(misshapen)}"
        )


def _some(items: list[str], most: int = 6) -> str:
    if len(items) <= most:
        return str(items)
    return f"{items[:most]} and {len(items) - most} more"


def _first_line(err: BaseException) -> str:
    # Some, such as EOFError, have no text.
    return f"{type(err).__name__}: {str(err).strip()}".partition("\n")[0]
