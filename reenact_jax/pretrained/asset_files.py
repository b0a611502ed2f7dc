"""Checks and fetches the files of the registry."""

import hashlib
import os
import shutil
import zipfile
import zlib
from pathlib import Path

from reenact_jax.errors import UserError
from reenact_jax.pretrained.registry import Asset

OFFLINE_VARIABLE = "REENACT_OFFLINE"

MISSING = "missing"
VERIFIED = "verified"
UNVERIFIED = "present, no hash known"
OTHER = "another file"
DAMAGED = "damaged"

_MAT_HEADER = 128


def condition(asset: Asset, path: Path | None) -> str:
    """One of `MISSING`, `VERIFIED`, `UNVERIFIED`, `OTHER`, `DAMAGED`.

    A file of another hash is `DAMAGED` if it is shorter than it should be or does not hold together
    as a file of its kind, else `OTHER`: another version, say.
    """
    if path is None or not path.is_file():
        return MISSING
    if asset.sha256 and sha256(path) == asset.sha256:
        return VERIFIED
    too_short = asset.size is not None and path.stat().st_size < asset.size
    if too_short or not _holds_together(path):
        return DAMAGED
    return OTHER if asset.sha256 else UNVERIFIED


def sha256(path: Path) -> str:
    """64 hex digits of a file of any size."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def is_offline() -> bool:
    """True if the environment forbids the network."""
    return os.environ.get(OFFLINE_VARIABLE, "") not in ("", "0")


def fetch(asset: Asset, folder: Path, *, offline: bool = False, progress: bool = False) -> Path:
    """Downloads a file that anyone may have: whole and with the right hash, or not at all.

    A file that is there and right is not downloaded again.

    Args:
      asset: which file.
      folder: where to; made if needed.
      offline: nothing touches the network.
      progress: a bar on stderr.

    Raises:
      UserError: if the file is one that each user has to get or make, or the network is forbidden
        or fails, or what came is another file, or the disk is full. Nothing new is left behind and
        an older file of that name is untouched.
    """
    path = folder / asset.name
    if asset.url is None or asset.sha256 is None:
        raise UserError(
            f"{asset.name} is not downloaded by this command ({asset.licence}): {asset.origin}. "
            f"Put it into {folder}"
        )
    if condition(asset, path) == VERIFIED:
        return path
    if offline:
        raise UserError(
            f"{asset.name}: offline, so nothing is fetched: bring the file of {asset.url} "
            f"(sha256 {asset.sha256}) to {path}"
        )
    import pooch
    import requests.exceptions

    pooch.get_logger().setLevel("ERROR")
    _make_room(asset, folder)
    try:
        pooch.retrieve(
            asset.url,
            known_hash=f"sha256:{asset.sha256}",
            fname=asset.name,
            path=folder,
            progressbar=progress,
        )
    except requests.exceptions.RequestException as err:
        # These are OSErrors too; what they are about is the network.
        raise UserError(
            f"{asset.name}: {asset.url} could not be downloaded ({_reason(err)}): try again, or "
            f"bring the file to {path} by other means"
        ) from err
    except OSError as err:
        raise UserError(f"{path} cannot be written ({err.strerror or err})") from err
    except ValueError as err:  # pooch's word for a hash that differs
        raise UserError(
            f"{asset.name}: {asset.url} sent another file than the one expected (sha256 "
            f"{asset.sha256}; {asset.hash_source}): nothing was kept; try again"
        ) from err
    return path


def _make_room(asset: Asset, folder: Path) -> None:
    """Makes the folder; UserError if it cannot be made or the disk has no room for the file."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
    except OSError as err:
        raise UserError(f"{folder} cannot be made ({err.strerror or err})") from err
    if asset.size is not None and free < asset.size:
        raise UserError(
            f"{folder}: {asset.name} needs {asset.size:,} bytes, the disk has {free:,}: make room, "
            "or name another folder in REENACT_ASSETS"
        )


def _reason(err: Exception) -> str:
    response = getattr(err, "response", None)
    if response is not None:
        return f"{response.status_code} {response.reason}"
    return f"{type(err).__name__}: {err}"


def _holds_together(path: Path) -> bool:
    """Whether a file of a kind with an inner structure is complete; True for other kinds."""
    try:
        if path.stat().st_size == 0:
            return False
        if path.suffix == ".mat":
            return _is_whole_mat(path)
        if path.suffix in (".npz", ".task"):
            return _is_whole_zip(path)
        if path.suffix == ".pth":
            # New files of PyTorch are zip archives; old ones start with a pickle.
            with path.open("rb") as stream:
                is_pickle = stream.read(1) == b"\x80"
            return is_pickle or _is_whole_zip(path)
    except OSError as err:
        raise UserError(f"{path} cannot be read ({err.strerror or err})") from err
    return True


def _is_whole_zip(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError):
        return False


def _is_whole_mat(path: Path) -> bool:
    """MATLAB 5: a header of 128 bytes, then elements of a 4-byte kind, a 4-byte size and a body."""
    end = path.stat().st_size
    with path.open("rb") as stream:
        header = stream.read(_MAT_HEADER)
        if len(header) < _MAT_HEADER or header[126:] not in (b"IM", b"MI"):
            return False
        order = "little" if header[126:] == b"IM" else "big"
        position = _MAT_HEADER
        while position < end:
            stream.seek(position)
            tag = stream.read(8)
            if len(tag) < 8:
                return False
            position += 8 + int.from_bytes(tag[4:], order)
    return position == end
