"""What the simulator talks about: its own sentences, cut into the pieces it calls tokens."""

import re
from random import Random
from typing import Final

__all__ = ["PIECES_BY_SENTENCE", "fragments", "say"]

# Not ASCII alone: a packet must be able to end inside a character, and JSON must have something to escape.
_SENTENCES: Final = """
The harbour is quiet before six, and the first ferry leaves with its lamps still lit.
A good map leaves out almost everything, which is why it can be read at all.
Bread rises because yeast turns sugar into gas, and the dough is strong enough to hold it.
She kept a list of every bird she had seen, with the date, the weather and a small drawing.
If two trains leave at noon, ask first whether they share a track.
Water finds the lowest place; so does a badly written queue.
The committee met for three hours and agreed to meet again.
Start with the smallest thing that could be wrong, then check the cable.
In Zürich the trams are blue and white, and they are rarely late.
A café on the corner sells coffee for €2.50 and advice for nothing.
Most proofs are found backwards and written forwards.
He tuned the piano by ear, one string at a time, until the room sounded larger.
The old word for it is "patience", though nobody uses it in meetings.
Rain fell on the tin roof all night — a long, even, comfortable noise.
An index makes reading faster and writing slower; choose with your eyes open.
東京 is spelled with two characters, and it means the eastern capital.
The glacier moves a hand's breadth a day, which is fast for a mountain.
Nobody reads the manual, so put the important sentence first.
Salt lowers the freezing point of water, hence the white roads of winter.
They painted the door green so that guests could find it: "the green one, next to the bakery".
A cache is a promise that the past is still true.
The recipe asks for 250 g of flour, 3 eggs, a pinch of salt and no hurry.
Every clock in the shop showed a different time, and all of them were for sale.
Sound travels about 343 m/s in air at 20 °C, and four times faster in water.
The lighthouse keeper wrote letters to the ships, and some of them answered.
To compare two plans, write down what each of them makes impossible.
La bibliothèque ferme à dix-huit heures, même en été.
A bicycle is stable because it steers into its own fall.
The museum's smallest room holds its finest painting, and a chair.
When the numbers do not add up, count them again before you explain them.
Three crows sat on the wire 🐦 and discussed the harvest.
The second draft is shorter, and says more.
Copper turns green in the rain; iron turns red; gold does not care.
Ask for the deadline first, and for the reason second.
The river had moved since the border was drawn, and so had the people.
Ein guter Anfang braucht Begeisterung, ein gutes Ende Disziplin.
Glass is made of sand and patience, with a little limestone.
The answer is 42, give or take the question.
Her grandmother could tell the weather from the smell of the stairs.
A bridge is tested by more weight than it will ever carry.
""".strip().splitlines()

_PIECE: Final = re.compile(r"\s?\w{1,8}|\s?[^\w\s]|\s")


def _pieces(sentence: str) -> tuple[str, ...]:
    return tuple(_PIECE.findall(sentence))


PIECES_BY_SENTENCE: Final = tuple(_pieces(" " + sentence) for sentence in _SENTENCES)


def say(count: int, rng: Random) -> list[str]:
    """A text of exactly `count` pieces. A longer text of the same draw begins with it."""
    pieces: list[str] = []
    while len(pieces) < count:
        if pieces and rng.random() < 0.2:
            pieces.append("\n\n")
        pieces += rng.choice(PIECES_BY_SENTENCE)
    del pieces[count:]
    if pieces:
        pieces[0] = pieces[0].lstrip()
    return pieces


def fragments(text: str, rng: Random) -> list[str]:
    """`text` in pieces of 1 to 8 characters, as models stream the arguments of a tool call."""
    cuts: list[str] = []
    position = 0
    while position < len(text):
        following = position + rng.randint(1, 8)
        cuts.append(text[position:following])
        position = following
    return cuts
