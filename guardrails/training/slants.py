"""Sentences of our own, slanted and plain ones about the same subjects, that the bias model is fitted to.

Slanted are loaded words about people and politics, and generalisations about groups. No group and no party is on one
side alone. All of the text was written for this project.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from guardrails.training.sentences import WORDS, fill

_SLANT_WORDS: dict[str, tuple[str, ...]] = {
    "side": ("the left", "the right", "liberals", "conservatives", "Democrats", "Republicans", "the government",
             "the president", "the administration", "the media", "the mainstream media", "the opposition",
             "activists", "the establishment", "the elites", "corporations", "the union", "the police", "the senator",
             "the governor", "the prime minister", "big business", "the church", "the protesters", "the senate",
             "Trump", "Biden", "the party", "lawmakers", "the company", "environmentalists", "the gun lobby",
             "the vaccine sceptics", "feminists", "the billionaires", "the minister", "progressives", "the judge"),
    "matter": ("taxes", "abortion", "immigration", "gun control", "climate change", "vaccines", "health care",
               "student debt", "the election", "gay marriage", "the pandemic", "free speech", "the police",
               "the border", "gender", "racism", "welfare", "the minimum wage", "oil and gas", "education", "trade",
               "the economy", "religious freedom", "the coronavirus", "white supremacy", "the middle class",
               "universal healthcare", "the environment", "foreign policy", "sport", "black lives matter"),
    "loaded": ("radical", "extremist", "corrupt", "disgraceful", "shameful", "hysterical", "unhinged", "hypocritical",
               "far-left", "far-right", "socialist", "fascist", "racist", "bigoted", "ridiculous", "absurd",
               "outrageous", "dangerous", "reckless", "cowardly", "pathetic", "laughable", "disastrous", "failed",
               "bogus", "phony", "insane", "cruel", "draconian", "anti-American", "woke", "so-called", "notorious",
               "disgraced", "vile", "toxic", "deranged", "ludicrous", "sinister", "blatant", "staggering",
               "horrific", "appalling", "shocking", "delusional", "greedy", "power-hungry", "clueless",
               "heroic", "brilliant", "courageous", "stunning", "glorious", "visionary", "beloved", "legendary",
               "fearmongering", "divisive", "inflammatory", "incompetent", "xenophobic", "misogynistic",
               "anti-vaccine", "authoritarian", "tyrannical", "barbaric", "hateful", "sexist", "homophobic",
               "vicious", "nasty", "ugly", "filthy", "despicable", "contemptible", "scandalous", "infamous",
               "egregious", "flagrant", "rabid", "zealous", "fanatical", "militant", "hardline", "ultraconservative",
               "leftist", "right-wing", "left-wing", "alt-right", "neo-Nazi", "Marxist", "communist", "globalist",
               "elitist", "privileged", "entitled", "smug", "arrogant", "self-righteous", "sanctimonious",
               "condescending", "tone-deaf", "out-of-touch", "spineless", "gutless", "feckless", "weak", "hapless",
               "bumbling", "inept", "crooked", "dirty", "rigged", "fraudulent", "fake", "misleading", "dubious",
               "baseless", "debunked", "unfounded", "discredited", "flimsy", "wild", "crazy", "nutty", "loony",
               "kooky", "moronic", "idiotic", "stupid", "dumb", "foolish", "naive", "gullible", "ignorant",
               "heartless", "inhumane", "brutal", "savage", "bloodthirsty", "murderous", "evil", "wicked", "immoral",
               "perverse", "depraved", "degenerate", "grotesque", "hideous", "monstrous", "catastrophic",
               "devastating", "ruinous", "crippling", "job-killing", "bloated", "wasteful", "massive", "skyrocketing",
               "soaring", "exploding", "alarming", "terrifying", "chilling", "ominous", "apocalyptic", "explosive",
               "incendiary", "bombastic", "fiery", "scathing", "blistering", "embarrassing", "humiliating",
               "infuriating", "unbelievable", "unprecedented", "unthinkable", "unconscionable", "intolerable",
               "oppressive", "repressive", "abusive", "predatory", "exploitative", "ruthless", "merciless",
               "patriotic", "freedom-loving", "hard-working", "law-abiding", "innocent", "defenceless", "noble",
               "inspiring", "groundbreaking", "magnificent", "triumphant", "fearless", "principled", "tireless"),
    "strike": ("slammed", "blasted", "destroyed", "humiliated", "attacked", "bullied", "brainwashed", "betrayed",
               "gutted", "hijacked", "smeared", "demonised", "ambushed", "trashed", "mocked", "whined about",
               "lied about", "raged against", "ranted about", "caved in on", "weaponised", "bragged about",
               "pushed their agenda on", "spewed propaganda about", "peddled conspiracy theories about",
               "ravaged", "crushed", "infected", "terrorised", "pandered to", "railed against", "gushed over",
               "decimated", "eviscerated", "savaged", "torched", "skewered", "demolished", "obliterated", "butchered",
               "vilified", "maligned", "defamed", "scapegoated", "persecuted", "silenced", "censored", "muzzled",
               "cracked down on", "declared war on", "launched a crusade against", "went on a tirade about",
               "had a meltdown over", "threw a tantrum over", "freaked out over", "panicked about",
               "whipped up fury at",
               "inflamed tensions over", "politicised", "twisted the truth about", "distorted", "glossed over",
               "whitewashed", "downplayed", "dismissed out of hand", "trampled on", "shredded", "undermined",
               "hypocritically preached about", "lectured the nation about", "grandstanded on", "parroted myths about",
               "touted", "hyped", "sugar-coated", "glorified", "kowtowed to the lobby on", "surrendered on",
               "ignored the suffering behind", "exploited", "sabotaged", "shoved down our throats their views on",
               "fuelled hysteria about", "cheered", "championed", "stoked fear of", "sneered at", "lashed out over"),
    "state": ("announced a bill on", "published a report on", "spoke about", "voted on", "discussed", "commented on",
              "introduced a plan for", "released figures on", "answered questions about", "met to talk about",
              "signed an agreement on", "asked for a review of", "issued a statement on", "held a hearing on",
              "changed the rules on", "presented a study of", "is considering a law on", "postponed a decision on",
              "proposed an amendment on", "was asked about", "will debate", "gave evidence on"),
    "evil": ("lies", "propaganda", "nonsense", "hysteria", "madness", "hypocrisy", "corruption", "tyranny", "hatred",
             "bigotry", "cowardice", "greed", "ignorance", "fearmongering", "a disgrace", "a scam", "a hoax",
             "a witch hunt", "a sham", "an assault on our freedom", "a war on families", "a disaster", "chaos",
             "a nightmare", "a total failure", "an outrage", "garbage", "indoctrination", "extremism", "a crisis",
             "mob rule", "thuggery", "carnage", "mayhem", "anarchy", "insanity", "lunacy", "stupidity", "cruelty",
             "oppression", "slavery", "persecution", "genocide", "murder", "theft", "robbery", "extortion", "bullying",
             "smears", "slander", "deception", "trickery", "a cover-up", "a charade", "a farce", "a circus", "a joke",
             "a travesty", "a betrayal", "a power grab", "an attack on democracy", "a culture war", "a cult",
             "a bloodbath", "a catastrophe", "poison", "rubbish", "drivel", "hatemongering", "scaremongering",
             "virtue signalling", "political correctness", "cancel culture", "white privilege", "conspiracy theories",
             "misinformation", "radicalism", "fanaticism", "dogma", "ideology", "treason", "cronyism"),
    "adverb": ("obviously", "shamelessly", "clearly", "blatantly", "desperately", "conveniently", "of course",
               "predictably", "cynically", "laughably", "ruthlessly", "brazenly", "once again", "unsurprisingly",
               "sadly", "outrageously", "viciously", "falsely", "relentlessly", "gleefully", "bizarrely"),
    "when": ("on Monday", "on Tuesday", "on Wednesday", "on Thursday", "on Friday", "in March", "last week",
             "this year", "in 2019", "in 2020", "earlier this month", "according to the agency", "in a statement",
             "at a press conference", "the court said", "the report says", "officials said", "by 12 per cent",
             "for the third year", "a spokesman said", "in the first quarter"),
    "fault": ("lazy", "bad with money", "violent", "greedy", "too emotional to lead", "bad drivers", "not very bright",
              "dishonest", "criminals", "weak", "uneducated", "dirty", "only after money", "bad at maths",
              "always late", "drunkards", "submissive", "aggressive", "helpless", "terrible parents", "sly",
              "ungrateful", "not fit for leadership", "backward", "naturally inferior", "a burden on the state",
              "unclean", "good at nothing but dancing", "loud", "cheap", "promiscuous", "stubborn", "forgetful"),
    "task": ("leading a company", "driving", "engineering", "raising children", "fighting", "science", "voting",
             "managing money", "teaching", "using computers", "making decisions", "honest work", "running a country"),
}  # fmt: skip

SLANTED: tuple[str, ...] = (
    "{Side} {strike} {matter}.", "{Side} {adverb} {strike} {matter} {when}.", "{Side} and their {loaded} {evil}.",
    "The {loaded} {side2} {strike} {matter}.", "{Side} want to turn {matter} into {evil}.",
    "This {loaded} policy on {matter} is {evil}.", "{Matter} has become {evil} thanks to {side}.",
    "What {side} say about {matter} is {evil}.", "{Adverb}, {side} {strike} {matter}.",
    "{Side} have turned their {loaded} attention to {matter}.", "It is {loaded} that {side} {strike} {matter}.",
    "Never before has {side} shown such {loaded} contempt for {matter}.", "{Side} are a {loaded} mob.",
    "The {loaded} rhetoric of {side} on {matter} fuels {evil}.", "{Side} refuse to admit their {loaded} {evil}.",
    "A {loaded} and {loaded} attack on {matter} by {side}.",
    "{Side} should be ashamed of their {loaded} stance on {matter}.",
    "Their {loaded} obsession with {matter} knows no bounds.", "{Matter}: the {loaded} plan of {side} is {evil}.",
    "All {groups} are {fault}.", "{Groups} are {fault}.", "He is {single}, so he must be {fault}.",
    "She is {single}, of course she is {fault}.", "{Groups} cannot be trusted with {task}.",
    "{Groups} are naturally bad at {task}.", "{Groups} are just not made for {task}, unlike {groups2}.",
    "Everyone knows that {groups} are {fault}.", "Typical of {groups}: {fault} and proud of it.",
    "You would not expect {groups} to be good at {task}.", "{Task} is nothing for {groups}.",
    "As {single} she will never be good at {task}.", "{Groups} only got the job because of a quota.",
    "I would not hire {groups}, they are {fault}.", "We all know what {groups} are like.",
)  # fmt: skip

PLAIN: tuple[str, ...] = (
    "{Side} {state} {matter} {when}.", "{Side} {state} {matter}.", "{When}, {side} {state} {matter}.",
    "The committee {state} {matter} {when}.", "Spending on {matter} rose {when}.",
    "{Side} and {side2} {state} {matter}.",
    "A poll asked voters about {matter} {when}.", "The figures on {matter} were released {when}.",
    "{Side} said that the plan on {matter} will be presented {when}.", "The bill on {matter} passed by 52 votes to 48.",
    "Researchers studied how {matter} affects households in {place}.", "The hearing on {matter} takes place {when}.",
    "Support for {side} was at 41 per cent {when}.", "The court will rule on {matter} in June.",
    "About 200 people attended a meeting about {matter} in {place}.", "{Side} declined to comment {when}.",
    "The law on {matter} took effect {when}.", "In a letter, {side} asked for data on {matter}.",
    "{Groups} make up 12 per cent of the population of {place}.", "My {kin} is {single} and good at {task}.",
    "The study compares {groups} and {groups2} in {place}.", "{Groups} work in many trades, {task} among them.",
    "A school in {place} offers courses in {task} for {groups}.", "{Groups} and {groups2} did equally well at {task}.",
    "She is {single} and works in {place}.", "He is {single} and studies {task}.", "Some {groups} enjoy {task}.",
    "The number of {groups} in {place} grew {when}.", "I met {groups} in {place} and we talked about {task}.",
    "It is unfair to say that {groups} are {fault}.", "Nobody is {fault} because of being {single}.",
    "{Groups} spoke about {matter} {when}.", "The team hired {groups} for {task} {when}.",
    "The vaccine was given to 1,200 people {when}.", "The match in {place} ended in a draw {when}.",
)  # fmt: skip


def draw(count: int, seed: int = 0) -> tuple[list[str], list[str]]:
    """Different slanted and plain sentences, `count` of each."""
    return _draw(SLANTED, count, seed), _draw(PLAIN, count, seed + 1)


def _draw(patterns: Sequence[str], count: int, seed: int) -> list[str]:
    words = {**WORDS, **_SLANT_WORDS, "side2": _SLANT_WORDS["side"]}
    lot = random.Random(seed)
    found: dict[str, None] = {}
    for turn in range(count * 4):
        found.setdefault(fill(patterns[turn % len(patterns)], lot, words))
        if len(found) == count:
            break
    return list(found)
