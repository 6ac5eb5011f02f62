# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole model: its reach in time, its two ways to decode, its seeds."""

from dataclasses import fields, replace

import pytest
import torch

from emoface_core.errors import InputError
from emoface_core.model.config import EncoderConfig, ModelConfig, from_mapping
from emoface_core.model.decoders import periodic_positions
from emoface_core.model.emoface import Condition, EmoFace, EmoFaceOutput, Motion, mix
from tests.core.tiny_face import PHONES, tiny_config, tiny_geometry, tiny_paper_config


def make(config: ModelConfig, seed: int = 0) -> EmoFace:
    torch.manual_seed(seed)
    return EmoFace(config, tiny_geometry(config.attention), PHONES).eval()


def lively(model: EmoFace) -> EmoFace:
    """Give the heads that start from zero something to say."""
    for head in (model.content_out, model.emotion_out):
        torch.nn.init.normal_(head.weight)
    return model


def condition(config: ModelConfig, emotion: int = 2) -> Condition:
    weights = torch.zeros(1, 8)
    weights[0, emotion] = 1.0
    return Condition(weights, torch.ones(1), torch.eye(config.styles)[:1])


def test_shapes_and_ranges():
    with torch.no_grad():
        out = make(tiny_config())(torch.randn(2, 60, 80))
    assert out.content.shape == (2, 30, 6)
    assert out.emotion_layers.shape == (2, 30, 8, 6)
    assert out.attention.shape == (2, 30, 2)
    assert out.emotion_logits.shape == (2, 30, 8)
    assert out.phone_logits.shape == (2, 30, PHONES)
    assert float(out.attention.min()) > 0 and float(out.attention.max()) < 1


def test_the_map_differs_by_region_and_over_time():
    w = make(tiny_config())(3 * torch.randn(1, 60, 80)).attention[0].detach()
    table = w.logit()
    plain_sum = table.mean(0, keepdim=True) + table.mean(1, keepdim=True) - table.mean()
    assert float((table - plain_sum).abs().max()) > 1e-4


def test_nothing_beyond_the_context_changes_a_frame():
    model = make(tiny_config()).double()
    context = model.context_frames
    frame = context + 2
    mel = torch.randn(1, 4 * context + 20, 80, dtype=torch.double)
    before = model(mel)
    for first, last in ((0, 2 * (frame - context) - 1), (2 * (frame + context) + 3, None)):
        changed = mel.clone()
        changed[:, first:last] = torch.randn_like(changed[:, first:last])
        after = model(changed)
        for item in fields(EmoFaceOutput):
            name = item.name
            assert torch.equal(getattr(before, name)[:, frame], getattr(after, name)[:, frame]), (
                name
            )


def test_a_window_with_its_context_equals_the_whole():
    model = make(tiny_config()).double()
    context = model.context_frames
    first, last = context + 10, context + 40
    mel = torch.randn(1, 2 * (last + context + 10), 80, dtype=torch.double)
    whole = model(mel)
    part = model(mel[:, 2 * (first - context) : 2 * (last + context)])
    for item in fields(EmoFaceOutput):
        inside = getattr(part, item.name)[:, context : context + last - first]
        torch.testing.assert_close(inside, getattr(whole, item.name)[:, first:last])


def test_same_seed_same_weights():
    one, two, other = (make(tiny_config(), seed).state_dict() for seed in (4, 4, 5))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


def test_frame_by_frame_equals_teacher_forcing_on_its_own_motion():
    config = tiny_paper_config()
    model = lively(make(config)).double()
    given = Condition(
        *(t.double() for t in (condition(config).weights, torch.ones(1), torch.eye(2)[:1]))
    )
    heard = model.hear(torch.randn(1, 80, 80, dtype=torch.double), 40)
    with torch.no_grad():
        free = model.generate(heard, given)
        forced = model.decode(heard, free.fused, given)
    assert float(free.fused.abs().max()) > 1e-3
    for item in fields(Motion):
        torch.testing.assert_close(getattr(free, item.name), getattr(forced, item.name))


def test_frame_by_frame_is_causal_in_motion():
    config = tiny_paper_config()
    model = lively(make(config))
    heard = model.hear(torch.randn(1, 40, 80), 20)
    past = torch.randn(1, 20, 42, 3)
    changed = past.clone()
    changed[:, 9] += 1.0
    one, two = (model.decode(heard, p, condition(config)).fused for p in (past, changed))
    assert torch.equal(one[:, :10], two[:, :10])
    assert not torch.equal(one[:, 10], two[:, 10])


