"""The asset registry, its checks and its downloads, against a server on this machine."""

import dataclasses
import errno
import hashlib
import http.server
import io
import re
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from reenact_jax import assets
from reenact_jax.errors import UserError
from reenact_jax.pretrained import asset_files, registry
from reenact_jax.pretrained.registry import Asset

CONTENT = bytes(range(256)) * 400
REPOSITORY = Path(__file__).parents[1]


@pytest.fixture
def server():
    """A local server; returns its address. Requests are counted in `server.asked`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        asked: list[str] = []

        def do_GET(self):
            self.asked.append(self.path)
            if self.path == "/gone":
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            if self.path == "/truncated":
                self.wfile.write(CONTENT[:1000])
            elif self.path == "/other":
                self.wfile.write(CONTENT[::-1])
            else:
                self.wfile.write(CONTENT)

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.02,))
        thread.start()
        running.asked = Handler.asked
        running.address = f"http://127.0.0.1:{running.server_port}"
        yield running
        running.shutdown()
        thread.join()


def asset_at(url: str, **changes) -> Asset:
    made = Asset(
        name="model.bin",
        what="a test",
        licence="none",
        who="everyone",
        origin="made up",
        size=len(CONTENT),
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        hash_source="computed",
        url=url,
    )
    return dataclasses.replace(made, **changes)


def test_a_file_is_fetched_once_and_verified(server, tmp_path):
    folder = tmp_path / "new" / "folder"
    asset = asset_at(f"{server.address}/right")
    for _ in range(2):
        path = asset_files.fetch(asset, folder)
        assert path == folder / "model.bin" and path.read_bytes() == CONTENT
    assert server.asked == ["/right"]
    assert list(folder.iterdir()) == [path]
    assert asset_files.condition(asset, path) == asset_files.VERIFIED


@pytest.mark.parametrize(
    "place, message",
    [
        ("/truncated", "could not be downloaded"),
        ("/other", "sent another file than the one expected"),
        ("/gone", r"could not be downloaded \(404 Not Found\)"),
    ],
)
def test_what_comes_wrong_leaves_nothing_new_and_keeps_the_old(server, tmp_path, place, message):
    asset = asset_at(server.address + place)
    for _ in range(2):  # first into an empty folder, then over an older version
        before = {path: path.read_bytes() for path in tmp_path.iterdir()}
        with pytest.raises(UserError, match=message):
            asset_files.fetch(asset, tmp_path)
        assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
        (tmp_path / asset.name).write_bytes(b"an older version")


def test_a_server_that_is_not_there_is_one_message(tmp_path):
    with pytest.raises(UserError, match="127.0.0.1:9/x could not be downloaded"):
        asset_files.fetch(asset_at("http://127.0.0.1:9/x"), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_offline_asks_nobody(server, tmp_path):
    asset = asset_at(f"{server.address}/right")
    with pytest.raises(UserError, match=f"offline.*{asset.sha256}.*{tmp_path}"):
        asset_files.fetch(asset, tmp_path, offline=True)
    assert server.asked == [] and list(tmp_path.iterdir()) == []
    (tmp_path / asset.name).write_bytes(CONTENT)
    assert asset_files.fetch(asset, tmp_path, offline=True).read_bytes() == CONTENT


def test_the_environment_can_forbid_the_network(monkeypatch, tmp_path):
    monkeypatch.setenv(registry.FOLDER_VARIABLE, str(tmp_path))
    monkeypatch.setenv(asset_files.OFFLINE_VARIABLE, "1")
    with pytest.raises(UserError, match="alex.pth: offline"):
        assets.fetch_assets(["alex.pth"], offline=False)


def test_a_gated_file_is_refused_with_the_way_to_it(tmp_path):
    gated = [asset for asset in registry.ASSETS if asset.url is None]
    assert {"01_MorphableModel.mat", "Exp_Pca.bin", "epoch_20.pth"} <= {a.name for a in gated}
    for asset in gated:
        with pytest.raises(UserError) as caught:
            asset_files.fetch(asset, tmp_path)
        assert asset.origin in str(caught.value) and asset.licence in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_without_room_is_found_out_before(server, tmp_path):
    asset = asset_at(f"{server.address}/right", size=10**18)
    with pytest.raises(UserError, match="needs 1,000,000,000,000,000,000 bytes, the disk has"):
        asset_files.fetch(asset, tmp_path)
    assert server.asked == []


def test_a_disk_that_fills_up_leaves_nothing(server, tmp_path, monkeypatch):
    import pooch.downloaders

    def full(self, url, output_file, pooch):
        Path(output_file).write_bytes(CONTENT[:100])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pooch.downloaders.HTTPDownloader, "__call__", full)
    with pytest.raises(UserError, match="model.bin cannot be written .No space left on device"):
        asset_files.fetch(asset_at(f"{server.address}/right"), tmp_path)
    assert list(tmp_path.iterdir()) == []


def _written(kind: str, path: Path) -> bytes:
    if kind == ".mat":
        scipy.io.savemat(path, {"a": np.arange(7.0), "b": np.ones((300, 5))})
    elif kind == ".pth":
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("archive/data.pkl", CONTENT)
        path.write_bytes(buffer.getvalue())
    else:
        with path.open("wb") as stream:
            np.savez(stream, a=np.arange(1000))
    return path.read_bytes()


@pytest.mark.parametrize("kind", [".mat", ".pth", ".npz", ".task"])
def test_a_truncated_file_is_damaged_even_without_a_hash(tmp_path, kind):
    asset = asset_at("", name="model" + kind, sha256=None, size=None)
    path = tmp_path / asset.name
    whole = _written(kind, path)
    assert asset_files.condition(asset, path) == asset_files.UNVERIFIED
    for length in (0, 50, 200, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert asset_files.condition(asset, path) == asset_files.DAMAGED


def test_a_flipped_bit_in_an_archive_is_seen(tmp_path):
    asset = asset_at("", name="model.npz", sha256=None, size=None)
    path = tmp_path / asset.name
    content = bytearray(_written(".npz", path))
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert asset_files.condition(asset, path) == asset_files.DAMAGED


def test_another_version_is_told_from_a_damaged_one(tmp_path):
    asset = asset_at("")
    path = tmp_path / asset.name
    path.write_bytes(CONTENT[:-1])
    assert asset_files.condition(asset, path) == asset_files.DAMAGED
    path.write_bytes(CONTENT[::-1])
    assert asset_files.condition(asset, path) == asset_files.OTHER
    path.unlink()
    assert asset_files.condition(asset, path) == asset_files.MISSING


def test_check_names_every_wrong_file_and_what_to_do(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv(registry.FOLDER_VARIABLE, str(tmp_path))
    monkeypatch.chdir(tmp_path)
    # As without the packages that bring a file, whatever is installed here.
    monkeypatch.setattr(registry.importlib.util, "find_spec", lambda name: None)
    assets.check_assets()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(registry.ASSETS) and all(line.endswith("missing") for line in lines)
    (tmp_path / "alex.pth").write_bytes(b"half a file")
    (tmp_path / "BFM_model_front.mat").write_bytes(b"half a file")
    with pytest.raises(UserError) as caught:
        assets.check_assets()
    message = str(caught.value)
    assert "alex.pth: found 11 bytes" in message and "fetch alex.pth" in message
    assert "BFM_model_front.mat: found 11 bytes that break off" in message
    assert len(capsys.readouterr().out.splitlines()) == len(registry.ASSETS)


def test_jobs_say_what_they_miss(tmp_path, monkeypatch):
    monkeypatch.setenv(registry.FOLDER_VARIABLE, str(tmp_path))
    monkeypatch.chdir(tmp_path)

    def line(job: str) -> str:
        return next(line for line in assets.job_lines() if line.startswith(job))

    assert "ready" in line("train configs/demo.py")
    vgg = "vgg19-dcbb9e9d.pth or vgg19-dcbb9e9d.safetensors"
    assert f"missing: BFM_model_front.mat, {vgg} (" in line("train configs/vox.py")
    (tmp_path / "vgg19-dcbb9e9d.safetensors").touch()
    assert "missing: BFM_model_front.mat (" in line("train configs/vox.py")
    (tmp_path / "assets").mkdir()  # the second place to look into
    (tmp_path / "assets" / "BFM_model_front.mat").touch()
    assert "ready" in line("train configs/vox.py")


def test_the_registry_states_no_hash_without_a_source_and_no_link_without_a_hash():
    names = [asset.name for asset in registry.ASSETS]
    assert len(set(names)) == len(names)
    for asset in registry.ASSETS:
        assert asset.what and asset.licence and asset.who and asset.origin
        if asset.sha256:
            assert re.fullmatch("[0-9a-f]{64}", asset.sha256) and asset.hash_source and asset.size
            # Where the publisher puts the first digits of the hash into the name, they agree.
            named = re.search(r"-([0-9a-f]{8})\.", asset.name)
            assert named is None or asset.sha256.startswith(named.group(1))
        if asset.url:
            assert asset.url.startswith("https://") and asset.sha256
    needed = {name for job in registry.JOBS for group in job.needs for name in group}
    assert needed <= set(names) == needed


def test_the_registry_knows_the_files_at_hand(shared_dir):
    for name in ("face_landmarker.task", "ict_facekit.npz"):
        asset = registry.BY_NAME[name]
        expected = asset_files.VERIFIED if asset.sha256 else asset_files.UNVERIFIED
        assert asset_files.condition(asset, shared_dir / "assets" / name) == expected


def test_the_command_line_lists_and_refuses(tmp_path):
    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "reenact_jax.assets", *arguments],
            cwd=tmp_path,
            env={"PYTHONPATH": str(REPOSITORY)},
            capture_output=True,
            text=True,
        )

    listed = run()
    assert listed.returncode == 0, listed.stderr
    assert all(asset.name in listed.stdout for asset in registry.ASSETS)
    refused = run("fetch", "face_landmarker", "--offline")
    assert refused.returncode == 1
    assert refused.stderr.startswith("error: ") and "did you mean face_landmarker.task?" in (
        refused.stderr
    )
    assert list(tmp_path.iterdir()) == []
