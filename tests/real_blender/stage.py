# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside Blender's window: tells the test outside what the interface shows, on request.

The test has the mouse and the keyboard. It writes `ask.json`, and the answer comes as
`answer.json`; nothing is done to the scene but by what is asked for here by name.
"""

import contextlib
import importlib
import json
import re
import traceback
from pathlib import Path
from types import SimpleNamespace

import bpy
import numpy as np
from bpy_extras.view3d_utils import location_3d_to_region_2d
from mathutils import Vector

HERE = Path("/tmp/emoface")
addon = "bl_ext.user_default.emoface"
desk = importlib.import_module(f"{addon}.work.job").desk


def window():
    return bpy.context.window_manager.windows[0]


def place(area, kind):
    """Window, area and region, to act in: a file browser has a window of its own."""
    for home in bpy.context.window_manager.windows:
        for found in home.screen.areas:
            if found.type == area:
                region = next(r for r in found.regions if r.type == kind)
                return {"window": home, "area": found, "region": region}
    raise LookupError(f"No window shows {area}")


def rectangle(area="VIEW_3D", kind="UI"):
    """Left, bottom, width and height on the screen."""
    there = place(area, kind)
    home, region = there["window"], there["region"]
    return [home.x + region.x, home.y + region.y, region.width, region.height]


def hover(area="VIEW_3D", kind="UI"):
    """The operator or the property of the button under the mouse, "" if there is none."""
    manager = bpy.context.window_manager
    with bpy.context.temp_override(**place(area, kind)):
        for copy, options in (
            (bpy.ops.ui.copy_python_command_button, {}),
            (bpy.ops.ui.copy_data_path_button, {"full_path": True}),
        ):
            if copy.poll():
                manager.clipboard = ""
                copy(**options)
                if manager.clipboard:
                    return manager.clipboard
    return ""


menus = []


def watch_menus():
    """Remember which button's own menu is opened: preferences have no path that could be copied."""
    bpy.types.UI_MT_button_context_menu.append(remember_button)


def remember_button(self, context):
    if prop := getattr(context, "button_prop", None):
        menus.append(f"{type(context.button_pointer).__name__}.{prop.identifier}")


def menu_opened():
    """The property whose menu has been opened since the last question, "" if none has."""
    said = menus[-1] if menus else ""
    menus.clear()
    return said


def tab(area="VIEW_3D"):
    return place(area, "UI")["region"].active_panel_category


open_now = set()
draws = []
begun = []


def counting(act):
    def acting(*arguments):
        begun.append(act.__name__)
        act(*arguments)

    return acting


desk.begin, desk.fail = counting(desk.begin), counting(desk.fail)


def watch_panels():
    """Remember which of our panels are drawn: those that are open."""
    for name in dir(bpy.types):
        if name.startswith("EMOFACE_PT_"):
            panel = getattr(bpy.types, name)
            draws.append((panel, panel.draw))
            draws.append((panel, getattr(panel, "draw_header", panel.draw)))
            panel.draw = remembering(name, panel.draw)
    dialog = bpy.types.EMOFACE_OT_make_environment
    dialog.draw = remembering(dialog.__name__, dialog.draw)


def remembering(name, draw):
    def drawing(self, context):
        open_now.add(name)
        draw(self, context)

    return drawing


def look_again():
    """Forget which panels were open, and have them drawn."""
    open_now.clear()
    place("VIEW_3D", "UI")["region"].tag_redraw()


def open_panels():
    return sorted(open_now)


PREFERENCES = {
    "EmoFacePreferences": lambda: importlib.import_module(f"{addon}.installed").preferences(),
    "PreferencesSystem": lambda: bpy.context.preferences.system,
    "Preferences": lambda: bpy.context.preferences,
}


def value(path):
    """A property, by the path that hovering it shows."""
    found = look_up(path)
    return found if isinstance(found, (bool, int, float, str)) else str(found)


def look_up(path):
    """`bpy.data.objects["A"].emoface` and the like, without evaluating code."""
    owner, _, name = path.partition(".")
    if owner in PREFERENCES:
        return getattr(PREFERENCES[owner](), name)
    if not path.startswith("bpy.data."):
        raise ValueError(path)
    collection, _, rest = path.removeprefix("bpy.data.").partition("[")
    name, _, rest = rest.partition("]")
    found = getattr(bpy.data, collection)[json.loads(name)]
    return found.path_resolve(rest.lstrip(".")) if rest else found


