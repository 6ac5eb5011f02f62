# SPDX-License-Identifier: GPL-3.0-or-later
"""Festival's voices: how each is called, what it reads, and its phones in ours.

But for `slt-hts` and `ca-ona`, which are statistical, they are cut from recordings of a person.
Each table is written after the voice's own definition of its phones.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from emoface_core.errors import InputError
from emoface_core.training.phones import SILENCE, VOWELS, from_arpabet


def _table(text: str) -> Mapping[str, tuple[str, ...]]:
    """Symbols that are phones of ours, "symbol=phone", or "symbol=phone+phone"."""
    pairs = (item.partition("=") for item in text.split())
    return {symbol: tuple((phones or symbol).split("+")) for symbol, _, phones in pairs}


# SAMPA; a stressed vowel ends in 1, a long consonant comes twice. The n of "anfora" (nf) has its
# own shape of the lips, which is the f's that follows, not an m's.
_ITALIAN = _table(
    "i e E=ɛ a o O=ɔ u i1=i e1=e E1=ɛ a1=a o1=o O1=ɔ u1=u j w p t k b d g=ɡ f s S=ʃ v z Z=ʒ "
    "ts=t+s tS=t+ʃ dz=d+z dZ=d+ʒ m n J=n ng=ŋ nf=n l L=l r=ɹ #=sil"
)

# d~ and t~ are palatal stops; r~ and r~* (ř) sound and look like ʒ and ʃ with a trill.
_CZECH = _table(
    "a a:=a e=ɛ e:=ɛ i=ɪ i:=i o o:=o u u:=u b c=t+s c~=t+ʃ ch=x d d~=d dz=d+z dz~=d+ʒ f "
    "g=ɡ h j k l m n n*=ŋ n~=n p r=ɹ r~=ʒ r~*=ʃ s s~=ʃ t t~=t v z z~=ʒ _=ʔ #=sil"
)

_FINNISH_SHORT = _table(
    "a=ɑ e i o u y @=æ 7=ø &=ə p t k b d g=ɡ f T=θ D=ð s S=ʃ z Z=ʒ h v m n N=ŋ l L=l r=ɹ j w"
)
_FINNISH = {
    **_FINNISH_SHORT,
    **{f"{symbol}:": phones for symbol, phones in _FINNISH_SHORT.items()},
    "#": (SILENCE,),
    "##": (SILENCE,),
}

# A doubled letter is a palatalised consonant, or a stressed vowel. Of the weakest vowels ae follows
# the palatalised ones and ay the others, whatever the definition says.
_RUSSIAN = _table(
    "ii=i yy=ɪ uu=u ee=ɛ oo=o aa=a a=ʌ e i=ɪ y=ɪ u ay=ə ae=ɪ ur=ʊ "
    "p pp=p b bb=b t tt=t d dd=d k kk=k g=ɡ gg=ɡ f ff=f v vv=v s ss=s z zz=z sh=ʃ sch=ʃ zh=ʒ "
    "c=t+s ch=t+ʃ h=x hh=x m mm=m n nn=n l ll=l r=ɹ rr=ɹ j pau=sil"
)

# One set for Hindi and Telugu, and one speaker: T and D are retroflex, th and dh dental.
_INDIC = _table(
    "a=ʌ aa=a ih=ɪ iy=i uh=ʊ uw=u eh=e ee=e oh=o oo=o ay=a+ɪ aw=a+ʊ f k kh=k g=ɡ gh=ɡ "
    "T=t td=t D=d N=n th=t tth=t dh=d ddh=d n p b bh=b m y=j r=ɹ R=ɹ l L=l v s sh=ʃ zh=ʒ ch=t+ʃ "
    "j=d+ʒ ksh=k+ʃ sri=ʃ+ɹ+i h w pau=sil"
)

_CATALAN = _table(
    "ax=ə a a1=a e e1=e E=ɛ E1=ɛ i i1=i o o1=o O=ɔ O1=ɔ u u1=u j w b d f g=ɡ J=n k l L=l m n p "
    "r=ɹ rr=ɹ s S=ʃ t z Z=ʒ pau=sil _=sil #=sil"
)


@dataclass(frozen=True, slots=True)
class FestivalVoice:
    """`name` is festival's, `package` Debian's. `phones` is None where they are in ARPABET.

    `varies` tells whether it heeds a wished pitch and length.
    """

    name: str
    language: str
    package: str
    licence: str
    phones: Mapping[str, tuple[str, ...]] | None = None
    encoding: str = "utf-8"
    varies: bool = True

    def convert(self, symbol: str, before: str = SILENCE) -> tuple[str, ...]:
        """Our phones of one of the voice's, after our phone `before`. InputError if unknown."""
        if self.phones is None:
            return from_arpabet(symbol)
        if symbol not in self.phones:
            raise InputError(
                f"“{symbol}” is not a phone of the voice {self.name}.", "Add it to its table."
            )
        # The lips of a Catalan b do not quite meet but after a pause or a nasal.
        if self.language == "ca" and symbol == "b" and before in VOWELS | set("lɹszʒj"):
            return ("β",)
        return self.phones[symbol]


