# SPDX-License-Identifier: GPL-3.0-or-later
"""Rhubarb Lip Sync beside us: the free tool animators use, run by node on the same clips.

The package is npm's `rhubarb-lip-sync-wasm` (MIT), unpacked by `npm pack` or `npm install`.
"""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emoface_core.errors import InputError
from emoface_core.evaluation.events import Event
from emoface_core.files import atomic_path

# One process for all clips, since starting the recogniser takes longer than a short clip.
# What the package prints of itself must not mix with the cues: those go to a file.
_SCRIPT = """
import fs from "node:fs";
const [entry, jobs, out] = process.argv.slice(1);
const { Rhubarb } = await import(entry);
const cues = [];
for (const file of JSON.parse(fs.readFileSync(jobs, "utf8"))) {
  cues.push((await Rhubarb.getLipSync(fs.readFileSync(file))).mouthCues);
}
fs.writeFileSync(out, JSON.stringify(cues));
"""
_HINT = "Run `npm install rhubarb-lip-sync-wasm` somewhere and give its folder."
_SECONDS_A_CLIP = 120


@dataclass(frozen=True, slots=True)
class Cue:
    """A mouth shape, A to H or X, from `start` to `end` seconds."""

    shape: str
    start: float
    end: float


def shape_events(cues: Sequence[Cue], shape: str) -> list[Event]:
    """Runs of one shape as events: A is shut lips (p b m), G lower lip and upper teeth (f v)."""
    return [Event(cue.start, cue.end) for cue in cues if cue.shape == shape]


def tidy(raw: Sequence[dict]) -> list[Cue]:
    """Cues in order without overlap (the next one ends the one before), equal neighbours joined.

    The WebAssembly build gives cues that overrun the next one's start.
    """
    ordered = sorted(raw, key=lambda cue: (cue["start"], cue["end"]))
    cues: list[Cue] = []
    for k, cue in enumerate(ordered):
        following = ordered[k + 1]["start"] if k + 1 < len(ordered) else cue["end"]
        start, end = float(cue["start"]), float(min(cue["end"], following))
        if end <= start:
            continue
        if cues and cues[-1].shape == cue["value"] and start - cues[-1].end < 1e-6:
            cues[-1] = Cue(cues[-1].shape, cues[-1].start, end)
        else:
            cues.append(Cue(str(cue["value"]), start, end))
    return cues


def rhubarb_cues(
    clips: Mapping[str, NDArray[np.floating]], package: Path, *, cache: Path | None = None
) -> dict[str, list[Cue]]:
    """Rhubarb's cues for mono clips at 16 kHz, by their names; `package` is the unpacked package.

    `cache` is a JSON file that keeps what was found, by name and length: resampled sound is not the
    same to the last bit everywhere, so that its digest would be no name. About 2 times faster
    than real time. InputError if node or the package is missing, or if it fails.
    """
    known = _read_cache(cache)
    keys = {name: f"{name} {len(clip)}" for name, clip in clips.items()}
    todo = {keys[name]: _pcm(clip) for name, clip in clips.items() if keys[name] not in known}
    if todo:
        known |= dict(zip(todo, _run(list(todo.values()), package), strict=True))
        if cache is not None:
            with atomic_path(cache) as temporary:
                temporary.write_text(json.dumps(known), encoding="utf-8")
    return {name: tidy(known[key]) for name, key in keys.items()}


def _pcm(clip: NDArray[np.floating]) -> bytes:
    return np.round(np.clip(clip, -1, 1) * 32767).astype("<i2").tobytes()


def _read_cache(cache: Path | None) -> dict[str, list[dict]]:
    if cache is None or not cache.exists():
        return {}
    try:
        return dict(json.loads(cache.read_text(encoding="utf-8")))
    except (ValueError, TypeError):
        raise InputError(f"“{cache}” is not a file of cues.", "Delete it.") from None


def _run(pcm: Sequence[bytes], package: Path) -> list[list[dict]]:
    node = shutil.which("node")
    if node is None:
        raise InputError("Rhubarb needs node, which is not installed.", "Install Node.js.")
    entry = _entry(package)
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for k, data in enumerate(pcm):
            files.append(Path(folder) / f"{k}.pcm")
            files[-1].write_bytes(data)
        jobs, out = Path(folder) / "jobs.json", Path(folder) / "cues.json"
        jobs.write_text(json.dumps([str(file) for file in files]), encoding="utf-8")
        try:
            done = subprocess.run(
                [node, "--input-type=module", "-e", _SCRIPT, "--",
                 entry.resolve().as_uri(), str(jobs), str(out)],
                capture_output=True, text=True, check=False, timeout=_SECONDS_A_CLIP * len(pcm),
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise InputError("Rhubarb did not finish in time.", "Try fewer clips.") from None
        if done.returncode or not out.exists():
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise InputError(f"Rhubarb failed: {last}", _HINT)
        return json.loads(out.read_text(encoding="utf-8"))


def _entry(package: Path) -> Path:
    for folder in (package, package / "package", package / "node_modules/rhubarb-lip-sync-wasm"):
        entry = folder / "dist/index.js"
        if entry.is_file():
            return entry
    raise InputError(f"There is no rhubarb-lip-sync-wasm in “{package}”.", _HINT)
