"""Your own videos with the open face model (ICT-FaceKit) and the open tracker.

    python scripts/prepare_clips.py VIDEOS --face-model assets/ict_facekit.npz \\
      --out prepared/clips --test NAME1 NAME2 --format jpg
    python scripts/pack.py prepared/clips --name clips --data-dir data
    python -m reenact_jax.train --config configs/clips.py
    python -m reenact_jax.evaluate --config configs/clips.py

A quarter of an hour of two cores to train, less to prepare. A handful of people do not make a model
that generalises; docs/first_run.md says what to expect.
"""

import ml_collections


def get_config() -> ml_collections.ConfigDict:
    config = ml_collections.ConfigDict()
    config.name = "clips"
    config.seed = 0

    config.image_size = 128
    config.data = ml_collections.ConfigDict()
    config.data.name = "clips"
    config.data.data_dir = "data"
    config.data.num_threads = 2

    config.face_model = ml_collections.ConfigDict()
    config.face_model.name = "ict"
    config.face_model.path = "assets/ict_facekit.npz"

    config.guidance = ml_collections.ConfigDict()
    config.guidance.occlusion = "depth"
    config.guidance.depth_raster_size = 512
    config.guidance.depth_tolerance = 0.025

    # The paper's networks at a fraction of their width.
    config.network = ml_collections.ConfigDict()
    config.network.flow_guidance = True
    config.network.occlusion_guidance = True
    config.network.fusion = "full"
    config.network.dtype = "float32"
    config.network.completion = ml_collections.ConfigDict()
    config.network.completion.base_channels = 16
    config.network.completion.max_channels = 96
    config.network.completion.num_down = 5
    config.network.completion.num_up = 3
    config.network.completion.descriptor_hidden = 64
    config.network.completion.adain_hidden = 32
    config.network.reenactment = ml_collections.ConfigDict()
    config.network.reenactment.base_channels = 24
    config.network.reenactment.max_channels = 96
    config.network.reenactment.num_down = 3
    config.network.reenactment.num_residual_blocks = 2
    config.network.reenactment.spade_hidden = 32
    config.network.reenactment.synthesis_guidance = True

    # Without trained VGG-19 weights the L1 term alone. With torchvision's file, say
    # vgg_weights = its path, perceptual = 1, style = 250 and multi_scale_l1 = 0: the paper's loss.
    config.loss = ml_collections.ConfigDict()
    config.loss.perceptual = 0.0
    config.loss.style = 0.0
    config.loss.multi_scale_l1 = 10.0
    config.loss.vgg_weights = "random"

    config.train = ml_collections.ConfigDict()
    config.train.batch_size = 4
    config.train.num_epochs = 12
    config.train.steps_per_epoch = 100
    config.train.learning_rate = 5e-4
    config.train.decay_after_epochs = 10
    config.train.decayed_learning_rate = 1e-4
    config.train.adam_beta1 = 0.5
    config.train.adam_beta2 = 0.999
    config.train.log_every_steps = 20
    config.train.sample_every_steps = 400
    config.train.checkpoint_every_steps = 200
    config.train.keep_checkpoints = 2

    config.evaluate = ml_collections.ConfigDict()
    config.evaluate.batch_size = 8

    return config
