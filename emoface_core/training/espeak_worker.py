# SPDX-License-Identifier: GPL-3.0-or-later
"""A process that speaks sentences with libespeak-ng and writes down when each phoneme starts.

`python -m emoface_core.training.espeak_worker OUT.npz < request.json`. Only the library gives
phoneme times, and it may hang or crash: so it lives in a process of its own, with a time limit.
"""

import ctypes
import ctypes.util
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

_RETRIEVE_SYNCHRONOUSLY = 2
_PHONEME_EVENTS, _PHONEMES_IN_IPA, _DONT_EXIT = 0x1, 0x2, 0x8000
_EVENT_END, _EVENT_PHONEME = 0, 7
_POSITION_CHARACTER, _UTF8 = 1, 1
_RATE, _PITCH, _RANGE = 1, 3, 4


class _EventId(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    )


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


def speak(request: dict) -> dict[str, np.ndarray]:
    """Arrays `rate`, and for sentence i `audio_i` int16, `start_i` (samples), `symbol_i` (IPA).

    `request`: `voice` (such as "de+f3"), `rate` (words a minute), `pitch` and `range` (0 to 100),
    `texts`.
    """
    name = ctypes.util.find_library("espeak-ng") or "libespeak-ng.so.1"
    library = ctypes.CDLL(name)
    library.espeak_Initialize.argtypes = (
        ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_int,
    )  # fmt: skip
    library.espeak_Synth.argtypes = (
        ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int, ctypes.c_uint,
        ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p,
    )  # fmt: skip
    options = _PHONEME_EVENTS | _PHONEMES_IN_IPA | _DONT_EXIT
    rate = library.espeak_Initialize(_RETRIEVE_SYNCHRONOUSLY, 0, None, options)
    if rate <= 0:
        raise SystemExit("espeak-ng does not start")
    audio: list[np.ndarray] = []
    events: list[tuple[int, str]] = []

    def receive(samples: Any, count: int, event: Any) -> int:
        if samples and count:
            audio.append(np.ctypeslib.as_array(samples, (count,)).copy())
        index = 0
        while event[index].type != _EVENT_END:
            if event[index].type == _EVENT_PHONEME:
                symbol = bytes(event[index].id.string).split(b"\0")[0]
                events.append((event[index].sample, symbol.decode("utf-8", "ignore")))
            index += 1
        return 0

    callback = _Callback(receive)
    library.espeak_SetSynthCallback(callback)
    if library.espeak_SetVoiceByName(request["voice"].encode()) != 0:
        raise SystemExit(f"espeak-ng has no voice {request['voice']}")
    for parameter, key in ((_RATE, "rate"), (_PITCH, "pitch"), (_RANGE, "range")):
        library.espeak_SetParameter(parameter, int(request[key]), 0)
    result: dict[str, np.ndarray] = {"rate": np.array(rate)}
    for index, text in enumerate(request["texts"]):
        audio.clear()
        events.clear()
        data = text.encode() + b"\0"
        library.espeak_Synth(data, len(data), 0, _POSITION_CHARACTER, 0, _UTF8, None, None)
        library.espeak_Synchronize()
        result[f"audio_{index}"] = np.concatenate(audio) if audio else np.zeros(0, np.int16)
        result[f"start_{index}"] = np.array([start for start, _ in events], np.int64)
        result[f"symbol_{index}"] = np.array([symbol for _, symbol in events], "U8")
    return result


if __name__ == "__main__":
    np.savez(Path(sys.argv[1]), **speak(json.load(sys.stdin)))
