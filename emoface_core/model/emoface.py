# SPDX-License-Identifier: GPL-3.0-or-later
"""EmoFace: two speech encoders, two decoders, and Mesh Attention that mixes them per vertex.

After "EmoFace: Emotion-Content Disentangled Speech-Driven 3D Talking Face Animation" (arXiv
2408.11518). Letters in shapes: B clips, N frames, K shapes of the rig, V vertices of the face,
P places of the attention's map (vertices of its mesh, or regions of the face), d width of a
decoder, C_c and C_e widths of the encoders.

Two ways to decode:
- `parallel`: all frames at once, no past motion; the branches speak in coefficients of the rig, the
  emotion branch in what each emotion adds to the content at intensity 1. With w of Mesh Attention
      offsets = (1 - w) content + w (content + emotion) = content + w emotion,
  so speech is the rig's shapes, and an emotion the rig's shapes within regions. Every frame depends
  on at most `context_frames` frames to either side, so windows with that context are exact.
- `frame_by_frame`, the paper's: the motion so far goes back in, the emotion enters as an embedding.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from emoface_core.emotions import EMOTIONS
from emoface_core.errors import InputError
from emoface_core.model.config import ModelConfig
from emoface_core.model.decoders import Cache, Decoder, periodic_positions
from emoface_core.model.emotion_reader import EmotionReader
from emoface_core.model.encoders import MelEncoder, make_encoder
from emoface_core.model.geometry import FaceGeometry
from emoface_core.model.mesh_attention import MeshAttention

MOTION_SCALE = 100.0  # decoders take and give motion in centimetres, which are near one


@dataclass(frozen=True, slots=True)
class EmoFaceOutput:
    """What the parallel model says of a clip; the names are those of the ONNX file's outputs."""

    content: Tensor  # (B, N, K) coefficients of the content branch
    emotion_layers: Tensor  # (B, N, 8, K) what each emotion adds to it at intensity 1
    attention: Tensor  # (B, N, R) weight of the emotion branch in each region, 0..1
    emotion_logits: Tensor  # (B, N, 8)
    phone_logits: Tensor  # (B, N, P)

    def __iter__(self) -> Iterator[Tensor]:
        return (getattr(self, item.name) for item in fields(self))


@dataclass(frozen=True, slots=True)
class Condition:
    """What the animator chooses, for the frame-by-frame model."""

    weights: Tensor  # (B, 8) of the emotions
    intensity: Tensor  # (B,)
    style: Tensor  # (B, styles) one-hot; (B, 0) if there are none


@dataclass(frozen=True, slots=True)
class Heard:
    """What the two encoders and the attention make of a clip, before any motion."""

    content: Tensor  # (B, N, C_c)
    emotion: Tensor  # (B, N, C_e)
    attention: Tensor  # (B, N, V) carried up to every vertex


@dataclass(frozen=True, slots=True)
class Motion:
    """Offsets from the neutral, metres, (B, N, V, 3): both branches and their mix."""

    content: Tensor
    emotion: Tensor
    fused: Tensor


