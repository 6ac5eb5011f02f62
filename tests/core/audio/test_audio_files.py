# SPDX-License-Identifier: GPL-3.0-or-later
"""Sound files of every kind, and everything that can be wrong with one."""

import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from emoface_core.audio.files import SAMPLE_RATE, open_audio, read_audio
from emoface_core.errors import InputError


def tone(rate: int, seconds: float = 0.5, hz: float = 440.0) -> np.ndarray:
    return 0.4 * np.sin(2 * np.pi * hz * np.arange(round(rate * seconds)) / rate)


@pytest.mark.parametrize(
    ("name", "subtype", "rate", "tolerance"),
    [
        ("a.wav", "PCM_16", 44100, 1e-4),
        ("a.wav", "PCM_U8", 8000, 0.02),
        ("a.wav", "FLOAT", 48000, 1e-4),
        ("a.wav", "PCM_24", 96000, 1e-4),
        ("a.aiff", "PCM_16", 22050, 1e-4),
        ("a.flac", "PCM_16", 32000, 1e-4),
        ("a.ogg", "VORBIS", 44100, 0.03),
        ("a.ogg", "OPUS", 48000, 0.05),
        ("a.mp3", "MPEG_LAYER_III", 44100, 0.03),
        ("ein Klang, später.wav", "PCM_16", 16000, 1e-4),
    ],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_every_format_gives_the_sound(
    tmp_path: Path, name: str, subtype: str, rate: int, tolerance: float, channels: int
) -> None:
    path = tmp_path / name
    # The channels differ, and their mean is the tone.
    sound = np.stack([tone(rate) * (1 + 0.5 * (-1) ** c * (channels > 1)) for c in range(channels)])
    soundfile.write(path, sound.T, rate, subtype=subtype)
    source = open_audio(path)
    assert (source.sample_rate, source.channels) == (rate, channels)
    samples = read_audio(path)
    assert samples.dtype == np.float32
    assert abs(len(samples) - SAMPLE_RATE // 2) <= 1 + 0.002 * SAMPLE_RATE
    middle = slice(2000, 6000)
    error = samples[: SAMPLE_RATE // 2][middle] - tone(SAMPLE_RATE)[middle]
    assert np.abs(error).max() < tolerance


@pytest.mark.parametrize("rate", [16000, 44100, 11025])
def test_blocks_are_the_same_whatever_their_size(tmp_path: Path, rate: int) -> None:
    path = tmp_path / "noise.wav"
    rng = np.random.default_rng(1)
    soundfile.write(path, rng.normal(0, 0.1, (rate * 7, 2)), rate, subtype="FLOAT")
    whole = read_audio(path)
    assert len(whole) == 7 * SAMPLE_RATE
    source = open_audio(path)
    for seconds in (0.001, 0.37, 2.0, 1000.0):
        blocks = list(source.blocks(seconds))
        sizes = {len(block) for block in blocks[:-1]}
        assert sizes <= {max(1, round(seconds * SAMPLE_RATE))}
        assert 0 < len(blocks[-1]) <= max(1, round(seconds * SAMPLE_RATE))
        assert np.array_equal(np.concatenate(blocks), whole)


@pytest.mark.parametrize("count", [1, 160, 1600])
def test_very_short_sounds_are_sounds(tmp_path: Path, count: int) -> None:
    path = tmp_path / "short.wav"
    soundfile.write(path, np.full(count, 0.25), SAMPLE_RATE)
    assert len(read_audio(path)) == count


def test_a_wav_from_a_pipe_has_no_size_and_is_read(tmp_path: Path) -> None:
    path = tmp_path / "piped.wav"
    soundfile.write(path, tone(SAMPLE_RATE), SAMPLE_RATE)
    data = bytearray(path.read_bytes())
    at = data.index(b"data")
    data[at + 4 : at + 8] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    assert len(read_audio(path)) == SAMPLE_RATE // 2


def refused(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_audio(path)
    assert str(path) in caught.value.message
    assert caught.value.hint
    assert "\n" not in str(caught.value)
    return caught.value.message


def test_what_is_no_file(tmp_path: Path) -> None:
    assert "no file" in refused(tmp_path / "missing.wav")
    assert "folder" in refused(tmp_path)
    with pytest.raises(InputError):
        read_audio("a\0b.wav")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are POSIX's")
def test_a_pipe_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    assert "ordinary" in refused(tmp_path / "pipe.wav")


def test_a_file_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secret.wav"
    soundfile.write(path, tone(SAMPLE_RATE), SAMPLE_RATE)

    def deny(*_args: object, **_more: object) -> None:  # root may read whatever the mode says
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", deny)
    assert "Permission denied" in refused(path)


@pytest.mark.parametrize("name", ["a.wav", "a.mp3", "a.flac", "a.ogg", "a.raw", "a", "a.mp4"])
def test_what_is_no_sound(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"")
    assert "empty" in refused(path)
    path.write_text("These are words and no sound at all. " * 50)
    assert "not a sound file" in refused(path)


@pytest.mark.parametrize("suffix", [".wav", ".aiff", ".flac", ".mp3"])
def test_half_a_file_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"half{suffix}"
    rng = np.random.default_rng(3)
    soundfile.write(path, rng.normal(0, 0.1, 3 * SAMPLE_RATE), SAMPLE_RATE)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    assert "cut short" in refused(path)


def test_a_file_damaged_in_the_middle(tmp_path: Path) -> None:
    path = tmp_path / "hole.flac"
    rng = np.random.default_rng(3)
    soundfile.write(path, rng.normal(0, 0.1, 10 * SAMPLE_RATE), SAMPLE_RATE)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 9000] = bytes(9000)
    path.write_bytes(data)
    assert "damaged" in refused(path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
def test_values_that_are_no_sound(tmp_path: Path, value: float) -> None:
    path = tmp_path / "bad.wav"
    sound = tone(44100, 3.0)
    sound[-7] = value
    soundfile.write(path, sound, 44100, subtype="DOUBLE")
    assert "not sound" in refused(path)


def test_absurd_headers(tmp_path: Path) -> None:
    for rate in (7, 2_000_000_000):
        path = tmp_path / f"{rate}.wav"
        soundfile.write(path, np.zeros(100), rate)
        assert str(rate) in refused(path)
    path = tmp_path / "none.wav"
    soundfile.write(path, np.zeros(0), SAMPLE_RATE)
    assert "zero samples" in refused(path)
    path = tmp_path / "many.wav"
    soundfile.write(path, np.zeros((10, 300)), SAMPLE_RATE)
    assert "300 channels" in refused(path)


def a_wav() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.wav"
        soundfile.write(path, tone(8000, 0.1), 8000, subtype="FLOAT")
        return path.read_bytes()


WAV = a_wav()


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 120), st.integers(0, 255)), min_size=1, max_size=6),
    st.integers(0, len(WAV)),
)
def test_damaged_headers_are_refused_or_read(changes: list[tuple[int, int]], length: int) -> None:
    data = bytearray(WAV)
    for at, value in changes:
        data[at] = value
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fuzzed.wav"
        path.write_bytes(data[:length] if length > 60 else data)
        try:
            samples = read_audio(path)
        except InputError as error:
            assert str(error)
        else:
            assert len(samples) and np.isfinite(samples).all()


def test_memory_stays_bounded_over_an_hour(tmp_path: Path) -> None:
    """An hour as blocks never holds more than a few of them."""
    import tracemalloc

    path = tmp_path / "hour.flac"
    with soundfile.SoundFile(path, "w", 8000, 1) as out:
        for _ in range(60):
            out.write(np.zeros(8000 * 60, np.int16))
    source = open_audio(path)
    assert source.seconds == pytest.approx(3600)
    tracemalloc.start()
    total = sum(len(block) for block in source.blocks(10.0))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total == 3600 * SAMPLE_RATE
    assert peak < 30e6
