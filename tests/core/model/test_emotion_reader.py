# SPDX-License-Identifier: GPL-3.0-or-later
"""The reader says the same of a piece as of the whole, of silence nothing, and the same in ONNX."""

import warnings

import onnxruntime
import pytest
import torch
from torch import nn

from emoface_core.emotions import EMOTIONS
from emoface_core.model.config import EncoderConfig
from emoface_core.model.emotion_reader import (
    SILENCE,
    WINDOW,
    EmotionReader,
    window_sums,
)
from emoface_core.model.encoders import MelEncoder


class Reading(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.encoder = MelEncoder(EncoderConfig(width=12, blocks=3, kernel=5))
        self.reader = EmotionReader(12)
        self.reader.weight.normal_(std=0.3)

    def forward(self, mel):
        return self.reader(mel, self.encoder.heard(mel)[1])


@pytest.fixture(scope="module")
def reading():
    return Reading().eval()


def speech(frames, seed=0):
    """Log-mel whose loudness comes and goes as in speech, (1, 2 frames, 80)."""
    generator = torch.Generator().manual_seed(seed)
    swell = torch.sin(torch.arange(2 * frames) / 9)[None, :, None]
    return 0.8 + swell + 0.5 * torch.randn(1, 2 * frames, 80, generator=generator)


def silence(frames):
    return torch.full((1, 2 * frames, 80), SILENCE)


@torch.no_grad()
def test_sums_over_the_window():
    x = torch.randn(1, 300, 2)
    half = WINDOW // 2
    direct = torch.stack([x[0, max(0, i - half) : i + half + 1].sum(0) for i in range(300)])
    torch.testing.assert_close(window_sums(x)[0], direct, atol=1e-4, rtol=1e-4)
    assert torch.equal(window_sums(torch.ones(1, 1, 1)), torch.ones(1, 1, 1))


@torch.no_grad()
@pytest.mark.parametrize(("first", "last"), [(0, 40), (150, 190), (460, 500)])
def test_a_piece_with_its_context_equals_the_whole(reading, first, last):
    mel = speech(500)
    whole = reading(mel)[:, first:last]
    around = reading.reader.reach + reading.encoder.reach
    begin, end = max(0, first - around), min(500, last + around)
    piece = reading(mel[:, 2 * begin : 2 * end])[:, first - begin : last - begin]
    torch.testing.assert_close(piece, whole, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_nothing_beyond_the_stated_reach_matters_and_something_near_it_does(reading):
    mel, hidden = speech(500), torch.randn(1, 500, 12)
    before = reading.reader(mel, hidden)[:, 250]
    far, near = 250 + reading.reader.reach + 1, 250 + WINDOW // 2
    changed = mel.clone()
    changed[:, 2 * far :] = speech(500, seed=9)[:, 2 * far :]
    assert torch.equal(reading.reader(changed, hidden)[:, 250], before)
    heard = hidden.clone()
    heard[:, near] += torch.randn(12)
    assert not torch.equal(reading.reader(mel, heard)[:, 250], before)


@torch.no_grad()
def test_silence_around_speech_does_not_change_the_reading(reading):
    mel, hidden = speech(60), torch.randn(1, 60, 12)
    alone = reading.reader(mel, hidden)[:, 30]
    quiet = torch.randn(1, 50, 12)
    padded = torch.cat([silence(50), mel, silence(50)], 1)
    inside = reading.reader(padded, torch.cat([quiet, hidden, quiet], 1))[:, 80]
    torch.testing.assert_close(inside, alone, atol=0.01, rtol=0.01)


@torch.no_grad()
def test_where_nobody_speaks_the_reading_is_neutral(reading):
    logits = reading(silence(300))
    assert (logits.argmax(-1) == EMOTIONS.index("neutral")).all()
    assert logits[..., EMOTIONS.index("surprised")].max() < -4


def test_the_encoder_is_run_once_for_both(reading):
    mel = speech(40)
    with torch.no_grad():
        features, hidden = reading.encoder.heard(mel)
        assert torch.equal(features, reading.encoder(mel))
    assert hidden.shape == features.shape and not torch.equal(hidden, features)


@pytest.mark.parametrize("frames", [2, 90, 260])
def test_onnx_says_what_torch_says(reading, frames, tmp_path):
    path = tmp_path / "reader.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            reading,
            (torch.zeros(1, 200, 80),),
            str(path),
            dynamo=False,
            opset_version=17,
            input_names=["mel"],
            output_names=["logits"],
            dynamic_axes={"mel": {0: "batch", 1: "mel_frames"}, "logits": {0: "batch", 1: "n"}},
        )
    mel = speech(frames)
    (found,) = onnxruntime.InferenceSession(path).run(None, {"mel": mel.numpy()})
    with torch.no_grad():
        expected = reading(mel)
    assert expected.shape == (1, frames, len(EMOTIONS))
    torch.testing.assert_close(torch.from_numpy(found), expected, atol=1e-3, rtol=1e-3)
