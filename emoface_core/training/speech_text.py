# SPDX-License-Identifier: GPL-3.0-or-later
"""Sentences for synthetic voices, written for this project: rich in lip closures and rounding."""

import numpy as np

ENGLISH = """
Papa bought a big map, and mama put up five fabulous boxes.
Pump up the beam before Bob moves the bumper.
Maybe the baby will wave from the pavement above.
Five brave beavers built a fence beside the frozen river.
My very famous uncle never leaves without his violin.
Would you warm the bowl of purple plum jam for me?
Peter Piper promptly paid for the maple pipe.
How now, brown cow, will you move over?
The moon above the boat shone blue upon the bay.
Above the valley, a velvet voice was humming a lullaby.
Please bring me a copper pan, a pepper mill and a lamp.
Tomorrow morning we may walk by the empty warehouse.
Who knew the food would be so good at noon?
The whole world was waiting for one wise word.
Both brothers breathe through thick woollen cloth.
She sells thirty shining shells to the cheerful judge.
A thief thought thoroughly about the three thin threads.
Just a moment, I am coming!
No. Stop it. I said no!
What do you mean, you lost my umbrella?
Oh, how wonderful! You remembered my birthday.
I am so sorry about your poor old puppy.
Leave me alone, or I will call the police.
Ooh, look at the smooth blue balloon.
Everybody hopped, skipped and jumped over the puddle.
Open your mouth, say ah, and keep your lips apart.
Help! Somebody please help me up from the pit.
A mob of bumblebees hums among the apple blossoms.
Fifty-five firemen fought off the furious flames.
Victor shoved the heavy van over the very last curve.
Wipe the windows when the west wind whistles.
They go slowly home along the old stone road.
Put the wooden hook where it should have stood.
Our hour is out, shout it loud around the town.
The boy enjoys noisy toys and oily soil.
Near here, dear, we hear the clear cheer of a deer.
Measure the treasure with pleasure, but keep its usual vision.
The king is singing along the long evening.
A yellow yacht yielded to a huge young yak.
Early birds return to learn their first words.
Go quickly, the clock is ticking and the cake is burning.
Hum, um, mm, I suppose we might simply try.
Bim, bam, boom, the drummer hammers on.
Pop, bop, top, mop: the lamp pops up.
My mom may make more marmalade in May.
Baa, baa, said the lamb by the barn.
Pass the map, please. Thumbs up, captain!
Grab the cab, Abby, and club the web of crumbs.
Name some of them: plum, prune, apple, pumpkin and lime.
If you feel rough enough, laugh it off, half of life is fluff.
"""

GERMAN = """
Papa malt ein paar bunte Bilder an die Wand im Bad.
Mama pumpt am Abend immer das Boot auf.
Fünf flinke Füchse fangen früh am Fluss viele Fische.
Wir wollen warme Wolle für den weißen Winterwald.
Bitte bring mir ein Pfund Pflaumen und etwas Pfeffer.
Über den Bergen blüht im Frühling müde Mohn.
Der Bäcker backt am Montag braunes Brot mit Butter.
Ob der Bub den Bub am Baum abholt, bleibt ab heute offen.
Komm, wir bummeln am Abend um den Brunnen herum.
Plötzlich platzte der bunte Ballon, und alle lachten laut.
Zwölf schöne Schwestern hören hohe Töne im Öl.
Ich möchte euch heute noch etwas Neues zeigen.
Schnell, der Zug nach Hamburg fährt um vier Uhr ab!
Warum hast du mir davon nie etwas erzählt?
Vielleicht verliert der Vogel viele feine Federn.
Die Uhr im Turm schlug zu früh, zum Glück.
Meine Oma mag am liebsten Apfelmus mit Zimt.
Das ist ja unglaublich, so eine Frechheit!
"""

FRENCH = """
Papa part avec un beau bateau bleu vers le port.
Ma maman m'a apporté une pomme et un bol de purée.
Le vent fait vibrer les vieilles fenêtres du village.
Une petite pluie tombe sur le toit de la maison.
Tu as vu la lune au-dessus de la rue ?
Bonjour madame, vous voulez un peu de beurre ?
Nous aimons beaucoup le bon pain du boulanger.
Jean mange une orange dans le jardin de son oncle.
Pourquoi pleures-tu, mon pauvre petit ami ?
Il faut vraiment finir la fête avant la nuit.
Le chat chasse une souris sous la chaise jaune.
Ah bon, c'est bien possible, mais je n'en suis pas sûr.
Deux feux bleus brûlent peu à peu dans le soir.
Impossible ! Vous vous moquez de moi !
"""

SPANISH = """
Mi papá compró pan, mantequilla y un poco de pimienta.
La bebida buena va en el vaso blanco, por favor.
Mamá, ¿me puedes ayudar a mover este mueble?
Un pequeño pato nada por el lago profundo.
Buenos días, amigo, ¿cómo te va en la vida?
El viento mueve las hojas verdes del bambú.
Fui al banco, pero aún no habían abierto.
¡Qué bueno verte aquí después de tanto tiempo!
Los pájaros vuelan muy lejos sobre el mar.
Muchas mujeres toman café con leche por la mañana.
El perro de Pablo rompió la puerta del patio.
No me importa lo que piensen los demás.
"""

ITALIAN = """
Il papà porta il pane e la mamma prepara la pappa.
Vorrei un bicchiere d'acqua e un po' di vino, per favore.
Fabio aveva una bella barca blu nel porto di Napoli.
Mio nonno ama la musica, la buona cucina e il mare.
Domani mattina andiamo insieme in montagna.
Che bello! Finalmente possiamo partire.
La gatta bianca dorme sopra il tappeto.
Ho perso l'ombrello sull'autobus numero nove.
Dove vuoi mettere questo vecchio mobile?
Un pezzo di pizza non basta mai a nessuno.
"""

