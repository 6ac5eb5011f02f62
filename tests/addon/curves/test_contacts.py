# SPDX-License-Identifier: GPL-3.0-or-later
"""However the regions of an emotion are styled, speech keeps its contacts and nothing crosses."""

from itertools import product

import numpy as np
import pytest

from blender_addon.curves.contacts import MOUTH, lip_slopes
from blender_addon.curves.cues import Feeling
from blender_addon.curves.motion import Motion
from blender_addon.curves.plan import ROOM
from blender_addon.curves.styling import RegionStyle, SpeechStyle, Style, styled
from emoface_core.emotions import EMOTIONS
from emoface_core.face.head import load_head
from emoface_core.face.measures import lid_gap, lip_gap, lip_teeth_gap
from emoface_core.face.smooth_regions import smooth_regions
from emoface_core.training.articulation import articulate
from emoface_core.training.expression import express_all
from emoface_core.training.phones import PhoneSpan

FPS = 50.0
HEAD = load_head()
KEYS = HEAD.shape_names
SHOWN = ("happy", "sad", "angry", "fearful", "disgust", "surprised")
STYLES = [
    RegionStyle(cheeks=cheeks, mouth=mouth, jaw=jaw)
    for cheeks, mouth, jaw in product((0.0, 2.0), repeat=3)
]


@pytest.fixture(scope="module")
def motion() -> Motion:
    return made_of(["sil", "a", "m", "a", "b", "o", "p", "a", "u", "sil"])


def made_of(phones: list[str]) -> Motion:
    """Phones in each emotion, with rest before and after, as the teacher makes them."""
    spans = [PhoneSpan(p, 0.15 * n, 0.15 * (n + 1)) for n, p in enumerate(phones)]
    seconds = spans[-1].end
    voice = 0.1 * np.sin(700 * np.arange(round(seconds * 16000)) / 16000).astype(np.float32)
    speech = articulate(spans, seconds, rate=FPS).astype(np.float32)
    layers = express_all(spans, voice, seconds, rate=FPS)
    room = (ROOM, ROOM)
    layers = np.pad(layers, (room, (0, 0), (0, 0)))
    return Motion(
        fps=FPS,
        speech_keys=KEYS,
        speech=np.pad(speech, (room, (0, 0))),
        emotion_keys=(*KEYS, *(key + MOUTH for key in KEYS)),
        emotion=np.concatenate([layers, layers], axis=2),
        voice=np.full((len(layers), 8), 0.125, np.float32),
        emotion_names=EMOTIONS,
    )


def face(motion: Motion, style: Style, intensity: float = 1.0) -> np.ndarray:
    """(F, V, 3) metres."""
    speech, emotion = styled(motion, style, 1.0)
    rest, mouth = smooth_regions(HEAD)[:, :, None]
    count = len(KEYS)
    parts = rest * np.tensordot(emotion[:, :count], HEAD.shapes, 1)
    parts += mouth * np.tensordot(emotion[:, count:], HEAD.shapes, 1)
    return HEAD.vertices + np.tensordot(speech, HEAD.shapes, 1) + intensity * parts


def gaps(motion: Motion, style: Style, intensity: float = 1.0) -> np.ndarray:
    """(F,) mm between the lips."""
    return 1000 * lip_gap(face(motion, style, intensity), HEAD)


def shut(motion: Motion) -> np.ndarray:
    """Frames in which speech shuts the lips by their own work."""
    calm = gaps(motion, Style(Feeling("neutral")))
    found = (calm < 0.3) & (motion.speech[:, KEYS.index("mouthClose")] > 0.05)
    assert found.sum() >= 6, "m, b, p"
    return found


@pytest.mark.parametrize("emotion", SHOWN)
def test_the_lips_shut_and_do_not_cross(motion: Motion, emotion: str) -> None:
    closed, made = shut(motion), gaps(motion, Style(Feeling(emotion)))
    for regions in STYLES:
        now = gaps(motion, Style(Feeling(emotion), regions=regions))
        assert (now[closed] < np.maximum(made[closed], 0.3) + 0.2).all(), regions
        assert (now > np.minimum(made, 0) - 0.3).all(), regions


