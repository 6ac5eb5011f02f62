# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m emoface_core doctor`: what is here to run with, what is missing, and what to do."""

import platform
import sys
import time
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

import numpy as np

from emoface_core import __version__
from emoface_core.cli_animate import Parser
from emoface_core.engine.choose import MODEL_FOLDER, choose_engine, installed
from emoface_core.errors import EmoFaceError
from emoface_core.model.info import ONNX_FILE, WEIGHTS_FILE, check_file, read_info

_TRIAL_SECONDS = 10.0


class Finding(NamedTuple):
    """One line of the report."""

    good: bool
    needed: bool  # the default engine needs it
    what: str
    found: str
    hint: str = ""


def main(arguments: Sequence[str]) -> int:
    """Print the findings; 0 if sound can be animated here, else 2."""
    parser = Parser(prog="python -m emoface_core doctor", description=__doc__)
    parser.add_argument("--model", type=Path, default=MODEL_FOLDER, help="folder of a model")
    options = parser.parse_args(arguments)
    findings = list(examine(options.model))
    for one in findings:
        mark = "ok" if one.good else "MISSING" if one.needed else "-"
        print(f"{mark:8} {one.what:14} {one.found}")
        if one.hint and not one.good:
            print(f"{'':8} {'':14} {one.hint}")
    return 0 if all(one.good for one in findings if one.needed) else 2


def examine(model: Path) -> Iterator[Finding]:
    """Look at everything, from the outside in."""
    yield Finding(True, False, "emoface_core", f"{__version__} in {Path(__file__).parent}")
    yield Finding(
        sys.version_info >= (3, 11),
        True,
        "Python",
        f"{platform.python_version()} ({sys.executable}), {platform.platform()}",
        "Use Python 3.11 or later.",
    )
    yield _package("numpy", True)
    yield _package("soundfile", True)
    yield _package("onnxruntime", True, "or PyTorch, for the other engine")
    yield _package("safetensors", False, "needed with PyTorch")
    yield _torch()
    yield from _model(model)
    for engine in ("onnx", "torch"):
        if installed("onnxruntime" if engine == "onnx" else "torch"):
            yield _trial(engine, model)


def _package(name: str, needed: bool, hint: str = "") -> Finding:
    try:
        return Finding(True, needed, name, version(name))
    except PackageNotFoundError:
        advice = f"pip install {name}" + (f" ({hint})" if hint else "")
        return Finding(False, needed, name, "not installed", advice)


def _torch() -> Finding:
    if not installed("torch"):
        return Finding(
            False, False, "torch", "not installed", "Only for GPUs and training: pip install torch"
        )
    try:
        import torch  # takes seconds: only here, where the question is asked
    except (ImportError, OSError) as error:
        return Finding(False, False, "torch", f"does not load ({error})", "Install it again.")
    devices = ["cpu"]
    if torch.cuda.is_available():
        devices += [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        devices.append("mps")
    return Finding(True, False, "torch", f"{torch.__version__}: {', '.join(devices)}")


def _model(folder: Path) -> Iterator[Finding]:
    try:
        info = read_info(folder)
        files = [name for name in (ONNX_FILE, WEIGHTS_FILE) if name in info.sha256]
        sizes = [check_file(folder, name, info).stat().st_size / 2**20 for name in files]
    except EmoFaceError as error:
        yield Finding(False, True, "model", error.message, error.hint)
        return
    found = ", ".join(f"{name} {size:.1f} MB" for name, size in zip(files, sizes, strict=True))
    yield Finding(True, True, "model", f"{folder}: {found}, whole")


def _trial(engine: str, folder: Path) -> Finding:
    from emoface_core.engine.animate import AnimateOptions, animate

    noise = np.random.default_rng(0).standard_normal(round(16000 * _TRIAL_SECONDS)) * 0.05
    try:
        loaded = choose_engine(engine, "auto", folder)
        for _ in range(2):  # the first run warms up
            begun = time.perf_counter()
            with animate(noise.astype(np.float32), AnimateOptions(), loaded) as performance:
                frames = sum(len(speech) for speech, _ in performance.chunks())
            seconds = time.perf_counter() - begun
    except EmoFaceError as error:
        return Finding(False, engine == "onnx", f"{engine} engine", error.message, error.hint)
    return Finding(
        True,
        False,
        f"{engine} engine",
        f"runs on {loaded.info.device}: {frames} frames in {seconds:.2f} s, "
        f"{_TRIAL_SECONDS / seconds:.0f} × real time",
    )
