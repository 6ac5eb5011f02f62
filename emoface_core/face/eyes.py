# SPDX-License-Identifier: GPL-3.0-or-later
"""Blinks and small gaze shifts, which no voice tells: planned as events in seconds, by a seed.

Figures: blink rate in conversation 26 a minute, 95 % within 10.5 to 32.5 (Bentivoglio 1997;
Doughty 2001); a blink closes fast and opens slowly, about 0.3 s in all, and reads best when the
eye shuts fully (Trutoiu 2011); saccade size, duration, direction and time between saccades of a
talking person from Eyes Alive (Lee, Badler and Badler 2002); lids follow the gaze.
Events, not frames, are drawn, so the same seed gives the same motion at every frame rate.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

CLOSE_SECONDS, HOLD_SECONDS, OPEN_SECONDS = 0.08, 0.04, 0.18
REFRACTORY_SECONDS = 1.0  # no two blinks closer than this
PHRASE_END_REACH = 0.35  # a blink this close to a phrase's end moves onto it
DIRECTIONS = np.radians(np.arange(0, 360, 45))  # 0 = the person's left, 90 = up
DIRECTION_SHARE = np.array([15.54, 6.46, 17.69, 7.44, 16.80, 7.89, 20.38, 7.79]) / 99.99
AT_PARTNER_SECONDS, AWAY_SECONDS = 93.9 / 30, 27.8 / 30  # means of a talking person
LARGEST_GLANCE = 27.5  # degrees, of a talking person
GLANCE_SHARE = 0.35  # of the published amplitudes: an actor in a close-up keeps the eyes nearer
DEGREES_AT_FULL_LOOK = 30.0  # what eyeLook* turn the eyeball by at weight 1


@dataclass(frozen=True, slots=True)
class EyeOptions:
    """What an animator sets: `blinks_per_minute`, strengths (1 = as planned, 0 = none), `seed`."""

    blinks_per_minute: float = 20.0
    blink_strength: float = 1.0
    gaze_strength: float = 1.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Glance:
    """From `start` seconds the eyes move, within `duration` seconds, to `yaw`, `pitch` degrees."""

    start: float
    duration: float
    yaw: float  # + to the person's left
    pitch: float  # + up


def plan_blinks(
    seconds: float, phrase_ends: Sequence[float], options: EyeOptions
) -> tuple[float, ...]:
    """Starts of blinks in seconds; one close to the end of a phrase moves onto it."""
    if options.blinks_per_minute <= 0:
        return ()
    random = np.random.default_rng([options.seed, 1])
    mean_gap = max(60.0 / options.blinks_per_minute, REFRACTORY_SECONDS + 0.1)
    # log-normal gaps with the mean asked for; spread 0.6 gives people's long tail
    spread = 0.6
    centre = np.log(mean_gap - REFRACTORY_SECONDS) - spread**2 / 2
    ends = np.asarray(phrase_ends, float)
    starts: list[float] = []
    now = float(random.uniform(0.3, mean_gap))
    while now < seconds - CLOSE_SECONDS:
        at = now
        if ends.size:
            nearest = float(ends[np.argmin(np.abs(ends - at))])
            free = not starts or nearest - starts[-1] >= REFRACTORY_SECONDS
            if abs(nearest - at) <= PHRASE_END_REACH and free and nearest >= 0:
                at = nearest
        starts.append(at)
        now = at + REFRACTORY_SECONDS + float(random.lognormal(centre, spread))
    return tuple(starts)


def plan_gaze(seconds: float, options: EyeOptions) -> tuple[Glance, ...]:
    """Glances away from the partner and back (Eyes Alive: A = -6.9 ln(P / 15.7), P in (0, 15])."""
    random = np.random.default_rng([options.seed, 2])
    glances: list[Glance] = []
    now, away = float(random.exponential(AT_PARTNER_SECONDS)), False
    while now < seconds:
        if away:
            yaw = pitch = 0.0
        else:
            amplitude = min(-6.9 * np.log(random.uniform(0.01, 15.0) / 15.7), LARGEST_GLANCE)
            direction = random.choice(DIRECTIONS, p=DIRECTION_SHARE / DIRECTION_SHARE.sum())
            yaw = float(amplitude * GLANCE_SHARE * np.cos(direction))
            pitch = float(amplitude * GLANCE_SHARE * np.sin(direction))
        before = glances[-1] if glances else Glance(0.0, 0.0, 0.0, 0.0)
        turn = float(np.hypot(yaw - before.yaw, pitch - before.pitch))
        glances.append(Glance(now, 0.025 + 0.0024 * turn, yaw, pitch))
        away = not away
        now += max(0.15, float(random.exponential(AWAY_SECONDS if away else AT_PARTNER_SECONDS)))
    return tuple(glances)


def blink_curve(times: NDArray, starts: Sequence[float]) -> Floats:
    """How far the lids are shut at `times` seconds, 0 to 1: fast down, short hold, slow up."""
    curve = np.zeros(len(times))
    for start in starts:
        since = times - start
        down = _ease(since / CLOSE_SECONDS)
        up = _ease((since - CLOSE_SECONDS - HOLD_SECONDS) / OPEN_SECONDS)
        curve = np.maximum(curve, down - up)
    return curve.astype(np.float32)


def gaze_curves(times: NDArray, glances: Sequence[Glance]) -> tuple[Floats, Floats]:
    """Yaw and pitch in degrees at `times` seconds."""
    yaw, pitch = np.zeros(len(times)), np.zeros(len(times))
    before = Glance(0.0, 0.0, 0.0, 0.0)
    for glance in glances:
        moved = _ease((times - glance.start) / max(glance.duration, 1e-3))
        yaw += (glance.yaw - before.yaw) * moved
        pitch += (glance.pitch - before.pitch) * moved
        before = glance
    return yaw.astype(np.float32), pitch.astype(np.float32)


def eye_weights(
    times: NDArray,
    phrase_ends: Sequence[float],
    seconds: float,
    shape_names: Sequence[str],
    options: EyeOptions,
) -> Floats:
    """Rig weights (T, K) of the eyes' own layer at `times` seconds, to be added to the others."""
    weights = np.zeros((len(times), len(shape_names)), np.float32)
    column = {name: i for i, name in enumerate(shape_names)}
    yaw, pitch = gaze_curves(times, plan_gaze(seconds, options))
    yaw, pitch = (c * (options.gaze_strength / DEGREES_AT_FULL_LOOK) for c in (yaw, pitch))
    blink = blink_curve(times, plan_blinks(seconds, phrase_ends, options))
    left, right = np.maximum(yaw, 0), np.maximum(-yaw, 0)
    up, down = np.maximum(pitch, 0), np.maximum(-pitch, 0)
    for side, outward, inward in (("_L", left, right), ("_R", right, left)):
        weights[:, column["eyeLookOut" + side]] = outward
        weights[:, column["eyeLookIn" + side]] = inward
        weights[:, column["eyeLookUp" + side]] = up
        weights[:, column["eyeLookDown" + side]] = down
        weights[:, column["eyeBlink" + side]] = blink * options.blink_strength
    return weights


def _ease(x: NDArray) -> NDArray:
    """0 to 1 with no jump in speed at either end (smoothstep)."""
    x = np.clip(x, 0.0, 1.0)
    return x * x * (3.0 - 2.0 * x)
