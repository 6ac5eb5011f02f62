# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast it is: `.venv/bin/python tests/benchmarks/run.py` prints a Markdown table.

Each measurement runs in a process of its own, so that its peak memory is its own. Times are the
best of several where they are short; the machine should be idle. `build.py test` makes the `.venv`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
CLIP = ROOT / "emoface_core" / "assets" / "demo.flac"
LENGTHS = (10, 60, 600)  # seconds
FPS = 30.0

Figures = dict[str, float]


def best(call: Callable[[], Any], times: int) -> float:
    """The shortest of several runs, in seconds."""
    took = []
    for _ in range(times):
        begun = time.perf_counter()
        call()
        took.append(time.perf_counter() - begun)
    return min(took)


def peak_megabytes() -> float:
    """The most memory that this process ever held."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def write_speech(path: Path, seconds: float) -> None:
    """A recorded voice, repeated up to a length."""
    import numpy as np
    import soundfile

    samples, rate = soundfile.read(CLIP, dtype="float32")
    count = round(seconds * rate)
    soundfile.write(path, np.resize(samples, count), rate)


def engine(sound: Path, seconds: int) -> Figures:
    """A sound file to the offsets of every frame, with the default engine."""
    from emoface_core.engine.animate import AnimateOptions, animate
    from emoface_core.engine.choose import choose_engine

    chosen = choose_engine()
    options = AnimateOptions(emotion="happy", fps=FPS)

    def offsets() -> None:
        with animate(sound, options, chosen) as performance:
            for _ in performance.chunks():
                pass

    def layers() -> None:
        with animate(sound, options, chosen) as performance:
            performance.layers()

    with animate(sound, AnimateOptions(duration=1.0), chosen) as warm_up:
        warm_up.layers()
    repeat = 3 if seconds <= 60 else 1
    took = {"offsets": best(offsets, repeat), "peak": peak_megabytes()}
    if seconds <= 60:
        took["layers"] = best(layers, repeat)
    return took


def blender(sound: Path, seconds: int) -> Figures:
    """From the press of the button to shape keys on the timeline, and playing them."""
    import bpy
    import numpy as np

    import blender_addon
    from blender_addon.work.session import session

    bpy.ops.wm.read_factory_settings(use_empty=True)
    blender_addon.register()
    scene = bpy.context.scene
    scene.render.fps = round(FPS)
    bpy.ops.emoface.add_head()
    face = scene.emoface.face
    face.emoface.source, face.emoface.file = "FILE", str(sound)
    face.emoface.emotion = "happy"

    def press() -> None:
        if bpy.ops.emoface.animate() != {"FINISHED"}:
            raise RuntimeError("the bake failed")

    def cold() -> None:
        session.close()
        press()

    figures = {"cold": best(cold, 2), "warm": best(press, 5)}
    frames = round(seconds * FPS)
    shown = np.empty(len(face.data.vertices) * 3, np.float32)
    took = []
    for frame in range(scene.frame_start, scene.frame_start + frames):
        begun = time.perf_counter()
        scene.frame_set(frame)
        mesh = face.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
        mesh.vertices.foreach_get("co", shown)
        took.append(time.perf_counter() - begun)
    figures["frame"] = statistics.median(took)
    figures["keys"] = sum(
        block.name.startswith("emoface.") for block in face.data.shape_keys.key_blocks
    )
    bpy.ops.emoface.add_cue()
    changes = {
        "emotion": lambda: setattr(face.emoface, "emotion", "angry"),
        "region": lambda: setattr(face.emoface.regions, "brows", 0.5),
        "speech": lambda: setattr(face.emoface.speech_style, "jaw_opening", 1.3),
        "cue": lambda: setattr(face.emoface.cues[0], "intensity", 0.8),
    }

    def changed(change: Callable[[], None]) -> Callable[[], None]:
        def both() -> None:
            change()
            bpy.context.view_layer.update()

        return both

    figures["change"] = max(best(changed(change), 5) for change in changes.values())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "shot.blend"
        bpy.ops.wm.save_as_mainfile(filepath=str(path), compress=False)
        figures["plain"] = path.stat().st_size / 2**20
        bpy.ops.wm.save_as_mainfile(filepath=str(path), compress=True)
        figures["compressed"] = path.stat().st_size / 2**20
    session.close()
    blender_addon.unregister()
    return figures


def yardstick(sound: Path, seconds: int) -> Figures:
    """The forward pass of wav2vec2-base alone, with random weights, on the same sound."""
    import torch
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    from emoface_core.audio.files import read_audio

    torch.set_num_threads(os.cpu_count() or 1)
    samples = torch.from_numpy(read_audio(sound))[None]
    model = Wav2Vec2Model(Wav2Vec2Config()).eval()
    with torch.inference_mode():
        model(samples[:, :16000])
        return {"forward": best(lambda: model(samples), 3), "peak": peak_megabytes()}


PARTS = {"engine": engine, "blender": blender, "yardstick": yardstick}


def measure(part: str, sound: Path, seconds: int) -> Figures:
    """One part in a process of its own."""
    command = [sys.executable, __file__, "--part", part, "--sound", str(sound)]
    command += ["--seconds", str(seconds)]
    env = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    done = subprocess.run(
        command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"The measurement “{part}” of {seconds} s failed.")
    return json.loads(done.stdout.splitlines()[-1])


def table() -> list[str]:
    """The rows of the report."""
    rows = ["| what | measured | asked |", "|---|---|---|"]

    def row(what: str, measured: str, asked: str = "") -> None:
        rows.append(f"| {what} | {measured} | {asked} |")
        print(rows[-1], file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory() as folder:
        sounds = {seconds: Path(folder) / f"{seconds}.wav" for seconds in LENGTHS}
        for seconds, sound in sounds.items():
            write_speech(sound, seconds)
        peaks = {}
        for seconds, sound in sounds.items():
            figures = measure("engine", sound, seconds)
            peaks[seconds] = figures["peak"]
            speed = seconds / figures["offsets"]
            asked = "≥ 40 ×" if seconds in {10, 600} else ""
            row(
                f"audio → offsets at {FPS:g} fps, {seconds} s of sound",
                f"{figures['offsets']:.2f} s = {speed:.0f} × real time",
                asked,
            )
            if "layers" in figures:
                row(f"audio → shape keys and curves, {seconds} s", f"{figures['layers']:.2f} s")
        row(
            "peak memory, " + " / ".join(f"{seconds} s" for seconds in peaks),
            " / ".join(f"{peak:.0f} MB" for peak in peaks.values()),
            "flat over length",
        )
        figures = measure("yardstick", sounds[10], 10)
        row(
            "yardstick: forward pass of wav2vec2-base alone, 10 s",
            f"{figures['forward']:.2f} s = {10 / figures['forward']:.0f} × real time, "
            f"{figures['peak']:.0f} MB",
        )
        figures = measure("blender", sounds[10], 10)
        row("press to baked, 10 s shot, warm worker", f"{figures['warm']:.2f} s", "≤ 0.6 s")
        row("press to baked, 10 s shot, cold worker", f"{figures['cold']:.2f} s", "≤ 4 s")
        row(
            "emotion, region, cue or style of speech changed, 10 s shot, the slowest",
            f"{1000 * figures['change']:.0f} ms",
            "< 50 ms",
        )
        row(f"playback, {figures['keys']:.0f} keys", f"{1000 * figures['frame']:.2f} ms a frame")
        row(
            ".blend of the shot, plain / compressed",
            f"{figures['plain']:.1f} / {figures['compressed']:.1f} MB",
        )
    return rows


def main() -> None:
    """The table, or one part of it for the process that prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=PARTS)
    parser.add_argument("--sound", type=Path)
    parser.add_argument("--seconds", type=int)
    arguments = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    if arguments.part:
        figures = PARTS[arguments.part](arguments.sound, arguments.seconds)
        sys.stdout.write("\n" + json.dumps(figures) + "\n")
        return
    rows = table()
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    print(f"\n{machine}, Python {platform.python_version()}\n")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