class EmoFace(nn.Module):
    """The model of a configuration, on a face, with as many phones as its auxiliary head names."""

    basis: Tensor

    def __init__(self, config: ModelConfig, geometry: FaceGeometry, phones: int) -> None:
        super().__init__()
        self.config = config
        self.shapes, self.vertices = len(geometry.basis), geometry.vertices
        self.content_encoder = make_encoder(config.content)
        self.emotion_encoder = make_encoder(config.emotion)
        c_width, e_width = self.content_encoder.width, self.emotion_encoder.width
        parallel = config.decoding == "parallel"
        d = config.decoder.width
        self.content_decoder = Decoder(c_width, config.decoder, causal=not parallel)
        self.emotion_decoder = Decoder(e_width, config.decoder, causal=not parallel)
        self.attention = MeshAttention(c_width, e_width, geometry, config.attention)
        self.emotion_head: nn.Module = nn.Sequential(
            nn.Linear(e_width, e_width), nn.GELU(), nn.Linear(e_width, len(EMOTIONS))
        )
        if parallel and isinstance(self.content_encoder, MelEncoder):
            self.emotion_head = EmotionReader(c_width)
        self.phone_head = nn.Linear(c_width, phones)
        if parallel:
            self.content_out = nn.Linear(d, self.shapes)
            self.layers_out = nn.Linear(d, len(EMOTIONS) * self.shapes)
            with torch.no_grad():  # a face that hardly moves is a better start than a wild one
                for head in (self.content_out, self.layers_out):
                    head.weight.mul_(0.1)
            return
        size = self.shapes if config.head == "rig" else 3 * self.vertices
        self.content_out, self.emotion_out = nn.Linear(d, size), nn.Linear(d, size)
        for head in (self.content_out, self.emotion_out):  # training starts from the neutral
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)
        self.content_in = nn.Linear(3 * self.vertices, d)
        self.emotion_in = nn.Linear(3 * self.vertices, d)
        self.style_in = nn.Linear(config.styles, d, bias=False) if config.styles else None
        self.condition_in = nn.Sequential(nn.Linear(len(EMOTIONS), d), nn.ELU(), nn.Linear(d, d))
        self.register_buffer("basis", torch.from_numpy(geometry.basis).flatten(1), persistent=False)

    # --- parallel -------------------------------------------------------------------------------

    @property
    def context_frames(self) -> int:
        """Frames to either side of a frame that can change it."""
        reaches = (self.content_encoder.reach, self.emotion_encoder.reach)
        if None in reaches or self.config.decoding != "parallel":
            raise InputError("This model looks at the whole clip; it cannot be run in windows.")
        around = max(
            self.content_encoder.reach + self.content_decoder.reach,  # type: ignore[operator]
            self.emotion_encoder.reach + self.emotion_decoder.reach,  # type: ignore[operator]
        )
        behind = max(reaches) + self.attention.past_frames  # type: ignore[type-var,operator]
        if isinstance(self.emotion_head, EmotionReader):
            behind = max(behind, self.content_encoder.reach + self.emotion_head.reach)  # type: ignore[operator]
        return max(around, behind)

    def forward(self, mel: Tensor) -> EmoFaceOutput:
        """Log-mel (B, 2N, 80) -> all of the clip's curves, in the parallel mode."""
        heard_c, deep = self.content_encoder.heard(mel)  # (B, N, C_c) both
        heard_e = self.emotion_encoder(mel)  # (B, N, C_e)
        head = self.emotion_head
        voice = head(mel, deep) if isinstance(head, EmotionReader) else head(heard_e)
        c = self.content_decoder(heard_c)  # (B, N, d)
        e = self.emotion_decoder(heard_e)
        attention = self.attention(heard_c, heard_e)
        if self.config.attention.fusion == "add":
            attention = torch.ones_like(attention)
        return EmoFaceOutput(
            content=self.content_out(c),
            emotion_layers=self.layers_out(e).unflatten(-1, (len(EMOTIONS), self.shapes)),
            attention=attention,
            emotion_logits=voice,
            phone_logits=self.phone_head(heard_c),
        )

    # --- frame by frame -------------------------------------------------------------------------

    def hear(self, sound: Tensor, frames: int, emotion_sound: Tensor | None = None) -> Heard:
        """Encode a clip for `frames` frames of motion.

        `emotion_sound` is another clip for the emotion branch (the paper's crossed pairs: content
        of one, emotion of the other); both are brought to the same number of frames.
        """
        content = self.content_encoder(sound, frames)
        emotion = self.emotion_encoder(sound if emotion_sound is None else emotion_sound, frames)
        attention = self.attention.carried(self.attention(content, emotion))
        return Heard(content, emotion, attention)

    def decode(self, heard: Heard, past: Tensor, condition: Condition) -> Motion:
        """All frames at once from a given motion (B, N, V, 3), as training does.

        Frame t sees `past` up to frame t - 1, and before the first frame the neutral: the same
        start as in `generate`.
        """
        shifted = torch.cat([torch.zeros_like(past[:, :1]), past[:, :-1]], 1)
        content_in, emotion_in = self._inputs(shifted, condition, first=0)
        c = self.content_decoder(heard.content, content_in)
        e = self.emotion_decoder(heard.emotion, emotion_in)
        return self._mixed(self.content_out(c), self.emotion_out(e), heard.attention)

    def generate(self, heard: Heard, condition: Condition, first: Tensor | None = None) -> Motion:
        """The paper's inference: frame after frame, each seeing what it made before.

        `first` (B, V, 3) is a given first frame (clips of 3D-RAVDESS do not begin in silence).
        """
        batch, frames = heard.content.shape[:2]
        last = heard.content.new_zeros(batch, 1, self.vertices, 3)
        content_cache: Cache = []
        emotion_cache: Cache = []
        made: list[Motion] = []
        for t in range(frames):
            content_in, emotion_in = self._inputs(last, condition, first=t)
            at = slice(t, t + 1)
            c, content_cache = self.content_decoder.step(
                heard.content[:, at], content_in, content_cache
            )
            e, emotion_cache = self.emotion_decoder.step(
                heard.emotion[:, at], emotion_in, emotion_cache
            )
            motion = self._mixed(self.content_out(c), self.emotion_out(e), heard.attention[:, at])
            if t == 0 and first is not None:
                motion = Motion(motion.content, motion.emotion, first[:, None])
            last = motion.fused
            made.append(motion)
        return Motion(
            *(torch.cat([getattr(m, item.name) for m in made], 1) for item in fields(Motion))
        )

    def _inputs(self, motion: Tensor, condition: Condition, first: int) -> tuple[Tensor, Tensor]:
        flat = MOTION_SCALE * motion.flatten(2)
        decoder = self.config.decoder
        place = periodic_positions(first, flat.shape[1], decoder.width, decoder.period, flat.device)
        if self.style_in is not None:
            place = place + self.style_in(condition.style)[:, None]
        felt = self.condition_in(condition.weights * condition.intensity[:, None])[:, None]
        return self.content_in(flat) + place, self.emotion_in(flat) + place + felt

    def _mixed(self, content: Tensor, emotion: Tensor, attention: Tensor) -> Motion:
        def offsets(out: Tensor) -> Tensor:
            flat = out @ self.basis if self.config.head == "rig" else out / MOTION_SCALE
            return flat.unflatten(-1, (self.vertices, 3))

        c, e = offsets(content), offsets(emotion)
        return Motion(c, e, mix(c, e, attention, self.config.attention.fusion))


def mix(content: Tensor, emotion: Tensor, attention: Tensor, fusion: str = "weighted") -> Tensor:
    """Offsets (…, V, 3) of both branches and the map (…, V) -> the face's offsets."""
    if fusion == "add":
        return content + emotion
    return content + attention[..., None] * (emotion - content)
