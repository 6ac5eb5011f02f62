# SPDX-License-Identifier: GPL-3.0-or-later
"""The lip reader reads lips that say something, and no others."""

import numpy as np

from emoface_core.evaluation.reader import train_reader
from emoface_core.training.phones import VISEME_OF, VISEMES, PhoneSpan

FPS = 50.0
PHONES = ("a", "m", "u", "s")


def clip(seed):
    """Two lip vertices whose place tells the phone, a little noisy."""
    rng = np.random.default_rng(seed)
    spans = [PhoneSpan(p, i / 10, (i + 1) / 10) for i, p in enumerate(rng.choice(PHONES, 30))]
    spoken = np.repeat([PHONES.index(s.phone) for s in spans], 5)
    places = np.random.default_rng(99).normal(0, 0.01, (len(PHONES), 2, 3))
    return places[spoken] + rng.normal(0, 0.0005, (150, 2, 3)), spans


def test_it_reads():
    reader = train_reader([clip(seed) for seed in range(5)], FPS)
    lips, spans = clip(50)
    assert reader.score(lips, FPS, spans).accuracy > 0.95
    assert reader.score(np.roll(lips, 37, axis=0), FPS, spans).accuracy < 0.5
    still = np.repeat(lips.mean(axis=0)[None], len(lips), axis=0)
    assert len(set(reader.read(still, FPS))) == 1


def test_what_was_never_seen_is_never_read():
    reader = train_reader([clip(seed) for seed in range(5)], FPS)
    wild = np.random.default_rng(0).normal(0, 1, (500, 2, 3))
    assert {VISEMES[v] for v in reader.read(wild, FPS)} <= {VISEMES[VISEME_OF[p]] for p in PHONES}