FESTIVAL_ENGLISH: dict[str, FestivalVoice] = {
    "ked": FestivalVoice("ked_diphone", "en", "festvox-kdlpc16k", "free (CSTR)"),
    "kal": FestivalVoice("kal_diphone", "en", "festvox-kallpc16k", "free (CMU)"),
    "slt-hts": FestivalVoice("cmu_us_slt_arctic_hts", "en", "festvox-us-slt-hts", "free (CMU)"),
}

# Not here: Marathi, which is the recordings of hi-nsk again.
DIPHONE_VOICES: dict[str, FestivalVoice] = {
    "it-lp": FestivalVoice(
        "lp_diphone", "it", "festvox-italp16k", "GPL-2+", _ITALIAN, "iso-8859-1"
    ),
    "it-pc": FestivalVoice(
        "pc_diphone", "it", "festvox-itapc16k", "GPL-2+", _ITALIAN, "iso-8859-1"
    ),
    "cs-dita": FestivalVoice(
        "czech_dita", "cs", "festvox-czech-dita", "GPL-3+", _CZECH, "iso-8859-2"
    ),
    "cs-krb": FestivalVoice("czech_krb", "cs", "festvox-czech-krb", "GPL-3+", _CZECH, "iso-8859-2"),
    "cs-machac": FestivalVoice(
        "czech_machac", "cs", "festvox-czech-machac", "GPL-3+", _CZECH, "iso-8859-2"
    ),
    "cs-ph": FestivalVoice("czech_ph", "cs", "festvox-czech-ph", "GPL-2+", _CZECH, "iso-8859-2"),
    "fi-lj": FestivalVoice(
        "suo_fi_lj_diphone", "fi", "festvox-suopuhe-lj", "LGPL-2+", _FINNISH, "iso-8859-1"
    ),
    "fi-mv": FestivalVoice(
        "hy_fi_mv_diphone", "fi", "festvox-suopuhe-mv", "LGPL-2+", _FINNISH, "iso-8859-1"
    ),
    "ru-nsh": FestivalVoice(
        "msu_ru_nsh_clunits", "ru", "festvox-ru", "BSD-like", _RUSSIAN, varies=False
    ),
    "hi-nsk": FestivalVoice("hindi_NSK_diphone", "hi", "festvox-hi-nsk", "GPL-2+", _INDIC),
    "te-nsk": FestivalVoice("telugu_NSK_diphone", "te", "festvox-te-nsk", "GPL-2+", _INDIC),
    "ca-ona": FestivalVoice(
        "upc_ca_ona_hts", "ca", "festvox-ca-ona-hts", "LGPL-2.1+", _CATALAN, "iso-8859-1",
        varies=False,
    ),
}  # fmt: skip
# A voice of a language that is trained on, and the only recordings of one that is not.
DIPHONE_HELD_OUT = ("cs-machac", "ru-nsh")

FESTIVAL_VOICES: dict[str, FestivalVoice] = {**FESTIVAL_ENGLISH, **DIPHONE_VOICES}
