# SPDX-License-Identifier: GPL-3.0-or-later
"""The weights that a run begins with, and the model that can take them."""

from dataclasses import replace

from torch import Tensor

from emoface_core.model.checkpoint import (
    best_weights,
    load_tensors,
    load_weights,
    model_of,
    weights_file,
)
from emoface_core.model.emoface import EmoFace
from emoface_core.training.config import RunConfig, TrainingConfig

_VERTEX_TABLE = "attention.vertex"  # the only weights that belong to a mesh


def settled(config: TrainingConfig) -> TrainingConfig:
    """The configuration with a model that takes the weights it is to begin with."""
    whole = bool(config.run.start and config.run.like_start)
    if not whole and not config.run.encoders:
        return config
    start, model = model_of(config.run.start if whole else config.run.encoders), config.model
    content = replace(start.content, frozen=model.content.frozen)
    emotion = replace(start.emotion, frozen=model.emotion.frozen)
    made = start if whole else model
    return replace(config, model=replace(made, content=content, emotion=emotion))


def load_start(model: EmoFace, run: RunConfig) -> None:
    """Put the weights into a model that a run begins with, if it names any.

    InputError if they are missing or do not fit.
    """
    if run.start:
        found = _weights(run.start)
        own = model.state_dict()
        if found[_VERTEX_TABLE].shape != own[_VERTEX_TABLE].shape:  # it was another head's mesh
            found[_VERTEX_TABLE] = own[_VERTEX_TABLE]
        load_weights(model, found, f"“{run.start}”")
    if run.encoders:
        found = _weights(run.encoders)
        for part in ("content_encoder.", "emotion_encoder."):
            encoder = {k.removeprefix(part): v for k, v in found.items() if k.startswith(part)}
            load_weights(model.get_submodule(part[:-1]), encoder, f"“{run.encoders}”")


def _weights(name: str) -> dict[str, Tensor]:
    return best_weights(load_tensors(weights_file(name))[0])
