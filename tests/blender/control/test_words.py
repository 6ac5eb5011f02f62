# SPDX-License-Identifier: GPL-3.0-or-later
"""Words that were heard: listed by a bake, stressed and muted live, kept when it is baked again."""

from dataclasses import replace

import bpy
import numpy as np
import pytest

from blender_addon.control import live, words
from blender_addon.curves import plan
from blender_addon.curves.join import Part, join
from blender_addon.layers import ownership, writer
from blender_addon.layers.writer import Source
from blender_addon.scene import spoken
from blender_addon.scene.strips import heard_of_file
from emoface_core.layers import BakeLayers

from ..conftest import add_face, clip, evaluated, layers
from ..snapshot import differences, snapshot

pytestmark = pytest.mark.usefixtures("addon")

HEARD = (("Give", 0.2, 0.6), ("me", 0.6, 0.8), ("", 1.0, 1.4), ("time!", 1.6, 2.2))


def told(*heard: tuple[str, float, float]) -> BakeLayers:
    """Layers with words, of which those without letters were heard as a cough."""
    return replace(
        layers(),
        word_text=tuple(text for text, _, _ in heard),
        word_phones=tuple(text.lower() or "kx" for text, _, _ in heard),
        word_start=np.array([start for _, start, _ in heard], np.float32),
        word_end=np.array([end for _, _, end in heard], np.float32),
        word_fit=np.full(len(heard), 0.6, np.float32),
    )


def bake(obj: bpy.types.Object, first: int = 1, *heard: tuple[str, float, float]) -> None:
    """As a job does when the engine is done."""
    place, made = clip(first=first), told(*(heard or HEARD))
    writer.write_bake(obj, plan.plan_bake(made, place), Source("line.wav", "neutral", None, 1.0))
    words.keep(obj, made, place)
    live.after_bake(obj)
    live.apply(obj)


@pytest.fixture
def face() -> bpy.types.Object:
    obj = add_face("Anna")
    bpy.context.scene.emoface.face = obj
    obj.emoface.emotion, obj.emoface.mute_emotion = "neutral", True
    bake(obj)
    return obj


def shown(obj: bpy.types.Object, frame: float) -> np.ndarray:
    return evaluated(obj, frame) - evaluated(obj, -500)


def test_a_bake_lists_what_was_heard(face: bpy.types.Object) -> None:
    listed = [(w.text, w.phones, w.first, w.last) for w in face.emoface.words]
    assert listed == [
        ("Give", "give", 6, 15), ("me", "me", 16, 20), ("", "kx", 26, 35),
        ("time!", "time!", 41, 55),
    ]  # fmt: skip


def test_a_word_is_stressed_and_a_cough_muted_at_once(face: bpy.types.Object) -> None:
    plain = {frame: shown(face, frame) for frame in (10, 23, 30, 50)}
    give, _, cough, _ = face.emoface.words
    give.strength = 1.5
    np.testing.assert_allclose(shown(face, 10), 1.5 * plain[10], atol=2e-6)
    cough.mute = True
    np.testing.assert_allclose(shown(face, 30), 0 * plain[30], atol=2e-6)
    for frame in (23, 50):
        np.testing.assert_allclose(shown(face, frame), plain[frame], atol=2e-6)
    assert bpy.ops.emoface.reset_words() == {"FINISHED"}
    for frame, before in plain.items():
        np.testing.assert_allclose(shown(face, frame), before, atol=2e-6)
    with pytest.raises(RuntimeError, match="as they were spoken"):
        bpy.ops.emoface.reset_words()


def test_a_word_and_an_accent_in_the_same_frames_multiply(face: bpy.types.Object) -> None:
    plain = shown(face, 10)
    bpy.context.scene.frame_set(6)
    assert bpy.ops.emoface.add_accent() == {"FINISHED"}
    face.emoface.accents[0].strength = 0.5
    face.emoface.words[0].strength = 1.2
    np.testing.assert_allclose(shown(face, 10), 0.6 * plain, atol=2e-6)


def test_what_was_chosen_survives_another_bake(face: bpy.types.Object) -> None:
    face.emoface.words[0].strength, face.emoface.words[2].mute = 1.5, True
    more = ("Oh", 0.0, 0.1)
    bake(face, 101, more, *HEARD)
    chosen = [(w.text, round(w.strength, 3), w.mute) for w in face.emoface.words]
    assert chosen == [("Oh", 1, False), ("Give", 1.5, False), ("me", 1, False), ("", 1, True),
                      ("time!", 1, False)]  # fmt: skip
    assert face.emoface.words[1].first == 106
    np.testing.assert_allclose(shown(face, 130), 0, atol=2e-6)


def test_removing_leaves_nothing_but_what_was_chosen() -> None:
    obj = add_face("Anna")
    bpy.context.scene.emoface.face = obj
    before = snapshot()
    bake(obj)
    assert bpy.ops.emoface.remove_bake() == {"FINISHED"}
    bpy.context.scene.frame_set(1)
    assert not differences(before, snapshot())
    bake(obj)
    obj.emoface.words[2].mute = True
    assert bpy.ops.emoface.remove_bake() == {"FINISHED"}
    assert [w.phones for w in obj.emoface.words] == ["kx"]
    bake(obj)
    assert [w.mute for w in obj.emoface.words] == [False, False, True, False]


def test_undo_takes_a_choice_back(face: bpy.types.Object) -> None:
    bpy.ops.ed.undo_push(message="before")
    face.emoface.words[0].strength = 0.0
    bpy.ops.ed.undo_push(message="after")
    bpy.ops.ed.undo()
    face = bpy.data.objects["Anna"]
    assert face.emoface.words[0].strength == 1.0
    assert np.abs(shown(face, 10)).max() > 1e-4


def test_words_go_with_a_bake_that_was_moved(face: bpy.types.Object) -> None:
    face.emoface.active_word = 3
    assert bpy.context.scene.frame_current == 41
    plain = shown(face, 10)
    for track in face.data.shape_keys.animation_data.nla_tracks:
        for strip in track.strips:
            strip.frame_start += 20
            strip.frame_end += 20
    face.emoface.active_word = 1
    assert bpy.context.scene.frame_current == 36
    face.emoface.words[0].strength = 1.5
    np.testing.assert_allclose(shown(face, 30), 1.5 * plain, atol=2e-6)


def test_words_of_several_strips_stand_at_their_places() -> None:
    parts = [Part("a", clip(first=1), told(*HEARD)), Part("b", clip(first=101), told(*HEARD))]
    whole, joined = join(parts)
    obj = add_face()
    words.keep(obj, joined, whole)
    assert [w.first for w in obj.emoface.words] == [6, 16, 26, 41, 106, 116, 126, 141]


def test_where_a_text_comes_from(tmp_path) -> None:
    obj = add_face()
    (tmp_path / "line 01.wav").write_bytes(b"RIFF")
    sound = heard_of_file(str(tmp_path / "line 01.wav"), bpy.context.scene, 1)

    def text(*more: str) -> str:
        others = [replace(sound, label=label) for label in more]
        return spoken.with_texts(obj, (sound, *others))[0].text

    assert text() == ""
    bpy.data.texts.new("line 01.txt").write("by its name")
    assert text() == "by its name"
    obj.emoface.text = "typed"
    assert text() == "typed"
    assert text("other") == "by its name", "what is typed is of one sound"
    obj.emoface.text_block = bpy.data.texts.new("script")
    obj.emoface.text_block.write("of the block")
    assert text() == "of the block"
    assert ownership.record_of(obj) is None
