# SPDX-License-Identifier: GPL-3.0-or-later
"""A training run as a TOML file says it."""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from emoface_core.errors import InputError
from emoface_core.model.config import ModelConfig, choice, from_mapping
from emoface_core.model.losses import LossConfig

MOST_LAG_MS = 500.0


@dataclass(frozen=True, slots=True)
class DataConfig:
    """Where the clips are, and how a batch is cut from them."""

    corpus: str = "corpus"  # folder that `python -m emoface_core corpus` made, or of the captures
    crop_seconds: float = 5.0
    batch: int = 16
    variants: int = 2  # augmented copies of every utterance
    held_out_batches: int = 6
    # Sources of which there are this many times more variants, for the few that are precious.
    more: dict[str, int] = field(default_factory=dict)
    # The part of all crops that a source gets; sources not named share the rest by their length.
    share: dict[str, float] = field(default_factory=dict)
    varied: float = 1.0  # the part of the crops that get another throat, room and noise each time
    # Captured speech instead of a corpus of ours: "vocaset", "ravdess", "mead" or "folder".
    kind: str = "corpus"
    flame: str = ""  # a converted FLAME model, where motion comes as FLAME's parameters
    filtered: bool = False  # captured motion at a higher rate is filtered, not just thinned
    # Milliseconds by which captured motion trails its sound (cameras often do by 30 to 70); it is
    # moved that much earlier. Negative where it is ahead.
    lag_ms: float = 0.0
    told: str = "emotion"  # of captured clips: emotion and strength, or the paper's "level" alone

    def __post_init__(self) -> None:
        choice("kind of data", self.kind, ("corpus", "vocaset", "ravdess", "mead", "folder"))
        choice("condition", self.told, ("emotion", "level"))
        if min(self.share.values(), default=0.0) < 0 or sum(self.share.values()) > 1 + 1e-9:
            raise InputError("The shares of the sources are not parts of one.", "See [data] share.")
        if abs(self.lag_ms) > MOST_LAG_MS:
            raise InputError(
                f"A capture that is {self.lag_ms:g} ms off its sound is none of it.",
                "data.lag_ms is in milliseconds; cut the files so that they begin together.",
            )


@dataclass(frozen=True, slots=True)
class SelfGrowingConfig:
    """The paper's scheme, for frame-by-frame models."""

    # How the decoder comes by its past motion: as published; always the truth's; or its own, made
    # frame after frame with the gradient through all of them.
    scheme: str = "self_growing"  # or "teacher_forcing", "autoregressive"
    warm_up: float = 0.1  # theta, as a share of all epochs
    detach: bool = True  # no gradient through the first pass's predictions
    stage_one_loss: bool = False  # the first pass is held to the truth too
    given_first: bool = False  # clips do not begin at rest (3D-RAVDESS): their first frame is given

    def __post_init__(self) -> None:
        choice("scheme", self.scheme, ("self_growing", "teacher_forcing", "autoregressive"))


@dataclass(frozen=True, slots=True)
class OptimiserConfig:
    """AdamW with warm-up and a cosine to zero."""

    rate: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.98
    weight_decay: float = 0.01
    warm_up_steps: int = 200
    clip: float = 1.0  # of the gradient's norm; 0 = off
    accumulate: int = 1  # batches per step
    average: float = 0.999  # of the weights over steps; 0 = off


@dataclass(frozen=True, slots=True)
class RunConfig:
    """How long, where, and how."""

    out: str = "run"  # folder for checkpoint, logs and the exported model
    # Weights to begin with, to go on from or to fine-tune: a checkpoint, a model.safetensors, or
    # "bundled".
    start: str = ""
    like_start: bool = False  # the model is built as that one; [model] says what of it is frozen
    # What is learnt: the face's "motion" with all it needs, or "hearing", the content encoder's
    # phones alone, of which a checkpoint is left for another run to start from.
    learn: str = "motion"
    encoders: str = ""  # likewise, for two encoders, built as those, under decoders that are new
    steps: int = 4000  # 0 = epochs × batches of the data
    epochs: int = 200
    seed: int = 0
    precision: str = "bf16"  # or "fp32"
    device: str = "auto"
    threads: int = 0  # of the CPU; 0 = as torch likes
    checkpoint_minutes: float = 5.0
    log_steps: int = 20
    evaluate_steps: int = 500
    # The rate falls with the "steps" done, or, if that is further, with the "time" that a time
    # limit leaves: such a run ends well on a slow machine, but repeats no longer to the bit.
    anneal: str = "steps"

    def __post_init__(self) -> None:
        choice("anneal", self.anneal, ("steps", "time"))
        choice("precision", self.precision, ("bf16", "fp32"))
        choice("thing to learn", self.learn, ("motion", "hearing"))


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """A whole run."""

    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    self_growing: SelfGrowingConfig = field(default_factory=SelfGrowingConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    run: RunConfig = field(default_factory=RunConfig)

    def __post_init__(self) -> None:
        corpus, parallel = self.data.kind == "corpus", self.model.decoding == "parallel"
        if self.run.learn == "hearing" and not (corpus and parallel):
            raise InputError(
                "Hearing is learnt by the parallel model, from a corpus with phones.",
                "Set run.learn = “motion”.",
            )


def packaged_configs() -> dict[str, Path]:
    """The configurations that come with the program, by name: desk, paper."""
    folder = Path(__file__).parent / "configs"
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def read_config(path: Path) -> TrainingConfig:
    """Read a TOML file; InputError if it is missing, not TOML, or names what nothing reads."""
    try:
        with path.open("rb") as file:
            tables = tomllib.load(file)
    except OSError as error:
        raise InputError(
            f"The configuration “{path}” cannot be read ({error.strerror}).", "Check the path."
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"“{path}” is not valid TOML: {error}.") from None
    return from_mapping(TrainingConfig, tables, f"“{path.name}”")
