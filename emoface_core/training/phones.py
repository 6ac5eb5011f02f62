# SPDX-License-Identifier: GPL-3.0-or-later
"""One inventory of phones for every source of labels, and the ways into it.

Voices and corpora name phones differently: flite, festival, pocketsphinx and CMUdict in ARPABET,
EmoDB in SAMPA with the phases of a stop apart, espeak-ng in IPA or in its own ASCII mnemonics.
Each becomes a tuple of phones of `PHONES`: diphthongs and affricates become two, because the mouth
passes through two shapes. An empty tuple means "what was before goes on".
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from emoface_core import phones
from emoface_core.errors import InputError

SILENCE, BILABIALS, LABIODENTALS = phones.SILENCE, phones.BILABIALS, phones.LABIODENTALS

PHONES: tuple[str, ...] = (
    SILENCE,
    *"iɪeɛæaɑɔoʊuʌəɜyøœ",
    *"pbmfvθðtdnlszʃʒkɡŋxçhɹʁwjʔβ",
)
PHONE_INDEX = {phone: index for index, phone in enumerate(PHONES)}

VOWELS = frozenset("iɪeɛæaɑɔoʊuʌəɜyøœ")
STOPS = frozenset("pbtdkɡ")

# Oculus/Meta OVR LipSync names its fifteen visemes so, in this order.
VISEMES = ("sil", "PP", "FF", "TH", "DD", "kk", "CH", "SS", "nn", "RR", "aa", "E", "ih", "oh", "ou")
_VISEME_PHONES = {
    "sil": "sil",
    "PP": "p b m β",
    "FF": "f v",
    "TH": "θ ð",
    "DD": "t d",
    "kk": "k ɡ ŋ x ç h ʔ",
    "CH": "ʃ ʒ",
    "SS": "s z",
    "nn": "n l",
    "RR": "ɹ ʁ",
    "aa": "a ɑ æ ʌ",
    "E": "e ɛ ə ɜ",
    "ih": "i ɪ j",
    "oh": "o ɔ ø œ",
    "ou": "u ʊ y w",
}
VISEME_OF: dict[str, int] = {
    phone: VISEMES.index(name)
    for name, phones in _VISEME_PHONES.items()
    for phone in phones.split()
}


@dataclass(frozen=True, slots=True)
class PhoneSpan:
    """A phone from `start` to `end`, in seconds.

    `release` is when a stop's closure opens, where the labels say so (EmoDB); None elsewhere, and
    for whoever keeps spans in arrays: NaN.
    """

    phone: str
    start: float
    end: float
    release: float | None = None


def split_span(phones: Sequence[str], start: float, end: float) -> tuple[PhoneSpan, ...]:
    """Share the time from `start` to `end` (seconds) among `phones`.

    A diphthong rests on its first vowel; an affricate's closure is the shorter part.
    """
    if not phones:
        return ()
    shares = [_share(phone, phones) for phone in phones]
    total = sum(shares)
    spans, at = [], start
    for i, (phone, share) in enumerate(zip(phones, shares, strict=True)):
        to = end if i == len(phones) - 1 else at + (end - start) * share / total
        spans.append(PhoneSpan(phone, at, to))
        at = to
    return tuple(spans)


def _share(phone: str, phones: Sequence[str]) -> float:
    if phone in VOWELS:
        return 0.6 if phone == phones[0] else 0.4
    return 0.4 if phone in STOPS else 0.6


# --- ARPABET: CMUdict, TIMIT, flite, festival, pocketsphinx ---------------------------------------

_ARPABET = {
    "aa": "ɑ", "ae": "æ", "ah": "ʌ", "ao": "ɔ", "aw": "a ʊ", "ax": "ə", "axh": "ə", "axr": "ə ɹ",
    "ay": "a ɪ", "eh": "ɛ", "er": "ɜ ɹ", "ey": "e ɪ", "ih": "ɪ", "ix": "ɪ", "iy": "i", "ow": "o ʊ",
    "oy": "ɔ ɪ", "uh": "ʊ", "uw": "u", "ux": "u",
    "b": "b", "ch": "t ʃ", "d": "d", "dh": "ð", "dx": "d", "el": "ə l", "em": "ə m", "en": "ə n",
    "eng": "ə ŋ", "f": "f", "g": "ɡ", "hh": "h", "hv": "h", "jh": "d ʒ", "k": "k", "l": "l",
    "m": "m", "n": "n", "ng": "ŋ", "nx": "n", "p": "p", "q": "ʔ", "r": "ɹ", "s": "s", "sh": "ʃ",
    "t": "t", "th": "θ", "v": "v", "w": "w", "wh": "w", "y": "j", "z": "z", "zh": "ʒ",
    "bcl": "b", "dcl": "d", "gcl": "ɡ", "pcl": "p", "tcl": "t", "kcl": "k",
    "pau": "sil", "sil": "sil", "ssil": "sil", "h#": "sil", "#": "sil", "brth": "sil",
    "epi": "sil", "sp": "sil", "spn": "sil",
}  # fmt: skip


def from_arpabet(symbol: str) -> tuple[str, ...]:
    """Phones of an ARPABET symbol in any case, with or without stress (`AH0`) and `_B`-like place.

    Recognisers' fillers (`<sil>`, `[NOISE]`, `+SPN+`) are silence. InputError if it is unknown.
    """
    text = symbol.strip()
    if text[:1] in "<[+":
        return (SILENCE,)
    key = re.sub(r"_[bies]$", "", text.lower())
    key = re.sub(r"(?<=[a-z])\d$", "", key)
    return _known(_ARPABET, key, symbol, "ARPABET")


# --- SAMPA, as EmoDB's .lablaut files label it ----------------------------------------------------

_SAMPA = {
    "a": "a", "A": "ɑ", "E": "ɛ", "e": "e", "i": "i", "I": "ɪ", "o": "o", "O": "ɔ", "u": "u",
    "U": "ʊ", "y": "y", "Y": "y", "2": "ø", "9": "œ", "@": "ə", "6": "ʌ", "8": "ø", "&": "æ",
    "{": "æ", "V": "v", "Q": "ɔ", "3": "ɜ",
    "p": "p", "b": "b", "m": "m", "f": "f", "v": "v", "T": "θ", "D": "ð", "t": "t", "d": "d",
    "n": "n", "l": "l", "L": "l", "s": "s", "z": "z", "S": "ʃ", "Z": "ʒ", "k": "k", "g": "ɡ",
    "G": "x", "N": "ŋ", "x": "x", "X": "ʁ", "C": "ç", "h": "h", "H": "h", "R": "ʁ", "r": "ʁ",
    "4": "ʁ", "w": "w", "j": "j", "J": "j", "?": "ʔ", "B": "β",
    ".": "sil", "_": "sil", "#": "sil",
}  # fmt: skip
# Comments, laryngealisation and the like: the phone before goes on.
_SAMPA_NOTE = re.compile(r"^(\(.*|!|hoe|rue|na|nas|fr|asp|\d|[-+\[].*)$")
_STOP_PHASE = re.compile(r"^(?:_(?P<closure>[pbtdkg])|!(?P<burst>[pbtdkg])|(?P<breath>[ptkbdg])as)")


def from_sampa(symbol: str) -> tuple[str, ...]:
    """Phones of a label of EmoDB: SAMPA, perhaps followed by diacritics (`a +nas 2`).

    A stop's closure, burst and breath all give the stop; `label_spans` joins them and keeps the
    time of the release. `V` and `4` are EmoDB's approximants of v and r, and `X` its uvular r.
    InputError if it is unknown.
    """
    text = symbol.strip()
    head = re.split(r"[\s+\[]|-(?=\w)", text)[0] if text[:1] not in "-+[" else ""
    if not head or (_SAMPA_NOTE.match(head) and head not in _SAMPA):
        return ()
    if phase := _STOP_PHASE.match(head):
        letter = phase["closure"] or phase["burst"] or phase["breath"]
        return (_SAMPA[letter],)
    if head == "dsap":  # a slip of the labellers' for dasp
        return ("d",)
    phones: list[str] = []
    for letter in head.replace(":", ""):
        phone = _known(_SAMPA, letter, symbol, "SAMPA")[0]
        if phones[-1:] != [phone]:
            phones.append(phone)
    return tuple(phones)


def opens(symbol: str) -> bool:
    """Whether a label of EmoDB is a stop's burst or breath, that is, begins with the release."""
    phase = _STOP_PHASE.match(symbol.strip())
    return bool(phase and not phase["closure"]) or symbol.strip() == "dsap"


