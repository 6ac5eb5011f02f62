# SPDX-License-Identifier: GPL-3.0-or-later
"""A frame-by-frame model at work: a sound file to the motion of a face, as the paper infers.

`python -m emoface_core free-run MODEL AUDIO -o OUT.npz`. The result holds `offsets` (T, 5023, 3) in
metres and `fps`, as `animate` writes them, but no layers: this model knows of none.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emoface_core.audio.files import SAMPLE_RATE, read_audio
from emoface_core.audio.level import level_gain
from emoface_core.audio.mel import log_mel, network_frames
from emoface_core.emotions import AUTO, EMOTIONS
from emoface_core.engine.emotion import chosen_weights
from emoface_core.errors import InputError
from emoface_core.face.head import load_head
from emoface_core.files import atomic_path
from emoface_core.model.checkpoint import load_model
from emoface_core.model.config import ModelConfig, from_mapping
from emoface_core.model.emoface import Condition, EmoFace
from emoface_core.model.geometry import face_geometry
from emoface_core.model.info import read_info

LONGEST = 120.0  # seconds: every frame attends to all before it, and all motion is in memory


def sound_for(config: ModelConfig, samples: NDArray[np.float32]) -> tuple[Tensor, int]:
    """What a model's encoders hear of mono samples (S,) at 16 kHz, and its frames of motion.

    (1, 2N, 80) log-mel, or (1, S) of zero mean and unit variance as pretrained encoders want it.
    """
    seconds = len(samples) / SAMPLE_RATE
    if config.content.kind == "mel":
        return torch.from_numpy(log_mel(samples, level_gain(samples)))[None], network_frames(
            seconds
        )
    even = (samples - samples.mean()) / (samples.std() + 1e-7)
    return torch.from_numpy(even)[None], max(1, round(seconds * config.fps))


@torch.inference_mode()
def free_run(
    model: EmoFace,
    samples: NDArray[np.float32],
    *,
    emotion: str = AUTO,
    intensity: float = 1.0,
    style: int = 0,
    emotion_from: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """(T, V, 3) offsets in metres at the model's frames a second, each seeing those before it.

    `emotion` is a name, a mixture, or "auto": as the model hears it. `emotion_from` is another
    recording for the emotion branch to hear. InputError for what cannot be.
    """
    config = model.config
    if max(config.styles, 1) <= style or style < 0:
        raise InputError(f"The model has no style {style}.", f"It has {config.styles}.")
    if len(samples) > LONGEST * SAMPLE_RATE:
        raise InputError(
            f"The sound is longer than {LONGEST:g} s, too much for a frame-by-frame model.",
            "Cut it at pauses.",
        )
    device = next(model.parameters()).device
    sound, frames = sound_for(config, samples)
    other = None
    if emotion_from is not None:
        if config.content.kind == "mel":
            raise InputError(
                "This model hears log-mel, whose length is that of the motion.",
                "Give the emotion by its name.",
            )
        other = sound_for(config, emotion_from)[0].to(device)
    heard = model.hear(sound.to(device), frames, other)
    chosen = chosen_weights(emotion)
    if chosen is None:
        weights = model.emotion_head(heard.emotion).mean(1).softmax(-1)
    else:
        weights = torch.from_numpy(chosen)[None].to(device)
    one_hot = torch.zeros(1, config.styles, device=device)
    if config.styles:
        one_hot[0, style] = 1.0
    strength = torch.full((1,), float(intensity), device=device)
    motion = model.generate(heard, Condition(weights, strength, one_hot))
    return np.asarray(motion.fused[0].float().cpu().numpy())


def main(arguments: list[str]) -> int:
    """Run the command; InputError for bad input."""
    parser = argparse.ArgumentParser(prog="python -m emoface_core free-run", description=__doc__)
    parser.add_argument("model", type=Path, help="folder of a trained frame-by-frame model")
    parser.add_argument("audio", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="OUT.npz")
    parser.add_argument("--emotion", default=AUTO, help=f"{AUTO}, {', '.join(EMOTIONS)}, a mixture")
    parser.add_argument("--intensity", type=float, default=1.0)
    parser.add_argument("--style", type=int, default=0, help="which speaker of the training (0)")
    parser.add_argument(
        "--emotion-from", type=Path, metavar="AUDIO", help="another recording to feel like"
    )
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args(arguments)
    config = from_mapping(ModelConfig, read_info(options.model).config, "the model's description")
    if config.decoding != "frame_by_frame":
        raise InputError("This model does not decode frame by frame.", "Run it with “animate”.")
    head = load_head()
    model = load_model(options.model, face_geometry(head, config.attention), options.device)
    offsets = free_run(
        model,
        read_audio(options.audio),
        emotion=options.emotion,
        intensity=options.intensity,
        style=options.style,
        emotion_from=read_audio(options.emotion_from) if options.emotion_from else None,
    )
    with atomic_path(options.out) as path, path.open("wb") as file:
        np.savez(file, offsets=offsets, fps=config.fps, template=head.vertices, faces=head.faces)
    sys.stdout.write(f"{options.out}: {len(offsets)} frames at {config.fps:g} fps\n")
    return 0
