# SPDX-License-Identifier: GPL-3.0-or-later
"""Captured clips as batches, and the models training on them and going on after a stop."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from emoface_core.cli import main
from emoface_core.errors import InputError
from emoface_core.face.flame import convert_flame
from emoface_core.face.head import load_head
from emoface_core.model.checkpoint import load_tensors, save_tensors, weights_file
from emoface_core.model.config import (
    DecoderConfig,
    EncoderConfig,
    MeshAttentionConfig,
    ModelConfig,
)
from emoface_core.model.emoface import EmoFace
from emoface_core.model.geometry import face_geometry
from emoface_core.training.batches import PairedBatch, TaughtBatch
from emoface_core.training.config import (
    DataConfig,
    OptimiserConfig,
    RunConfig,
    SelfGrowingConfig,
    TrainingConfig,
    packaged_configs,
    read_config,
)
from emoface_core.training.dataset import open_source
from emoface_core.training.phones import PHONES
from emoface_core.training.trainer import CHECKPOINT, Trainer
from tests.core.training.datasets.made import arkit_csv, flame_arrays, jaw, sound, vocaset

FRAMES = 12


def paper(data: DataConfig, out: Path = Path("run"), **model) -> TrainingConfig:
    """The packaged paper-like preset with small random encoders, on the head's own vertices."""
    preset = read_config(packaged_configs()["paper"])
    small = {"width": 16, "blocks": 1, "expansion": 2, "source": ""}
    settings = {
        "content": replace(preset.model.content, **small),
        "emotion": replace(preset.model.emotion, **small),
        "decoder": replace(preset.model.decoder, width=16, heads=2),
        "attention": replace(preset.model.attention, audio_width=32, kernel=4, dilation=1),
    }
    return replace(
        preset,
        model=replace(preset.model, **(settings | model)),
        data=data,
        self_growing=SelfGrowingConfig(warm_up=0.0),
        run=RunConfig(out=str(out), steps=2, precision="fp32", device="cpu", evaluate_steps=10),
    )


def source_of(config: TrainingConfig):
    return open_source(config, face_geometry(load_head(), config.model.attention))


@pytest.fixture(scope="module")
def sets(tmp_path_factory) -> dict[str, DataConfig]:
    """A folder of each form, by kind."""
    from emoface_core.training.datasets.vocaset import HELD_OUT, TRAIN

    top = tmp_path_factory.mktemp("sets")
    names = [(TRAIN[0], 1), (TRAIN[1], 1), (HELD_OUT[0], 21)]
    vocaset(top / "vocaset", names, frames=2 * FRAMES)

    rest, faces = load_head().vertices, {}
    for emotion, actor, frames in ((5, 1, FRAMES), (3, 1, FRAMES + 3), (3, 21, FRAMES)):
        name = f"03-01-{emotion:02}-02-01-01-{actor:02}"
        sound(top / "ravdess" / f"{name}.wav", frames / 30, emotion)
        np.save(top / "ravdess" / f"{name}.npy", rest + jaw(frames, 30))
        faces[f"{actor:02}"] = rest
    np.savez(top / "ravdess" / "templates.npz", **faces)

    np.savez(top / "model.npz", **flame_arrays())
    convert_flame(top / "model.npz", top / "flame.npz")
    rng = np.random.default_rng(0)
    for name in ("M003_001_0_0", "M003_001_1_2", "M003_033_0_0"):
        sound(top / "mead" / f"{name}.wav", FRAMES / 25)
        np.save(top / "mead" / f"{name}.npy", 0.1 * rng.standard_normal((1, FRAMES, 403)))

    for split, name in (("train", "a"), ("train", "b"), ("held_out", "c")):
        sound(top / "folder" / split / f"{name}.wav", 1.0, ord(name))
        path = top / "folder" / split / name
        if name == "a":
            arkit_csv(path.with_suffix(".csv"), {"JawOpen": np.linspace(0, 0.8, 60)})
        else:
            np.savez(path.with_suffix(".npz"), offsets=jaw(30, 30), fps=30)
    return {
        kind: DataConfig(
            corpus=str(top / kind), kind=kind, flame=str(top / "flame.npz"), crop_seconds=2.0
        )
        for kind in ("vocaset", "ravdess", "mead", "folder")
    }


