# SPDX-License-Identifier: GPL-3.0-or-later
"""The model as a performer: what it hears and does has the form that the judge expects."""

import numpy as np

from emoface_core.engine.choose import choose_engine
from emoface_core.evaluation.performers import Heard, Model
from emoface_core.evaluation.speech_judge import SpeechJudge
from emoface_core.training.phones import VISEMES, PhoneSpan


def test_the_model_is_judged(tiny_model, babble):
    spans = (PhoneSpan("sil", 0.0, 0.4), PhoneSpan("m", 0.4, 0.6), PhoneSpan("a", 0.6, 1.2))
    heard = Heard("x", babble(1.2), spans, "me", "happy")
    model = Model(choose_engine("onnx", model=tiny_model), 30.0)
    acted = model.perform(heard)
    assert acted.speech.shape == (36, 5023, 3)
    assert acted.layer("sad").shape == acted.speech.shape
    assert acted.visemes.shape == (36,)
    assert acted.visemes.max() < len(VISEMES)
    assert acted.voice.shape[1] == 8
    assert not np.allclose(acted.layer("sad"), acted.layer("angry"))

    tallies, _ = SpeechJudge([model]).judge([heard])
    tally = tallies["model"]
    assert tally.closures.labelled == 1
    assert tally.visemes.counts.sum() == 24
    assert tally.felt_truth == ["happy"]
    assert len(tally.felt) == 8
    assert len(tally.vertices) == 1
