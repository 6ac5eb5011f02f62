# SPDX-License-Identifier: GPL-3.0-or-later
"""From utterances to batches: what is heard and taught, and the same when asked again."""

import dataclasses

import numpy as np
import pytest
import torch

from emoface_core.audio.files import SAMPLE_RATE
from emoface_core.emotions import EMOTIONS
from emoface_core.errors import EmoFaceError, InputError
from emoface_core.face.head import load_head
from emoface_core.model.config import EncoderConfig, MeshAttentionConfig
from emoface_core.model.geometry import face_geometry
from emoface_core.training import dataset, taught
from emoface_core.training.config import DataConfig, TrainingConfig
from emoface_core.training.dataset import PairedSource, TaughtSource
from emoface_core.training.phones import PHONE_INDEX, PhoneSpan
from emoface_core.training.shards import Utterance
from emoface_core.training.taught import joined, make_clip
from tests.core.tiny_face import tiny_paper_config

SPANS = (
    PhoneSpan("sil", 0.0, 0.2),
    PhoneSpan("m", 0.2, 0.4),
    PhoneSpan("a", 0.4, 0.7),
    PhoneSpan("p", 0.7, 0.9, 0.85),
    PhoneSpan("i", 0.9, 1.1),
    PhoneSpan("sil", 1.1, 1.3),
)


def utterance(name: str = "one", emotion: str | None = "happy", split: str = "train") -> Utterance:
    t = np.arange(round(1.3 * SAMPLE_RATE)) / SAMPLE_RATE
    loud = np.interp(t, [0.2, 0.3, 1.0, 1.1], [0, 1, 1, 0])
    tone = (
        loud * np.sin(2 * np.pi * 150 * t) * np.random.default_rng(len(name)).normal(1, 0.1, len(t))
    )
    audio = (8000 * tone).astype(np.int16)
    return Utterance(name, audio, SPANS, emotion, "anna", "made", split, "mapi")


class TinyCorpus:
    """A corpus of a few utterances, as `open_corpus` gives one."""

    info = {"sources": {"made": {}}}  # noqa: RUF012

    def utterances(self, split):
        names = ["a", "bb", "ccc"] if split == "train" else ["dddd"]
        return iter([utterance(name, split=split) for name in names])


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    monkeypatch.setattr(dataset, "open_corpus", lambda _folder: TinyCorpus())
    return str(tmp_path)


def test_a_clip_is_heard_and_taught_in_step():
    clip = make_clip(utterance(), 0, vary=False, at_least=3.0)
    frames = len(clip.speech)
    assert frames >= 150 and clip.mel.shape == (2 * frames, 80)
    assert clip.speech.shape == clip.layer_self.shape == clip.layer_cross.shape == (frames, 57)
    assert clip.emotions[0] == clip.emotions[2] == EMOTIONS.index("happy") != clip.emotions[1]
    # Where the mel is loud, there is a phone; where there is none, the face is at rest.
    loud = clip.mel[::2].astype(np.float32).mean(1) > 0
    speaking = clip.phones > 0
    assert (loud == speaking).mean() > 0.9
    rest = np.abs(clip.speech).max(1)[clip.phones == 0]
    assert rest.min() == 0 and np.median(rest) == 0
    jaw = clip.speech[:, load_head().shape_names.index("jawOpen")]
    vowel, lips = (clip.phones == PHONE_INDEX[phone] for phone in "am")
    assert jaw[vowel].max() > 2 * jaw[lips].mean()


def test_a_clip_is_the_same_when_made_again_and_varied_by_its_seed():
    one, again, other = (
        make_clip(utterance(), seed, vary=True, at_least=2.0) for seed in (1, 1, 2)
    )
    assert all(
        np.array_equal(getattr(one, f.name), getattr(again, f.name))
        for f in dataclasses.fields(one)
    )
    assert one.mel.shape != other.mel.shape or not np.array_equal(one.mel, other.mel)


