# SPDX-License-Identifier: GPL-3.0-or-later
"""Every source's labels find their way into the one inventory of phones."""

import pytest

from emoface_core.errors import InputError
from emoface_core.training import phones
from emoface_core.training.phones import (
    PHONES,
    VISEME_OF,
    VISEMES,
    PhoneSpan,
    from_arpabet,
    from_espeak,
    from_sampa,
    label_spans,
    split_span,
)

CMUDICT = """AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH
UW V W Y Z ZH"""
# Every phone that EmoDB's .lablaut files hold, and the odd ones out.
EMODB = r"""
n I a t !t !d m s d i v g . z !g tasp @ U e E 6 b l x f N aI p S _d !b o !p 4 k dasp !k O
X aU C j kasp B ? gasp pasp u 9 OY y Y V h H D i6 _t R L E6 @6 a6 G I6 _k AO aO basp I@ _g _b AU ss
_p Y6 @a @O J OU i@ A ia 8"""
EMODB_NOTES = ["", "-sth", "+hoe", "(", "(gef", "!", "-sth,-tie", "[+eng", "hoe", "+:"]


def test_every_phone_has_a_viseme_and_every_viseme_a_phone():
    assert set(VISEME_OF) == set(PHONES)
    assert set(VISEME_OF.values()) == set(range(len(VISEMES)))
    assert PHONES[0] == "sil"
    assert len(set(PHONES)) == len(PHONES)


@pytest.mark.parametrize("table", ["_ARPABET", "_SAMPA", "_ESPEAK", "_ESPEAK_WHOLE"])
def test_tables_lead_to_phones_of_the_inventory(table):
    for symbol, made in getattr(phones, table).items():
        assert set(made.split()) <= set(PHONES), symbol


def test_arpabet_with_stress_and_place():
    for symbol in CMUDICT.split():
        plain = from_arpabet(symbol)
        assert plain
        assert from_arpabet(symbol.lower()) == plain
        assert from_arpabet(f"{symbol}_B") == plain
    assert from_arpabet("AH0_I") == ("ʌ",)
    assert from_arpabet("AY1") == ("a", "ɪ")
    assert from_arpabet("CH_E") == ("t", "ʃ")
    for filler in ("pau", "<sil>", "[NOISE]", "+SPN+", "h#"):
        assert from_arpabet(filler) == ("sil",)
    with pytest.raises(InputError, match="QQ"):
        from_arpabet("QQ")


def test_emodb_labels():
    for symbol in EMODB.split():
        assert from_sampa(symbol), symbol
    for note in EMODB_NOTES:
        assert from_sampa(note) == (), note
    assert from_sampa("a +nas    2") == ("a",)
    assert from_sampa("OY") == ("ɔ", "y")
    assert from_sampa("!t    +asp") == from_sampa("_t") == from_sampa("tasp") == ("t",)
    with pytest.raises(InputError):
        from_sampa("%")


@pytest.mark.parametrize(
    ("symbol", "expected"),
    [
        ("aI", "a ɪ"), ("ˈaɪ", "a ɪ"), ("tS", "t ʃ"), ("t͡ʃ", "t ʃ"), ("dʒ", "d ʒ"), ("iː", "i"),
        ("bʲ", "b"), ("ɑ̃", "ɑ"), ("A:", "ɑ"), ("n^", "n"), ("R2", "ɹ"), ("_:", "sil"),
        ("ç", "ç"), ("c\u0327", "ç"), ("o~", "o"), ("m̩", "m"), ("@L", "ə l"), ("ɡ", "ɡ"),
        ("a55", "a"), ("(en)", ""), ("ɟ", "ɡ"), ("œ", "œ"), ("mb", "m b"), ("r̝", "ʒ"), ("r̝̊", "ʃ"),
    ],
)  # fmt: skip
def test_espeak_in_ipa_and_mnemonics(symbol, expected):
    assert from_espeak(symbol) == tuple(expected.split())


def test_split_span_shares_the_time():
    spans = split_span(("a", "ɪ"), 1.0, 1.2)
    assert [s.phone for s in spans] == ["a", "ɪ"]
    assert spans[0].start == 1.0
    assert spans[0].end == spans[1].start == pytest.approx(1.12)
    assert spans[1].end == 1.2
    assert split_span((), 0, 1) == ()


def test_label_spans_join_the_phases_of_a_stop():
    labels = [(0.1, "p"), (0.16, "!p"), (0.17, "pasp"), (0.2, "a"), (0.25, "-sth"), (0.4, "."),
              (2.1, "x")]  # fmt: skip
    assert label_spans(labels, 2.0) == (
        PhoneSpan("sil", 0.0, 0.1),
        PhoneSpan("p", 0.1, 0.2, 0.16),
        PhoneSpan("a", 0.2, 0.4),
        PhoneSpan("sil", 0.4, 2.0),
    )


def test_label_spans_keep_repeated_phones_apart():
    spans = label_spans([(0.0, "m"), (0.1, "m")], 0.2)
    assert [s.start for s in spans] == [0.0, 0.1]


def test_label_spans_of_no_labels_are_silence():
    assert label_spans([], 1.0) == (PhoneSpan("sil", 0.0, 1.0),)
