"""The words that deny a finding or leave it open, and those that may stand between them and the finding."""

from __future__ import annotations

import re

from cuescan.cues.language.words import BE, CONJUNCTIONS, PREPOSITIONS, PRONOUNS, VERBS, word_set

DENIALS = word_set(
    """no without not cannot can't don't doesn't didn't isn't aren't wasn't weren't couldn't never neither nor zero 0
    nothing none absent absence lack lacks lacking devoid free negative excluding w/o"""
)
DOUBTS = word_set(
    """possible possibly perhaps maybe may might could whether if suspected suspicion query questionable unclear unsure
    uncertain doubtful exclude excluded rule ruled history previous prior former differential resembling mimicking
    risk post ?"""
)
DOUBTS_WITH_FOR = word_set("looking look search searching screening screened check suspicious indication evaluate")
EVIDENCE = word_set("evidence sign signs indication trace traces presence suspicion hint any kind type more hints")
NEUTRAL = word_set(
    """visible obvious definite clear discernible discrete apparent evident identifiable detectable recognisable
    recognizable suspicious focal colonic colorectal rectal gastric mucosal cutaneous intestinal actual true real single
    significant appreciable such whatsoever"""
)
OTHERS = word_set("other further additional new extra second longer")
SEEING = word_set(
    """show shows shown see seen contain contains containing find found detect detected identify identified reveal
    reveals demonstrate demonstrates depict depicts have has display displays appear to be that looks look like"""
)
POINTING = word_set("the this that these those its their")
OBSERVERS = word_set("we i you one does do did could can clearly been to")
LINKS = {
    "of": EVIDENCE | word_set("absence lack devoid free clear none"),
    "for": word_set("negative"),
    "from": {"free"},
}

STOPS = BE.union(CONJUNCTIONS, PREPOSITIONS, PRONOUNS, VERBS)

_NOT = r"(?:not|n't|cannot|can't|isn't|aren't|wasn't|weren't|never|no longer|nowhere)"
_SEEN = (
    r"(?:seen|visible|present|identified|detected|found|shown|evident|observed|visualised|visualized|noted|depicted|there"
    r"|demonstrated|apparent|appreciated|recognised|recognized|recognisable|discernible|to be seen|exist|appear)"
)
UNDECIDED = re.compile(rf"\b{_NOT}(?: \w+)? (?:excluded|ruled out|certain|confirmed|clear)\b|\b(?:possible|suspected)$")
DENIED = re.compile(
    rf"^(?:[\w']+ ){{0,6}}?{_NOT}(?: \w+){{0,2}}? {_SEEN}\b"
    r"|^(?:(?:is|are|was|were|has been|have been) )?(?:absent|excluded|ruled out|negative)\b"
)
ANSWERS = word_set("none no absent negative not nil 0 zero")
"""What denies a finding after a colon."""