@pytest.mark.parametrize("kind", ["vocaset", "ravdess", "mead", "folder"])
def test_the_papers_model_trains_on_each_form_and_goes_on(kind, sets, tmp_path):
    config = paper(sets[kind], tmp_path / "whole")
    geometry = face_geometry(load_head(), config.model.attention)

    def trainer(out: str) -> Trainer:
        settings = replace(config, run=replace(config.run, out=str(tmp_path / out)))
        return Trainer(settings, geometry, open_source(settings, geometry))

    whole = trainer("whole")
    before = {name: value.clone() for name, value in whole.model.state_dict().items()}
    losses = [whole.train_step()["total"] for _ in range(2)]
    assert np.isfinite(losses).all()
    assert not torch.equal(whole.model.content_out.weight, before["content_out.weight"])
    first = trainer("part")
    first.train_step()
    assert first.save().name == CHECKPOINT
    second = trainer("part")
    second.resume()
    second.train_step()
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, second.model.state_dict()[name]), name
    assert whole.evaluate()["free-running error mm"] > 0


def test_batches_repeat_and_each_epoch_hears_every_clip(sets):
    one, two = (source_of(paper(sets["vocaset"])) for _ in range(2))
    assert one.batches_per_epoch == 2
    assert torch.equal(one.batch(7).sound, two.batch(7).sound)
    assert not torch.equal(one.batch(2).sound, one.batch(3).sound)
    batch = one.batch(0)
    assert isinstance(batch, PairedBatch) and batch.truth_cross is None
    assert batch.truth.shape == (1, FRAMES, 5023, 3)  # 60 to 30 fps
    assert np.allclose(batch.truth[0], jaw(2 * FRAMES, 60)[::2], atol=1e-6)
    assert abs(float(batch.sound.mean())) < 1e-3 and float(batch.sound.std()) == pytest.approx(
        1, 0.01
    )
    assert batch.voice.item() == -1 and not batch.condition.weights.any()


def test_styles_are_the_speakers_of_training_in_their_order(sets):
    source = source_of(paper(sets["vocaset"], styles=2))
    styles = {tuple(source.batch(i).condition.style[0].tolist()) for i in range(2)}
    assert styles == {(1.0, 0.0), (0.0, 1.0)}
    index = [clip.name for clip in source.train].index("FaceTalk_170728_03272_TA_sentence01")
    assert source._condition(source.train[index]).style.tolist() == [[1.0, 0.0]]
    assert next(source.held_out()).condition.style.sum() == 1
    with pytest.raises(InputError, match="has 2 speakers"):
        source_of(paper(sets["vocaset"], styles=8))


def test_pairs_are_of_one_content_and_two_emotions_each_with_its_own_length(sets):
    source = source_of(paper(sets["ravdess"]))
    for index in range(2):
        batch = source.batch(index)
        assert {batch.voice.item(), batch.voice_cross.item()} == {2, 4}
        lengths = {2: FRAMES + 3, 4: FRAMES}
        assert batch.truth.shape[1] == lengths[batch.voice.item()]
        assert batch.truth_cross.shape[1] == lengths[batch.voice_cross.item()]
        assert batch.condition_cross.weights[0, batch.voice_cross.item()] == 1
        assert batch.condition.intensity.item() == 1  # strong
    assert next(source.held_out()).truth_cross is None  # nobody to pair with


def test_the_level_alone_can_be_told_as_in_the_paper(sets):
    source = source_of(paper(replace(sets["ravdess"], told="level")))
    assert source.batch(0).condition.weights.tolist() == [[0, 1, 0, 0, 0, 0, 0, 0]]
    assert source.batch(0).voice.item() in (2, 4)  # still what the classifier learns


def test_long_clips_are_cut_and_sound_stays_with_motion(tmp_path):
    top = tmp_path / "set"
    t = np.arange(5 * 30) / 30
    ramp = (t / 100)[:, None, None] * np.ones((1, 5023, 3))  # says its own time, in centimetres
    for split in ("train", "held_out"):
        (top / split).mkdir(parents=True)
        np.savez(top / split / f"{split}1.npz", offsets=ramp.astype(np.float32), fps=30)
        seconds = np.arange(5 * 16000) / 16000
        soundfile.write(top / split / f"{split}1.wav", seconds / 10, 16000)
    source = source_of(paper(DataConfig(corpus=str(top), kind="folder", crop_seconds=2.0)))
    starts = set()
    for index in range(12):
        batch = source.batch(index)
        assert batch.truth.shape[1] == 60 and batch.sound.shape[1] == 32000
        start = 100 * float(batch.truth[0, 0, 0, 0])
        starts.add(round(start, 3))
        assert 100 * float(batch.truth[0, -1, 0, 0]) == pytest.approx(start + 59 / 30, abs=1e-4)
    assert starts == {0.0, 1.0, 2.0, 3.0}
    assert float(next(source.held_out()).truth[0, 0, 0, 0]) == 0


