"""Can a forgotten class be told from classes that the model never saw? Evidence without an oracle."""

from expunge.evidence.strangers.alike import Alike, alike
from expunge.evidence.strangers.beside import Beside, beside
from expunge.evidence.strangers.finding import BesideStrangers, summarise, without_strangers
from expunge.evidence.strangers.lineup import ByClass, Lineup
from expunge.evidence.strangers.sample import Strangers, left_out, line_up, refuse_shared
from expunge.evidence.strangers.states import KeptSample, States, without_pictures

__all__ = [
    "Alike",
    "Beside",
    "BesideStrangers",
    "ByClass",
    "KeptSample",
    "Lineup",
    "States",
    "Strangers",
    "alike",
    "beside",
    "left_out",
    "line_up",
    "refuse_shared",
    "summarise",
    "without_pictures",
    "without_strangers",
]
