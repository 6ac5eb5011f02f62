# SPDX-License-Identifier: GPL-3.0-or-later
"""`build.py demo`: a clip spoken by the head in real Blender, as .blend, .mp4 and contact sheet.

`build.py example`: a small .blend to try things in: our head, two shots with an emotion each.
Runs in a Python with the `bpy` module, from a checkout; it is not part of the extension's zip.
"""

import argparse
import math
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from bpy.types import Object, Scene
from mathutils import Vector
from PIL import Image, ImageDraw, ImageFont

if __package__ in {None, ""}:  # run as a script: make the packages beside this folder importable
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import blender_addon
from blender_addon import compat
from blender_addon.curves.naming import INTENSITY, INTENSITY_PATH
from blender_addon.scene import strips
from blender_addon.work.job import Job, Wish
from blender_addon.work.session import Engine, session
from emoface_core.emotions import AUTO, EMOTIONS, MAX_INTENSITY
from emoface_core.errors import EmoFaceError, InputError
from emoface_core.layers import BakeLayers

ROOT = Path(__file__).resolve().parent.parent
CLIP = ROOT / "emoface_core" / "assets" / "demo.flac"
EXAMPLE_FPS = 24
SHOTS = (("happy", 1.0), ("angry", 1.2))  # of the example: emotion and intensity
FPS = 30
SIZE = (560, 630)
COLUMNS, ROWS, TILE = 8, 5, (192, 216)
CAPTION = 24  # pixels below each tile


class Stopwatch:
    """How long each stage took."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, float]] = []

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what is inside, and say that it is done."""
        begun = time.perf_counter()
        yield
        self.stages.append((name, time.perf_counter() - begun))
        print(f"demo: {name}: {self.stages[-1][1]:.1f} s", flush=True)


class Listener:
    """A worker's client that remembers the layers which the job took from it."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.layers: BakeLayers | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def take(self, done: Any) -> BakeLayers:
        """As the client's, and kept."""
        self.layers = self._client.take(done)
        return self.layers


def add_face(mesh_file: str | None) -> Object:
    """The head of the extension, or a mesh from a file, stood upright."""
    if mesh_file is None:
        bpy.ops.emoface.add_head()
        return bpy.context.scene.emoface.face
    from emoface_core.face.meshes import read_mesh

    vertices, faces = read_mesh(Path(mesh_file))
    mesh = bpy.data.meshes.new(Path(mesh_file).stem)
    mesh.from_pydata(vertices.tolist(), [], faces.tolist())
    mesh.shade_smooth()
    face = bpy.data.objects.new(mesh.name, mesh)
    face.rotation_euler.x = math.pi / 2  # FLAME's meshes are y up
    bpy.context.scene.collection.objects.link(face)
    return face


def speak(face: Object, sound: Path, emotion: str, intensity: float) -> BakeLayers:
    """Put the sound on the sequencer and bake it onto the face, as the panel's button does."""
    scene = bpy.context.scene
    strip = compat.new_sound_strip(scene, sound.stem, str(sound), 1, 1)
    scene.frame_start = 1
    heard = strips.heard_of_strip(strips.choose(scene, strip.name), scene, scene)
    listener: Any = Listener(session.client(Engine()))
    preference = None if emotion == AUTO else 1.0
    record = Job(listener, face, Wish(heard, emotion, preference, intensity)).run()
    scene.frame_end = record.last_frame
    if listener.layers is None:
        raise EmoFaceError("The worker gave no layers.")
    print(f"demo: {len(record.keys)} shape keys over {record.frames} frames", flush=True)
    return listener.layers


def light_and_frame(scene: Scene, face: Object) -> None:
    """Workbench with studio light, and a camera on the face."""
    scene.camera = add_camera(scene, face, "Camera", turn=9.0, height=0.76)
    scene.world = bpy.data.worlds.new("World")
    scene.world.color = (0.055, 0.06, 0.07)
    colours: Any = scene.view_settings
    colours.view_transform = "Standard"  # as they are, not as a film shows them
    scene.render.engine = "BLENDER_WORKBENCH"  # type: ignore[assignment]  # types know one only
    # Half a second a frame on two cores with no graphics card; world-space cavity would double it.
    scene.display.render_aa = "5"
    shade(scene.display.shading)


def add_camera(scene: Scene, face: Object, name: str, turn: float, height: float) -> Object:
    """A camera on the face, `turn` degrees to its left; `height`: the part of it that is seen."""
    corners = [face.matrix_world @ Vector(corner) for corner in face.bound_box]
    low = Vector([min(c[i] for c in corners) for i in range(3)])
    high = Vector([max(c[i] for c in corners) for i in range(3)])
    size = high - low
    aim = Vector((low.x + 0.5 * size.x, low.y + 0.3 * size.y, low.z + 0.53 * size.z))
    camera_data = bpy.data.cameras.new(name)
    camera_data.lens, camera_data.sensor_fit, camera_data.sensor_height = 85.0, "VERTICAL", 24.0
    angle, far = math.radians(turn), height * size.z * 85.0 / 24.0
    camera = bpy.data.objects.new(name, camera_data)
    camera.location = aim + Vector((math.sin(angle), -math.cos(angle), 0.06)) * far
    camera.rotation_euler = (aim - camera.location).to_track_quat("-Z", "Y").to_euler()
    camera_data.clip_start, camera_data.clip_end = far * 0.01, far * 10
    scene.collection.objects.link(camera)
    return camera


