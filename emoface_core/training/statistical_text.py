# SPDX-License-Identifier: GPL-3.0-or-later
"""What the statistical voices say: sentences, and words of a spelling dictionary in no sense.

The words are read where Debian's packages of dictionaries put them; for Kyrgyz, which has none,
they are written here.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from emoface_core.errors import InputError
from emoface_core.training.speech_text import SENTENCES, mixed_sentences

_DICTIONARIES = Path("/usr/share/hunspell")
_SENTENCES_SHARE = 0.3
_LABIAL_SHARE = 0.5  # of the words: a sound that shuts the lips, or rounds them, or meets the teeth
_LABIAL = re.compile("[pbmfvwпбмфв]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Dictionary:
    """`letters`: those of the language's plain words, for a regular expression.

    `first` may come before them: the capital of a noun in German, elsewhere of a mere name.
    """

    file: str
    package: str
    letters: str
    encoding: str = "utf-8"
    first: str = ""


_LANGUAGES = {
    "en-us": _Dictionary("en_US.dic", "hunspell-en-us", "a-z"),
    "de": _Dictionary("de_DE.dic", "hunspell-de-de", "a-zäöüß", first="[A-ZÄÖÜ]?"),
    "es": _Dictionary("es_ES.dic", "hunspell-es", "a-záéíñóúü"),
    "fr": _Dictionary("fr_FR.dic", "hunspell-fr-classical", "a-zàâçèéêëîïôœùûü"),
    "it": _Dictionary("it_IT.dic", "hunspell-it", "a-zàèéìòù"),
    "pt-br": _Dictionary("pt_BR.dic", "hunspell-pt-br", "a-zàáâãçéêíóôõúü", "iso-8859-1"),
    "eo": _Dictionary("eo.dic", "myspell-eo", "a-zĉĝĥĵŝŭ", "iso-8859-3"),
    "ru": _Dictionary("ru_RU.dic", "hunspell-ru", "а-яё"),
    "uk": _Dictionary("uk_UA.dic", "hunspell-uk", "а-щьюяґєії"),
}
_SAME_WORDS = {"en-gb": "en-us"}
_SAME_SENTENCES = {"en-gb": "en"}

KYRGYZ = """
ата апа эне бала кыз уул жигит киши адам бабам апам бөбөк үй эшик терезе бөлмө нан суу сүт чай эт
май балык алма жүзүм коон дарбыз пияз мөмө момпосуй пахта пайда пил көк кызыл ак кара сары жашыл
боз чоң кичине жакшы жаман жаңы эски узун кыска кең тар бийик терең бир эки үч төрт беш алты жети
сегиз тогуз он жүз миң бүгүн эртең кечээ азыр түн күн ай жыл жаз күз кыш жай кар жамгыр шамал
бороон булут асман жер тоо көл өзөн дарыя деңиз токой бак гүл жалбырак бугу ат уй кой эчки ит мышык
тоок бөдөнө бүркүт карышкыр түлкү коён аюу төө булбул келди кетти барды алды берди көрдү айтты
сүйлөдү окуду жазды иштеди ойноду ырдады уктады турду отурду жүрдү чуркады күлдү ыйлады сурады
бышырды бөлдү билди жооп мектеп китеп калем дептер мугалим окуучу дос досум кошуна шаар айыл жол
көпүрө базар дүкөн банк почта поезд автобус велосипед машина учак барабан мамлекет мүмкүн мээрим
вагон витамин фабрика футбол фонтан телефон вокзал ваза фильм вертолёт жана менен үчүн бирок мен
сен биз силер алар бул ошол эмне качан кайда ким кантип дайыма
"""


@cache
def words(language: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Plain words of `language` with a labial letter, and those without.

    InputError where the package of the dictionary is missing.
    """
    if language == "ky":
        known = sorted(set(KYRGYZ.split()))
    else:
        dictionary = _LANGUAGES[_SAME_WORDS.get(language, language)]
        path = _DICTIONARIES / dictionary.file
        try:
            lines = path.read_text(encoding=dictionary.encoding).splitlines()[1:]
        except OSError:
            raise InputError(
                f"The words of “{path}” are missing.", f"apt-get install {dictionary.package}"
            ) from None
        fits = re.compile(f"{dictionary.first}[{dictionary.letters}]{{2,12}}")
        heads = (re.split(r"[/\s]", line, maxsplit=1)[0] for line in lines)
        known = [head for head in heads if fits.fullmatch(head)]
    labial = tuple(word for word in known if _LABIAL.search(word))
    return labial, tuple(word for word in known if not _LABIAL.search(word))


def texts(language: str, count: int, rng: np.random.Generator) -> list[str]:
    """`count` texts, in a random order: some are sentences, most three to seven words."""
    labial, other = words(language)
    sentences = _SAME_SENTENCES.get(language, language)
    said = []
    if sentences in SENTENCES:
        said = mixed_sentences(sentences, round(count * _SENTENCES_SHARE), rng)
    while len(said) < count:
        pools = [
            labial if rng.random() < _LABIAL_SHARE else other for _ in range(rng.integers(3, 8))
        ]
        chosen = [pool[rng.integers(len(pool))] for pool in pools]
        if len(chosen) > 4:
            chosen[len(chosen) // 2] += ","
        said.append(" ".join(chosen) + str(rng.choice([".", ".", "?"])))
    return [said[i] for i in rng.permutation(len(said))]
