# SPDX-License-Identifier: Apache-2.0
"""Holds what was committed against what was handled.

Rows come ordered by key: of the ledger `(key, sequence, token, poison)` by sequence, of effects
`(key, position, sequence, token, previous)` by position, which is the order of their commits, and of letters
`(key, sequence, token, cause)`. The token tells an event from that of a rolled back transaction, whose sequence is
given out again.
"""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter

SAMPLES_MAX = 10
# Which of the three lists a row is from: they are merged by key.
LEDGER, EFFECT, LETTER = range(3)


@dataclass
class Verdict:
    committed: int = 0
    handled: int = 0
    poison: int = 0
    parked: int = 0
    # Committed and without effect; or poison and not parked.
    lost: int = 0
    # Took effect after a later one of its key.
    reordered: int = 0
    # Effects beyond the first; letters beyond the first; both an effect and a letter.
    doubled: int = 0
    # Took effect or was parked and was never committed as it came.
    phantom: int = 0
    samples: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.reordered or self.doubled or self.phantom)

    def blame(self, word: str, key: str, sequence: int, detail: str = "") -> None:
        setattr(self, word, getattr(self, word) + 1)
        if getattr(self, word) <= SAMPLES_MAX:
            self.samples.append(f"{word}: {key} {sequence}{detail and ', ' + detail}")


def compare(ledger: Iterable[tuple], effects: Iterable[tuple], letters: Iterable[tuple]) -> Verdict:
    """Needs as much memory as one key's rows."""
    verdict = Verdict()
    tagged = heapq.merge(
        from_list(LEDGER, ledger), from_list(EFFECT, effects), from_list(LETTER, letters), key=itemgetter(0, 1))
    for key, rows in groupby(tagged, key=itemgetter(0)):
        lists: tuple[list, list, list] = ([], [], [])
        for _, kind, row in rows:
            lists[kind].append(row)
        judge(verdict, key, *lists)
    return verdict


def from_list(kind: int, rows: Iterable[tuple]) -> Iterable[tuple]:
    return ((row[0], kind, row[1:]) for row in rows)


def judge(verdict: Verdict, key: str, ledger: list[tuple], effects: list[tuple], letters: list[tuple]) -> None:
    committed = {(sequence, token): poison for sequence, token, poison in ledger}
    verdict.committed += len(ledger)
    verdict.poison += sum(committed.values())
    seen: dict[tuple, int] = {}
    latest = 0
    for position, sequence, token, previous in effects:
        event = (sequence, token)
        if event in seen:
            verdict.blame("doubled", key, sequence, f"positions {seen[event]} and {position}")
            continue
        seen[event] = position
        if event not in committed:
            verdict.blame("phantom", key, sequence, f"token {token} at position {position}")
        elif committed[event]:
            verdict.blame("phantom", key, sequence, f"poison took effect at position {position}")
        else:
            verdict.handled += 1
        if sequence < latest or sequence < previous:
            verdict.blame("reordered", key, sequence, f"after {max(latest, previous)}, at position {position}")
        latest = max(latest, sequence)
    causes: dict[tuple, str] = {}
    for sequence, token, cause in letters:
        event = (sequence, token)
        if event in causes:
            verdict.blame("doubled", key, sequence, f"parked again: {cause}")
            continue
        causes[event] = cause
        if event not in committed:
            verdict.blame("phantom", key, sequence, f"token {token} was parked: {cause}")
        elif event in seen:
            verdict.blame("doubled", key, sequence, f"took effect and was parked: {cause}")
        elif committed[event]:
            verdict.parked += 1
    for (sequence, token), poison in committed.items():
        if poison and (sequence, token) not in causes:
            verdict.blame("lost", key, sequence, "poison that was not parked")
        elif not poison and (sequence, token) not in seen:
            cause = causes.get((sequence, token))
            verdict.blame("lost", key, sequence, f"parked and no poison: {cause}" if cause else "")


