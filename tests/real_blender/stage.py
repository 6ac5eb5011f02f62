# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside Blender's window: sets the scene, tells the test what is going on, saves at the end.

The test is outside, with the mouse: it reads `state.json` and asks for the end by a file `finish`.
"""

import contextlib
import importlib
import json
import traceback
from pathlib import Path

import bpy
import numpy as np

HERE = Path("/tmp/emoface")
SOUND = HERE / "voice.flac"
desk = importlib.import_module("bl_ext.user_default.emoface.job").desk
stage = {"now": "starting"}


def view():
    """The window, area and region of the 3D view."""
    window = bpy.context.window_manager.windows[0]
    area = next(a for a in window.screen.areas if a.type == "VIEW_3D")
    return {"window": window, "area": area, "screen": window.screen}


def region(kind):
    return next(r for r in view()["area"].regions if r.type == kind)


def set_the_scene():
    """An empty scene, our head by its own operator, and a sound strip that starts at frame 11."""
    for obj in list(bpy.data.objects):
        bpy.data.objects.remove(obj)
    scene = bpy.context.window_manager.windows[0].scene
    scene.render.fps = 25
    editor = scene.sequence_editor_create()
    strips = editor.strips if hasattr(editor, "strips") else editor.sequences
    strips.new_sound("voice", str(SOUND), 1, 11)
    scene.frame_end = 160
    space = view()["area"].spaces.active
    space.show_region_ui = True
    space.shading.color_type, space.shading.studio_light = "MATERIAL", "paint.sl"
    for name in ("floor", "ortho_grid", "axis_x", "axis_y", "cursor", "outline_selected", "extras"):
        setattr(space.overlay, f"show_{name}", False)
    space.overlay.show_object_origins = False
    with bpy.context.temp_override(**view(), region=region("WINDOW")):
        bpy.ops.emoface.add_head()
        bpy.ops.view3d.view_axis(type="FRONT")
        bpy.ops.view3d.view_selected()
        space.region_3d.view_distance *= 0.85
    scene.emoface.face.emoface.emotion = "happy"


def show_tab():
    """Bring our tab to the front; True once it is there, which takes until it has been drawn."""
    sidebar = region("UI")
    if sidebar.active_panel_category == "EmoFace":
        return True
    with contextlib.suppress(AttributeError):  # read-only before the first drawing
        sidebar.active_panel_category = "EmoFace"
    sidebar.tag_redraw()
    return False


def write_state():
    ui = region("UI")
    job = desk.job
    state = {
        "stage": stage["now"],
        "panel": [ui.x, ui.y, ui.width, ui.height],
        "window": [bpy.context.window_manager.windows[0].width,
                   bpy.context.window_manager.windows[0].height],
        "job": job.text if job else "",
        "failure": desk.failure.message if desk.failure else "",
        "baked": len(baked_keys()),
        "scale": bpy.context.preferences.system.ui_scale,
    }  # fmt: skip
    draft = HERE / "state.draft"
    draft.write_text(json.dumps(state))
    draft.replace(HERE / "state.json")


def baked_keys():
    face = bpy.data.scenes[0].emoface.face
    keys = face.data.shape_keys if face else None
    return [b.name for b in keys.key_blocks if b.name.startswith("emoface.")] if keys else []


def measure():
    """The evaluated face at every frame, for the test to judge; then the most open frame shown."""
    scene = bpy.data.scenes[0]
    face = scene.emoface.face
    frames = []
    for frame in range(1, scene.frame_end + 1):
        scene.frame_set(frame)
        mesh = face.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
        co = np.empty(len(mesh.vertices) * 3, np.float32)
        mesh.vertices.foreach_get("co", co)
        frames.append(co.reshape(-1, 3))
    np.save(HERE / "frames.npy", np.stack(frames))
    moved = np.linalg.norm(np.stack(frames) - frames[0], axis=2).max(axis=1)
    scene.frame_set(1 + int(moved.argmax()))
    bpy.ops.wm.save_as_mainfile(filepath=str(HERE / "shot.blend"))


def tick():
    """Every quarter of a second."""
    try:
        if stage["now"] == "starting":
            set_the_scene()
            stage["now"] = "set"
        elif stage["now"] == "set":
            stage["now"] = "ready" if show_tab() else "set"
        elif (HERE / "measure").exists() and stage["now"] == "ready":
            measure()
            stage["now"] = "measured"
        elif (HERE / "finish").exists():
            bpy.ops.wm.quit_blender()
            return None
        write_state()
    except Exception:
        (HERE / "failed.txt").write_text(traceback.format_exc())
        bpy.ops.wm.quit_blender()
        return None
    return 0.25


bpy.app.timers.register(tick, first_interval=1.0)