def test_a_given_first_frame_is_kept_and_carried_on():
    config = tiny_paper_config()
    model = lively(make(config))
    heard = model.hear(torch.randn(1, 20, 80), 10)
    first = torch.full((1, 42, 3), 0.02)
    with torch.no_grad():
        given = model.generate(heard, condition(config), first).fused
        plain = model.generate(heard, condition(config)).fused
    assert torch.equal(given[:, 0], first)
    assert not torch.allclose(given[:, 1], plain[:, 1])


def test_paper_model_starts_from_the_neutral_and_listens_to_the_condition():
    config = tiny_paper_config()
    model = make(config)
    heard = model.hear(torch.randn(1, 20, 80), 10)
    still = model.decode(heard, torch.zeros(1, 10, 42, 3), condition(config))
    assert float(still.fused.detach().abs().max()) == 0.0
    lively(model)
    happy, sad = (
        model.decode(heard, torch.zeros(1, 10, 42, 3), condition(config, emotion))
        for emotion in (2, 3)
    )
    assert torch.equal(happy.content, sad.content)
    assert not torch.allclose(happy.emotion, sad.emotion)


def test_the_content_of_one_clip_with_the_emotion_of_another_of_other_length():
    config = tiny_paper_config(
        content=EncoderConfig(kind="wav2vec2", width=16, blocks=1, expansion=2),
        emotion=EncoderConfig(kind="wavlm", width=16, blocks=1, expansion=2, interpolate="after"),
        fps=30.0,
    )
    model = lively(make(config))
    heard = model.hear(torch.randn(1, 16000), 30, torch.randn(1, 9000))
    assert heard.content.shape == (1, 30, 16) and heard.emotion.shape == (1, 30, 16)
    assert heard.attention.shape == (1, 30, 42)
    assert model.generate(heard, condition(config)).fused.shape == (1, 30, 42, 3)
    frozen = model.content_encoder.body.feature_extractor
    assert not any(p.requires_grad for p in frozen.parameters())


def test_a_pretrained_encoder_comes_from_a_local_folder(tmp_path):
    config = EncoderConfig(kind="hubert", width=16, blocks=1, expansion=2)
    torch.manual_seed(0)
    from emoface_core.model.encoders import make_encoder

    made = make_encoder(config).eval()
    made.body.save_pretrained(tmp_path / "hubert")
    loaded = make_encoder(EncoderConfig(kind="hubert", source=str(tmp_path / "hubert"))).eval()
    samples = torch.randn(1, 8000)
    assert torch.equal(made(samples, 25), loaded(samples, 25))
    with pytest.raises(InputError, match="could not be loaded"):
        make_encoder(EncoderConfig(kind="hubert", source=str(tmp_path / "nothing")))


def test_mixing_by_hand():
    content, emotion = torch.tensor([[1.0, 0, 0]]), torch.tensor([[3.0, 0, 4.0]])
    w = torch.tensor([0.25])
    assert mix(content, emotion, w).tolist() == [[1.5, 0, 1.0]]
    assert mix(content, emotion, w, "add").tolist() == [[4.0, 0, 4.0]]


def test_positions_repeat_and_count_from_where_they_start():
    whole = periodic_positions(0, 70, 8, 30, torch.device("cpu"))
    assert torch.equal(whole[0], whole[30]) and not torch.equal(whole[0], whole[1])
    assert torch.equal(periodic_positions(41, 1, 8, 30, torch.device("cpu"))[0], whole[41])


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"depth": 3}, "depth"),
        ({"content": {"width": "wide"}}, "width"),
        ({"content": {"kind": "mfcc"}}, "mfcc"),
        ({"head": "vertices"}, "layers"),
        ({"decoding": "frame_by_frame"}, "embedding"),
        ({"fps": 30}, "50"),
        ({"attention": {"layers": 1}}, "two layers"),
        ({"decoder": 3}, "table"),
    ],
)
def test_a_wrong_configuration_is_explained(tables, message):
    with pytest.raises(InputError, match=message):
        from_mapping(ModelConfig, tables)


def test_a_table_changes_only_what_it_names():
    read = from_mapping(ModelConfig, {"content": {"frozen": True}, "emotion": {"blocks": 3}})
    assert read.content == replace(ModelConfig().content, frozen=True)
    assert read.emotion == replace(ModelConfig().emotion, blocks=3)


def test_a_model_that_hears_the_whole_clip_cannot_be_cut_into_windows():
    with pytest.raises(InputError, match="windows"):
        _ = make(tiny_paper_config()).context_frames


def test_full_resolution_attention_has_every_vertex():
    model = make(tiny_paper_config()).eval()
    heard = torch.randn(1, 10, 24), torch.randn(1, 10, 16)
    w = model.attention(*heard)
    assert w.shape == (1, 10, 42)
    assert float(w.std(dim=-1).min()) > 0  # vertices differ