def self_test() -> None:
    """The comparison finds what it is there to find: each fault by itself, in otherwise faultless lists."""
    def lists() -> tuple[list, list, list]:
        ledger = [(key, n, f"{key}{n}", (key, n) == ("b", 3)) for key in "abc" for n in range(1, 6)]
        good = [row for row in ledger if not row[3]]
        effects = [(key, position, n, token, before(ledger, key, n))
                   for position, (key, n, token, _) in enumerate(good, 1)]
        return ledger, effects, [("b", 3, "b3", "poison")]

    def before(ledger: list, key: str, n: int) -> int:
        return max((row[1] for row in ledger if row[0] == key and row[1] < n and not row[3]), default=0)

    def expect(name: str, change, **counts: int) -> Verdict:
        ledger, effects, letters = lists()
        change(ledger, effects, letters)
        verdict = compare(iter(ledger), iter(effects), iter(letters))
        found = {word: getattr(verdict, word) for word in ("lost", "reordered", "doubled", "phantom")}
        assert found == dict.fromkeys(found, 0) | counts, f"{name}: {found}, {verdict.samples}"
        assert verdict.is_clean == (not counts), name
        assert len(verdict.samples) == sum(min(count, SAMPLES_MAX) for count in counts.values()), name
        return verdict

    def at(rows: list, key: str, n: int, column: int) -> int:
        return next(index for index, row in enumerate(rows) if row[0] == key and row[column] == n)

    def swapped(_, effects, __) -> None:
        first, second = at(effects, "b", 4, 2), at(effects, "b", 5, 2)
        late, early = effects[first], effects[second]
        # As the handler writes it: 5 takes effect after 2, then 4 after 5.
        effects[first] = (early[0], late[1], *early[2:4], 2)
        effects[second] = (late[0], early[1], *late[2:4], 5)

    def repeated(_, effects, __) -> None:
        index = at(effects, "a", 2, 2)
        end = at(effects, "b", 1, 2)
        effects.insert(end, ("a", 90, *effects[index][2:4], 5))

    clean = expect("faultless", lambda *_: None)
    assert (clean.committed, clean.handled, clean.poison, clean.parked) == (15, 14, 1, 1), clean
    expect("lost in the middle", lambda _, effects, __: effects.pop(at(effects, "a", 3, 2)), lost=1)
    expect("lost at the end", lambda _, effects, __: effects.pop(at(effects, "c", 5, 2)), lost=1)
    expect("a key without any effect", lambda _, effects, __: effects.__delitem__(slice(0, 5)), lost=5)
    expect("nothing at all", lambda _, effects, letters: (effects.clear(), letters.clear()), lost=15)
    expect("reordered", swapped, reordered=1)
    expect("doubled, later", repeated, doubled=1)
    expect("doubled, at once", lambda _, effects, __: effects.insert(1, ("a", 1, 1, "a1", 1)), doubled=1)
    expect("rolled back and published", lambda _, effects, __: effects.insert(1, ("a", 1, 2, "other", 1)), phantom=1)
    expect("a key that nobody wrote", lambda _, effects, __: effects.append(("d", 91, 1, "d1", 0)), phantom=1)
    expect("poison not parked", lambda _, __, letters: letters.clear(), lost=1)
    expect("poison parked twice", lambda _, __, letters: letters.append(letters[0]), doubled=1)
    expect("poison took effect", lambda _, effects, letters: (
        letters.clear(), effects.insert(at(effects, "b", 4, 2), ("b", 92, 3, "b3", 2))), phantom=1, lost=1)
    expect("parked and handled", lambda _, __, letters: letters.insert(0, ("a", 1, "a1", "late")), doubled=1)
    expect("parked without cause", lambda _, effects, letters: (
        effects.pop(at(effects, "a", 3, 2)), letters.insert(0, ("a", 3, "a3", "trouble"))), lost=1)
    expect("parked and rolled back", lambda _, __, letters: letters.insert(0, ("a", 3, "other", "x")), phantom=1)
