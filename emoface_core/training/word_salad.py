# SPDX-License-Identifier: GPL-3.0-or-later
"""What voices of many languages say: words of a spelling dictionary, in no sense.

The words are read where Debian's hunspell packages put them; for Finnish and Kyrgyz, which have
none, they are written here.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from emoface_core.errors import InputError

_DICTIONARIES = Path("/usr/share/hunspell")
_LABIAL = re.compile("[pbmfvwпбмфв]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Dictionary:
    """`letters`: those of the language's plain words that voices can read, for an expression.

    `first` may come before them: the capital of a noun in German, elsewhere of a mere name.
    """

    file: str
    package: str
    letters: str
    encoding: str = "utf-8"
    first: str = ""


_LANGUAGES = {
    "en-us": _Dictionary("en_US.dic", "hunspell-en-us", "a-z"),
    "en-gb": _Dictionary("en_US.dic", "hunspell-en-us", "a-z"),
    "de": _Dictionary("de_DE.dic", "hunspell-de-de", "a-zäöüß", first="[A-ZÄÖÜ]?"),
    "es": _Dictionary("es_ES.dic", "hunspell-es", "a-záéíñóúü"),
    "fr": _Dictionary("fr_FR.dic", "hunspell-fr-classical", "a-zàâçèéêëîïôœùûü"),
    "it": _Dictionary("it_IT.dic", "hunspell-it", "a-zàèéìòù"),
    "pt-br": _Dictionary("pt_BR.dic", "hunspell-pt-br", "a-zàáâãçéêíóôõúü", "iso-8859-1"),
    "ca": _Dictionary("ca.dic", "hunspell-ca", "a-zàçèéíïòóúü"),
    "cs": _Dictionary("cs_CZ.dic", "hunspell-cs", "a-pr-vyzáčďéěíňóřšťúůýž"),
    "ru": _Dictionary("ru_RU.dic", "hunspell-ru", "а-яё"),
    "uk": _Dictionary("uk_UA.dic", "hunspell-uk", "а-щьюяґєії"),
    "eo": _Dictionary("eo.dic", "myspell-eo", "a-zĉĝĥĵŝŭ", "iso-8859-3"),
    # Without nukta and the signs of other languages, at which the voices' rules end.
    "hi": _Dictionary("hi_IN.dic", "hunspell-hi", "अ-ऋएऐओ-नप-रलव-हा-ृे-ैो-्ंँ"),
    "te": _Dictionary("te_IN.dic", "hunspell-te", "అ-ఋఎ-ఐఒ-నప-రఱ-ళవ-హా-ృె-ైొ-్ం"),
}

_FINNISH = """
pappa pyöräilee mummo mökillä omena puu pöytä pupu pamppu lamppu kaappi nappi hyppää käpy ympäri
hämmästynyt lämmin ymmärrän empimättä rumpali kumpikin tammi kampela sampo loppu alku appelsiini
kiipeää puhuu puoli pieni pitkä päivää paikka parempi painava pehmeä peruna pihalla porkkana
bussi banaani bambu baari biologia blondi hobitti rubiini alibi
me te he minä sinä hän meidän teidän heidän mutta myös ja tai että koska kun jos niin ei olen olet
on olemme ovat oli olisi minun sinun hänen tämä tuo nämä nuo mikä missä milloin miksi kuka kuinka
vesi virta vanha veli vuori vene villa vaaleanvihreä viisi valo avain aivan kivi savi hyvä hauva
sävel sieni laiva taivas hevonen varpunen vauva vyö
filmi fakta futis kahvi sohva kefiiri profeetta sinfonia
talo tuuli tyttö tuttu täti tähti tie tuoli tuhat katto mitta metsä mitä yötä päättää taitaa
luotti odottaa aitta lahti yhdeksän kahdeksan seitsemän kaksi kolme neljä kuusi kymmenen
kala koira kissa kukka kaukana keittiö kyllä käsi kieli kuningas kaunis kuumaa kengät kulkee
kankaan kaupunki sangen aurinko lanka langat hongat rengas kenkä onki ongella
sauna sisu suomi saari salmi suuri sydän söi sääski syksy seinä sormi suklaa sukset sunnuntai
lauantai perjantai torstai keskiviikko tiistai maanantai
lintu lumi lapsi laulaa leipä loma luu lyhyt löytää lähti leikki hella hullu mylly pallo
ruoka ruusu rakas rauha rinta raha riemu ryhmä räntää herra kirja kirkko korva korkea orava
marja nurmi nyrkki pyörre myrsky närhi
jalka juna joulu joki järvi jää jyvä ihana ihminen iso isä ilo ilta ikkuna itse
äiti älä ääni äkkiä yö yksi ylös yhdessä yli öljy ötökkä
uusi uni uimaan ulos ukko usein urheilu aamu aika aina alla anna antaa apua arki asia auto
elämä ensin eilen eräs etsii hei hetki hiekka hiljaa hiiri huone huomenta hymy hyöty häntä höyry
nainen nuori nukkuu nyt näkee nähdään nälkä nenä niemi nimi neula
shakki shampoo gorilla gramma magneetti dekkari idea radio studio direktori
mieluummin suomalainen ystävällisesti työttömyys yliopistossa hyväntuulinen epäjärjestelmällisyys
"""

_KYRGYZ = """
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

_WRITTEN = {"fi": _FINNISH, "ky": _KYRGYZ}


@cache
def words(language: str) -> tuple[str, ...]:
    """The plain words of `language`. InputError where the package of its dictionary is missing."""
    if language in _WRITTEN:
        return tuple(sorted(set(_WRITTEN[language].split())))
    dictionary = _LANGUAGES[language]
    path = _DICTIONARIES / dictionary.file
    try:
        lines = path.read_text(encoding=dictionary.encoding).splitlines()[1:]
    except OSError:
        raise InputError(
            f"The words of “{path}” are missing.", f"apt-get install {dictionary.package}"
        ) from None
    fits = re.compile(f"{dictionary.first}[{dictionary.letters}]{{2,12}}")
    heads = (re.split(r"[/\s]", line, maxsplit=1)[0] for line in lines)
    return tuple(head for head in heads if fits.fullmatch(head))


@cache
def _labial(language: str) -> tuple[str, ...]:
    """Those with a sound that shuts the lips, or rounds them, or meets the teeth."""
    return tuple(word for word in words(language) if _LABIAL.search(word))


def word_salad(
    language: str, count: int, rng: np.random.Generator, *, labial: float = 0.0
) -> list[str]:
    """`count` texts of three to seven words, some with a pause within.

    A share `labial` of the words is chosen among those with a labial letter, Latin or Cyrillic.
    """
    texts = []
    for _ in range(count):
        pools = [
            _labial(language) if labial and rng.random() < labial else words(language)
            for _ in range(int(rng.integers(3, 8)))
        ]
        chosen = [pool[rng.integers(len(pool))] for pool in pools]
        if len(chosen) > 4:
            chosen[len(chosen) // 2] += ","
        texts.append(" ".join(chosen) + str(rng.choice([".", ".", "?"])))
    return texts