@pytest.mark.parametrize(("upper", "lower"), [("disgust", "sad"), ("surprised", "angry")])
def test_two_emotions_share_a_face_without_harm(motion: Motion, upper: str, lower: str) -> None:
    closed, now = shut(motion), gaps(motion, Style(Feeling(upper), lower=Feeling(lower)))
    made = gaps(motion, Style(Feeling(upper)))
    assert (now[closed] < np.maximum(made[closed], 0.3) + 0.2).all()
    assert (now > np.minimum(made, 0) - 0.3).all()


def test_less_of_it_is_no_worse(motion: Motion) -> None:
    style = Style(Feeling("disgust"), regions=RegionStyle(cheeks=2, mouth=0))
    closed = shut(motion)
    for intensity in (0.25, 0.5, 0.75):
        now = gaps(motion, style, intensity)
        assert now[closed].max() < 0.6
        assert now.min() > -0.4


@pytest.mark.parametrize("emotion", SHOWN)
def test_the_lower_lip_stays_at_the_teeth(emotion: str) -> None:
    made = made_of(["sil", "a", "f", "a", "o", "v", "o", "sil"])
    found = lip_teeth_gap(face(made, Style(Feeling("neutral"))), HEAD) < 0.0009
    found &= made.speech[:, KEYS.index("mouthRollLower")] > 0.3
    assert found.sum() >= 4, "f, v"
    for regions in STYLES:
        shown = face(made, Style(Feeling(emotion), regions=regions))[found]
        assert 1000 * lip_teeth_gap(shown, HEAD).max() < 2.2, regions


def test_open_vowels_are_left_to_the_style(motion: Motion) -> None:
    speech, emotion = styled(motion, Style(Feeling("happy"), regions=RegionStyle(mouth=1.5)), 1.0)
    plain = motion.emotion[:, EMOTIONS.index("happy")].copy()
    wide = (speech @ [lip_slopes()[key] for key in KEYS]) > 0.008
    lips = KEYS.index("mouthSmile_L") + len(KEYS)
    assert wide.sum() > 5
    np.testing.assert_allclose(emotion[wide, lips], 1.5 * plain[wide, lips], rtol=1e-5)
    close = KEYS.index("mouthClose") + len(KEYS)
    np.testing.assert_allclose(emotion[wide, close], 1.5 * plain[wide, close], atol=1e-5)


def test_a_style_that_changes_little_changes_little(motion: Motion) -> None:
    """No step between a slider at its place and one beside it."""
    for emotion in SHOWN:
        before = gaps(motion, Style(Feeling(emotion)))
        after = gaps(motion, Style(Feeling(emotion), regions=RegionStyle(mouth=1.01)))
        assert np.abs(after - before).max() < 0.2


@pytest.mark.parametrize("emotion", ["happy", "disgust", "angry"])
def test_lids_do_not_cross(motion: Motion, emotion: str) -> None:
    for eyes, cheeks in product((0.0, 2.0), repeat=2):
        style = Style(Feeling(emotion), regions=RegionStyle(eyes=eyes, cheeks=cheeks))
        assert 1000 * lid_gap(face(motion, style), HEAD).min() > -0.1, (eyes, cheeks)


def test_the_mouth_of_an_emotion_comes_with_the_speech(motion: Motion) -> None:
    """Its closures are those of the speech; the brows stay where the cues are."""
    late = Style(Feeling("disgust"), speech=SpeechStyle(offset=4))
    made, moved = gaps(motion, Style(Feeling("disgust"))), gaps(motion, late)
    np.testing.assert_allclose(moved[4:], made[:-4], atol=0.3)
    brow = KEYS.index("browDown_L")
    (_, here), (_, there) = (
        styled(motion, style, 1.0) for style in (Style(Feeling("disgust")), late)
    )
    np.testing.assert_array_equal(here[:, brow], there[:, brow])
