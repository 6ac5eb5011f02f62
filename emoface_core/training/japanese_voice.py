# SPDX-License-Identifier: GPL-3.0-or-later
"""Open JTalk: a statistical voice of Japanese that says when each phone is spoken.

Debian has the program in main, and in contrib, because a program that is not free made it, the
voice.
"""

import tempfile
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from emoface_core.audio.files import SAMPLE_RATE, read_audio
from emoface_core.errors import InputError
from emoface_core.training.phones import SILENCE, PhoneSpan, split_span
from emoface_core.training.synthesis import Speech, SynthesisError, run_program

PACKAGES = ("open-jtalk", "open-jtalk-mecab-naist-jdic", "hts-voice-nitech-jp-atr503-m001")
HELD_OUT_EVERY = 10
LICENCE = "Open JTalk's voice nitech-jp-atr503-m001 (Nagoya Institute of Technology), CC BY 3.0"
_VOICE = Path("/usr/share/hts-voice/nitech-jp-atr503-m001/nitech_jp_atr503_m001.htsvoice")
_DICTIONARY = Path("/var/lib/mecab/dic/open-jtalk/naist-jdic")
_SECONDS = 30.0  # of patience with a text
_TICKS = 1e7  # a second, in the program's times

# A capital vowel is whispered. The second letter y is a palatal glide.
_PHONES = {
    **{vowel: (vowel,) for vowel in "aiueo"},
    **{vowel.upper(): (vowel,) for vowel in "aiueo"},
    **{letter: (letter,) for letter in "kstndhfbpmzwv"},
    **{f"{letter}y": (letter, "j") for letter in "ktdnbpm"},
    "g": ("ɡ",), "gy": ("ɡ", "j"), "kw": ("k", "w"), "gw": ("ɡ", "w"),
    "sh": ("ʃ",), "j": ("d", "ʒ"), "ch": ("t", "ʃ"), "ts": ("t", "s"),
    "hy": ("ç",), "y": ("j",), "r": ("d",), "ry": ("d", "j"), "sil": (SILENCE,), "pau": (SILENCE,),
}  # fmt: skip
_NASAL, _LONG = "N", "cl"

_WORDS = """
朝ご飯 晩ご飯 パン バター 卵 豆腐 味噌汁 お茶 紅茶 牛乳 水 ぶどう みかん りんご 桃 豚肉 魚 海老 野菜
父 母 兄 姉 弟 妹 祖母 祖父 友達 先生 学生 会社員 医者 看護婦 部長 赤ん坊 夫婦 家族 隣の人 子供
犬 猫 馬 豚 鳩 蛇 亀 虫 蜂 象 ペンギン パンダ 兎 狸 狐 鯨 雀 金魚
春 夏 秋 冬 今朝 夕べ 明日 昨日 来週 毎晩 午後 午前 月曜日 火曜日 金曜日 誕生日 一分 百年 三本 六杯
本 新聞 辞書 手紙 切符 封筒 帽子 靴下 眼鏡 財布 傘 鞄 机 椅子 窓 部屋 風呂 台所 庭 橋 道 駅 病院
空港 図書館 本屋 喫茶店 動物園 美術館 北海道 神戸 別府 沖縄 札幌 東京 京都 横浜 日本 フランス
電車 バス 自転車 飛行機 船 トラック タクシー テレビ ラジオ パソコン ピアノ バイオリン カメラ
フィルム コップ スプーン ナイフ フォーク ベッド ボタン ポケット シャツ セーター ズボン スープ サラダ
ビール ワイン コーヒー チョコレート キャンプ ハンバーグ ピーマン ぴかぴか ぶつぶつ ぺらぺら ほっぺた
切手 雑誌 出発 一生懸命 勉強 旅行 散歩 文法 音楽 平和 夢 希望 不便 便利 貧乏 雪 雨 風 雲
虹 海 山 川 森
"""
_SENTENCES = """
私の父は毎朝パンとバターを食べます。
窓を開けてもいいですか。
今夜は満月がとてもきれいですね。
部長はもう帰りましたか。
母は台所で豚肉と豆腐を煮ています。
北風と太陽が言い争いをしていました。
すみません、この辺に郵便局はありますか。
ふわふわの布団でぐっすり眠りました。
びっくりしたなあ、もう。
百円玉を六枚、貸してもらえませんか。
弟は船の模型を作るのが上手です。
ばあさんが川でじゃぶじゃぶ洗濯をしている。
早く行かないと、飛行機に間に合いません。
雨が降っても風が吹いても、毎日学校まで歩きます。
みんなで力を合わせて、頑張りましょう。
"""


