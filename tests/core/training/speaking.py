# SPDX-License-Identifier: GPL-3.0-or-later
"""Made-up utterances, and what they do to the head's mesh."""

import numpy as np

from emoface_core.face.head import load_head
from emoface_core.training.phones import PhoneSpan

RATE = 50.0
MM = 1e3


def say(text, lead=0.4, tail=0.6):
    """Spans of "m:80 ɑ:150" (milliseconds) between two silences, and how long all is."""
    spans, at = [PhoneSpan("sil", 0, lead)], lead
    for item in text.split():
        phone, milliseconds = item.split(":")
        spans.append(PhoneSpan(phone, at, at + int(milliseconds) / 1e3))
        at = spans[-1].end
    return [*spans, PhoneSpan("sil", at, at + tail)], at + tail


def mesh(weights):
    head = load_head()
    flat = head.shapes.reshape(len(head.shapes), -1)
    return head.vertices + (weights @ flat).reshape(len(weights), -1, 3)


def measured(measure, weights):
    return measure(mesh(weights), load_head()) * MM


def frames(start, end):
    """Indices of the frames within a stretch of time."""
    return np.arange(int(np.ceil(start * RATE - 1e-6)), int(np.floor(end * RATE + 1e-6)) + 1)
