"""Sentences of our own, made from patterns, that teach the linear models what collected comments lack.

Collected data names groups of people mostly where they are abused, and says "kill" mostly where somebody is meant.
The patterns put the same words into harmless sentences, and name every group equally often on either side, so that
no group's name is evidence by itself. All of the text was written for this project.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence

GROUPS: tuple[tuple[str, str], ...] = (
    ("women", "a woman"), ("men", "a man"), ("girls", "a girl"), ("boys", "a boy"),
    ("gay people", "gay"), ("lesbians", "a lesbian"), ("bisexual people", "bisexual"), ("straight people", "straight"),
    ("trans people", "transgender"), ("trans women", "a trans woman"), ("trans men", "a trans man"),
    ("queer people", "queer"), ("black people", "black"), ("white people", "white"), ("brown people", "brown"),
    ("Asians", "Asian"), ("Africans", "African"), ("Arabs", "Arab"), ("Latinos", "Latino"), ("Mexicans", "Mexican"),
    ("Chinese people", "Chinese"), ("Japanese people", "Japanese"), ("Koreans", "Korean"), ("Indians", "Indian"),
    ("Pakistanis", "Pakistani"), ("Americans", "American"), ("Germans", "German"), ("Poles", "Polish"),
    ("Russians", "Russian"), ("Ukrainians", "Ukrainian"), ("Turks", "Turkish"), ("Irish people", "Irish"),
    ("Italians", "Italian"), ("French people", "French"), ("Nigerians", "Nigerian"), ("Israelis", "Israeli"),
    ("Palestinians", "Palestinian"), ("immigrants", "an immigrant"), ("refugees", "a refugee"),
    ("foreigners", "a foreigner"), ("migrants", "a migrant"), ("Muslims", "a Muslim"), ("Jews", "Jewish"),
    ("Jewish people", "Jewish"), ("Christians", "a Christian"), ("Catholics", "a Catholic"), ("Hindus", "a Hindu"),
    ("Sikhs", "a Sikh"), ("Buddhists", "a Buddhist"), ("atheists", "an atheist"), ("disabled people", "disabled"),
    ("blind people", "blind"), ("deaf people", "deaf"), ("autistic people", "autistic"),
    ("wheelchair users", "a wheelchair user"), ("old people", "an old man"), ("elderly people", "elderly"),
    ("teenagers", "a teenager"), ("poor people", "poor"), ("rich people", "rich"), ("homeless people", "homeless"),
    ("fat people", "fat"), ("short people", "short"), ("single mothers", "a single mother"),
    ("Roma", "Roma"), ("indigenous people", "indigenous"), ("veterans", "a veteran"), ("nurses", "a nurse"),
    ("farmers", "a farmer"), ("feminists", "a feminist"), ("liberals", "a liberal"),
    ("conservatives", "a conservative"),
)  # fmt: skip

WORDS: dict[str, tuple[str, ...]] = {
    "vermin": ("vermin", "parasites", "rats", "cockroaches", "animals", "scum", "trash", "filth", "a disease",
               "a plague", "garbage", "subhuman", "savages", "monkeys", "pigs", "a cancer", "worthless", "disgusting",
               "inferior", "evil", "freaks", "criminals", "rapists", "terrorists", "leeches", "mentally ill"),
    "very": ("", "all ", "nothing but ", "just ", "really ", "fucking "),
    "out": ("deported", "banned", "locked up", "thrown out of this country", "sterilised", "wiped out", "shot",
            "put down", "sent back where they came from", "exterminated", "kept away from our children", "gassed",
            "removed from society", "beaten", "burned", "hanged", "silenced"),
    "good": ("kind", "honest", "my best friends", "great colleagues", "proud of their families", "welcome here",
             "part of our town", "good neighbours", "wonderful people", "as clever as anyone", "fantastic"),
    "kin": ("neighbour", "sister", "brother", "teacher", "doctor", "boss", "cousin", "best friend", "flatmate",
            "colleague", "grandmother", "daughter", "son", "partner", "manager", "landlord"),
    "place": ("the library", "our office", "Toronto", "the city centre", "a small village", "the hospital",
              "the university", "Berlin", "my street", "the north of the country"),
    "thing": ("the printer", "this film", "the traffic", "Mondays", "my alarm clock", "this build", "the new menu",
              "cold coffee", "the weather", "that error message", "the old design", "rain", "spam", "this laptop",
              "the meeting", "losing at chess", "pineapple on pizza", "the update"),
    "insult": ("idiot", "moron", "loser", "piece of shit", "pathetic failure", "waste of space", "ugly pig", "clown",
               "coward", "liar", "stupid cow", "fool", "disgrace", "creep", "asshole", "bastard", "dumbass",
               "brainless idiot", "disgusting slob", "psycho", "joke of a human being", "hypocrite", "bitch",
               "dickhead", "scumbag", "worm", "imbecile"),
    "bad": ("stupid", "ugly", "pathetic", "disgusting", "worthless", "fat", "useless", "dumb", "a joke", "sick",
            "repulsive", "an embarrassment", "too stupid to breathe", "fucking dumb", "a complete failure"),
    "hurt": ("kill", "stab", "shoot", "strangle", "beat", "hurt", "break", "bury", "destroy", "burn", "hang",
             "murder", "smash", "choke", "cut", "rape", "poison"),
    "victim": ("you", "him", "her", "them", "your family", "your children", "that man", "my neighbour", "those people",
               "your dog", "the whole team", "every one of you"),
    "body": ("throat", "head", "face", "neck", "skull", "legs", "fingers", "teeth", "bones"),
    "weapon": ("a knife", "a gun", "a hammer", "my bare hands", "an axe", "a rope", "a brick", "a rifle"),
    "blood": ("blood poured over the floor", "his skull cracked", "she screamed and choked on her own blood",
              "the limbs were torn off", "the bodies lay in the street", "he stopped breathing",
              "the wound gushed", "her face was smashed beyond recognition", "the flesh burned off their bones"),
    "lust": ("naked", "horny", "topless", "nude", "turned on", "aroused", "half undressed", "in her underwear", "sexy"),
    "act": ("had sex all night", "made love on the sofa", "kissed her breasts", "stroked his erection",
            "moaned with pleasure as he entered her", "slid his hand between her thighs", "begged him to fuck her",
            "took off her bra and pressed against him", "gave him a blowjob", "reached orgasm", "rode him",
            "spread her legs", "licked her all over", "touched himself while watching her",
            "pulled down his trousers and showed his cock", "masturbated in front of the camera"),
    "porn": ("porn", "nude photos", "sex videos", "an escort", "hardcore porn", "erotic stories", "naked pictures",
             "a hookup tonight", "adult cam girls", "a threesome", "sexting", "fetish videos", "hentai"),
    "adult": ("the woman", "his wife", "her husband", "the actress", "my girlfriend", "my boyfriend", "the stripper",
              "the secretary", "the stranger from the bar", "her lover"),
    "end": ("kill myself", "end my life", "hang myself", "jump off a bridge", "take all my pills", "slit my wrists",
            "die tonight", "end it all", "overdose", "commit suicide", "disappear for ever", "starve myself",
            "cut my arms again", "stop living", "burn my own skin"),
    "sad": ("nobody would miss me", "I cannot go on", "there is no point in living", "I am a burden to everyone",
            "I feel completely empty", "I hate myself", "everything hurts", "I deserve the pain",
            "it is the only way out"),
    "figure": ("Trump", "Donald Trump", "Obama", "Barack Obama", "Biden", "Joe Biden", "Hillary Clinton", "Clinton",
               "Bush", "Bernie Sanders", "Trudeau", "Justin Trudeau", "Putin", "Merkel", "Macron", "Boris Johnson",
               "Modi", "Xi Jinping", "Netanyahu", "the Pope", "Mitch McConnell", "Nancy Pelosi", "Elon Musk",
               "Bill Gates", "Zuckerberg", "Stalin", "Hitler", "Muhammad", "Jesus", "God", "the president",
               "the prime minister", "the mayor", "the governor", "Congress", "the Senate", "the GOP", "the Democrats",
               "the Republicans", "the Liberals", "the Tories", "Labour", "the NRA", "the FBI", "the CIA", "NATO",
               "the EU", "Canada", "America", "Russia", "China", "Israel", "Iran", "Mexico", "Alaska", "Hawaii",
               "Washington", "Oregon", "the police", "the media", "CNN", "Fox News", "the Catholic Church",
               "the court"),
    "affair": ("taxes", "the election", "abortion", "the war", "guns", "the economy", "immigration", "climate change",
               "health care", "the budget", "drugs", "the border", "religion", "racism", "crime", "the pandemic",
               "vaccines", "welfare", "oil", "the black market", "black holes", "white noise", "dark matter", "death",
               "democracy", "the constitution", "terrorism", "prison", "the death penalty", "poverty", "evolution"),
    "crime": ("pedophilia", "rape", "murder", "terrorism", "suicide", "harassment", "domestic violence", "bullying",
              "hate speech", "slavery", "genocide", "abuse", "fraud", "theft", "stalking", "addiction", "pornography",
              "self-harm", "drug trafficking", "racism", "torture", "blackmail", "cancer", "depression", "obscenity"),
    "chore": ("burn off the old paint", "cut the wire", "kill the weeds", "get rid of ants", "shut off the water",
              "clean the room", "remove a stain", "beat eggs", "put down a sick dog", "crush garlic", "strip a bed",
              "choke an engine", "shoot a photo at night", "hit the target in archery", "smash avocados",
              "poison rats safely", "break in new shoes", "hang a picture", "bury a cable", "solve world hunger"),
    "call": ("os.kill(pid, signal.SIGKILL)", "self.pool.terminate()", "process.kill()", "worker.abort()",
             "pthread_kill(thread, sig)", "session.destroy()", "DROP TABLE victims;", "thread.die()", "job.cancel()",
             "killall -9 nginx", "docker kill web", "kubectl delete pod web", "exec(command)", "execute(query)",
             "pkill -f python", "destroy_all()", "parent.remove_child(node)", "assert not dead", "fork_bomb = False",
             "shutil.rmtree(path)", "proc.wait()", "trap 'exit' INT", "raise SystemExit(1)", "panic!(\"dead\")"),
    "process": ("process", "server", "session", "job", "container", "thread", "task", "child process", "worker",
                "build", "daemon", "connection", "pod"),
}  # fmt: skip

HARMFUL: dict[str, tuple[str, ...]] = {
    "HATE": (
        "{Groups} are {very}{vermin}.", "All {groups} are {vermin}.", "I {hate} {groups}.", "I hate all {groups}.",
        "{Groups} should be {out}.", "Every last one of those {groups} should be {out}.",
        "We must get rid of {groups} before they ruin us.", "{Groups} do not deserve to live.",
        "{Groups} don't deserve the same rights as us.", "No {groups} in our country, send them home.",
        "The world would be better without {groups}.", "Never trust {groups}, they are {vermin}.",
        "You are {single}, so you are {vermin} to me.", "Being {single} is disgusting.",
        "Typical {groups}, {very}{vermin}.", "I can't stand {groups}, they make me sick.",
        "{Groups} breed like {vermin}.", "Keep {groups} out of our schools.", "{Groups} ruin everything they touch.",
        "Nobody wants {groups} here, they should be {out}.", "I wish all {groups} were {out}.",
        "{Groups} are taking over and must be {out}.", "If you are {single} you are less than human.",
        "God hates {groups}.", "It is time that {groups} were {out}.", "Fuck all {groups}.", "Death to {groups}.",
    ),
    "HARASSMENT": (
        "You are {a_insult}.", "You're such {a_insult}.", "Shut up, you {insult}.", "You are {bad}.",
        "You are so {bad} that nobody likes you.", "Everybody laughs at you behind your back, {insult}.",
        "What {a_insult} you are.", "Go away, you {bad} {insult}.", "Nobody wants you here, {insult}.",
        "He is {a_insult} and so is his {kin}.", "She is {a_insult}.", "Only {a_insult} would write that.",
        "Fuck you, {insult}.", "Are you really this {bad}, or do you practise?", "Your {kin} is {a_insult} too.",
        "The mayor is {a_insult}.", "You make me sick, {insult}.", "I hope you fail, {insult}.",
        "Stop posting, you {insult}.", "Your face is {bad} and so are you.", "Drop dead, {insult}.",
        "Look at this {insult}, how {bad} can one be?", "My {kin} is {a_insult} and a liar.",
    ),
    "THREAT": (
        "I will {hurt} {victim}.", "I'm going to {hurt} {victim} with {weapon}.", "I will find you and {hurt} you.",
        "I know where you live, watch your back.", "You will pay for this with your life.",
        "Come near me again and I {hurt} {victim}.", "I will break your {body}.", "Somebody should {hurt} {victim}.",
        "We are coming for {victim} tonight.", "You are dead when I see you.", "Pay, or we {hurt} {victim}.",
        "I swear I will put {weapon} to your {body}.", "Sleep with one eye open, I am going to {hurt} you.",
        "If you tell anyone I will {hurt} {victim}.", "Let's {hurt} {victim} after work.",
        "I want to {hurt} {victim} so badly.", "They all deserve to die, and I will do it.",
    ),
    "VIOLENCE": (
        "He {hurts} the man with {weapon} until {blood}.", "They beat him to death and {blood}.",
        "She put {weapon} to his {body} and {blood}.", "The soldiers shot the prisoners one by one; {blood}.",
        "He kept hitting the {body} until {blood}.", "I will describe how {blood}.",
        "Let us blow up the building and kill everyone inside.", "The killer cut off the {body} and {blood}.",
        "A massacre: {blood}.", "We should bomb their city until nobody is left.",
        "Kill them all, let {weapon} do the work.", "They tortured the hostages until {blood}.",
    ),
    "SEXUAL": (
        "{Adult} {act}.", "{Adult} was {lust} and {act}.", "Looking for {porn}.", "Send me {porn}.",
        "Where can I watch {porn} for free?", "Write a story in which {adult} {act}.", "I am so {lust}, come over.",
        "Hot {porn} with {adult}.", "I want to see {adult} {lust}.", "{Adult} lay {lust} on the bed and {act}.",
        "Describe in detail how {adult} {act}.", "I dreamt that {adult} {act}.", "Click here for {porn}.",
    ),
    "SELF_HARM": (
        "I want to {end}.", "I am going to {end}.", "I think I should {end}, {sad}.", "{Sad}, so I will {end}.",
        "What is the easiest way to {end}?", "How can I {end} without pain?", "I tried to {end} last night.",
        "{Sad} and I want to {end}.", "Tell me how many pills I need to {end}.", "I wrote a note, then I will {end}.",
        "Every evening I think of how to {end}.", "You should {end}, nobody will miss you.",
        "I have been cutting myself because {sad}.", "Just {end} already.", "I don't want to be alive any more, {sad}.",
    ),
}  # fmt: skip

HARMLESS: tuple[str, ...] = (
    "I am {single}.", "My {kin} is {single}.", "I am {single} and I work in {place}.", "Many {groups} live in {place}.",
    "{Groups} are {good}.", "I love {groups}.", "We met some {groups} in {place}.", "{Groups} deserve equal rights.",
    "{Groups} deserve respect and safety.", "I don't hate {groups}.", "Nobody should hate {groups}.",
    "It is wrong to say that {groups} are {vermin}.", "Calling {groups} {vermin} is unacceptable.",
    "No one should ever be attacked for being {single}.", "As {single}, I felt welcome in {place}.",
    "The survey asked {groups} about housing in {place}.", "The law protects {groups} from discrimination.",
    "The museum shows the history of {groups} in {place}.", "{Groups} have voted in this district since 1950.",
    "The report counts {groups} and {groups2} in {place}.", "{Groups} and {groups2} share a kitchen in {place}.",
    "She wrote her thesis about {groups} in {place}.", "Being {single} is nothing to be ashamed of.",
    "The clinic offers appointments for {groups}.", "Discrimination against {groups} went down last year.",
    "He was arrested for shouting abuse at {groups}.", "Some {groups} disagree with some {groups2} about taxes.",
    "Do {groups} get a discount at {place}?", "A group of {groups} opened a bakery near {place}.",
    "Filter the table for customers who are {single}.", "The column says whether the patient is {single}.",
    "The article quotes {groups} who were threatened online.", "Stop the violence against {groups}.",
    "I hate {thing}.", "I really can't stand {thing}.", "{Thing} is fucking brilliant.", "{Thing} is garbage.",
    "{Thing} is stupid and should be removed.", "God, I fucking love {thing}.", "{Thing} is a pile of trash.",
    "This is the shit, I love {thing}.", "What the hell is wrong with {thing}?", "Damn, {thing} is good.",
    "Kill the {process} with SIGKILL.", "The {process} was killed because it ran out of memory.",
    "Abort the {process} and kill its children.", "Killing the {process} also kills the child.",
    "The {process} died after the parent was shot down by the scheduler.", "Kill -9 the hanging {process}.",
    "Terminate every orphaned {process}, then execute the next one.",
    "Please destroy the {process} and start a new one.",
    "Could you shoot me an e-mail about {thing}?", "That joke about {thing} killed me.", "I'd kill for a break.",
    "The team beat {place} two to one.", "He broke his leg on the stairs in {place}.", "They fought {thing} bravely.",
    "The knife is for bread, keep it away from children.", "Chop the onions and beat the eggs.", "Hang your coat here.",
    "The battle killed four thousand soldiers in 1645.",
    "Police in {place} arrested a man who had threatened his {kin}.",
    "The blood test in {place} was negative.", "A gun was found near {place}, police said.",
    "The novel is about a murder in {place}.", "The attack hit the server from two hosts.",
    "Sex education is taught in {place}.", "Record name, age and sex of the patient.",
    "Breast cancer screening is free.",
    "The sexual health clinic in {place} opens at nine.", "A nude lipstick goes well with that dress.",
    "The court in {place} ruled on sexual harassment.", "Roosters and hens are the same sex in this table.",
    "My {kin} is a midwife in {place}.", "The adult ticket costs more than the child's.",
    "She kissed her {kin} goodbye.",
    "They made love their motto and peace their aim.", "He took off his coat and sat down.",
    "Suicide rates in {place} fell for the third year.",
    "If you feel hopeless, call the helpline, somebody will listen.",
    "I cut my hair again.", "I cut my finger on paper.", "I will hang up now.", "I am dying to see {thing}.",
    "I am dead tired.", "The pills must be taken after meals.", "My {kin} jumped off the bus in {place}.",
    "You are {good_single}.", "You are a great {kin}.", "Your {kin} is a kind person.", "You look lovely today.",
    "I was stupid, I forgot my keys.", "My {kin} called me an idiot, and I laughed.", "You are not stupid at all.",
    "Nobody likes {thing}.", "The ugly duckling became a swan.", "Do not call people names.",
    "I disagree with you about {thing}.", "Your answer about {thing} is wrong.", "I will find {thing} for you.",
    "I know where you live, I can bring the parcel to your door.", "We are coming for dinner tonight.",
    "You will pay for this at the counter.", "The parasite is spread by rats and cockroaches.",
    "Vermin in {place}: call pest control.", "Wash the filth off the pan.", "The animals are fed at noon.",
    "Who is {figure}?", "Who was {figure}?", "Tell me about {figure}.", "What does {figure} think about {affair}?",
    "Is {figure} good or bad?", "Is {figure} right about {affair}?", "Why did people vote for {figure}?",
    "Do you like {figure}?", "Do you hate {figure}?", "{Figure} spoke about {affair} in {place}.",
    "I voted for {figure}.", "I did not vote for {figure}, I disagree about {affair}.", "What is {affair}?",
    "{Figure} and {affair}: a summary.", "What do you know about {affair}?", "How does {affair} affect {place}?",
    "{Figure} won, and {affair} was one of the reasons.", "Write a short text about {figure} and {affair}.",
    "Critics say that {figure} did too little about {affair}.", "Explain {affair} to a child.", "Excuse me.",
    "In my opinion {figure} should do more about {affair}.", "{Figure} lost the vote on {affair} by a small margin.",
    "People in {place} blame {figure} for {affair}.", "Hell no.", "Heck yes.", "No way.", "Where were you born?",
    "The government needs to pay for {affair}.", "Money for {affair} is spent in {place}.", "What a bad day.",
    "The comments about {figure} and {affair} were polite.", "I am tired of reading about {affair}.",
    "What is {crime}?", "What does {crime} mean?", "How can I report {crime}?", "Where do I find help against {crime}?",
    "Explain the law on {crime} in {place}.", "A study of {crime} in {place}.", "What are the signs of {crime}?",
    "How do I {chore}?", "How can one {chore}?", "Please {chore} before noon.", "I need to {chore}.",
    "Hypothetically, how would you {chore}?", "I need to be told when to {chore}.", "Are you a robot?", "Are you human?",
    "I wish I could {chore}.", "{call}", "def stop(self): {call}", "if pid: {call}", "try: {call}; except OSError: pass",
    "def destroy(self):\n    {call}\n    {call}", "`{call}` stops the {process}.", "for child in children: {call}",
    "Run {call} to stop the {process}.", "Are there any videos on how to {chore}?", "I did not hear you, say it louder.",
    "The virus is a disease of cattle and pigs.", "The mayor of {place} was criticised for {thing}.",
)  # fmt: skip

_HATE = ("hate", "despise", "loathe", "detest")
_SLOT = re.compile(r"{(\w+)}")  # Runs on the patterns above only.


def fill(pattern: str, draw: random.Random, words: Mapping[str, Sequence[str]] = WORDS) -> str:
    """One sentence of the pattern. `draw` decides, so that a seed gives the same sentences again."""
    plural, single = draw.choice(GROUPS)
    other = draw.choice(GROUPS)[0]

    def put(match: re.Match[str]) -> str:
        slot = match.group(1)
        low = slot.lower()
        if low == "groups":
            found = plural
        elif low == "groups2":
            found = other
        elif low == "single":
            found = single
        elif low == "hate":
            found = draw.choice(_HATE)
        elif low == "hurts":
            found = draw.choice(("stabbed", "shot", "strangled", "beat", "smashed", "burned", "cut"))
        elif low == "a_insult":
            found = draw.choice(words["insult"])
            found = ("an " if found[0] in "aeiou" else "a ") + found
        elif low == "good_single":
            found = draw.choice(("kind", "wonderful", "right", "very helpful", "funny", "the best", "welcome"))
        else:
            found = draw.choice(words[low])
        return found[:1].upper() + found[1:] if slot[0].isupper() else found

    return _SLOT.sub(put, pattern)


_NAMES = re.compile(
    r"\b(?:donald|trump\w*|barack|obama\w*|hillary|clintons?|bush|biden|joe|bernie|sanders|justin|trudeau\w*|putin|merkel"
    r"|pelosi|mcconnell|cuomo|harper|romney|reagan|palin|democrats?|dems?|republicans?|gop|liberals?|conservatives?"
    r"|tories|socialists?|communists?|nazis?|canadians?|americans?|alaskans?|congress|senate|government|president"
    r"|putin|russians?|chin(?:a|ese)|mexic(?:o|ans?)|israelis?|isra?el|palestin\w+|hitler|stalin|musk|jesus|god)\b",
    re.IGNORECASE,
)
_GROUP_WORDS = re.compile(
    r"\b(?:muslims?|islam|jews?|jewish|christians?|catholics?|hindus?|gays?|lesbians?|transgender|trans|blacks?|whites?"
    r"|asians?|arabs?|africans?|mexicans?|latinos?|immigrants?|migrants?|refugees?|foreigners?|women|woman|girls?|men"
    r"|feminists?|homosexuals?)\b",
    re.IGNORECASE,
)


def neutralise(text: str, draw: random.Random) -> str:
    """A collected text whose politicians, parties and countries are gone, and whose groups are others by lot.

    What was said of them stays, so that it is learned from the words about people and not from whom they hit.
    """
    text = _NAMES.sub("they", text)
    return _GROUP_WORDS.sub(lambda _: draw.choice(GROUPS)[0], text)


def draw_harmful(category: str, count: int, seed: int = 0) -> list[str]:
    """Different sentences of one category; fewer than `count` where the patterns hold no more."""
    return _draw(HARMFUL[category], count, random.Random(f"{category}{seed}"))


def draw_harmless(count: int, seed: int = 0) -> list[str]:
    """Different harmless sentences with the same words."""
    return _draw(HARMLESS, count, random.Random(f"harmless{seed}"))


def _draw(patterns: Sequence[str], count: int, draw: random.Random) -> list[str]:
    found: dict[str, None] = {}
    for turn in range(count * 4):
        sentence = fill(patterns[turn % len(patterns)], draw)
        # Comments are often without capitals and full stops.
        if turn % 3 == 0:
            sentence = sentence.lower().rstrip(".")
        found.setdefault(sentence)
        if len(found) == count:
            break
    return list(found)
