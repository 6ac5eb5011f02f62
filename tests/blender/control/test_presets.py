# SPDX-License-Identifier: GPL-3.0-or-later
"""Presets: what is kept comes back; what is wrong is one sentence and changes nothing."""

import json
from collections.abc import Iterator
from pathlib import Path

import addon_utils
import bpy
import pytest

from blender_addon.control import presets
from blender_addon.control.presets import Preset
from blender_addon.curves.naming import INTENSITY
from emoface_core.errors import InputError

from ..conftest import add_face, worker_spared
from ..snapshot import differences, snapshot


@pytest.fixture(autouse=True)
def addon(empty_blender: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    kept = tmp_path / "kept ü"
    kept.mkdir()
    monkeypatch.setattr(presets, "folder", lambda: kept)
    assert addon_utils.enable("blender_addon") is not None
    yield
    with worker_spared():
        addon_utils.disable("blender_addon")


def style(face: bpy.types.Object) -> dict:
    return dict(presets.capture(face, "x").values)


def change_all(face: bpy.types.Object) -> None:
    """Every property that a preset keeps gets another value than its own."""
    for _, owner, prop in presets._properties(face.emoface):
        name = prop.identifier
        if prop.type == "FLOAT":
            setattr(owner, name, prop.hard_min + 0.37 * (prop.hard_max - prop.hard_min))
        elif prop.type == "INT":
            setattr(owner, name, prop.default + 1)
        elif prop.type == "BOOLEAN":
            setattr(owner, name, not prop.default)
        elif prop.type == "ENUM":
            setattr(owner, name, prop.enum_items[-1].identifier)


def test_everything_comes_back_on_another_face(tmp_path: Path) -> None:
    ada, ben = add_face("Ada"), add_face("Ben")
    fresh = style(ada)
    change_all(ada)
    changed = style(ada)
    assert fresh.keys() == changed.keys() >= {"emotion", "preference", "intensity"}
    assert [name for name in fresh if fresh[name] == changed[name]] == []
    path = tmp_path / "angry.json"
    presets.write(presets.capture(ada, "Sehr wütend"), path)
    read = presets.read(path)
    assert read.name == "Sehr wütend"
    assert presets.apply(read, ben) == []
    assert style(ben) == changed


def test_what_belongs_to_the_shot_is_not_kept() -> None:
    face = add_face("Ada")
    face.emoface.source, face.emoface.file, face.emoface.first_frame = "FILE", "a.wav", 7
    assert not style(face).keys() & {"source", "strip", "file", "first_frame", "name"}


def test_the_intensity_after_a_bake_is_the_faces_own() -> None:
    ada, ben = add_face("Ada"), add_face("Ben")
    ada[INTENSITY], ben[INTENSITY] = 0.4, 1.0
    assert style(ada)["intensity"] == pytest.approx(0.4)
    presets.apply(Preset("p", {"intensity": 1}), ada)
    assert ada[INTENSITY] == 1.0
    assert isinstance(ada[INTENSITY], float), "an int would turn the slider into whole numbers"
    ben.keyframe_insert(f'["{INTENSITY}"]', frame=1)
    presets.apply(Preset("p", {"intensity": 0.2}), ben)
    assert ben[INTENSITY] == 1.0, "what is keyed stays"


def test_an_older_face_learns_nothing_new_and_says_so() -> None:
    face = add_face("Ada")
    given = Preset("p", {"emotion": "sad", "wrinkles": 3, "regions.ears": 1.0})
    assert presets.apply(given, face) == ["wrinkles", "regions.ears"]
    assert face.emoface.emotion == "sad"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"emotion": "sad", "intensity": 7}, "gives “intensity” the value 7"),
        ({"emotion": "sad", "intensity": "x"}, 'gives “intensity” the value "x"'),
        ({"emotion": "sad", "intensity": float("nan")}, "gives “intensity” the value NaN"),
        ({"emotion": "sad", "intensity": True}, "gives “intensity” the value true"),
        ({"emotion": "sad", "intensity": [1]}, "gives “intensity” the value"),
        ({"preference": 0.1, "emotion": "furious"}, 'gives “emotion” the value "furious"'),
        ({"preference": 0.1, "emotion": 3}, "gives “emotion” the value 3"),
    ],
)
def test_a_value_that_cannot_be_changes_nothing(values: dict, said: str) -> None:
    face = add_face("Ada")
    before = style(face)
    with pytest.raises(InputError, match=said):
        presets.apply(Preset("p", values), face)
    assert style(face) == before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "is not a preset"),
        (b"{", "is not a preset"),
        (b"\xff\xfe\x00", "is not a preset"),
        (b"[" * 100000, "is not a preset"),
        (b"[]", "is not a preset of EmoFace"),
        (b"{}", "is not a preset of EmoFace"),
        (b'{"emoface_preset": 99, "values": {"a": 1}}', "made by another version"),
        (b'{"emoface_preset": 1}', "holds no values"),
        (b'{"emoface_preset": 1, "values": []}', "holds no values"),
        (b" " * 2_000_000, "too large"),
    ],
)
def test_a_bad_file_is_a_sentence(tmp_path: Path, text: bytes, said: str) -> None:
    path = tmp_path / "bad.json"
    path.write_bytes(text)
    with pytest.raises(InputError, match=said) as caught:
        presets.read(path)
    assert "\n" not in str(caught.value)
    assert caught.value.hint
    add_face("Ada")
    bpy.context.view_layer.objects.active = bpy.data.objects["Ada"]
    with pytest.raises(RuntimeError, match=said):
        bpy.ops.emoface.import_preset(filepath=str(path))


