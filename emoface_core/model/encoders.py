# SPDX-License-Identifier: GPL-3.0-or-later
"""The speech encoders: our own over log-mel, and wav2vec 2.0 and its kin through transformers."""

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emoface_core.errors import InputError
from emoface_core.model.config import N_MELS, EncoderConfig


class Block(nn.Module):
    """A ConvNeXt block over time: what happens around a frame, then what to make of it."""

    def __init__(self, width: int, kernel: int, expansion: int) -> None:
        super().__init__()
        self.around = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self.norm = nn.LayerNorm(width)
        self.wide = nn.Linear(width, expansion * width)
        self.narrow = nn.Linear(expansion * width, width)
        self.scale = nn.Parameter(torch.full((width,), 0.1))

    def forward(self, x: Tensor) -> Tensor:  # (B, N, C)
        y = self.around(x.transpose(1, 2)).transpose(1, 2)
        return x + self.scale * self.narrow(F.gelu(self.wide(self.norm(y))))


class PictureStem(nn.Module):
    """Two convolutions over time and frequency: log-mel (B, 2N, 80) -> (B, N, width)."""

    reach = 2  # frames of 50 Hz to either side: three of the features

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.fine = nn.Conv2d(1, channels, 3, stride=(1, 2), padding=1)
        self.coarse = nn.Conv2d(channels, channels, (5, 3), stride=(2, 2), padding=(2, 1))
        self.mix = nn.Linear(channels * N_MELS // 4, width)
        self.norm = nn.LayerNorm(width)
        self.scale = nn.Parameter(torch.zeros(width))  # an encoder without it can be gone on from

    def forward(self, mel: Tensor) -> Tensor:
        x = F.gelu(self.fine(mel[:, None]))  # (B, C, 2N, 40)
        x = F.gelu(self.coarse(x))  # (B, C, N, 20)
        return self.scale * self.norm(self.mix(x.transpose(1, 2).flatten(2)))


class MelEncoder(nn.Module):
    """Log-mel (B, 2N, 80) at 100 Hz -> features (B, N, width) at 50 Hz; sees a bounded time.

    Nothing is normalised over time, so a window with `reach` frames around it gives the same
    features as the whole recording.
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.width = config.width
        # Frame i of 50 Hz is at mel frame 2i; the kernel of five is centred there.
        self.stem = nn.Conv1d(N_MELS, config.width, 5, stride=2, padding=2)
        self.picture = PictureStem(config.picture, config.width) if config.picture else None
        self.blocks = nn.ModuleList(
            Block(config.width, config.kernel, config.expansion) for _ in range(config.blocks)
        )
        self.norm = nn.LayerNorm(config.width)
        stems = self.picture.reach if self.picture else 1
        self.reach = stems + config.blocks * (config.kernel // 2)  # frames to either side

    def forward(self, mel: Tensor, frames: int | None = None) -> Tensor:
        features, _ = self.heard(mel)
        if frames is not None and frames != features.shape[1]:
            raise InputError(f"{mel.shape[1]} mel frames do not give {frames} frames of motion.")
        return features

    def heard(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        """The features (B, N, width), and the stream two thirds of the way there.

        The last blocks know phones and little else; before them voices can still be told apart.
        """
        x = F.gelu(self.stem(mel.transpose(1, 2))).transpose(1, 2)
        if self.picture is not None:
            x = x + self.picture(mel)
        deep = x
        for number, block in enumerate(self.blocks, start=1):
            x = block(x)
            if number == max(1, round(len(self.blocks) * 2 / 3)):
                deep = x
        return self.norm(x), deep


class PretrainedEncoder(nn.Module):
    """Samples (B, S) at 16 kHz, zero mean and unit variance -> features (B, frames, width).

    The convolutional front is frozen, as all peers do. The 50 Hz features are brought to the
    motion's frame count before the transformer (FaceFormer; EmoTalk's content) or after it
    (EmoTalk's emotion).
    """

    reach = None  # attends to the whole clip

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.body = _pretrained(config)
        self.width: int = self.body.config.hidden_size
        self.before = config.interpolate == "before"
        self.body.feature_extractor.requires_grad_(False)

    def forward(self, samples: Tensor, frames: int | None = None) -> Tensor:
        with torch.no_grad():
            x = self.body.feature_extractor(samples).transpose(1, 2)
        if self.before and frames is not None:
            x = resampled(x, frames)
        x = self.body.feature_projection(x)
        x = x[0] if isinstance(x, tuple) else x  # wav2vec 2.0 and WavLM also give the input back
        x = self.body.encoder(x).last_hidden_state
        return x if self.before or frames is None else resampled(x, frames)

    def heard(self, samples: Tensor) -> tuple[Tensor, Tensor]:
        """The features, twice: what its layers know is not told apart here."""
        features = self(samples)
        return features, features

    def train(self, mode: bool = True) -> "PretrainedEncoder":
        super().train(mode)
        self.body.feature_extractor.eval()
        return self


def resampled(features: Tensor, frames: int) -> Tensor:
    """(B, T, C) -> (B, frames, C) by linear interpolation, ends on ends, as FaceFormer does."""
    x = F.interpolate(features.transpose(1, 2), size=frames, mode="linear", align_corners=True)
    return x.transpose(1, 2)


def make_encoder(config: EncoderConfig) -> MelEncoder | PretrainedEncoder:
    """The encoder that a configuration names."""
    made = MelEncoder(config) if config.kind == "mel" else PretrainedEncoder(config)
    return made.requires_grad_(False) if config.frozen else made


def _pretrained(config: EncoderConfig) -> Any:
    try:
        import transformers  # slow to import, and only some encoders need it
    except ImportError:
        raise InputError(
            f"The encoder “{config.kind}” needs the package transformers.",
            "Install it: pip install transformers.",
        ) from None
    name = {"wav2vec2": "Wav2Vec2", "hubert": "Hubert", "wavlm": "WavLM"}[config.kind]
    model_class = getattr(transformers, f"{name}Model")
    if not config.source:
        tiny = getattr(transformers, f"{name}Config")(
            hidden_size=config.width,
            num_hidden_layers=config.blocks,
            num_attention_heads=4,
            intermediate_size=config.expansion * config.width,
            conv_dim=[32] * 7,
            num_conv_pos_embeddings=16,
            num_conv_pos_embedding_groups=4,
            apply_spec_augment=False,
            layerdrop=0.0,
            vocab_size=32,
        )
        return model_class(tiny)
    local = Path(config.source).is_dir()
    try:
        # Safetensors alone: a .bin checkpoint is a pickle, and those are never opened.
        body = model_class.from_pretrained(
            config.source, use_safetensors=True, local_files_only=local
        )
    except (OSError, ValueError) as error:
        raise InputError(
            f"The encoder “{config.source}” could not be loaded ({str(error).splitlines()[0]}).",
            "Give a folder or hub id that holds config.json and model.safetensors.",
        ) from None
    body.config.layerdrop = 0.0  # a skipped layer would differ between the ranks of a group
    body.config.apply_spec_augment = False
    return body