def set_the_scene():
    """For tests that begin in the middle: our head by its own operator, and a strip at frame 11."""
    for obj in list(bpy.data.objects):
        bpy.data.objects.remove(obj)
    scene = window().scene
    scene.render.fps = 25
    scene.sequence_editor_clear()
    editor = scene.sequence_editor_create()
    strips = editor.strips if hasattr(editor, "strips") else editor.sequences
    strips.new_sound("voice", str(HERE / "voice.flac"), 1, 11)
    scene.frame_end = 160
    with bpy.context.temp_override(**place("VIEW_3D", "WINDOW")):
        bpy.ops.emoface.add_head()
    scene.emoface.face.emoface.eyes.show = False  # they blink when they will: not to be compared
    show_the_face()
    show_tab()
    bpy.ops.ed.undo_push(message="The scene is set")


def set_two_faces():
    """For tests of several faces: Anna and Ben side by side, a strip of each one's name."""
    set_the_scene()
    scene = window().scene
    with bpy.context.temp_override(**place("VIEW_3D", "WINDOW")):
        bpy.ops.emoface.add_head()
    names = ("Anna", "Ben")
    faces = [o for o in scene.objects if o.type == "MESH" and len(o.data.vertices) == 5023]
    for number, (name, face) in enumerate(zip(names, faces, strict=True)):
        face.name, face.location.x = name, 0.26 * number
        face.emoface.eyes.show = False
    editor = scene.sequence_editor
    strips = editor.strips if hasattr(editor, "strips") else editor.sequences
    strips.remove(strips["voice"])
    for number, name in enumerate(names):
        strips.new_sound(f"{name} line", str(HERE / f"{name}.wav"), number + 1, 11)
    scene.emoface.face = None  # whichever is selected
    for obj in scene.objects:
        obj.select_set(obj.name in names)
    show_the_face()
    bpy.ops.ed.undo_push(message="The faces are there")


def rows():
    """The list of several faces: strip, face, state, what is said of it."""
    queue = importlib.import_module(f"{addon}.work.batch").queue
    batch = bpy.context.window_manager.emoface_batch
    listed = []
    for row in batch.rows:
        entry = queue.entry_of(batch.scene, row.strip)
        said = [entry.state, entry.text] if entry else ["", ""]
        listed.append([row.strip, row.face, *said])
    return listed


def keys_of(name):
    """How many shape keys of ours a face has, and where they play."""
    keys = bpy.data.objects[name].data.shape_keys
    plays = importlib.import_module(f"{addon}.layers.hosts").plays_in(keys)
    return [len(keys.key_blocks) if keys else 0, plays or ""]


def visible():
    """The names of all objects that the view shows."""
    return [o.name for o in window().scene.objects if o.visible_get()]


def on_screen(name):
    """Where an object's middle is in the 3D view, in pixels from its lower left corner."""
    space = place("VIEW_3D", "WINDOW")["area"].spaces.active
    box = [
        bpy.data.objects[name].matrix_world @ Vector(c) for c in bpy.data.objects[name].bound_box
    ]
    middle = sum(box, Vector()) / len(box)
    region = place("VIEW_3D", "WINDOW")["region"]
    return list(location_3d_to_region_2d(region, space.region_3d, middle))


def selected():
    """The selected objects, the active one first."""
    active = bpy.context.view_layer.objects.active
    chosen = sorted(o.name for o in window().scene.objects if o.select_get() and o != active)
    return [active.name if active else "", *chosen]


def shows(area):
    """Whether an editor is on the screen."""
    screens = [home.screen for home in bpy.context.window_manager.windows]
    return any(found.type == area for screen in screens for found in screen.areas)


def proposed():
    """The name that stands in the file browser's field."""
    return place("FILE_BROWSER", "WINDOW")["area"].spaces.active.params.filename


def said():
    """What Blender has reported last, as its Info editor has it."""
    area = place("OUTLINER", "WINDOW")["area"]
    area.type = "INFO"
    with bpy.context.temp_override(**place("INFO", "WINDOW")):
        bpy.ops.info.select_all(action="SELECT")
        bpy.ops.info.report_copy()
    area.type = "OUTLINER"
    reports = bpy.context.window_manager.clipboard.splitlines()
    return next((line for line in reversed(reports) if not line.startswith("bpy.")), "")