def test_an_unlabelled_voice_is_taught_some_emotion_but_not_classified():
    own, other, voice = make_clip(utterance(emotion=None), 0, vary=False, at_least=2.0).emotions
    assert voice == -1 and 0 <= own < 8 and own != other


def test_a_broken_teacher_is_noticed(monkeypatch):
    monkeypatch.setattr(taught, "express", lambda *_args, **_rest: np.full((9, 57), np.nan))
    with pytest.raises(EmoFaceError, match="teachers"):
        make_clip(utterance(), 0, vary=False, at_least=2.0)


def captured() -> Utterance:
    """The jaw opens from 0.2 to 1.1 s, as the tone does."""
    curves = np.zeros((67, 57), np.float16)
    curves[12:54, load_head().shape_names.index("jawOpen")] = 0.5
    spans = (PhoneSpan("sil", 0.0, 0.2), PhoneSpan("ə", 0.2, 1.1), PhoneSpan("sil", 1.1, 1.3))
    return dataclasses.replace(utterance(emotion=None), spans=spans, curves=curves)


@pytest.mark.parametrize("seed", range(6))
def test_captured_motion_keeps_its_sound_at_any_tempo(seed):
    clip = make_clip(captured(), seed, vary=seed > 0, at_least=3.0)
    jaw = clip.speech[:, load_head().shape_names.index("jawOpen")].astype(np.float32)
    assert jaw.max() == pytest.approx(0.5, abs=0.01) and jaw[0] == jaw[-1] == 0
    assert set(clip.phones) == {255} and clip.emotions[2] == -1
    loud = clip.mel[::2].astype(np.float32).mean(1)
    at = np.arange(len(jaw))
    loud -= np.quantile(loud, 0.2)
    middle = np.sum(at * np.maximum(loud, 0) ** 2) / np.sum(np.maximum(loud, 0) ** 2)
    assert np.sum(at * jaw) / jaw.sum() == pytest.approx(middle, abs=6)


def test_recordings_are_spliced_in_some_variants():
    spans = [
        PhoneSpan(phone, 0.1 * i, 0.1 * i + 0.1) for i, phone in enumerate("mapistufokebdnlvzʃɡj")
    ]
    audio = np.tile(utterance().audio, 2)[: round(0.1 * len(spans) * SAMPLE_RATE)]
    whole = dataclasses.replace(utterance(), audio=audio, spans=tuple(spans))

    def order(seed, source):
        clip = make_clip(dataclasses.replace(whole, source=source), seed, vary=True, at_least=2.0)
        phones = clip.phones[clip.phones > 0]
        return tuple(phones[np.flatnonzero(np.diff(phones, prepend=0))])

    assert len({order(seed, "emodb") for seed in range(12)}) > 3
    assert len({order(seed, "flite") for seed in range(6)}) == 1


def test_sources_get_their_share_of_crops(tmp_path, monkeypatch):
    class Mixed(TinyCorpus):
        def utterances(self, split):
            names = [f"{n:0{n}}" for n in range(1, 9)]
            some = [utterance(name, split=split) for name in names]
            return iter([*some[:7], dataclasses.replace(captured(), id="x", source="facegood")])

    monkeypatch.setattr(dataset, "open_corpus", lambda _folder: Mixed())
    share = {"facegood": 0.5, "not there": 0.2}
    config = DataConfig(corpus=str(tmp_path), crop_seconds=1.0, batch=16, variants=1, share=share)
    source = TaughtSource(config, seed=0)
    batches = [source.batch(i) for i in range(12)]
    unknown = np.mean([float((b.phones < 0).all(1).float().mean()) for b in batches])
    assert unknown == pytest.approx(0.5 / 0.8, abs=0.1)
    assert min(int(b.phones.min()) for b in batches) == -1
    assert max(int(b.phones.max()) for b in batches) < len(PHONE_INDEX)