def shade(shading: Any) -> None:
    """Studio light on the colours of the materials."""
    shading.light, shading.studio_light, shading.color_type = "STUDIO", "paint.sl", "MATERIAL"
    shading.show_cavity, shading.cavity_type = True, "SCREEN"
    shading.show_specular_highlight = True


def render_movie(scene: Scene, path: Path) -> None:
    """All frames with the sound, H.264 and AAC in MP4, by the FFmpeg inside Blender."""
    render = scene.render
    render.resolution_x, render.resolution_y = SIZE
    render.resolution_percentage = 100
    set_output(scene, "VIDEO", "FFMPEG")
    render.ffmpeg.format, render.ffmpeg.codec = "MPEG4", "H264"
    render.ffmpeg.constant_rate_factor = "HIGH"
    render.ffmpeg.audio_codec, render.ffmpeg.audio_bitrate = "AAC", 160
    render.filepath, render.use_file_extension = str(path), False
    with quiet():
        bpy.ops.render.render(animation=True)


def set_output(scene: Scene, media: str, file_format: str) -> None:
    """What rendering writes; from 5.0 on the kind of medium comes first."""
    output: Any = scene.render.image_settings
    if hasattr(output, "media_type"):
        output.media_type = media
    output.file_format = file_format


def telling_spans(layers: BakeLayers, most: int) -> list[tuple[str, float]]:
    """Up to `most` phones with the time of their middle, evenly chosen if there are more."""
    spans = [
        (layers.phone_names[index], float(start + end) / 2)
        for index, start, end in zip(
            layers.phone_index, layers.phone_start, layers.phone_end, strict=True
        )
    ]
    if len(spans) <= most:
        return spans
    return [spans[i] for i in np.linspace(0, len(spans) - 1, most).round().astype(int)]


def contact_sheet(scene: Scene, layers: BakeLayers, title: str, path: Path) -> None:
    """One picture of the face at the middle of each phone heard, with the phone under it."""
    spans = telling_spans(layers, COLUMNS * ROWS)
    rows = math.ceil(len(spans) / COLUMNS)
    sheet = Image.new(
        "RGB", (COLUMNS * TILE[0], rows * (TILE[1] + CAPTION) + CAPTION), (244, 244, 246)
    )
    font = ImageFont.truetype(str(interface_font()), 15)
    draw = ImageDraw.Draw(sheet)
    draw.text((6, 3), title, fill="black", font=font)
    set_output(scene, "IMAGE", "PNG")
    scene.render.resolution_x, scene.render.resolution_y = TILE
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "frame.png"
        scene.render.filepath = str(picture)
        for number, (phone, at) in enumerate(spans):
            row, column = divmod(number, COLUMNS)
            frame = scene.frame_start + round(at * FPS)
            scene.frame_set(min(frame, scene.frame_end))
            with quiet():
                bpy.ops.render.render(write_still=True)
            corner = (column * TILE[0], CAPTION + row * (TILE[1] + CAPTION))
            with Image.open(picture) as tile:
                sheet.paste(tile.convert("RGB"), corner)
            caption = f"{phone}   {at:.2f} s"
            draw.text((corner[0] + 8, corner[1] + TILE[1] + 2), caption, fill="black", font=font)
    sheet.save(path)


def interface_font() -> Path:
    """Blender's own font, which has the phonetic letters."""
    return Path(bpy.utils.system_resource("DATAFILES", path="fonts")) / "Inter.woff2"


@contextmanager
def quiet() -> Iterator[None]:
    """Blender prints a line for each frame it renders: not here."""
    sys.stdout.flush()
    kept = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


def options(arguments: Sequence[str]) -> argparse.Namespace:
    """The options of `build.py demo`; InputError on what cannot be."""
    parser = argparse.ArgumentParser(prog="build.py demo", allow_abbrev=False)
    parser.add_argument("--example", action="store_true")
    parser.add_argument("--audio", default=str(CLIP))
    parser.add_argument("--emotion", default="happy", choices=(AUTO, *EMOTIONS))
    parser.add_argument("--intensity", type=float, default=1.0)
    parser.add_argument("--head")
    parser.add_argument("--out")
    chosen = parser.parse_args(arguments)
    chosen.out = chosen.out or str(ROOT / "out" / ("example" if chosen.example else "demo"))
    if not 0 <= chosen.intensity <= MAX_INTENSITY:
        raise InputError("The intensity is out of range.", f"Give 0 to {MAX_INTENSITY:g}.")
    if not Path(chosen.audio).is_file():
        raise InputError(f"There is no sound “{chosen.audio}”.", "Check --audio.")
    return chosen


