"""Every file that the project can use: what it is, its hash, its licence, where it comes from.

Nothing here is shipped. Hashes are stated only where there is a source for them, and the source is
stated too; files without one are recognised by their contents alone. The table is in docs/assets.md
in words; `python -m reenact_jax.assets` prints it.
"""

import dataclasses
import importlib.util
import os
from pathlib import Path

FOLDER_VARIABLE = "REENACT_ASSETS"
DEFAULT_FOLDER = "assets"

_MEASURED = "measured on a copy"
_MIRRORS = "public listings of copies agree on it; not measured on the official file"
_NAMED = "public listings of copies; its first eight digits are in the official file name"


@dataclasses.dataclass(frozen=True)
class Asset:
    """One file.

    Attributes:
      name: the file's name in the assets folder.
      what: what it is, in a few words.
      licence: short name of its terms.
      who: who may use it.
      origin: where it comes from and how to get it, one sentence or two.
      size: bytes, or None where it is not known or not fixed.
      sha256: 64 hex digits, or None where it is not known or not fixed.
      hash_source: how the hash is known.
      url: from where it may be fetched by anyone without agreeing to anything, or None.
      package: a Python package that brings the file in its folder models/, or None.
    """

    name: str
    what: str
    licence: str
    who: str
    origin: str
    size: int | None = None
    sha256: str | None = None
    hash_source: str = ""
    url: str | None = None
    package: str | None = None


@dataclasses.dataclass(frozen=True)
class Job:
    """Something to do, the files that it needs, and what else it needs.

    Attributes:
      name: the job in a few words.
      needs: groups of names; of each group one file is enough.
      extras: of the project, by name, that it needs beside the core.
      note: what else there is to say; empty if nothing.
    """

    name: str
    needs: tuple[tuple[str, ...], ...]
    extras: tuple[str, ...] = ()
    note: str = ""


_BFM_WHO = "whoever signed the licence of the University of Basel; not commercial"
_TORCHVISION = "BSD-3-Clause code; trained on ImageNet, whose terms are for research"
_IMAGENET_WHO = "everyone in research; whether commercial use is free is for you to judge"
_D3D_REPOSITORY = "the folder BFM/ of github.com/sicxu/Deep3DFaceRecon_pytorch has it"

