# SPDX-License-Identifier: GPL-3.0-or-later
"""Styles of speech on our own head: lips that shut stay shut, and each control does its part."""

import numpy as np
import pytest

from blender_addon.curves.contacts import lip_slopes
from blender_addon.curves.plan import ROOM
from blender_addon.curves.styling import REGIONS, SpeechStyle, region_of, speech_curves
from emoface_core.face.head import load_head
from emoface_core.face.measures import jaw_opening, lip_gap, lip_teeth_gap
from emoface_core.training.articulation import articulate
from emoface_core.training.phones import PhoneSpan

FPS = 50.0
KEYS = load_head().shape_names


@pytest.fixture(scope="module")
def spoken() -> np.ndarray:
    """(F, 57) a m a b o p a u, with rest before and after, as the teacher speaks it."""
    phones = ("sil", "a", "m", "a", "b", "o", "p", "a", "u", "sil")
    spans = [PhoneSpan(p, 0.15 * n, 0.15 * (n + 1)) for n, p in enumerate(phones)]
    made = articulate(spans, 1.5, rate=FPS).astype(np.float32)
    return np.pad(made, ((ROOM, ROOM), (0, 0)))


def gaps(curves: np.ndarray) -> np.ndarray:
    head = load_head()
    return 1000 * lip_gap(head.vertices + np.tensordot(curves, head.shapes, 1), head)


def shut(spoken: np.ndarray) -> np.ndarray:
    """Frames in which the lips meet, by the work of the lips."""
    close = spoken[:, KEYS.index("mouthClose")]
    return (gaps(spoken) < 0.3) & (close > 0.05)


def styled(spoken: np.ndarray, **style: float) -> np.ndarray:
    return speech_curves(spoken, KEYS, SpeechStyle(**style), FPS)


def test_nothing_chosen_changes_nothing(spoken: np.ndarray) -> None:
    np.testing.assert_array_equal(styled(spoken), spoken)


@pytest.mark.parametrize(
    "style", [{"jaw_opening": 1.6}, {"jaw_opening": 0.4}, {"lip_opening": 1.8}, {"rounding": 0.3}]
)
def test_closed_lips_stay_closed(spoken: np.ndarray, style: dict[str, float]) -> None:
    some = shut(spoken)
    assert some.sum() >= 6, "m, b, p"
    made = styled(spoken, **style)
    assert np.abs(made - spoken).max() > 0.02
    assert np.abs(gaps(made)[some] - gaps(spoken)[some]).max() < 0.8
    assert np.abs(made[[0, -1]]).max() == 0, "at rest"


@pytest.mark.parametrize("style", [{"jaw_opening": 1.6}, {"lip_opening": 0.4}, {"rounding": 2.0}])
def test_the_lower_lip_stays_at_the_teeth_in_f_and_v(style: dict[str, float]) -> None:
    phones = ("sil", "a", "f", "a", "o", "v", "o", "sil")
    spans = [PhoneSpan(p, 0.15 * n, 0.15 * (n + 1)) for n, p in enumerate(phones)]
    made = articulate(spans, 1.2, rate=FPS).astype(np.float32)
    head = load_head()
    some = made[:, KEYS.index("mouthRollLower")] > 0.3
    assert some.sum() >= 4
    before, after = (
        1000 * lip_teeth_gap(head.vertices + np.tensordot(curves[some], head.shapes, 1), head)
        for curves in (made, styled(made, **style))
    )
    assert np.abs(after - before).max() < 0.1


def test_closing_force_presses_and_loosens(spoken: np.ndarray) -> None:
    some = shut(spoken)
    firm, loose = styled(spoken, lip_closing=2.0), styled(spoken, lip_closing=0.0)
    assert gaps(firm)[some].mean() < gaps(spoken)[some].mean() - 0.3
    assert gaps(loose)[some].mean() > gaps(spoken)[some].mean() + 1.0
    apart = gaps(spoken) > 4
    np.testing.assert_allclose(gaps(loose)[apart], gaps(spoken)[apart], atol=0.3)


def test_the_jaw_opens_as_much_as_asked(spoken: np.ndarray) -> None:
    head = load_head()
    opened = [
        jaw_opening(head.vertices + np.tensordot(curves, head.shapes, 1), head).max()
        for curves in (spoken, styled(spoken, jaw_opening=1.5))
    ]
    assert opened[1] == pytest.approx(1.5 * opened[0], rel=0.1)


def test_smoothing_keeps_the_sum_and_takes_the_haste(spoken: np.ndarray) -> None:
    made = styled(spoken, smoothing_lower=0.04)
    np.testing.assert_allclose(made.sum(axis=0), spoken.sum(axis=0), atol=1e-3)
    assert np.abs(np.diff(made, axis=0)).max() < 0.7 * np.abs(np.diff(spoken, axis=0)).max()
    upper = [i for i, key in enumerate(KEYS) if REGIONS[region_of(key)] == "brows"]
    np.testing.assert_array_equal(made[:, upper], spoken[:, upper])


@pytest.mark.parametrize("offset", [-ROOM, -2.25, 3, ROOM])
def test_an_offset_moves_everything_and_loses_nothing(spoken: np.ndarray, offset: float) -> None:
    made = styled(spoken, offset=offset)
    rows = np.arange(len(spoken))
    for before, after in zip(spoken.T, made.T, strict=True):
        np.testing.assert_allclose(after, np.interp(rows - offset, rows, before), atol=1e-6)


def test_every_shape_has_a_region_and_the_lips_slopes() -> None:
    assert {REGIONS[region_of(key)] for key in KEYS} == set(REGIONS)
    assert region_of("mouthSmile_L.mouth") == region_of("mouthSmile_L")
    slopes = lip_slopes()
    assert slopes["mouthClose"] < -0.02 < 0.02 < slopes["jawOpen"]
    assert abs(slopes["browDown_L"]) < 1e-5
