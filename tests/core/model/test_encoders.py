# SPDX-License-Identifier: GPL-3.0-or-later
"""The pretrained encoders: what is frozen, what is resampled where, where they come from."""

import pytest
import torch

from emoface_core.errors import InputError
from emoface_core.model.config import EncoderConfig
from emoface_core.model.encoders import make_encoder, resampled

KINDS = ("wav2vec2", "hubert", "wavlm")


def tiny(kind: str, **changes):
    torch.manual_seed(0)
    return make_encoder(EncoderConfig(kind=kind, width=16, blocks=1, expansion=2, **changes))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("where", ["before", "after"])
def test_the_transformer_learns_and_the_front_does_not(kind, where):
    encoder = tiny(kind, interpolate=where).train()
    seen: list[int] = []
    encoder.body.encoder.register_forward_hook(
        lambda _m, _in, out: seen.append(out.last_hidden_state.shape[1])
    )
    found = encoder(torch.randn(1, 16000), 30)
    assert found.shape == (1, 30, 16)
    # FaceFormer brings the 49 frames of a second to the motion's before the transformer, EmoTalk's
    # emotion branch after it.
    assert seen == [30 if where == "before" else 49]
    found.square().sum().backward()
    front = list(encoder.body.feature_extractor.parameters())
    assert front and all(p.grad is None for p in front)
    assert any(
        p.grad is not None and float(p.grad.abs().max()) > 0
        for p in encoder.body.encoder.parameters()
    )


@pytest.mark.parametrize("kind", KINDS)
def test_each_comes_from_a_local_folder_to_the_bit(kind, tmp_path):
    made = tiny(kind).eval()
    made.body.save_pretrained(tmp_path / kind)
    loaded = make_encoder(EncoderConfig(kind=kind, source=str(tmp_path / kind))).eval()
    samples = torch.randn(1, 8000)
    assert torch.equal(made(samples, 15), loaded(samples, 15))
    assert loaded.width == 16


def test_a_pickled_checkpoint_is_not_opened(tmp_path):
    made = tiny("hubert")
    made.body.config.save_pretrained(tmp_path)
    torch.save(made.body.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(InputError, match="could not be loaded"):
        make_encoder(EncoderConfig(kind="hubert", source=str(tmp_path)))


def test_resampling_puts_ends_on_ends():
    ramp = torch.arange(50.0)[None, :, None]
    found = resampled(ramp, 30)[0, :, 0]
    torch.testing.assert_close(found, torch.linspace(0, 49, 30))


def test_a_frozen_encoder_learns_nothing():
    encoder = make_encoder(EncoderConfig(width=16, blocks=1, kernel=5, expansion=2, frozen=True))
    assert not any(p.requires_grad for p in encoder.parameters())
