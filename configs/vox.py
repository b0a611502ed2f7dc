"""The paper's model on VoxCeleb.

    python -m reenact_jax.train --config configs/vox.py

Needs the packed dataset `voxceleb_pairs` (docs/data.md), `BFM_model_front.mat` and torchvision's
`vgg19-dcbb9e9d.pth`; a missing one is named together with how to get it. `configs/demo.py` runs
without any of them.
"""

import ml_collections


def get_config() -> ml_collections.ConfigDict:
    config = ml_collections.ConfigDict()
    config.name = "vox"
    config.seed = 0

    # "Datasets": VoxCeleb, cropped to 256 x 256.
    config.image_size = 256
    config.data = ml_collections.ConfigDict()
    config.data.name = "voxceleb_pairs"
    config.data.data_dir = "data"
    config.data.num_threads = 16

    # "Extraction": Basel Face Model 2009 with expressions, fitted by Deng et al.'s network.
    config.face_model = ml_collections.ConfigDict()
    config.face_model.name = "bfm2009"
    config.face_model.path = "assets/BFM_model_front.mat"  # or the folder of the raw BFM files

    # Eqs. 2-4. Eq. 4 as printed is occlusion = "literal"; docs/guidance.md says why it is not the
    # default.
    config.guidance = ml_collections.ConfigDict()
    config.guidance.occlusion = "depth"
    config.guidance.depth_raster_size = 512
    config.guidance.depth_tolerance = 0.025

    # The paper gives no sizes. These are the nearest relative's (PIRenderer): 12.9 M and 14.0 M
    # parameters. Table 3's ablation: flow_guidance (FG), occlusion_guidance (OG),
    # reenactment.synthesis_guidance (SG).
    config.network = ml_collections.ConfigDict()
    config.network.flow_guidance = True
    config.network.occlusion_guidance = True
    config.network.fusion = "full"
    config.network.dtype = "float32"
    config.network.completion = ml_collections.ConfigDict()
    config.network.completion.base_channels = 32
    config.network.completion.max_channels = 256
    config.network.completion.num_down = 5
    config.network.completion.num_up = 3
    config.network.completion.descriptor_hidden = 256
    config.network.completion.adain_hidden = 128
    config.network.reenactment = ml_collections.ConfigDict()
    config.network.reenactment.base_channels = 64
    config.network.reenactment.max_channels = 256
    config.network.reenactment.num_down = 3
    config.network.reenactment.num_residual_blocks = 2
    config.network.reenactment.spade_hidden = 128
    config.network.reenactment.synthesis_guidance = True

    # Eqs. 8-10: L = L_c + 250 L_s on VGG-19.
    config.loss = ml_collections.ConfigDict()
    config.loss.perceptual = 1.0
    config.loss.style = 250.0
    config.loss.multi_scale_l1 = 0.0
    config.loss.vgg_weights = "assets/vgg19-dcbb9e9d.pth"

    # "Training Details": Adam, batch 8, 100 epochs, 1e-4 and after epoch 60 1e-5. The betas are
    # those of both relatives (PIRenderer, FOMM). An epoch is not defined there: here every one of
    # the 17,913 training clips once, 17,913 / 8 = 2,239 steps.
    config.train = ml_collections.ConfigDict()
    config.train.batch_size = 8
    config.train.num_epochs = 100
    config.train.steps_per_epoch = 2239
    config.train.learning_rate = 1e-4
    config.train.decay_after_epochs = 60
    config.train.decayed_learning_rate = 1e-5
    config.train.adam_beta1 = 0.5
    config.train.adam_beta2 = 0.999
    config.train.log_every_steps = 50
    config.train.sample_every_steps = 2239
    config.train.checkpoint_every_steps = 1000
    config.train.keep_checkpoints = 3

    # 20 pairs from each of 514 test clips, and as many pairs across identities.
    config.evaluate = ml_collections.ConfigDict()
    config.evaluate.batch_size = 8

    return config