@pytest.mark.parametrize("lag", [100.0, -50.0])
def test_a_capture_that_trails_its_sound_is_moved_earlier(tmp_path, lag):
    top = tmp_path / "set"
    t = np.arange(60) / 30
    ramp = (t / 100)[:, None, None] * np.ones((1, 5023, 3))
    for split in ("train", "held_out"):
        (top / split).mkdir(parents=True)
        np.savez(top / split / f"{split}1.npz", offsets=ramp.astype(np.float32), fps=30)
        sound(top / split / f"{split}1.wav", 2.0)
    data = DataConfig(corpus=str(top), kind="folder", crop_seconds=2.0, lag_ms=lag)
    seen = 100 * source_of(paper(data)).batch(0).truth[0, :, 0, 0].numpy()
    assert np.allclose(seen, np.clip(t + lag / 1e3, 0, t[-1]), atol=1e-5)
    with pytest.raises(InputError, match="3000 ms"):
        DataConfig(lag_ms=3000)


def test_the_first_frame_is_given_where_clips_do_not_begin_at_rest(sets, tmp_path):
    config = paper(sets["ravdess"], tmp_path)
    config = replace(config, self_growing=replace(config.self_growing, given_first=True))
    geometry = face_geometry(load_head(), config.model.attention)
    run = Trainer(config, geometry, open_source(config, geometry))
    assert np.isfinite(run.train_step()["total"])
    batch = next(run.source.held_out())
    counted = run.objective.figures(batch)["free-running error mm"][1]
    assert counted == batch.truth.shape[1] - 1


# --- the parallel model, on a user's own captures -----------------------------------------------


def desk(data: DataConfig, out: Path, start: Path | str) -> TrainingConfig:
    encoder = EncoderConfig(width=16, blocks=2, kernel=5, expansion=2)
    return TrainingConfig(
        model=ModelConfig(
            content=encoder,
            emotion=encoder,
            decoder=DecoderConfig(width=16, heads=2, window=3),
            attention=MeshAttentionConfig(audio_width=32, kernel=5, duration=2),
        ),
        data=replace(data, batch=2, held_out_batches=1),
        loss=replace(read_config(packaged_configs()["desk"]).loss),
        optimiser=OptimiserConfig(rate=3e-3, warm_up_steps=0, average=0.0),
        run=RunConfig(out=str(out), start=str(start), steps=2, precision="fp32", device="cpu"),
    )


@pytest.fixture(scope="module")
def started(sets, tmp_path_factory) -> tuple[Path, EmoFace]:
    """A checkpoint with weights to start from."""
    path = tmp_path_factory.mktemp("start") / "checkpoint.safetensors"
    config = desk(sets["folder"], path.parent, path)
    torch.manual_seed(3)
    model = EmoFace(config.model, face_geometry(load_head(), config.model.attention), len(PHONES))
    save_tensors(path, {f"model.{k}": v for k, v in model.state_dict().items()}, {"step": 0})
    return path, model.eval()


def test_captures_teach_speech_and_the_old_model_teaches_emotion(sets, started, tmp_path):
    path, model = started
    source = source_of(desk(sets["folder"], tmp_path, path))
    batch = source.batch(0)
    assert isinstance(batch, TaughtBatch)
    assert torch.equal(batch.speech, source.batch(0).speech)
    names = load_head().shape_names
    opening = batch.speech[..., names.index("jawOpen")]
    assert float(opening.max()) > 0.5
    assert batch.valid.sum() > 0 and not batch.valid[:, 60:].any()  # a second of capture in two
    clip = source.train[0]
    with torch.no_grad():
        said = model(torch.from_numpy(clip.mel)[None])
    assert np.allclose(clip.layers, said.emotion_layers[0], atol=1e-3)
    assert np.array_equal(clip.phones, said.phone_logits[0].argmax(-1))


