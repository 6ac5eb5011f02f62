# SPDX-License-Identifier: GPL-3.0-or-later
"""The emotion in a voice, read from how the sound varies over some four seconds around a frame."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emoface_core.audio.mel import DEVIATION, MEAN
from emoface_core.emotions import EMOTIONS
from emoface_core.model.config import N_MELS

N_CEPSTRA = 20
SILENCE = (-6.0 - MEAN) / DEVIATION  # what a band of the log-mel is where there is no sound
_POWERS = (128, 64)  # a window is these many frames and one
WINDOW = sum(_POWERS) + 1  # 3.86 s
# Speech at the level the engine brings it to is at 0 dB and a little above in summed mel power.
_SPEECH_DB, _SPEECH_WIDTH_DB = -25.0, 3.0
_LEAST_SPEECH = 10.0  # frames: with as little as this heard, the reading is half neutral
_NEUTRAL, _NEVER = 2.0, -6.0  # logits of neutral where nothing is heard, and of the unheard-of


class EmotionReader(nn.Module):
    """Log-mel and what the content encoder makes of it half way -> logits of the eight emotions.

    Weighted by how much is spoken, over a window of `WINDOW` frames: mean and log deviation of the
    encoder's channels (an encoder that learnt phones from many speakers tells voice qualities
    apart well), and the log deviation of the cepstrum's change (how rough and lively the sound
    is). A linear layer reads them; `emoface_core.training.emotion_reading` fits it in closed form,
    which is why nothing here is a parameter. Only sums over the window are taken, and silence
    weighs nothing in them: a clip's end, a piece cut with `reach` frames around it, and digital
    silence all read alike. Where next to nothing is said the reading is neutral.

    No voice in the training data is surprised; that logit is held low, and only an animator's
    choice brings the emotion in.
    """

    weight: Tensor  # (8, features)
    bias: Tensor  # (8,)
    unheard: Tensor  # (8,) the reading where nobody speaks
    change: Tensor  # (cepstra, 80, 5)

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.features = 2 * width + N_CEPSTRA
        self.reach = WINDOW // 2 + 2  # frames to either side; the encoder's come on top
        self.register_buffer("weight", torch.zeros(len(EMOTIONS), self.features))
        self.register_buffer("bias", _neutral())
        self.register_buffer("unheard", _neutral(), persistent=False)
        # Change over five frames of 100 Hz, per second, of the cosine transform of the log10 mel.
        slope = torch.tensor([-2.0, -1.0, 0.0, 1.0, 2.0]) * (100 / 10) * DEVIATION
        kernel = _cosines()[:, :, None] * slope
        self.register_buffer("change", kernel, persistent=False)

    def forward(self, mel: Tensor, hidden: Tensor) -> Tensor:
        """Log-mel (B, 2N, 80) and `hidden` (B, N, C) of `MelEncoder.heard` -> logits (B, N, 8)."""
        features, speech = self.describe(mel, hidden)
        logits = F.linear(features, self.weight, self.bias)
        trust = speech / (speech + _LEAST_SPEECH)
        return trust * logits + (1 - trust) * self.unheard

    def describe(self, mel: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """What is read: features (B, N, F), and frames of speech in the window (B, N, 1)."""
        speech = self.speaking(mel)  # (B, 2N, 1)
        slow = speech[:, ::2]
        z = F.layer_norm(hidden, (self.width,))
        padded = F.pad(mel, (0, 0, 2, 2), value=SILENCE).transpose(1, 2)
        change = F.conv1d(padded, self.change).transpose(1, 2)  # (B, 2N, cepstra)
        # A change counts where all that it is taken from is speech: not where a clip is cut off.
        around = F.pad(speech, (0, 0, 2, 2))
        steady = around[:, :-4] * speech * around[:, 4:]
        lively = torch.cat([steady, steady * change, steady * change * change], -1)
        lively = lively[:, ::2] + lively[:, 1::2]
        sums = window_sums(torch.cat([slow, slow * z, slow * z * z, lively], -1))
        c = self.width
        heard, first, second, steady, rise, rise2 = sums.split(
            [1, c, c, 1, N_CEPSTRA, N_CEPSTRA], -1
        )
        mean = first / (heard + 1e-3)
        deviation = second / (heard + 1e-3) - mean * mean
        rise_mean = rise / (steady + 1e-3)
        liveliness = rise2 / (steady + 1e-3) - rise_mean * rise_mean
        logs = (0.5 * torch.log(F.relu(x) + 1e-3) for x in (deviation, liveliness))
        return torch.cat([mean, *logs], -1), heard

    def speaking(self, mel: Tensor) -> Tensor:
        """How much every mel frame (B, 2N, 80) is speech, by its level: (B, 2N, 1), 0 to 1."""
        power = torch.exp((mel * DEVIATION + MEAN) * 2.302585093).sum(-1, keepdim=True)
        # What the floor of the log adds is no sound; a billionth keeps the logarithm finite.
        power = F.relu(power - N_MELS * 1.05e-6) + 1e-9
        decibels = 4.342944819 * torch.log(power)
        return torch.sigmoid((decibels - _SPEECH_DB) / _SPEECH_WIDTH_DB)


def window_sums(x: Tensor) -> Tensor:
    """(B, N, C) -> at every frame the sum over the `WINDOW` frames around it, zeros outside.

    By doubling: nine additions, each over the same few neighbours wherever a piece begins, so that
    pieces and the whole agree to rounding (a running sum would not).
    """
    half = WINDOW // 2
    x = F.pad(x, (0, 0, half, half))
    doubled, size, parts, at = x, 1, [x[:, WINDOW - 1 :]], 0
    count = {}
    while size <= max(_POWERS):
        count[size] = doubled
        doubled = doubled[:, :-size] + doubled[:, size:]
        size *= 2
    frames = x.shape[1] - (WINDOW - 1)
    for power in _POWERS:
        parts.append(count[power][:, at : at + frames])
        at += power
    return torch.stack(parts).sum(0)


def _neutral() -> Tensor:
    logits = torch.zeros(len(EMOTIONS))
    logits[EMOTIONS.index("neutral")] = _NEUTRAL
    logits[EMOTIONS.index("surprised")] = _NEVER
    return logits


def _cosines() -> Tensor:
    """(N_CEPSTRA, N_MELS): the first rows of the orthonormal DCT-II."""
    k = torch.arange(N_CEPSTRA)[:, None]
    bands = torch.arange(N_MELS)[None]
    rows = torch.cos(torch.pi * k * (2 * bands + 1) / (2 * N_MELS)) * (2 / N_MELS) ** 0.5
    rows[0] *= 0.5**0.5
    return rows