ASSETS = (
    Asset(
        name="face_landmarker.task",
        what="MediaPipe's face landmarks and blendshape scores",
        licence="Apache-2.0",
        who="everyone",
        origin="published by Google for MediaPipe",
        size=3_758_596,
        sha256="64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff",
        hash_source=_MEASURED,
        url="https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/"
        "float16/1/face_landmarker.task",
    ),
    Asset(
        name="ict_facekit.npz",
        what="ICT-FaceKit (light), the open face model",
        licence="MIT",
        who="everyone",
        origin="made on your machine from a download of github.com/ICT-VGL/ICT-FaceKit by "
        "scripts/convert_ict.py",
    ),
    Asset(
        name="BFM_model_front.mat",
        what="Basel Face Model 2009 with expressions, cut to the face: the paper's model",
        licence="BFM 2009 licence",
        who=_BFM_WHO,
        origin="made on your machine from 01_MorphableModel.mat, Exp_Pca.bin, std_exp.txt and the "
        "index files by scripts/convert_bfm.py, or by Deep3DFaceRecon's own recipe",
    ),
    Asset(
        name="01_MorphableModel.mat",
        what="Basel Face Model 2009 as distributed",
        licence="BFM 2009 licence",
        who=_BFM_WHO,
        origin="apply at faces.dmi.unibas.ch (Basel Face Model, 2009); the licence forbids passing "
        "the file on",
        size=240_875_364,
        sha256="37b1f0742db356a3b1568a8365a06f5b0fe0ab687ac1c3068c803666cbd4d8e2",
        hash_source=_MIRRORS,
    ),
    Asset(
        name="Exp_Pca.bin",
        what="79 expression modes on the Basel Face Model's mesh (Guo et al.)",
        licence="research only",
        who="researchers; not commercial",
        origin="in Coarse_Dataset.zip, linked as CoarseData at github.com/Juyong/3DFace",
        size=51_086_404,
        sha256="e7f31380e6cbdaf2aeec698db220bac4f221946e4d551d88c092d47ec49b1726",
        hash_source=_MIRRORS,
    ),
    Asset(
        name="std_exp.txt",
        what="standard deviations of the 79 expression modes",
        licence="MIT (repository); belongs to Exp_Pca.bin",
        who="researchers; not commercial",
        origin=_D3D_REPOSITORY,
    ),
    Asset(
        name="BFM_exp_idx.mat",
        what="which of BFM's 53,490 vertices the expression modes have",
        licence="MIT (repository)",
        who="those who may use the Basel Face Model, for which it is made",
        origin=_D3D_REPOSITORY,
    ),
    Asset(
        name="BFM_front_idx.mat",
        what="which of those belong to the cut face",
        licence="MIT (repository)",
        who="those who may use the Basel Face Model, for which it is made",
        origin=_D3D_REPOSITORY,
    ),
    Asset(
        name="facemodel_info.mat",
        what="triangles, landmarks and masks of the cut face",
        licence="MIT (repository)",
        who="those who may use the Basel Face Model, for which it is made",
        origin=_D3D_REPOSITORY,
    ),
    Asset(
        name="epoch_20.pth",
        what="Deep3DFaceRecon's network: picture in, 257 coefficients out",
        licence="MIT (repository); trained with BFM 2009",
        who="researchers who may use the Basel Face Model, whose coefficients it gives",
        origin="the Google Drive folder that the README of github.com/sicxu/"
        "Deep3DFaceRecon_pytorch links to (model of 2021)",
        size=288_860_037,
        sha256="6d17a6b23457b521801baae583cb6a58f7238fe6721fc3d65d76407460e9149b",
        hash_source=_MIRRORS,
    ),
    Asset(
        name="rnet.safetensors",
        what="the same without the optimiser; read without PyTorch",
        licence="MIT (repository); trained with BFM 2009",
        who="researchers who may use the Basel Face Model, whose coefficients it gives",
        origin="made on your machine from epoch_20.pth by scripts/convert_rnet.py",
    ),
    Asset(
        name="vgg19-dcbb9e9d.pth",
        what="VGG-19, the features of the paper's loss",
        licence=_TORCHVISION,
        who=_IMAGENET_WHO,
        origin="published with torchvision",
        size=574_673_361,
        sha256="dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44",
        hash_source=_NAMED,
        url="https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
    ),
    Asset(
        name="vgg19-dcbb9e9d.safetensors",
        what="the same without the layers that are not used; read without PyTorch",
        licence=_TORCHVISION,
        who=_IMAGENET_WHO,
        origin="made on your machine by scripts/convert_vgg19.py",
    ),
    Asset(
        name="pt_inception-2015-12-05-6726825d.pth",
        what="the Inception network of FID",
        licence="Apache-2.0 (repository)",
        who=_IMAGENET_WHO,
        origin="release fid_weights of github.com/mseitzer/pytorch-fid",
        size=95_628_359,
        sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
        hash_source=_NAMED,
        url="https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
        "pt_inception-2015-12-05-6726825d.pth",
    ),
    Asset(
        name="pt_inception-2015-12-05-6726825d.safetensors",
        what="the same without the layers that are not used; read without PyTorch",
        licence="Apache-2.0 (repository)",
        who=_IMAGENET_WHO,
        origin="made on your machine by scripts/convert_evaluation.py",
    ),
    Asset(
        name="backbone.pth",
        what="ArcFace ResNet-50 trained on MS1MV3, the identity embedding of CSIM",
        licence="non-commercial research",
        who="researchers; not commercial",
        origin="ms1mv3_arcface_r50_fp16/backbone.pth behind the links in the README of "
        "recognition/arcface_torch of github.com/deepinsight/insightface",
        size=174_680_546,
        sha256="ef005ba502a2d0f40e7b94245054d3a23e375776f7035080fcbce45ae49cfb01",
        hash_source=_MIRRORS,
    ),
    Asset(
        name="w600k_r50.onnx",
        what="ArcFace ResNet-50 trained on WebFace600K, another identity embedding",
        licence="non-commercial research",
        who="researchers; not commercial",
        origin="in buffalo_l.zip of the model zoo of github.com/deepinsight/insightface",
        size=174_383_860,
        sha256="4c06341c33c2ca1f86781dab0e829f88ad5b64be9fba56e56bc9ebdefc619e43",
        hash_source=_MIRRORS,
    ),
    Asset(
        name="arcface.safetensors",
        what="one of the two, read without PyTorch and onnx",
        licence="non-commercial research",
        who="researchers; not commercial",
        origin="made on your machine from backbone.pth or w600k_r50.onnx by "
        "scripts/convert_evaluation.py, which notes its source in it",
    ),
    Asset(
        name="dlib_face_recognition_resnet_model_v1.dat",
        what="dlib's face recognition network, the open identity embedding",
        licence="CC0-1.0",
        who="everyone",
        origin="in the package face_recognition_models: pip install 'reenact-jax[dlib]'; it is "
        "found there too",
        size=22_466_066,
        sha256="55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
        hash_source=_MEASURED,
        package="face_recognition_models",
    ),
    Asset(
        name="alex.pth",
        what="LPIPS v0.1 on AlexNet, the weights of the layers",
        licence="BSD-2-Clause",
        who="everyone",
        origin="lpips/weights/v0.1/ of github.com/richzhang/PerceptualSimilarity",
        size=6_009,
        sha256="df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
        hash_source=_MEASURED,
        url="https://github.com/richzhang/PerceptualSimilarity/raw/master/lpips/weights/v0.1/"
        "alex.pth",
    ),
    Asset(
        name="alex.safetensors",
        what="the same; read without PyTorch",
        licence="BSD-2-Clause",
        who="everyone",
        origin="made on your machine by scripts/convert_evaluation.py",
    ),
    Asset(
        name="vgg.pth",
        what="LPIPS v0.1 on VGG-16, the weights of the layers",
        licence="BSD-2-Clause",
        who="everyone",
        origin="lpips/weights/v0.1/ of github.com/richzhang/PerceptualSimilarity",
        size=7_289,
        sha256="a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868",
        hash_source=_MEASURED,
        url="https://github.com/richzhang/PerceptualSimilarity/raw/master/lpips/weights/v0.1/"
        "vgg.pth",
    ),
    Asset(
        name="vgg.safetensors",
        what="the same; read without PyTorch",
        licence="BSD-2-Clause",
        who="everyone",
        origin="made on your machine by scripts/convert_evaluation.py",
    ),
    Asset(
        name="alexnet-owt-7be5be79.pth",
        what="AlexNet, the features of LPIPS",
        licence=_TORCHVISION,
        who=_IMAGENET_WHO,
        origin="published with torchvision",
        size=244_408_911,
        sha256="7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
        hash_source=_NAMED,
        url="https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
    ),
    Asset(
        name="alexnet-owt-7be5be79.safetensors",
        what="the same without the layers that are not used; read without PyTorch",
        licence=_TORCHVISION,
        who=_IMAGENET_WHO,
        origin="made on your machine by scripts/convert_evaluation.py",
    ),
    Asset(
        name="vgg16-397923af.pth",
        what="VGG-16, other features of LPIPS",
        licence=_TORCHVISION,
        who=_IMAGENET_WHO,
        origin="published with torchvision",
        size=553_433_881,
        sha256="397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        hash_source=_NAMED,
        url="https://download.pytorch.org/models/vgg16-397923af.pth",
    ),
    Asset(
        name="vgg16-397923af.safetensors",
        what="the same without the layers that are not used; read without PyTorch",
        licence=_TORCHVISION,
        who=_IMAGENET_WHO,
        origin="made on your machine by scripts/convert_evaluation.py",
    ),
)