def test_missing_files_and_folders_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        presets.read(tmp_path / "gone.json")
    with pytest.raises(InputError):
        presets.write(Preset("p", {}), tmp_path / "gone" / "p.json")


@pytest.mark.parametrize("name", ["", "  ", "...", "CON", "nul.txt", "x" * 300, ".hidden"])
def test_names_that_no_file_can_have(name: str) -> None:
    with pytest.raises(InputError):
        presets.path_of(name)


def test_names_become_files_in_the_folder() -> None:
    assert presets.path_of("a/b: c?").name == "a_b_ c_.json"
    assert presets.path_of("ärger 安").name == "ärger 安.json"


def test_the_buttons() -> None:
    ada, ben = add_face("Ada"), add_face("Ben")
    scene = bpy.context.scene
    scene.emoface.face = ada
    ada.emoface.emotion = "sad"
    assert bpy.ops.emoface.save_preset(name="Trüb: 1") == {"FINISHED"}
    (kept,) = presets.saved()
    assert json.loads(kept.read_text("utf-8"))["name"] == "Trüb: 1"
    scene.emoface.face = ben
    assert bpy.ops.emoface.load_preset(filepath=str(kept)) == {"FINISHED"}
    assert ben.emoface.emotion == "sad"
    shared = kept.with_name("shared.txt")
    ben.emoface.emotion = "happy"
    bpy.ops.emoface.export_preset(filepath=str(shared), check_existing=False)
    ben.emoface.emotion = "calm"
    assert bpy.ops.emoface.import_preset(filepath=str(shared)) == {"FINISHED"}
    assert ben.emoface.emotion == "happy"
    assert [path.stem for path in presets.saved()] == ["shared", "Trüb_ 1"]
    assert bpy.ops.emoface.remove_preset(filepath=str(kept)) == {"FINISHED"}
    with pytest.raises(RuntimeError, match="no such preset"):
        bpy.ops.emoface.remove_preset(filepath=str(shared))
    assert shared.exists()
    with pytest.raises(RuntimeError, match="No other face is selected"):
        bpy.ops.emoface.copy_style()
    ada.select_set(True)
    ben.select_set(True)
    assert bpy.ops.emoface.copy_style() == {"FINISHED"}
    assert ada.emoface.emotion == "happy"


def test_a_shared_preset_that_cannot_be_kept_changes_nothing(tmp_path: Path) -> None:
    face = bpy.context.scene.emoface.face = add_face("Ada")
    shared = tmp_path / "shared.json"
    presets.write(Preset("...", {"emotion": "sad"}), shared)
    with pytest.raises(RuntimeError, match="cannot be called"):
        bpy.ops.emoface.import_preset(filepath=str(shared))
    presets.write(Preset("Mara", {"emotion": "furious"}), shared)
    with pytest.raises(RuntimeError, match="which it cannot have"):
        bpy.ops.emoface.import_preset(filepath=str(shared))
    assert face.emoface.emotion == "auto"
    assert presets.saved() == []


def test_saving_and_looking_changes_nothing_in_the_file() -> None:
    add_face("Ada")
    bpy.context.scene.emoface.face = bpy.data.objects["Ada"]
    before = snapshot()
    bpy.ops.emoface.save_preset(name="p")
    assert not differences(before, snapshot())