def make(chosen: argparse.Namespace) -> dict[str, Path]:
    """Everything the demo makes, by what it is."""
    out = Path(chosen.out)
    out.mkdir(parents=True, exist_ok=True)
    watch = Stopwatch()
    with watch.stage("scene"):
        bpy.ops.wm.read_factory_settings(use_empty=True)
        scene = bpy.context.scene
        scene.render.fps, scene.render.fps_base = FPS, 1.0
        face = add_face(chosen.head)
        light_and_frame(scene, face)
        # Beside the .blend, so that the two may be moved together.
        sound = Path(shutil.copy2(chosen.audio, out / Path(chosen.audio).name))
    with watch.stage("animation (the worker starts, listens, animates; shape keys written)"):
        layers = speak(face, sound, chosen.emotion, chosen.intensity)
    made = {
        "scene": out / "demo.blend",
        "movie": out / "demo.mp4",
        "contact sheet": out / "demo.png",
    }
    with watch.stage(f"movie ({scene.frame_end - scene.frame_start + 1} frames)"):
        render_movie(scene, made["movie"])
    with watch.stage("contact sheet"):
        title = f"{sound.name}: {chosen.emotion}, intensity {chosen.intensity:g}"
        contact_sheet(scene, layers, title, made["contact sheet"])
    with watch.stage("scene saved"):
        scene.frame_set(scene.frame_start)
        bpy.context.preferences.filepaths.save_version = 0  # no demo.blend1
        bpy.ops.wm.save_as_mainfile(filepath=str(made["scene"]), compress=True)
        bpy.ops.file.make_paths_relative()
        bpy.ops.wm.save_mainfile()
    print(f"demo: all of it: {sum(seconds for _, seconds in watch.stages):.1f} s", flush=True)
    return made


def make_example(chosen: argparse.Namespace) -> dict[str, Path]:
    """A scene to try things in: two shots of one take, an emotion cue each, ready to play."""
    out = Path(chosen.out)
    out.mkdir(parents=True, exist_ok=True)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.render.fps, scene.render.fps_base = EXAMPLE_FPS, 1.0
    face = add_face(None)
    light_and_frame(scene, face)
    speak(face, CLIP, AUTO, 1.0)
    cut_into_shots(scene, face)
    bpy.data.sounds[0].pack()  # nothing beside the .blend is needed
    set_up_window()
    scene.sync_mode = "AUDIO_SYNC"
    scene.frame_set(scene.frame_start)
    path = out / "example.blend"
    bpy.context.preferences.filepaths.save_version = 0
    bpy.ops.wm.save_as_mainfile(filepath=str(path), compress=True)
    return {"example": path}


def cut_into_shots(scene: Scene, face: Object) -> None:
    """A camera and an emotion cue for each half of the take, and an intensity that is keyed."""
    length = scene.frame_end - scene.frame_start + 1
    cameras = [scene.camera, add_camera(scene, face, "Camera 2", turn=-38.0, height=0.6)]
    for number, ((emotion, intensity), camera) in enumerate(zip(SHOTS, cameras, strict=True)):
        first = scene.frame_start + number * length // len(SHOTS)
        marker = scene.timeline_markers.new(f"Shot {number + 1}", frame=first)
        marker.camera = camera
        scene.frame_set(first)
        bpy.ops.emoface.add_cue()
        cue = face.emoface.cues[face.emoface.active_cue]
        # The second emotion rises before the cut, so that the shot begins with it.
        cue.ease = 8
        cue.frame = first - cue.ease * number
        cue.emotion, cue.intensity = emotion, intensity
    for frame, strength in ((scene.frame_end - 24, 1.0), (scene.frame_end, 0.3)):
        face[INTENSITY] = strength
        face.keyframe_insert(INTENSITY_PATH, frame=frame)


def set_up_window() -> None:
    """The file opens on the camera's view, with our sidebar."""
    for screen in bpy.data.screens:
        for area in screen.areas:
            for space in area.spaces:
                if space.type == "VIEW_3D" and space.shading.type == "SOLID":
                    shade(space.shading)
                    space.show_region_ui = True
                    space.region_3d.view_perspective = "CAMERA"


def main(arguments: Sequence[str]) -> int:
    """Exit code 0; 2 for bad input and 1 for a fault of ours, with one line on what was wrong."""
    try:
        chosen = options(arguments)
        blender_addon.register()
        try:
            made = make_example(chosen) if chosen.example else make(chosen)
        finally:
            session.close()
            blender_addon.unregister()
    except EmoFaceError as error:
        print(f"demo: {error}", file=sys.stderr, flush=True)
        return 2 if isinstance(error, InputError) else 1
    for what, path in made.items():
        print(f"demo: {what:13} {path}  ({path.stat().st_size / 2**20:.1f} MB)", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
