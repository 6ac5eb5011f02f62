# SPDX-License-Identifier: GPL-3.0-or-later
"""What a model is built from: every choice the paper leaves open is a field with a default."""

import dataclasses
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from emoface_core.errors import InputError

RATE = 50  # frames a second inside the network (features come at twice that)
N_MELS = 80

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class EncoderConfig:
    """One of the two speech encoders.

    `kind` "mel" is our own small one; "wav2vec2", "hubert" and "wavlm" come through transformers
    from `source`, a local folder or a hub id ("" = the random, tiny one that the tests use).
    """

    kind: str = "mel"
    width: int = 192  # channels of the features (mel only; the others bring their own)
    blocks: int = 6
    kernel: int = 15  # frames, odd
    expansion: int = 4
    # Channels of a second look at the features, as at a picture of time by frequency: a voice whose
    # formants lie higher shifts what it sees, and changes it little. 0 = none.
    picture: int = 0
    source: str = ""
    interpolate: str = "before"  # features meet the frame rate "before" or "after" the transformer
    frozen: bool = False  # all of it stays as it is (of the pretrained, the front always does)

    def __post_init__(self) -> None:
        choice("encoder kind", self.kind, ("mel", "wav2vec2", "hubert", "wavlm"))
        choice("encoder interpolate", self.interpolate, ("before", "after"))
        if self.kernel % 2 == 0:
            raise InputError(f"An encoder's kernel must be odd, not {self.kernel}.")


@dataclass(frozen=True, slots=True)
class DecoderConfig:
    """One of the two FaceFormer-like decoders."""

    width: int = 128
    layers: int = 1
    heads: int = 4
    window: int = 8  # self-attention sees this many frames to either side (parallel mode)
    period: int = 1  # frames over which FaceFormer's attention bias and position repeat

    def __post_init__(self) -> None:
        if self.width % (2 * self.heads):
            raise InputError("A decoder's width must be an even multiple of its heads.")
        if self.window < 1:
            raise InputError("A decoder's window must be at least one frame.")


@dataclass(frozen=True, slots=True)
class MeshAttentionConfig:
    """The map that says, per vertex and frame, how the two branches mix."""

    mesh: str = "coarse"  # "coarse" (carried up by a fixed matrix) or "full" (every vertex)
    # One weight per "vertex", or the map's mean in each of a few smooth "regions" of the face:
    # then a face is the rig's shapes, each within a region, and a bake needs no decomposition.
    per: str = "regions"
    fusion: str = "weighted"  # "weighted", or "add" for the paper's ablation
    audio_width: int = 128  # the paper's C: each branch is brought to C/4, both to C/16
    layers: int = 2
    kernel: int = 9  # vertices of a spiral
    duration: int = 3  # the paper's delta: frames, this one included
    dilation: int = 2

    def __post_init__(self) -> None:
        choice("Mesh Attention mesh", self.mesh, ("coarse", "full"))
        choice("map of Mesh Attention", self.per, ("vertex", "regions"))
        choice("fusion", self.fusion, ("weighted", "add"))
        if self.layers < 2:
            raise InputError(
                "Mesh Attention needs at least two layers.",
                "One linear layer over a sum of time and vertex gives a sum of time and vertex.",
            )


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """The whole model. The defaults are the bundled "desk" configuration."""

    content: EncoderConfig = field(default_factory=lambda: EncoderConfig(picture=16))
    emotion: EncoderConfig = field(
        default_factory=lambda: EncoderConfig(width=96, blocks=4, kernel=41)
    )
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    attention: MeshAttentionConfig = field(default_factory=MeshAttentionConfig)
    decoding: str = "parallel"  # or "frame_by_frame", the paper's
    conditioning: str = "layers"  # linear; or "embedding" of weights × intensity (nonlinear)
    head: str = "rig"  # coefficients of the rig's shapes; or "vertices", learnt from zero
    styles: int = 0  # number of one-hot speaking styles; 0 = none
    fps: float = float(RATE)  # of the motion; other rates need encoders that interpolate

    def __post_init__(self) -> None:
        choice("decoding", self.decoding, ("parallel", "frame_by_frame"))
        choice("conditioning", self.conditioning, ("layers", "embedding"))
        choice("head", self.head, ("rig", "vertices"))
        if "mel" in (self.content.kind, self.emotion.kind) and self.fps != RATE:
            raise InputError(f"A mel encoder speaks at {RATE} frames a second, not {self.fps:g}.")
        if self.decoding == "parallel" and self.conditioning == "embedding":
            raise InputError(
                "Parallel decoding is conditioned by layers.", "Set conditioning = “layers”."
            )
        if self.decoding == "frame_by_frame" and self.conditioning == "layers":
            raise InputError(
                "Frame-by-frame decoding is conditioned by an embedding.",
                "Set conditioning = “embedding”.",
            )
        if self.decoding == "parallel" and self.attention.per != "regions":
            raise InputError(
                "Parallel decoding wants a map of regions.", "Set attention.per = “regions”."
            )
        if self.conditioning == "layers" and self.head != "rig":
            raise InputError("Emotion layers need the rig's head.", "Set head = “rig”.")


def choice(what: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise InputError(f"There is no {what} “{value}”.", f"Choose one of: {', '.join(allowed)}.")


def from_mapping(
    cls: type[T],
    values: Mapping[str, Any],
    where: str = "the configuration",
    base: T | None = None,
) -> T:
    """Build a (nested) configuration dataclass from TOML or JSON tables.

    A field that no table names is as in `base`, or as the class that holds it has it by default.
    InputError names an unknown field, or one of the wrong type, and where it stands.
    """
    hints = typing.get_type_hints(cls)
    unknown = sorted(set(values) - set(hints))
    if unknown:
        raise InputError(
            f"{where} has a field “{unknown[0]}” that nothing reads.",
            f"It may hold: {', '.join(hints)}.",
        )
    built: dict[str, Any] = {}
    for name, value in values.items():
        hint = hints[name]
        if dataclasses.is_dataclass(hint):
            if not isinstance(value, Mapping):
                raise InputError(f"“{name}” in {where} must be a table.")
            default = getattr(base if base is not None else cls(), name)
            built[name] = from_mapping(
                typing.cast(type, hint), value, f"[{name}] in {where}", default
            )
        elif hint is float and isinstance(value, int) and not isinstance(value, bool):
            built[name] = float(value)
        elif not isinstance(value, typing.get_origin(hint) or hint) or (
            hint is int and isinstance(value, bool)
        ):
            raise InputError(f"“{name}” in {where} must be {hint.__name__}, not {value!r}.")
        else:
            built[name] = value
    if base is None:
        return cls(**built)
    return typing.cast(T, dataclasses.replace(typing.cast(Any, base), **built))
