# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases of stops, found in the sound."""

import numpy as np
import pytest

from emoface_core.training.phones import PhoneSpan
from emoface_core.training.releases import mark_releases, open_affricates


def a_stop(burst: float, *, voiced: bool = False) -> np.ndarray:
    """A vowel, a closure from 0.3 s, a burst and breath, a vowel from 0.45 s."""
    rng = np.random.default_rng(0)
    t = np.arange(16000) / 16000
    vowel = 0.3 * np.sin(2 * np.pi * 140 * t) + 0.1 * np.sin(2 * np.pi * 1400 * t)
    sound = np.where((t < 0.3) | (t > 0.45), vowel, 0.0) + rng.normal(0, 1e-4, len(t))
    sound += np.where((t >= burst) & (t < 0.45), rng.normal(0, 0.03, len(t)), 0.0)
    if voiced:
        sound += np.where((t >= 0.3) & (t < burst), 0.05 * np.sin(2 * np.pi * 140 * t), 0.0)
    return sound.astype(np.float32)


SPANS = (PhoneSpan("a", 0.0, 0.3), PhoneSpan("p", 0.3, 0.45), PhoneSpan("a", 0.45, 1.0))


@pytest.mark.parametrize("burst", [0.34, 0.38, 0.42, 0.449])
@pytest.mark.parametrize("voiced", [False, True])
def test_the_burst_is_found(burst: float, voiced: bool) -> None:
    before, stop, after = mark_releases(SPANS, a_stop(burst, voiced=voiced))
    assert stop.release == pytest.approx(burst, abs=0.003)
    assert (before, after) == (SPANS[0], SPANS[2])


def test_a_known_release_stays() -> None:
    known = (PhoneSpan("p", 0.3, 0.45, 0.31),)
    assert mark_releases(known, a_stop(0.4)) == known


@pytest.mark.parametrize("burst", [0.34, 0.38, 0.42])
def test_an_affricate_opens_where_the_sound_does(burst: float) -> None:
    spans = (SPANS[0], PhoneSpan("t", 0.3, 0.36), PhoneSpan("ʃ", 0.36, 0.45), SPANS[2])
    opened = open_affricates(spans, a_stop(burst))
    assert opened[1].end == opened[2].start == pytest.approx(burst, abs=0.003)
    assert (opened[0], opened[3]) == (SPANS[0], SPANS[2])
    assert (opened[1].start, opened[2].end) == (0.3, 0.45)


def test_other_neighbours_and_silent_affricates_stay() -> None:
    quiet = (PhoneSpan("t", 0.3, 0.36), PhoneSpan("s", 0.36, 0.45))
    assert open_affricates(quiet, np.zeros(16000, np.float32)) == quiet
    cluster = (PhoneSpan("p", 0.3, 0.36), PhoneSpan("s", 0.36, 0.45))
    assert open_affricates(cluster, a_stop(0.4)) == cluster


def test_a_stop_into_silence_has_none() -> None:
    sound = a_stop(0.45)
    sound[7200:] = np.random.default_rng(1).normal(0, 1e-4, 8800)
    spans = (PhoneSpan("p", 0.3, 0.45), PhoneSpan("sil", 0.45, 1.0))
    assert mark_releases(spans, sound)[0].release is None


@pytest.mark.parametrize("span", [PhoneSpan("p", 0.0, 0.001), PhoneSpan("p", 0.999, 1.0)])
def test_slivers_at_the_edges(span: PhoneSpan) -> None:
    marked = mark_releases([span], a_stop(0.4))[0]
    assert marked.release is None or span.start <= marked.release <= span.end


def test_nothing_at_all() -> None:
    assert mark_releases([PhoneSpan("p", 0.0, 0.1)], np.zeros(0, np.float32))[0].release is None