# --- espeak-ng: IPA, or its own mnemonics (Kirshenbaum with additions) ---------------------------

_ESPEAK = {
    # vowels, IPA
    "i": "i", "ɪ": "ɪ", "ᵻ": "ɪ", "ɨ": "ɪ", "e": "e", "ɘ": "ə", "ɛ": "ɛ", "æ": "æ", "a": "a",
    "ɑ": "ɑ", "ɒ": "ɔ", "ɔ": "ɔ", "o": "o", "ɤ": "ʌ", "ʊ": "ʊ", "u": "u", "ʉ": "u", "ɯ": "ɪ",
    "ʌ": "ʌ", "ɐ": "ʌ", "ə": "ə", "ɚ": "ə ɹ", "ɜ": "ɜ", "ɝ": "ɜ ɹ", "ɞ": "œ", "y": "y", "ʏ": "y",
    "ø": "ø", "ɵ": "ø", "œ": "œ", "ɶ": "œ",
    # vowels, mnemonics
    "I": "ɪ", "E": "ɛ", "&": "æ", "A": "ɑ", "0": "ɔ", "O": "ɔ", "U": "ʊ", "V": "ʌ", "@": "ə",
    "3": "ɜ", "Y": "ø", "W": "œ", "8": "ø",
    # consonants, IPA
    "p": "p", "b": "b", "m": "m", "ɸ": "f", "β": "β", "ɱ": "m", "f": "f", "v": "v", "ʋ": "v",
    "ⱱ": "v", "θ": "θ", "ð": "ð", "t": "t", "ʈ": "t", "d": "d", "ɖ": "d", "ɗ": "d", "ɓ": "b",
    "n": "n", "ɳ": "n", "ɲ": "n", "l": "l", "ɭ": "l", "ʎ": "l", "ɫ": "l", "ɬ": "l", "ɮ": "l",
    "ʟ": "l", "ɺ": "l", "s": "s", "z": "z", "ʃ": "ʃ", "ʂ": "ʃ", "ɕ": "ʃ", "ɧ": "ʃ", "ʒ": "ʒ",
    "ʐ": "ʒ", "ʑ": "ʒ", "c": "k", "ɟ": "ɡ", "k": "k", "ɡ": "ɡ", "g": "ɡ", "ɠ": "ɡ", "q": "k",
    "ɢ": "ɡ", "ŋ": "ŋ", "ɴ": "ŋ", "x": "x", "ɣ": "x", "χ": "x", "ç": "ç", "ʝ": "j", "h": "h",
    "ɦ": "h", "ħ": "h", "ʕ": "h", "ɹ": "ɹ", "ɻ": "ɹ", "r": "ɹ", "ɾ": "d", "ɽ": "d", "ʀ": "ʁ",
    "ʁ": "ʁ", "ʙ": "b", "w": "w", "ʍ": "w", "ɥ": "w", "ɰ": "x", "j": "j", "ʔ": "ʔ", "ʡ": "ʔ",
    # consonants, mnemonics
    "B": "β", "T": "θ", "D": "ð", "S": "ʃ", "Z": "ʒ", "N": "ŋ", "C": "ç", "X": "x", "Q": "x",
    "H": "h", "R": "ʁ", "*": "d", "L": "l", "G": "ɡ", "J": "ɡ", "P": "f", "M": "m", "F": "f",
}  # fmt: skip
_ESPEAK_WHOLE = {
    "": "", "_": "sil", "_:": "sil", "_!": "sil", "_|": "", "|": "", "||": "",
    "a#": "ʌ", "I#": "ɪ", "I2": "ɪ", "@L": "ə l", "@-": "", "l^": "l", "n^": "n", "z.": "ʒ",
    "s.": "ʃ", "t.": "t", "d.": "d", "l.": "l", "n.": "n", "r.": "ɹ", "v#": "v", "B#": "v",
    "t#": "d", "w#": "w", "W2": "w", "S;": "ʃ", "Z;": "ʒ", "s;": "s", "R2": "ɹ", "**": "ɹ",
    "(en)": "",
    "r\u031d": "ʒ", "r\u031d\u030a": "ʃ",  # Czech's raised r
}  # fmt: skip