def test_points_become_weights_of_the_rig(sets, started, tmp_path):
    source = source_of(desk(sets["folder"], tmp_path, started[0]))
    head = load_head()
    wanted = np.zeros((3, len(head.shape_names)), np.float32)
    wanted[:, head.shape_names.index("jawOpen")] = 0.7
    wanted[:, head.shape_names.index("mouthSmile_L")] = [0.1, 0.5, 0.9]
    found = source.rig.fit(np.tensordot(wanted, head.shapes, 1))
    assert np.abs(found - wanted).max() < 0.05


def test_the_emotion_of_a_performance_is_no_speech(sets, started, tmp_path):
    top = tmp_path / "set"
    for name, split in (("a", "train"), ("b", "held_out")):
        sound(top / split / f"{name}.wav", 1.0)
        extra = 0.002 * np.ones((30, 5023, 3), np.float32)
        np.savez(
            top / split / f"{name}.npz", offsets=jaw(30, 30) + extra, emotion_offsets=extra, fps=30
        )
    data = replace(sets["folder"], corpus=str(top))
    clip = source_of(desk(data, tmp_path, started[0])).train[0]
    opening = clip.speech[:50, load_head().shape_names.index("jawOpen")]
    assert opening.max() == pytest.approx(1, abs=0.05)


def test_the_desk_model_is_fine_tuned_and_goes_on(sets, started, tmp_path):
    config = desk(sets["folder"], tmp_path / "whole", started[0])
    geometry = face_geometry(load_head(), config.model.attention)

    def trainer(out: str) -> Trainer:
        settings = replace(config, run=replace(config.run, out=str(tmp_path / out)))
        return Trainer(settings, geometry, open_source(settings, geometry))

    whole = trainer("whole")
    assert torch.equal(whole.model.content_out.weight, started[1].content_out.weight)
    for _ in range(2):
        whole.train_step()
    first = trainer("part")
    first.train_step()
    first.save()
    second = trainer("part")
    second.resume()
    second.train_step()
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, second.model.state_dict()[name]), name
    assert whole.evaluate()["lip error mm (speech)"] > 0


def test_a_users_own_lag_is_taken_off(sets, started, tmp_path):
    config = desk(sets["folder"], tmp_path, started[0])
    late = replace(config, data=replace(config.data, lag_ms=100.0))
    plain, moved = (source_of(c).train[0] for c in (config, late))
    assert np.allclose(moved.speech[:40], plain.speech[5:45], atol=1e-5)  # five frames of 50 Hz
    assert plain.valid.sum() - moved.valid.sum() in (4, 5)  # the end has no capture any more


def test_the_packaged_fine_tuning_by_its_command(tmp_path, capsys):
    names = load_head().shape_names
    takes, out = tmp_path / "takes", tmp_path / "mine"
    for number in range(2):
        sound(takes / f"take{number}.wav", 1.5, number)
        curves = np.zeros((45, len(names)), np.float32)
        curves[:, names.index("jawOpen")] = np.linspace(0, 0.5, 45)
        np.savez(takes / f"take{number}.npz", curves=curves, names=np.array(names), fps=30)
    asked = ["train", "finetune", "--data", str(takes), "--out", str(out)]
    assert main([*asked, "--steps", "1"]) == 0
    assert main([*asked, "--steps", "2", "--resume"]) == 0
    assert load_tensors(out / CHECKPOINT)[1]["step"] == 2
    own, old = load_tensors(out / CHECKPOINT)[0], load_tensors(weights_file("bundled"))[0]
    heard = "content_encoder.stem.weight"  # is heard as before, and spoken anew
    assert torch.equal(own[f"ema.{heard}"], old[heard])
    assert not torch.equal(own["model.content_out.weight"], old["content_out.weight"])
    line = tmp_path / "line.npz"
    spoken = ["animate", str(takes / "take0.wav"), "-o", str(line), "--model", str(out / "model")]
    assert main(spoken) == 0
    with np.load(line) as found:
        assert np.isfinite(found["offsets"]).all()


def test_captures_alone_teach_no_emotions(sets, tmp_path):
    with pytest.raises(InputError, match="start from a trained model"):
        source_of(desk(sets["folder"], tmp_path, ""))


def test_settings_that_nothing_reads():
    with pytest.raises(InputError, match="biwi"):
        DataConfig(kind="biwi")
    with pytest.raises(InputError, match="moods"):
        DataConfig(told="moods")