_BFM = ("BFM_model_front.mat",)
_VGG = ("vgg19-dcbb9e9d.pth", "vgg19-dcbb9e9d.safetensors")
_RNET = ("epoch_20.pth", "rnet.safetensors")
_INCEPTION = tuple(
    f"pt_inception-2015-12-05-6726825d.{suffix}" for suffix in ("pth", "safetensors")
)
_LPIPS_ALEX = (
    ("alex.pth", "alex.safetensors"),
    ("alexnet-owt-7be5be79.pth", "alexnet-owt-7be5be79.safetensors"),
)
_LPIPS_VGG = (
    ("vgg.pth", "vgg.safetensors"),
    ("vgg16-397923af.pth", "vgg16-397923af.safetensors"),
)
_FACES = ("face_landmarker.task",)
_TRACKER = (_FACES, ("ict_facekit.npz",))
_RAW_BFM = (
    "01_MorphableModel.mat",
    "Exp_Pca.bin",
    "std_exp.txt",
    "BFM_exp_idx.mat",
    "BFM_front_idx.mat",
    "facemodel_info.mat",
)
_CONVERT_NOTE = "a .pth is read with reenact-jax[convert]"
JOBS = (
    Job("train configs/demo.py", (), note="needs no file"),
    Job("track videos", _TRACKER, ("tracking",)),
    Job("train configs/clips.py", _TRACKER, ("tracking",), "on your own videos"),
    Job(
        "train configs/vox.py", (_BFM, _VGG), (), f"and its dataset, docs/data.md; {_CONVERT_NOTE}"
    ),
    Job("reenact your own videos", _TRACKER, ("tracking",), "and a trained run"),
    Job("make BFM_model_front.mat", tuple((name,) for name in _RAW_BFM)),
    Job("coefficients by R-Net", (_FACES, _RNET, _BFM), ("tracking",), _CONVERT_NOTE),
    Job("evaluate AED, APD", (_FACES, _RNET), ("tracking",), _CONVERT_NOTE),
    Job("evaluate aed_open, apd_open", _TRACKER, ("tracking",)),
    Job("evaluate FID", (_INCEPTION,), (), _CONVERT_NOTE),
    Job(
        "evaluate CSIM",
        (("backbone.pth", "w600k_r50.onnx", "arcface.safetensors"), _FACES),
        ("tracking",),
        "a .pth or .onnx is read with reenact-jax[convert]",
    ),
    Job("evaluate LPIPS (AlexNet)", _LPIPS_ALEX, (), _CONVERT_NOTE),
    Job("evaluate LPIPS (VGG-16)", _LPIPS_VGG, (), _CONVERT_NOTE),
    Job(
        "evaluate csim_dlib, fd_dlib",
        (("dlib_face_recognition_resnet_model_v1.dat",), _FACES),
        ("tracking",),
        "pip install 'reenact-jax[dlib]' brings the first",
    ),
)
BY_NAME = {asset.name: asset for asset in ASSETS}


def folders() -> list[Path]:
    """Where files are looked for: $REENACT_ASSETS, then ./assets. Fetched ones go to the first."""
    named = os.environ.get(FOLDER_VARIABLE)
    return [Path(folder) for folder in (named, DEFAULT_FOLDER) if folder]


def find(name: str) -> Path | None:
    """The file of that name in the first folder that has it, or in the package that brings it."""
    candidates = [folder / name for folder in folders()]
    package = BY_NAME[name].package if name in BY_NAME else None
    spec = importlib.util.find_spec(package) if package else None
    if spec is not None:
        candidates += [Path(root) / "models" / name for root in spec.submodule_search_locations]
    return next((path for path in candidates if path.is_file()), None)
