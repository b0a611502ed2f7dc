"""The doctor speaks whatever is broken, and its exit status says whether something needed is."""

import importlib.metadata

import jax
import pytest

import rasterizer
from reenact_jax import doctor
from reenact_jax.doctor import Finding
from reenact_jax.pretrained import registry


def test_the_checks_find_this_machine_in_order(monkeypatch, tmp_path):
    monkeypatch.setenv("REENACT_ASSETS", str(tmp_path))
    for name in doctor.CHECKS:
        finding = doctor.examine(name)
        assert finding.lines and not finding.broken, (name, finding)
    text = "\n".join(doctor.versions().lines)
    assert f"jax {jax.__version__}" in text and "[tracking]" in text
    assert "right pixels" in doctor.rasterizer_works().lines[0]


def test_files_are_counted_and_the_first_one_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("REENACT_ASSETS", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    # As without the packages that bring a file, whatever is installed here.
    monkeypatch.setattr(registry.importlib.util, "find_spec", lambda name: None)
    finding = doctor.files()
    assert "none" in finding.lines[0]
    assert finding.advice.endswith("python -m reenact_jax.assets fetch face_landmarker.task")
    (tmp_path / "face_landmarker.task").touch()
    assert doctor.files().advice == "" and "face_landmarker.task" in doctor.files().lines[0]


@pytest.mark.parametrize("damage", ["ids", "values", "raises"])
def test_a_wrong_rasterizer_is_noticed(monkeypatch, damage):
    right = rasterizer.rasterize

    def wrong(vertices, *arguments):
        if damage == "raises":
            raise RuntimeError("no such device")
        fragments = right(vertices, *arguments)
        if damage == "ids":
            changes = {"triangle_id": fragments.triangle_id[::-1]}
        else:
            changes = {"barycentrics": fragments.barycentrics[..., ::-1]}
        return fragments._replace(**changes)

    monkeypatch.setattr(rasterizer, "rasterize", wrong)
    finding = doctor.examine("rasterizer")
    assert finding.broken and finding.advice


def test_an_old_or_absent_package_is_named(monkeypatch):
    true = importlib.metadata.version
    monkeypatch.setattr(
        importlib.metadata, "version", lambda name: "0.1" if name == "optax" else true(name)
    )
    finding = doctor.versions()
    assert finding.broken and "optax" in finding.advice and "flax" not in finding.advice

    def absent(name):
        if name == "flax":
            raise importlib.metadata.PackageNotFoundError(name)
        return true(name)

    monkeypatch.setattr(importlib.metadata, "version", absent)
    finding = doctor.versions()
    assert finding.broken and "flax" in finding.advice and "flax NOT INSTALLED" in finding.lines


def test_without_the_extras_nothing_is_broken(monkeypatch):
    true = importlib.metadata.version

    def core_only(name):
        if name in ("av", "mediapipe", "matplotlib", "torch"):
            raise importlib.metadata.PackageNotFoundError(name)
        return true(name)

    monkeypatch.setattr(importlib.metadata, "version", core_only)
    assert not doctor.examine("versions").broken
    finding = doctor.examine("codecs")
    assert not finding.broken and "reenact-jax[video]" in finding.advice


def test_status_and_first_advice_follow_the_findings(monkeypatch, capsys):
    def fails():
        raise ImportError("libsomething.so is missing")

    fine, hint = Finding(["fine"]), Finding(["could be better"], "do the small thing")
    monkeypatch.setattr(doctor, "CHECKS", {"versions": lambda: fine, "files": lambda: hint})
    assert doctor.main() == 0
    assert capsys.readouterr().out.endswith("First: do the small thing\n")
    monkeypatch.setattr(doctor, "CHECKS", {"files": lambda: hint, "codecs": fails})
    assert doctor.main() == 0
    monkeypatch.setattr(doctor, "CHECKS", {"files": lambda: hint, "devices": fails})
    assert doctor.main() == 1
    assert "First: repair what `devices` says: FAILED: ImportError: libsome" in (
        capsys.readouterr().out
    )