def presets():
    kept = importlib.import_module(f"{addon}.control.presets")
    return [path.stem for path in kept.saved()]


def select_strips(names):
    """As a click on them in the sequencer does."""
    editor = window().scene.sequence_editor
    for strip in editor.strips if hasattr(editor, "strips") else editor.sequences:
        strip.select = strip.name in names


def edit_a_curve(name, key):
    """As dragging a key frame in the Graph Editor does."""
    writer = importlib.import_module(f"{addon}.layers.writer")
    curve = writer.our_curves(bpy.data.objects[name].data.shape_keys)[key]
    curve.keyframe_points[len(curve.keyframe_points) // 2].co[1] = 1.75
    curve.update()
    bpy.ops.ed.undo_push(message="Drag a key frame")


def move_strip(frames):
    """As dragging the only strip does."""
    editor = window().scene.sequence_editor
    (strip,) = editor.strips if hasattr(editor, "strips") else editor.sequences
    strip.frame_start += frames
    look_again()
    bpy.ops.ed.undo_push(message="Move")


def rename_strip(name):
    """As typing its name does."""
    editor = window().scene.sequence_editor
    (strip,) = editor.strips if hasattr(editor, "strips") else editor.sequences
    strip.name = name
    look_again()
    bpy.ops.ed.undo_push(message="Rename")


def add_my_action(name):
    """An Action of the artist's own on a face's shape keys, active as after keying one of them."""
    keys = bpy.data.objects[name].data.shape_keys
    keys.animation_data.action = bpy.data.actions.new("My Action")
    bpy.ops.ed.undo_push(message="My own Action")


def push_my_action_down(name):
    """As Push Down in the NLA editor does."""
    data = bpy.data.objects[name].data.shape_keys.animation_data
    action, data.action = data.action, None
    data.nla_tracks.new().strips.new(action.name, 1, action)
    bpy.ops.ed.undo_push(message="Push Down")


def link_a_character():
    """The head as from another file, all of it overridden; what was here of it is gone."""
    scene = window().scene
    path = str(HERE / "character.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path, copy=True)
    for obj in list(bpy.data.objects):
        bpy.data.objects.remove(obj)
    with bpy.data.libraries.load(path, link=True) as (there, wanted):
        wanted.collections = there.collections[:1]
    (linked,) = wanted.collections
    scene.collection.children.link(linked)
    linked.override_hierarchy_create(scene, bpy.context.view_layer, do_fully_editable=True)
    scene.collection.children.unlink(linked)
    scene.emoface.face = next(o for o in scene.objects if o.type == "MESH" and not o.parent)
    bpy.ops.ed.undo_push(message="A character is linked")


def show_the_face():
    """Shaded, from the front, without what is drawn over it."""
    space = place("VIEW_3D", "WINDOW")["area"].spaces.active
    space.show_region_ui = True
    space.shading.color_type, space.shading.studio_light = "MATERIAL", "paint.sl"
    for name in ("floor", "ortho_grid", "axis_x", "axis_y", "cursor", "outline_selected", "extras"):
        setattr(space.overlay, f"show_{name}", False)
    space.overlay.show_object_origins = False
    with bpy.context.temp_override(**place("VIEW_3D", "WINDOW")):
        bpy.ops.view3d.view_axis(type="FRONT")
        bpy.ops.view3d.view_selected()
        space.region_3d.view_distance *= 0.85


def show_tab():
    """Bring our tab to the front; True once it is there, which takes until it has been drawn."""
    sidebar = place("VIEW_3D", "UI")["region"]
    with contextlib.suppress(AttributeError):  # read-only before the first drawing
        sidebar.active_panel_category = "EmoFace"
    sidebar.tag_redraw()
    return sidebar.active_panel_category == "EmoFace"


def set_scale(scale):
    bpy.context.preferences.view.ui_scale = scale
    for home in bpy.context.window_manager.windows:
        for area in home.screen.areas:
            area.tag_redraw()


def clipboard():
    return bpy.context.window_manager.clipboard


def found():
    """What the preferences show of the last test."""
    kept = importlib.import_module(f"{addon}.ui.engine_test").found
    return {"state": kept.state, "lines": kept.lines}


def show(frame):
    window().scene.frame_set(frame)


def points(name=""):
    """The face at the current frame, as Blender shows it, in millimetres."""
    face = bpy.data.objects[name] if name else window().scene.emoface.face
    mesh = face.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
    co = np.empty(len(mesh.vertices) * 3, np.float32)
    mesh.vertices.foreach_get("co", co)
    return (co * 1000).round(3).tolist()


def measure():
    """The evaluated face at every frame, for the test to judge; then the most open frame shown."""
    scene = window().scene
    frames = []
    for frame in range(1, scene.frame_end + 1):
        scene.frame_set(frame)
        frames.append(np.array(points(), np.float32).reshape(-1, 3) / 1000)
    np.save(HERE / "frames.npy", np.stack(frames))
    moved = np.linalg.norm(np.stack(frames) - frames[0], axis=2).max(axis=1)
    scene.frame_set(1 + int(moved.argmax()))


def perform(frames):
    """The evaluated face at some frames, (T, 5023, 3) in metres; the frame shown stays the same."""
    scene = window().scene
    shown = scene.frame_current
    seen = []
    for frame in frames:
        scene.frame_set(frame)
        mesh = scene.emoface.face.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
        co = np.empty(len(mesh.vertices) * 3, np.float32)
        mesh.vertices.foreach_get("co", co)
        seen.append(co.reshape(-1, 3))
    scene.frame_set(shown)
    np.save(HERE / "performance.npy", np.stack(seen))


class Drawn:
    """In a layout's place: remembers what a panel draws."""

    def __init__(self):
        self.names = set()

    def __getattr__(self, name):
        return lambda *_, **__: self

    def prop(self, data, name, **_):
        path = "" if name[0] == "[" else data.path_from_id()
        owner = re.sub(r"\[\d+\]", "", path).removeprefix("emoface").removeprefix(".")
        self.names.add(f"{owner}.{name}" if owner else name.strip('[]"'))

    def operator(self, name, **_):
        self.names.add(name)
        return SimpleNamespace()

    def menu(self, name, **_):
        self.names.add(name)

    def template_list(self, name, _, data, items, *__, **___):
        rows = getattr(bpy.types, name)
        listed = getattr(data, items)
        if listed:
            rows.draw_item(rows, bpy.context, self, data, listed[0], 0, None, "")


def drawn():
    """The names of all properties, operators and menus that our panels draw now."""
    seen = Drawn()
    with bpy.context.temp_override(**place("VIEW_3D", "UI")):
        for panel, draw in draws:
            if not hasattr(panel, "poll") or panel.poll(bpy.context):
                draw(SimpleNamespace(layout=seen), bpy.context)
    return sorted(seen.names)


class Page(Drawn):
    """In the place of a layout of the preferences: remembers fields, buttons and texts."""

    def __init__(self):
        super().__init__()
        self.said = []

    def prop(self, data, name, **_):
        self.names.add(name)

    def operator(self, name, text="", **_):
        self.names.add(name)
        self.said.append(text)
        return SimpleNamespace()

    def label(self, text, **_):
        self.said.append(text)

    def progress(self, text, **_):
        self.said.append(text)


class OnPage:
    """A class that draws, with another layout."""

    def __init__(self, drawing):
        self.layout, self._drawing = Page(), drawing

    def __getattr__(self, name):
        return getattr(self._drawing, name)


def page():
    """The fields and buttons of our preferences as they are drawn now, and the texts in order."""
    chosen = importlib.import_module(f"{addon}.installed").preferences()
    drawing = OnPage(chosen)
    with bpy.context.temp_override(**place("PREFERENCES", "WINDOW")):
        type(chosen).draw(drawing, bpy.context)
    return {"names": sorted(drawing.layout.names), "said": drawing.layout.said}


def told():
    """What our main panel says now, in one line."""
    seen = Page()
    with bpy.context.temp_override(**place("VIEW_3D", "UI")):
        for panel, draw in draws:
            if panel.__name__ == "EMOFACE_PT_main":
                draw(SimpleNamespace(layout=seen), bpy.context)
    return " ".join(seen.said)


def dialog():
    """What the dialog says that asks before an environment is made."""
    operator = bpy.types.EMOFACE_OT_make_environment
    drawing = OnPage(operator)
    operator.draw(drawing, bpy.context)
    return drawing.layout.said


def refusal(operator):
    """Why a button of ours is grey, which its tooltip says."""
    return getattr(bpy.types, operator).disabled_reason(bpy.context)


def making():
    """How the making of the environment stands, and what its folder holds."""
    made = importlib.import_module(f"{addon}.ui.workshop").workshop.making
    environment = importlib.import_module(f"{addon}.work.environment")
    chosen = importlib.import_module(f"{addon}.installed").preferences()
    return {
        "state": made.state if made else "",
        "text": made.text if made else "",
        "folder": environment.state_of(chosen.environment_folder()),
    }


def markers():
    return [[marker.name, marker.frame] for marker in window().scene.timeline_markers]


def frame_at(frame):
    """Where a frame is in the timeline, in pixels from the left of its region."""
    return place("DOPESHEET_EDITOR", "WINDOW")["region"].view2d.view_to_region(frame, 0)[0]


def add_text(name, words):
    bpy.data.texts.new(name).write(words)


def frame_keys():
    """How many key frames a bake has."""
    return (
        importlib.import_module(f"{addon}.layers.ownership")
        .record_of(window().scene.emoface.face)
        .frame_keys
    )


def save(path):
    bpy.ops.wm.save_as_mainfile(filepath=path)


def keys_of_intensity():
    """The frames at which the face's intensity is keyed."""
    data = window().scene.emoface.face.animation_data
    if data is None or data.action is None:
        return []
    action = data.action
    if hasattr(action, "layers"):
        bags = [bag for layer in action.layers for s in layer.strips for bag in s.channelbags]
        curves = [curve for bag in bags for curve in bag.fcurves]
    else:
        curves = list(action.fcurves)
    return [int(k.co.x) for c in curves if "emoface_intensity" in c.data_path
            for k in c.keyframe_points]  # fmt: skip


def use_workbench():
    """For a machine without a graphics card: the quickest engine, and a small picture."""
    scene = window().scene
    scene.render.engine = "BLENDER_WORKBENCH"
    scene.render.resolution_x, scene.render.resolution_y = 640, 480
    scene.display.shading.color_type = "MATERIAL"
    bpy.app.handlers.render_complete.append(lambda *_: rendering.add("done"))


def camera_to_view():
    with bpy.context.temp_override(**place("VIEW_3D", "WINDOW")):
        bpy.ops.view3d.camera_to_view()


rendering = set()


def rendered():
    return "done" in rendering


def save_render(path):
    """How far its pixels are from being one colour, 0 to 255."""
    bpy.data.images["Render Result"].save_render(path)
    image = bpy.data.images.load(path)
    pixels = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(pixels)
    bpy.data.images.remove(image)
    return float(pixels.reshape(-1, 4)[:, :3].std() * 255)


def cues():
    return len(window().scene.emoface.face.emoface.cues)


def state():
    scene = window().scene
    face = scene.emoface.face
    keys = face.data.shape_keys if face else None
    names = [b.name for b in keys.key_blocks if b.name.startswith("emoface.")] if keys else []
    return {
        "scale": bpy.context.preferences.system.ui_scale,
        "window": [window().width, window().height],
        "frame": scene.frame_current,
        "job": desk.job.text if desk.job else "",
        "begun": len(begun),
        "failure": desk.failure.message if desk.failure else "",
        "baked": len(names),
        "objects": sorted(o.name for o in scene.objects),
    }


def leave():
    """Quit as File › Quit does."""
    with bpy.context.temp_override(window=window()):
        bpy.ops.wm.quit_blender()


def answer():
    ask = json.loads((HERE / "ask.json").read_text())
    (HERE / "ask.json").unlink()
    said = globals()[ask["what"]](**ask["how"])
    draft = HERE / "answer.draft"
    draft.write_text(json.dumps({"n": ask["n"], "said": said}))
    draft.replace(HERE / "answer.json")


def tick():
    try:
        if (HERE / "ask.json").exists():
            answer()
    except Exception:
        (HERE / "failed.txt").write_text(traceback.format_exc())
        bpy.ops.wm.quit_blender()
        return None
    return 0.02


bpy.app.timers.register(tick, first_interval=1.0, persistent=True)
