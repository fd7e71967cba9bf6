"""Give every stated place, box, share, colour and size to the finding it is said of, or to none."""

from __future__ import annotations

from collections.abc import Sequence

from cuescan.cues.language.attributes import adjective, described_ahead, describes_earlier
from cuescan.cues.language.clauses import Segment, Sentence
from cuescan.cues.language.counting import count_mention
from cuescan.cues.language.mentions import Mention
from cuescan.cues.language.tokens import BOX, MARK, PLACE, SHARE
from cuescan.cues.language.words import is_descriptive

_LEADING = (":", "-", "–", "—")


class _Attachment:
    """One sentence's mentions, the last mention before it, and what was given to whom."""

    def __init__(self, sentence: Sentence, mentions: list[Mention], earlier: Mention | None) -> None:
        self.sentence = sentence
        self.mentions = mentions
        self.earlier = earlier
        self.place_first: set[int] = set()
        self.last_place: tuple[int, Mention] | None = None

    def owner(self, index: int) -> Mention | None:
        """The mention that what stands at ``index`` is said of."""
        sentence = self.sentence
        segment = sentence.segment(index)
        before = [m for m in self.mentions if m.index < index]
        after = [m for m in self.mentions if m.index > index]
        if after and self._leads(index, segment, before, after[0]):
            self.place_first.add(after[0].index)
            return after[0]
        if before and before[-1].index >= segment.start:
            return before[-1]
        if after and after[0].index < segment.end:
            self.place_first.add(after[0].index)
            return None if sentence.foreign(segment.start, index) else after[0]
        if sentence.foreign(segment.start, segment.end) or self._heads_foreign(segment):
            return None
        if before:
            return before[-1]
        if after:
            self.place_first.add(after[0].index)
            return after[0]
        return None if sentence.foreign(0, len(sentence.items)) else self.earlier

    def _heads_foreign(self, segment: Segment) -> bool:
        """Whether a colon leads from the segment to something that is no finding: "lower right: a fold"."""
        following = self.sentence.after(segment)
        if following is None or following.opened_by not in _LEADING:
            return False
        return self.sentence.foreign(following.start, following.end)

    def _leads(self, index: int, segment: Segment, before: list[Mention], following: Mention) -> bool:
        """Whether a place belongs to the finding after it although another stands before it."""
        if not before:
            return False
        between = self.sentence.items[index + 1 : following.index]
        near = all(item.kind == MARK or is_descriptive(item.text) for item in between)
        if not near or any(item.kind in (PLACE, BOX, SHARE) for item in between):
            return False
        colon = any(item.text in _LEADING for item in between)
        return colon or before[-1].index in self.place_first

    def give(self, index: int) -> None:
        """Attach the item at ``index`` if it states something."""
        sentence = self.sentence
        item = sentence.items[index]
        if item.kind in (PLACE, BOX, SHARE):
            owner = self.owner(index)
            if owner is not None:
                self._give_phrase(owner, index)
            return
        found = adjective(sentence, index)
        if found is None:
            return
        owner = described_ahead(sentence, index, self.mentions)
        if owner is None and describes_earlier(sentence, index):
            owner = self.owner(index)
            owner = None if owner in self.mentions and owner.index > index else owner
        if owner is not None:
            (owner.colours if found.colour else owner.sizes).append(found.meaning)
            owner.spans.append((found.start, found.end))

    def _give_phrase(self, owner: Mention, index: int) -> None:
        item = self.sentence.items[index]
        if item.kind == BOX:
            owner.boxes.append(item.value)
        elif item.kind == SHARE:
            owner.shares.append(item.value.share)
            owner.each = owner.each or any(word.text == "each" for word in self.sentence.items[:index])
        elif not self._denied(index):
            owner.spans.append((item.start, item.end))
            if self._alternative(owner, index):
                owner.places[-1] = (*owner.places[-1], item.value)
            else:
                owner.places.append((item.value,))
            self.last_place = (index, owner)

    def _denied(self, index: int) -> bool:
        """Whether the place is denied: "not in the upper left"."""
        words = [item.text for item in self.sentence.items[max(0, index - 4) : index]]
        while words and words[-1] in ("in", "the", "on", "at", "within", "located"):
            words.pop()
        return bool(words) and words[-1] in ("not", "never", "nor", "outside", "without")

    def _alternative(self, owner: Mention, index: int) -> bool:
        """Whether the place is joined to the last one by "or"."""
        if self.last_place is None or self.last_place[1] is not owner:
            return False
        between = [item.text for item in self.sentence.items[self.last_place[0] + 1 : index]]
        return "or" in between and len(between) <= 5


def attach(sentences: Sequence[Sentence], mentions: Sequence[Mention]) -> None:
    """Fill in the mentions' counts, colours, sizes, places, boxes and shares."""
    earlier: Mention | None = None
    for number, sentence in enumerate(sentences):
        own = [mention for mention in mentions if mention.sentence == number]
        for mention in own:
            if mention.index >= 0:
                count_mention(sentence, mention)
        attachment = _Attachment(sentence, own, earlier)
        for index in range(len(sentence.items)):
            attachment.give(index)
        earlier = own[-1] if own else earlier
