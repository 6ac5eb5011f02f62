# SPDX-License-Identifier: GPL-3.0-or-later
"""From letters to the kinds of sound that they may stand for, in any language.

On purpose there is no dictionary and no choice of a language. A word is not *recognised* here but
*found* in sound that certainly holds it, and for that a letter need only say which phones it can
be: b is p or b wherever Latin letters are written, w is v or w, h may be silent, a vowel letter is
most likely a vowel near it and possibly any other. A rule that is right in one language and merely
possible in another is a possibility; the sound decides. So names, dialects, mixed languages and
made-up words work as well as any others, and nothing has to be fetched.

Latin letters with marks count as their base letter where nothing else is said; Greek and Cyrillic
ones are spelt in Latin first.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from emoface_core.errors import InputError
from emoface_core.phones import SILENCE

_UNLIKELY = 0.25  # the weight of phones after a bar, below
_HARDLY = 0.03  # of any phone where nothing was written: a breath, a laugh, a word left out


@dataclass(frozen=True, slots=True)
class Sound:
    """A kind of sound: phones with their weights (1: as likely as any), maybe left out."""

    weights: tuple[tuple[str, float], ...]
    others: float = 0.0  # the weight of every phone that is not named
    optional: bool = False


@dataclass(frozen=True, slots=True)
class SpeltWord:
    """A word as it was written, and the sounds that it may be made of."""

    text: str
    sounds: tuple[Sound, ...]


# Between words: a pause, or something that was not written down.
GAP = Sound(((SILENCE, 1.0), ("ʔ", 0.5)), others=_HARDLY, optional=True)
# Figures and signs that are read out in words nobody wrote: any sound, for as long as it takes.
_ANYTHING = Sound(((SILENCE, 0.01),), others=0.3)

# Sounds in their order, each as "likely phones|possible phones"; a "?" in front: may be left out.
_VOWELS = "iɪeɛæaɑɔoʊuʌəɜyøœ"
_LETTERS = {
    "a": "aɑæʌ", "e": "eɛəɪi", "i": "iɪ", "o": "oɔʊ", "u": "uʊʌy", "y": "iɪyj", "ä": "ɛeæ",
    "ö": "øœ", "ü": "yi", "å": "ɔoa", "æ": "æɛe", "œ": "œøe", "ø": "øœ", "ı": "ɪi", "ó": "oɔu",
    "b": "bp|βv", "c": "ksʃt|zʒ", "d": "dt|ðɹ", "f": "f|v", "g": "ɡk|xʒdjç",
    "h": "?hx|çʁ", "j": "?d|t jʒ|xhçʃ", "k": "kɡ|x", "l": "l|wʊjn", "m": "m|n", "n": "n|ŋm",
    "p": "pb|f", "q": "k|ɡ", "r": "ɹʁʌə|dlɜx", "s": "szʃ|ʒ", "t": "td|ʃsʔθ", "v": "vf|bβw",
    "w": "vw|ufʊ", "x": "?kɡ|z szʃ|xk", "z": "?td|s zsθ|ʃʒ", "ç": "sʃ|t", "ł": "wl",
    "ñ": "n|j", "ð": "ðd", "þ": "θ|t", "ŋ": "ŋ|n", "ğ": "?ɡj|w", "š": "ʃ|s", "ž": "ʒʃ|z",
    "č": "?td ʃ|ʒ", "ş": "ʃ|s", "đ": "dð|ʒj",
}  # fmt: skip
_CLUSTERS = {
    "sch": "ʃ|sk", "tsch": "?t ʃ", "tch": "?t ʃ", "ch": "?t ʃçxk|hɡ", "sh": "ʃ|sh",
    "th": "θðt|dsz", "ph": "f|p", "kh": "x|kç", "gh": "?ɡf|x", "zh": "ʒʃ|z", "rh": "ɹʁ|dl",
    "wh": "wvh|u", "ck": "k|ɡ", "cz": "?td ʃ|ʒ", "sz": "sʃ|z", "rz": "ʒʃ|ɹʁz", "dz": "?d zʒ|sʃ",
    "dg": "?d ʒ|ɡ", "qu": "kɡ ?wv|u", "gu": "ɡ|k ?w|uʊ", "gn": "?ɡ n|ŋj", "ng": "ŋ|n ?ɡ|k",
    "nk": "ŋ|n kɡ", "kn": "?k n", "wr": "?v ɹʁ|w", "ps": "?p s|z", "mn": "m ?n", "mb": "m ?b|p",
    "bt": "?bp t|d", "pf": "?p f", "sc": "sʃ|z ?k|ʃ", "ss": "sz|ʃ", "ti": "tsʃ|dʒ ?iɪj",
    "si": "szʃʒ ?iɪj", "ci": "sʃ|tθ ?iɪj", "gli": "?ɡ l|j ?iɪ", "nh": "n|j", "lh": "l|j ?h",
    "ll": "l|j", "rr": "ɹʁ|dx", "sj": "ʃs|x ?j", "kj": "ʃçk|x ?j", "tj": "?t ʃçj|x",
    "sk": "sʃ|x ?k", "cc": "?kt ksʃ", "zz": "?td sz", "lk": "?l kɡ", "lm": "?l m", "lf": "?l f|v",
    "st": "sʃ|z ?td", "ts": "?td s|zʃ", "tz": "?td s|z", "ds": "?dt sz", "xc": "?k s|k",
    "ij": "eɛiɪ ?ɪij", "cq": "k", "mm": "m|n", "tt": "td|ʔ",
}  # fmt: skip
_CYRILLIC = {
    "а": "a", "б": "b", "в": "v", "г": "g", "ґ": "g", "д": "d", "е": "e", "ё": "o", "є": "e",
    "ж": "zh", "з": "z", "и": "i", "і": "i", "ї": "i", "й": "j", "к": "k", "л": "l", "м": "m",
    "н": "n", "о": "o", "п": "p", "р": "r", "с": "s", "т": "t", "у": "u", "ў": "w", "ф": "f",
    "х": "kh", "ц": "ts", "ч": "č", "ш": "sh", "щ": "sh", "ъ": "", "ы": "y", "ь": "", "э": "e",
    "ю": "u", "я": "a", "ђ": "đ", "ј": "j", "љ": "l", "њ": "n", "ћ": "č", "џ": "dzh", "ѓ": "g",
    "ќ": "k", "ѕ": "dz",
}  # fmt: skip
_GREEK = {
    "μπ": "b", "ντ": "d", "γκ": "g", "γγ": "ng", "τσ": "ts", "τζ": "dz", "ου": "u", "αι": "e",
    "ει": "i", "οι": "i", "υι": "i", "αυ": "av", "ευ": "ev", "α": "a", "β": "v", "γ": "g",
    "δ": "đ", "ε": "e", "ζ": "z", "η": "i", "θ": "th", "ι": "i", "κ": "k", "λ": "l", "μ": "m",
    "ν": "n", "ξ": "x", "ο": "o", "π": "p", "ρ": "r", "σ": "s", "ς": "s", "τ": "t", "υ": "i",
    "φ": "f", "χ": "kh", "ψ": "ps", "ω": "o",
}  # fmt: skip
_WITH_MARKS = frozenset(_LETTERS)  # letters that keep their marks
_VOWEL_LETTERS = frozenset("aeiouyäöüåæœøıó")
_SPOKEN_TO_NOBODY = re.compile(r"\[[^\]]*\]|\([^)]*\)")  # stage directions
# Often silent at a word's end: French, and English after a consonant.
_SILENT_LAST = frozenset("tdsxzre")
_WEAK_BEFORE = frozenset("nmlrsdt")  # an e before one of these at a word's end is often none


def spell(text: str) -> tuple[SpeltWord, ...]:
    """The words of a text. What stands in brackets is not spoken.

    InputError if there are none, or some in letters that nothing is known of.
    """
    words = []
    for written in _SPOKEN_TO_NOBODY.sub(" ", text).split():
        latin = _in_latin(written)
        if latin:
            words.append(SpeltWord(written, _sounds(latin)))
        elif any(letter.isdigit() for letter in written):
            words.append(SpeltWord(written, (_ANYTHING,)))
    if not words:
        raise InputError("The text holds no words.", "Give the words that are spoken, or no text.")
    return tuple(words)


def _in_latin(written: str) -> str:
    """The letters of a word, small, in the alphabet of `_LETTERS`; "" if there are none."""
    result, small = "", unicodedata.normalize("NFC", written.casefold())
    plain = "".join(c for c in unicodedata.normalize("NFD", small) if not unicodedata.combining(c))
    if any("\u0370" <= c <= "\u03ff" for c in plain):
        small = re.sub("|".join(_GREEK), lambda found: _GREEK[found[0]], plain)
    for letter in small:
        base = unicodedata.normalize("NFD", letter)[0]
        if letter in _WITH_MARKS or letter in _CYRILLIC:
            result += _CYRILLIC.get(letter, letter)
        elif base in _WITH_MARKS or base in _CYRILLIC:
            result += _CYRILLIC.get(base, base)
        elif letter.isalpha():
            raise InputError(
                f"“{letter}” is of a script that EmoFace cannot read.",
                "Write the text in Latin, Greek or Cyrillic letters, or leave it out.",
            )
    return result


def _sounds(letters: str) -> tuple[Sound, ...]:
    sounds: list[Sound] = []
    for place, piece in _pieces(letters):
        after = letters[place + len(piece) :]
        made = list(_read(_CLUSTERS.get(piece) or _LETTERS[piece[0]], piece[0] in _VOWEL_LETTERS))
        second_vowel = (
            piece in _VOWEL_LETTERS and place > 0 and letters[place - 1] in _VOWEL_LETTERS
        )
        # A vowel letter may be one sound with the one before, r colour its vowel and no more.
        weak = second_vowel or (piece == "r" and place > 0)
        weak |= piece == "e" and len(after) == 1 and after in _WEAK_BEFORE
        weak |= place > 0 and not after and piece in _SILENT_LAST
        weak |= piece == "l" and after[:1] not in _VOWEL_LETTERS and place > 0
        if weak:
            made = [Sound(sound.weights, sound.others, optional=True) for sound in made]
        sounds += made
    if all(sound.optional for sound in sounds):
        sounds[0] = Sound(sounds[0].weights, sounds[0].others)
    return tuple(sounds)


def _pieces(letters: str) -> Iterator[tuple[int, str]]:
    """(place, piece): the longest cluster at each place, or a letter; doubled ones once."""
    place = 0
    while place < len(letters):
        length = next((n for n in (4, 3, 2) if letters[place : place + n] in _CLUSTERS), 1)
        yield place, letters[place : place + length]
        place += length
        while place < len(letters) and letters[place] == letters[place - 1] and length == 1:
            place += 1


@cache
def _read(notation: str, vowel: bool) -> tuple[Sound, ...]:
    sounds = []
    for item in notation.split():
        likely, _, possible = item.lstrip("?").partition("|")
        if vowel:
            possible += "".join(v for v in _VOWELS if v not in likely) + "ʔjw"
        weights = [(phone, 1.0) for phone in likely]
        weights += [(phone, _UNLIKELY) for phone in possible if phone not in likely]
        sounds.append(Sound(tuple(weights), optional=item.startswith("?")))
    return tuple(sounds)


def in_order(words: Sequence[SpeltWord]) -> tuple[list[Sound], list[int]]:
    """All sounds with gaps round the words, and of which word each is (-1: a gap)."""
    sounds, owner = [GAP], [-1]
    for number, word in enumerate(words):
        sounds += [*word.sounds, GAP]
        owner += [number] * len(word.sounds) + [-1]
    return sounds, owner