POLISH = """
Mama piecze placek, a babcia pije ciepłą kawę.
Wczoraj wieczorem padał mocny deszcz nad Wisłą.
Proszę pana, gdzie jest najbliższy przystanek autobusowy?
Piękna pogoda, możemy pójść do parku.
Wujek Michał lubi bardzo duże bułki z makiem.
Pod bukiem siedzi mały pies i pilnuje patyka.
W Szczebrzeszynie chrząszcz brzmi w trzcinie.
Nie wiem, o co ci właściwie chodzi!
"""

PORTUGUESE = """
O papai comprou um pouco de pão e manteiga.
Minha mãe me mandou buscar água na fonte.
Bom dia, você pode me ajudar com a bagagem?
O vento forte bateu na porta da varanda.
Uma bela pomba branca voou por cima da ponte.
Fomos ver o mar antes de viajar para o campo.
Não sei por que ele ficou tão bravo comigo!
Todo mundo quer viver em paz.
"""

DUTCH = """
Papa bakt pannenkoeken en mama maakt een beker melk warm.
De bomen in het park bloeien mooi in het voorjaar.
Vader fietst vandaag voor het eerst over de brug.
Wij wonen boven een winkel vol oude boeken.
Mag ik misschien een broodje met boter en pindakaas?
Het huis van mijn buurman is vuurrood geverfd.
Wat een leuk bericht, ik ben er erg blij mee!
Kom je morgenmiddag bij ons op bezoek?
"""

SWEDISH = """
Pappa bakar bröd och mamma plockar blåbär i skogen.
Min bror bor bredvid en blå båt vid bryggan.
Vi vill gärna veta var vägen börjar.
Får jag be om en kopp kaffe med mjölk?
Sju sjösjuka sjömän sköttes av sju sköna sjuksköterskor.
Fem fina fåglar flög förbi fönstret på morgonen.
Det var mycket roligt att träffa er alla!
Hur mycket kostar de här bruna byxorna?
"""

# In pinyin: from characters, espeak-ng 1.51 reads the tones aloud as numbers.
MANDARIN = """
Bàba mǎi le píngguǒ hé miànbāo, māma hē bái kāishuǐ.
Wǒmen míngtiān zǎoshang bā diǎn bàn zài ménkǒu jiànmiàn.
Tā pǎo de hěn kuài, bú pà fēng yě bú pà yǔ.
Qǐngwèn, fùjìn yǒu méiyǒu piányi de fànguǎn?
Mùguā, pútáo hé xīguā dōu bú guì.
Xiǎo péngyou men zài gōngyuán lǐ fàng fēngzheng.
Zhège wèntí fēicháng fùzá, wǒ bù míngbai.
Tā de mèimei tán pípá, gēge chuī dízi.
Nǐ wèishénme bù gàosu wǒ?
Bié dānxīn, wǒ mǎshàng jiù huílái.
"""

RUSSIAN = """
Папа купил большой помидор, а мама варит бобы.
Бабушка поёт внуку весёлую песню перед обедом.
Мы любим гулять по берегу моря в мае.
Вы не могли бы повторить ваш вопрос?
Пять белых голубей пьют воду у фонтана.
Как же я рад тебя видеть, друг мой!
"""

TURKISH = """
Babam pazardan bir sepet elma ve beş ekmek aldı.
Annem mutfakta bamya pişiriyor, mis gibi kokuyor.
Yarın sabah vapurla adaya gidiyoruz.
Bu büyük kapıyı kim boyadı?
Pembe balon havada yavaşça uçup gitti.
Ömer üzgün görünüyor, ne olduğunu bilmiyorum.
"""

HINDI = """
पापा बाज़ार से फल और मिठाई लाए।
माँ ने मुझे एक मीठा आम और पानी दिया।
बाबू भाई बहुत मेहनत से काम करते हैं।
कृपया मेरी मदद कीजिए, मुझे बस पकड़नी है।
वह फूलों का बाग़ बहुत बड़ा और सुंदर है।
"""

# Sentences by espeak-ng's name of the language.
SENTENCES: dict[str, tuple[str, ...]] = {
    language: tuple(text.strip().splitlines())
    for language, text in {
        "en-us": ENGLISH,
        "en": ENGLISH,
        "de": GERMAN,
        "fr": FRENCH,
        "es": SPANISH,
        "it": ITALIAN,
        "pl": POLISH,
        "pt-br": PORTUGUESE,
        "nl": DUTCH,
        "sv": SWEDISH,
        "cmn-latn-pinyin": MANDARIN,
        "ru": RUSSIAN,
        "tr": TURKISH,
        "hi": HINDI,
    }.items()
}


def mixed_sentences(language: str, count: int, rng: np.random.Generator) -> list[str]:
    """`count` texts: the sentences themselves, then their words shuffled into new ones.

    A voice needs no sense to move its lips, only many neighbourhoods of sounds.
    """
    whole = list(SENTENCES[language])
    words = sorted({word.strip("«».,:;!?¡¿।") for line in whole for word in line.split()} - {""})
    texts = [whole[i] for i in rng.permutation(len(whole))][:count]
    while len(texts) < count:
        chosen = [words[i] for i in rng.integers(0, len(words), int(rng.integers(4, 11)))]
        if len(chosen) > 6:
            chosen[len(chosen) // 2] += ","
        texts.append(" ".join(chosen).capitalize() + str(rng.choice([".", ".", "?", "!"])))
    return texts