def from_espeak(symbol: str) -> tuple[str, ...]:
    """Phones of one phoneme of espeak-ng: IPA (`aɪ`, `t͡ʃ`, `bʲ`) or its mnemonic (`aI`, `tS`).

    Stress, length, tone, nasality and other marks are passed over. A vowel sign of no known shape
    becomes schwa and any other one nothing: espeak-ng speaks over a hundred languages, and one
    odd sign must not lose a sentence.
    """
    text = unicodedata.normalize("NFD", symbol.strip()).replace("c\u0327", "\u00e7")
    text = re.sub(r"\([a-z-]+\)", "", text)  # a change of language
    if text in _ESPEAK_WHOLE:
        return tuple(_ESPEAK_WHOLE[text].split())
    text = re.sub(r"[ˈˌ'`,ːˑ:;~^\"!|%=\u0300-\u036f\u02b0-\u02b8\u0361\u1d00-\u1dbf]", "", text)
    if text in _ESPEAK_WHOLE:
        return tuple(_ESPEAK_WHOLE[text].split())
    if re.fullmatch(r"_+", text):
        return (SILENCE,)
    phones: list[str] = []
    i = 0
    while i < len(text):
        pair = text[i : i + 2]
        step = 2 if len(pair) == 2 and pair in _ESPEAK_WHOLE else 1
        found = (_ESPEAK_WHOLE[pair] if step == 2 else _ESPEAK.get(text[i], "")).split()
        phones += [p for j, p in enumerate(found) if j or phones[-1:] != [p]]
        i += step
    return tuple(phones)


