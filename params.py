"""Every hyper-parameter, typed, in one place.

Edit the defaults here, or leave them and override: the command line (`train.batch_size=8`) wins over a file given by
`--config`, which wins over this one. A checkpoint carries the values it was trained with, so nothing here has to
match a checkpoint that is only used for inference. A resumed run, or one that starts with `--init` or `train.teacher`,
takes everything but train from its checkpoint; inference, interpolation, encoder.*dropout, style.drop_*,
diffusion.noise_* and, where --init starts it, style.kind can be overridden there too.
"""

from __future__ import annotations

from dataclasses import dataclass, field, make_dataclass

from model.interpolation import parameters_of_kinds


@dataclass(frozen=True)
class Audio:
    """Mel spectrogram and F0 analysis; the mel is HiFi-GAN's universal 22.05 kHz one."""

    sample_rate: int = 22050  # Hz
    n_fft: int = 1024  # samples
    win_length: int = 1024  # samples
    hop_length: int = 256  # samples; 86.13 frames a second
    n_mels: int = 80
    fmin: float = 0.0  # Hz
    fmax: float = 8000.0  # Hz
    f0_min: float = 60.0  # Hz
    f0_max: float = 500.0  # Hz


@dataclass(frozen=True)
class Text:
    front_end: str = "arpabet"  # "arpabet", or "official" for the quirks that official checkpoints were trained with
    add_blank: bool = True  # a blank between symbols: [b, x, b, y, b]


@dataclass(frozen=True)
class Encoder:
    """Text encoder and duration predictor (Grad-TTS, appendix; Glow-TTS)."""

    channels: int = 128
    filter_channels: int = 512
    filter_channels_duration: int = 192
    layers: int = 4
    heads: int = 2
    kernel_size: int = 3
    dropout: float = 0.1
    prenet_dropout: float = 0.5
    window_size: int = 4  # relative positions to each side
    prenet_layers: int = 3
    content_pictures: int = 2  # images of 80 rows drawn from the encoder's hidden states, beside mu (cond_grad_tts)
    local_channels: int = 0  # of a network of a phone and its neighbours alone, beside it (cond_grad_tts); 0: none


@dataclass(frozen=True)
class Style:
    """Typed style tokens and their attention (cond_grad_tts)."""

    kind: str = "typed"  # "typed", or "bundled": one attention over all tokens, the baseline
    token_channels: int = 64  # D
    contour_frames: int = 4  # frames a pitch or energy token
    timbre_frames: int = 8  # frames a timbre token
    timbre_bottleneck: int = 16  # channels; narrow, so that it cannot carry words
    prior_width: float = 0.75  # of the positional prior of pitch and energy, in tokens
    drop_probability: float = 0.2  # of each type by itself, in training
    drop_contours_probability: float = 0.2  # of pitch and energy together, as when no reference is given
    drop_all_probability: float = 0.05  # of every type, for guidance
    speaker_embedding_dim: int = 0  # width of external ones (speaker_embeddings.npz beside the filelist); 0: a table
    emotion_embedding_dim: int = 0  # likewise, emotion_embeddings.npz
    # Of the vector that says who speaks, read from a recording (model/hearing.py); 0: speakers and emotions are names.
    voice_channels: int = 0

    @property
    def takes_embeddings(self) -> bool:
        """Whether speakers or emotions are external embeddings, in files, instead of names."""
        return self.speaker_embedding_dim > 0 or self.emotion_embedding_dim > 0


@dataclass(frozen=True)
class Estimator:
    name: str = "cross_unet"  # a name in model.estimators.ESTIMATORS
    channels: int = 32  # of the finest level; doubled at each of the next two
    frame_channels: int = 0  # of the 1-D network before them (model/estimators/frame_network.py); 0: there is none
    heads: tuple[int, ...] = (1, 2, 4)  # of the style attention, by level
    head_channels: int = 16
    pe_scale: float = 1000.0  # of the time embedding of "unet"; 1 only for the very old official checkpoint


@dataclass(frozen=True)
class Diffusion:
    beta_min: float = 0.05
    beta_max: float = 20.0
    residual_std: float = 0.45  # standard deviation of x - mu on normalised mels ("cross_unet")
    noise_mean: float = -0.2  # of log sigma about log residual_std, in training
    noise_std: float = 1.2


@dataclass(frozen=True)
class Train:
    train_filelist: str = "resources/filelists/tiny_train.txt"
    valid_filelist: str = "resources/filelists/tiny_valid.txt"
    cache_dir: str = "cache"
    log_dir: str = "logs/tiny"
    recordings: str = ""  # networks of training.recordings, for a new model that hears (style.voice_channels)
    # A checkpoint: the run starts from it, and its decoder alone learns to sound like a recording in inference.steps
    # evaluations (model/distillation.py).
    teacher: str = ""
    batch_size: int = 16
    crop_frames: int = 128  # of the decoder's training crop; a multiple of 4
    steps: int = 2000
    encoder_steps: int = 300  # the decoder starts to learn after these
    learning_rate: float = 1e-3
    warmup_steps: int = 200
    decay_steps: int = 400  # the last ones, over which the rate falls
    final_learning_rate: float = 1e-5  # that it falls to, one step after the last
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    ema_decay: float = 0.999
    precision: str = "auto"  # autocast of the networks: "bf16", "fp32"; "auto": bf16 where the device multiplies in it
    seed: int = 1234
    workers: int = 0  # data-loader processes
    threads: int = 0  # 0: as torch chooses
    log_every: int = 10
    valid_every: int = 250
    save_every: int = 250


@dataclass(frozen=True)
class Inference:
    steps: int = 10
    sampler: str = "edm-2m"  # a name in model.sampling.SAMPLERS; "edm-2m-few" is meant for one to four steps
    temperature: float = 1.5  # the noise's standard deviation is 1 / temperature, as in Grad-TTS
    length_scale: float = 1.0
    guidance_scale: float = 1.0  # 1: off


# Defaults of two-style runs: the settings of all kinds, by their names (`model/interpolation/`), but those of one text.
Interpolation = make_dataclass(
    "Interpolation",
    [(name, setting_type, default) for name, setting_type, default in parameters_of_kinds()],
    namespace={
        "__module__": __name__,
        "__doc__": "Settings of the interpolations; docs/interpolation.md explains them.",
    },
    frozen=True,
)


@dataclass(frozen=True)
class Params:
    audio: Audio = field(default_factory=Audio)
    text: Text = field(default_factory=Text)
    encoder: Encoder = field(default_factory=Encoder)
    style: Style = field(default_factory=Style)
    estimator: Estimator = field(default_factory=Estimator)
    diffusion: Diffusion = field(default_factory=Diffusion)
    train: Train = field(default_factory=Train)
    inference: Inference = field(default_factory=Inference)
    interpolation: Interpolation = field(default_factory=Interpolation)