def test_shares_beyond_the_whole_are_refused():
    with pytest.raises(InputError, match="shares"):
        DataConfig(share={"a": 0.7, "b": 0.4})


def test_short_utterances_are_joined_by_speaker_and_emotion():
    some = [utterance("a"), utterance("b", "sad"), utterance("c"), utterance("d"), utterance("e")]
    made = list(joined(some, 2.5))
    assert [(u.id, u.emotion) for u in made] == [("a", "happy"), ("d", "happy"), ("b", "sad")]
    whole = made[0]
    assert whole.seconds == pytest.approx(1.3 + 0.3 + 1.3)
    assert len(whole.spans) == 2 * len(SPANS)
    second = whole.spans[len(SPANS) + 3]
    assert (second.start, second.release) == (pytest.approx(0.7 + 1.6), pytest.approx(0.85 + 1.6))


def test_batches_repeat_and_held_out_ones_too(corpus):
    config = DataConfig(corpus=corpus, crop_seconds=1.0, batch=4, variants=2, held_out_batches=2)
    source = TaughtSource(config, seed=3)
    batch = source.batch(5)
    assert batch.mel.shape == (4, 100, 80) and batch.speech.shape == (4, 50, 57)
    again = TaughtSource(config, seed=3).batch(5)  # from what was prepared
    for item in dataclasses.fields(batch):
        assert torch.equal(getattr(batch, item.name), getattr(again, item.name)), item.name
    assert not torch.equal(batch.mel, source.batch(6).mel)
    assert not torch.equal(batch.mel, TaughtSource(config, seed=4).batch(5).mel)
    assert len(list(source.held_out())) == 2
    assert source.hours_per_batch == pytest.approx(4 / 3600)
    # Cut ends do not count, whole ends do.
    assert set(batch.valid[:, 25].tolist()) == {1.0} and batch.valid.min() == 0


def test_pairs_for_pretrained_encoders_are_samples_and_frames_at_the_motions_rate(corpus):
    encoder = EncoderConfig(kind="hubert", width=16, blocks=1, expansion=2)
    config = TrainingConfig(
        model=tiny_paper_config(content=encoder, emotion=encoder, fps=30.0),
        data=DataConfig(corpus=corpus, crop_seconds=1.0),
    )
    source = PairedSource(config, face_geometry(load_head(), MeshAttentionConfig()))
    pair = source.batch(0)
    assert pair.sound.shape == (1, 16000) and float(pair.sound.std()) == pytest.approx(1, 0.01)
    assert pair.truth.shape[1] in (30, 31, 32)
    slow = dataclasses.replace(config, model=tiny_paper_config())
    fast = PairedSource(slow, face_geometry(load_head(), MeshAttentionConfig())).batch(0)
    half = fast.truth[0, 25] - pair.truth[0, 15]  # the same moment, at 50 and at 30 a second
    assert float(half.abs().max()) < 5e-4 < float(pair.truth.abs().max())


def test_pairs_share_the_sound_and_differ_in_emotion(corpus):
    config = TrainingConfig(
        model=dataclasses.replace(tiny_paper_config(), attention=MeshAttentionConfig()),
        data=DataConfig(corpus=corpus, crop_seconds=1.0),
    )
    source = PairedSource(config, face_geometry(load_head(), config.model.attention))
    assert source.batches_per_epoch == 3
    pair = source.batch(1)
    frames = pair.truth.shape[1]
    assert pair.sound.shape == (1, 2 * frames, 80)
    assert pair.truth.shape == pair.truth_cross.shape == (1, frames, 5023, 3)
    assert pair.condition.weights[0, 2] == 1.0 and pair.condition_cross.weights[0, 2] == 0.0
    assert float((pair.truth - pair.truth_cross).abs().max()) > 1e-3
    assert torch.equal(pair.truth, source.batch(1).truth)
    seen = {float(source.batch(i).sound.sum()) for i in range(3)}
    assert len(seen) == 3  # an epoch sees every utterance once