def texts(count: int, rng: np.random.Generator) -> list[str]:
    """`count` texts: one in five a sentence, the others three to six words in no sense."""
    words, sentences = _WORDS.split(), _SENTENCES.strip().splitlines()
    said = []
    for _ in range(count):
        if rng.random() < 0.2:
            said.append(sentences[rng.integers(len(sentences))])
            continue
        chosen = [words[i] for i in rng.integers(0, len(words), int(rng.integers(3, 7)))]
        joints = [str(rng.choice(list("とのがをには、"))) for _ in chosen[1:]]
        said.append("".join(w + j for w, j in zip(chosen, [*joints, "です。"], strict=True)))
    return said


def installed() -> bool:
    """Whether the dictionary and the voice are here; the program comes with neither."""
    return _VOICE.is_file() and _DICTIONARY.is_dir()


def speak(text: str, *, speed: float = 1.0, semitones: float = 0.0) -> Speech:
    """A text by the voice, `speed` > 1 faster. SynthesisError if a part is missing or fails."""
    if not installed():
        raise SynthesisError(
            "Open JTalk's voice or dictionary is missing.", f"apt-get install {' '.join(PACKAGES)}"
        )
    with tempfile.TemporaryDirectory() as folder:
        sound, trace = Path(folder) / "speech.wav", Path(folder) / "trace.txt"
        command = ["open_jtalk", "-x", str(_DICTIONARY), "-m", str(_VOICE)]
        command += ["-ow", str(sound), "-ot", str(trace), "-r", f"{speed:.3f}"]
        command += ["-fm", f"{semitones:.2f}"]
        run_program(command, seconds=_SECONDS, given=text)
        samples = read_audio(sound)
        labels = read_trace(trace.read_text(encoding="utf-8"))
    return Speech(samples, spans(labels, len(samples) / SAMPLE_RATE), text)


def read_trace(printed: str) -> list[tuple[str, float]]:
    """Open JTalk's phones, and when each ends (seconds), from what it traces."""
    _, _, after = printed.partition("[Output label]\n")
    found = []
    for line in after.splitlines():
        parts = line.split()
        if len(parts) != 3 or not parts[1].isdigit():
            break
        symbol = parts[2].partition("-")[2].partition("+")[0]
        found.append((symbol, int(parts[1]) / _TICKS))
    return found


def spans(labels: Sequence[tuple[str, float]], seconds: float) -> tuple[PhoneSpan, ...]:
    """Our phones. A long consonant is one; the n that is a syllable is made where the next is."""
    return tuple(_spans(labels, seconds))


def _spans(labels: Sequence[tuple[str, float]], seconds: float) -> Iterator[PhoneSpan]:
    start = 0.0
    for (symbol, end), (after, _) in pairwise([*labels, ("sil", seconds)]):
        if symbol == _LONG and _of(after)[0] != SILENCE:
            continue  # the closure, or the hiss, begins here and lasts through the next
        phones = ("ʔ",) if symbol == _LONG else _nasal(after) if symbol == _NASAL else _of(symbol)
        stop = min(end, seconds)
        if stop > start:
            yield from split_span(phones, start, stop)
            start = stop
    if start < seconds:
        yield PhoneSpan(SILENCE, start, seconds)


def _nasal(after: str) -> tuple[str, ...]:
    first = "n" if after == _NASAL else _of(after)[0]
    if first in "pbm":
        return ("m",)
    return ("n",) if first in "tdnszʃʒ" else ("ŋ",)


def _of(symbol: str) -> tuple[str, ...]:
    if symbol in (_NASAL, _LONG):
        return ("ŋ",)
    if symbol not in _PHONES:
        raise InputError(f"“{symbol}” is not a phone of Open JTalk.", "Add it to its table.")
    return _PHONES[symbol]
