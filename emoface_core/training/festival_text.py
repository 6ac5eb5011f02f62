# SPDX-License-Identifier: GPL-3.0-or-later
"""What festival's voices of many languages say: words of a spelling dictionary, in no sense.

The words are read where Debian's hunspell packages put them; for Finnish, which has none, they are
written here.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from emoface_core.errors import InputError

_DICTIONARIES = Path("/usr/share/hunspell")


@dataclass(frozen=True, slots=True)
class _Dictionary:
    """`letters`: those that the language's voices can read, for a regular expression."""

    file: str
    package: str
    letters: str


_LANGUAGES = {
    "it": _Dictionary("it_IT.dic", "hunspell-it", "a-zàèéìòù"),
    "cs": _Dictionary("cs_CZ.dic", "hunspell-cs", "a-pr-vyzáčďéěíňóřšťúůýž"),
    "ru": _Dictionary("ru_RU.dic", "hunspell-ru", "а-яё"),
    # Without nukta and the signs of other languages, at which the voices' rules end.
    "hi": _Dictionary("hi_IN.dic", "hunspell-hi", "अ-ऋएऐओ-नप-रलव-हा-ृे-ैो-्ंँ"),
    "te": _Dictionary("te_IN.dic", "hunspell-te", "అ-ఋఎ-ఐఒ-నప-రఱ-ళవ-హా-ృె-ైొ-్ం"),
    "ca": _Dictionary("ca.dic", "hunspell-ca", "a-zàçèéíïòóúü"),
}

FINNISH = """
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


@cache
def words(language: str) -> tuple[str, ...]:
    """The words of `language` that its voices can read. InputError where the package is missing."""
    if language == "fi":
        return tuple(sorted(set(FINNISH.split())))
    dictionary = _LANGUAGES[language]
    path = _DICTIONARIES / dictionary.file
    try:
        lines = path.read_text(encoding="utf-8").splitlines()[1:]
    except OSError:
        raise InputError(
            f"The words of “{path}” are missing.", f"apt-get install {dictionary.package}"
        ) from None
    fits = re.compile(f"[{dictionary.letters}]{{2,12}}")
    heads = (line.split("/")[0].strip() for line in lines)
    return tuple(head for head in heads if fits.fullmatch(head))


def word_salad(language: str, count: int, rng: np.random.Generator) -> list[str]:
    """`count` texts of three to seven words, some with a pause within."""
    known = words(language)
    texts = []
    for _ in range(count):
        chosen = [known[i] for i in rng.integers(0, len(known), int(rng.integers(3, 8)))]
        if len(chosen) > 4:
            chosen[len(chosen) // 2] += ","
        texts.append(" ".join(chosen) + str(rng.choice([".", ".", "?"])))
    return texts