# --- From labels to spans -------------------------------------------------------------------------


def label_spans(
    labels: Iterable[tuple[float, str]],
    end: float,
    convert: Callable[[str], tuple[str, ...]] = from_sampa,
) -> tuple[PhoneSpan, ...]:
    """Spans from labels that say when each symbol *starts*; time outside them is silence.

    Symbols that convert to nothing lengthen what was before; a stop's closure, burst and breath
    are one span with its `release`. `end` (seconds) cuts off what the sound does not hold.
    """
    spans: list[PhoneSpan] = []
    items = sorted(((t, s) for t, s in labels if t < end), key=lambda item: item[0])
    bounds = [t for t, _ in items] + [end]
    if bounds[0] > 0:
        spans.append(PhoneSpan(SILENCE, 0.0, bounds[0]))
    for (start, symbol), stop in zip(items, bounds[1:], strict=True):
        phones = convert(symbol)
        last = spans[-1] if spans else None
        released = convert is from_sampa and opens(symbol)
        if last and (
            not phones or ((released or last.phone == SILENCE) and phones == (last.phone,))
        ):
            release = last.release
            if released and release is None:
                release = start
            spans[-1] = PhoneSpan(last.phone, last.start, stop, release)
        elif released:
            spans.append(PhoneSpan(phones[0], start, stop, start))
        else:
            spans += split_span(phones or (SILENCE,), start, stop)
    return tuple(span for span in spans if span.end > span.start)


def _known(table: dict[str, str], key: str, symbol: str, name: str) -> tuple[str, ...]:
    if key not in table:
        raise InputError(f"“{symbol}” is not a phone in {name}.", "Check the label or add it.")
    return tuple(table[key].split())
