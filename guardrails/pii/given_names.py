"""Given names that are common somewhere, without accents and in lower case. Written by hand from general knowledge."""

from __future__ import annotations

import unicodedata

from guardrails.language.words import word_set

# Left out on purpose: names that are at least as often a word, a month, a place or a product in technical text
# (Art, Bill, Chase, Grant, Jade, Mark, Rose, Ruby, Will).
_WRITTEN = """
aaron abby abdul abdullah abel abigail abraham ada adalbert adam adele adeline aditi aditya adrian adriana adrien
agata agatha agnes agnieszka agustin ahmad ahmed ahmet aicha aidan aiden aiko aileen aimee aino ajay akira akiko aksel
alain alan alana alastair albert alberta alberto aldo alec alejandra alejandro aleksander aleksandr aleksandra aleksi
alena alessandra alessandro alessia alessio alex alexa alexander alexandra alexandre alexandria alexei alexey alexia
alexis alfie alfonso alfred alfredo ali alice alicia alicja alina aline alisa alisha alison alistair alix allan allen
allison alma alois alojzy alonso alvaro alvin alyssa amalia amanda amandine amaya amber ambre amelia amelie amina amir
amit amy ana anais anand ananya anastasia anders andre andrea andreas andrei andreia andres andrew andrey andrzej
andy aneta angel angela angelica angelika angelina angelo angie aniela anika anil anita anja anjali ankit ann anna
annabelle anne annegret anneliese annelies annette annick annie annika ansgar anthony antje antoine antoinette anton
antonella antoni antonia antonie antonin antonina antonino antonio anuj anya arianna ariel arjun arlene arlette armand
armando arnaud arne arno arnold aron arsene arthur artur arturo arun arya ashish ashley ashok asha astrid aubrey
audrey august augusta auguste augustin augusto aurelia aurelie aurelien aurora austin ava axel ayaka ayesha aylin
ayse azra babette bala barbara barbel barry bart bartosz bas bastian bastien beata beate beatrice beatriz bela
belen belinda benedetta benedict benedikt benito benjamin benoit bente berenice bernadette bernard bernardo bernd
bernhard bernice berta berthold bertrand bess beth bethany betty beverly bianca birgit birgitta bjarne bjorn blanca
blanka bob bobby bogdan boleslaw boris boguslaw brad bradley brandon brenda brendan brent brett brian brianna
brigitte brittany bronislaw bruce bruna bruno bryan bryce bryn caio caitlin caleb calvin cameron camila camilla
camille candice carina carl carla carlo carlos carlotta carmela carmelo carmen carol carole carolin carolina caroline
carolyn carrie carsten carter casey caspar casper cassandra catalina catarina caterina catherine cathy cecile cecilia
cecilie cedric celeste celia celina celine cem cesar cesare chad chandra chantal charlene charles charlie charlotte
chelsea cheryl chiara chloe chris christa christel christelle christian christiane christina christine christoph
christophe christopher christy cindy claas claire clara clarissa claude claudia claudine claudio claus clemence
clement clementine cliff clifford clive clovis cody colette colin colleen concetta connie connor conny conrad
constance constantin consuelo cora coralie corey corina corinna corinne cornelia cornelius corrado cosimo courtney
craig cristian cristiana cristiano cristina cristobal curtis cynthia cyril czeslaw daan dagmar dagny daisy dale damian
damiano damien damon dan dana daniel daniela daniele danielle danilo danny danuta daphne daria dario darius darlene
darrell darren dave david davide dawid dawn dean debbie deborah debra deepak deepika deepti deirdre delia delphine
denis denise dennis derek desiree devon diana diane dieter diego dierk dietmar dietrich dilip dimitri dina dinah
dinesh dino dirk divya dmitri dmitry dolores domenico dominic dominik dominika dominique donald donatella donna doreen
dorina doris dorothea dorothy dorota doug douglas duarte duncan dustin dwayne dylan earl eberhard eddie edgar edith
edmund edna eduard eduarda eduardo edward edwin edyta egon eileen einar eino ekaterina elaine eleanor elena eleni
eleonora eleonore elfriede eli elias elif eline elio elisa elisabeth elise eliza elizabeth elke ella ellen ellie elliot
elliott elma elmar elodie eloise elsa else elsie elvira emanuel emanuela emanuele emerson emil emile emilia emiliano
emilie emilio emily emma emmanuel emmanuelle emre enrica enrico enrique enzo eric erica erich erik erika erin ernest
ernesto ernst erwin esben esmee esperanza esteban estelle ester esther ethan etienne eugene eugenia eugenio eva evan
evangeline eve evelyn evelyne ewa ewan ewelina fabian fabiana fabien fabienne fabio fabiola fabrice fabrizio farah
farid fatima fatma federica federico felicia felicity felipe felix ferdinand ferenc fernanda fernando filip filipa
filippo finn fiona flavia flavio fleur flora florence florent florian florin folkert francesca francesco francine
francis francisca francisco franck franco francois francoise frank frankie franz franziska fraser fred freddie frederic
frederick frederik frederique fredrik freya frida friedrich fritz gabriel gabriela gabriele gabriella gabrielle gael
gaetan gaetano garry gareth gary gaspard gaston gavin gemma gene genevieve geoff geoffrey geoffroy george georges
georgia georgina gerald geraldine gerard gerardo gerd gerhard gerrit gertrud gertrude gesa giacomo giancarlo gianluca
gianna gianni gilbert gilberto gilles gillian gina gino giorgia giorgio giovanna giovanni gisela giulia giuliana
giuliano giulio giuseppe gladys glenda glenn gloria goran gordon gosta gottfried graciela graeme graham grazia
graziella grazyna greg gregoire gregor gregory greta gretchen grzegorz guadalupe gudrun guido guilherme guillaume
guillermo gunnar gunter gunther gus gustav gustave gustavo guy gwen gwendolyn gyorgy hailey halina hamid hamza hanna
hannah hannelore hannes hans harald haris harold haroon harriet harrison harry hartmut haruka haruto harvey hassan
hazel heather hector hedwig heike heiko heinrich heinz helen helena helene helga helge hella helmut hendrik henk
henning henri henrietta henriette henrik henrique henry henryk herbert herman hermann hermine hilda hilde hildegard
hiroshi hiroko holger holly horst hortense howard hubert hugh hugo humberto hussein ian ibrahim ida ignacio ignacy
igor ilaria ilka ilona ilse ilya imogen imran inaki ines inga inge ingeborg ingo ingrid inka ioana ioannis irena irene
irina iris irma irmgard isaac isabel isabell isabella isabelle isaiah isidro ismael ismail istvan ivan ivana ivo
ivonne iwona izabela jaap jacek jack jackie jackson jacob jacqueline jacques jadwiga jaime jake jakob jakub james
jamie jan jana jane janek janet janice janina janine janne jannik janos janusz jared jarek jaroslav jaroslaw jasmin
jasmine jason jasper javier jayden jayne jean jeanette jeanne jeannette jeff jeffery jeffrey jelena jelle jenna
jennifer jenny jens jeremiah jeremie jeremy jerome jerry jerzy jesper jesse jessica jesus jette jill jim jimena jimmy
jiri joachim joan joana joanna joanne joao joaquin jocelyn jochen jodie joe joel joelle joerg johan johann johanna
johannes john johnny jolanda jolanta jon jonah jonas jonathan joost jordi jorge jorg jorgen joris jorn jose josef
josefa josefine joseph josephine josh joshua josiane josie josip joy joyce juan juana juanita judith judy jules julia
julian juliana juliane julie julien juliet julieta juliette julio julita julius jun june jurgen juri justin justine
justyna jutta jyoti kacper kai kaitlyn kaja kajsa kamil kamila kara karel karen karim karin karina karl karla karol
karolin karolina karoline karsten kasia kasper katarina katarzyna kate katharina katherine kathleen kathrin kathryn
kathy katia katie katja katrin katrina kavita kay kayla kazimierz kazuki kazuo keiko keith kelly kelsey ken kendra
kenneth kenji kenny kerry kerstin kevin khadija khaled khalid kieran kiran kirsten kirsty kjell klara klaudia klaus
knut konrad konstantin kornelia kris krishna kristen kristian kristiina kristin kristina kristof kristoffer krystian
krystyna krzysztof kumar kurt kyle laila lakshmi lana larissa larry lars lasse laszlo latoya laura laure laureen lauren
laurence laurent laurie lavinia lea leah leander leandro leanne lech lee leif leila lena lennart lenny leo leon
leona leonard leonardo leonie leonora leopold leroy leslie leszek leticia letizia lev levi lewis lia liam liana libby
lidia lidwina liesbeth lieselotte lili lilian liliana lilli lillian lilly lily lina linda lindsay lindsey line lionel
lisa lisbeth liselotte livia liz liza loic lois lola lorena lorenz lorenzo loretta lori lorraine lothar lotte lou
louis louisa louise luc luca lucas luce lucia lucian luciana luciano lucie lucien lucinda lucio lucy lucyna ludmila
ludovic ludwig luigi luis luisa luise luiz luka lukas lukasz luke luna lutz lydia lynda lynn maaike maarten mabel
macarena maciej mackenzie madeleine madeline madison mads magali magda magdalena magnus mahmoud maike maja makoto
malcolm malgorzata malik malin malte mandy manfred manish manoj manon manuel manuela manuella mara marc marcel marcela
marcella marcello marcelo marcin marco marcos marcus marek margaret margarete margarita margaux margherita margit
margot margret marguerite maria mariah mariam mariana marianna marianne mariano marica marie mariella marielle marietta
marijke marika marilyn marina marine mario marion marisa marisol marissa marit marita marius mariusz marjolein marko
markus marlene marlies marlon marta marten martha martin martina martine marvin mary maryam maryse mason massimo mateo
mateus mateusz mathew mathias mathieu mathilde mathis matias matilda matilde matt matteo matthew matthias matthieu
maud maura maureen maurice mauricio maurizio mauro max maxence maxim maxime maximilian maya mayumi mechthild megan
mehdi mehmet mei melanie melina melinda melissa melvin mercedes meredith merle mia micaela michael michaela michal
michalina michel michela michele michelle michiel miguel mihai mika mikael mike mikkel mikko mila milan mildred
milena miles milo mina minna mira miranda mireille mirek mirella miriam mirja miroslav miroslaw mitchell mohamed
mohammad mohammed mohan mohit moira molly mona monica monika monique morgane moritz mostafa muhammad mukesh muriel
mustafa myriam myrtle nadia nadine nadja naomi natalia natalie natasha nathalie nathan nathaniel nathanael naveen
neha neil nele nelson nestor nevena niall nicholas nick nicklas nico nicola nicolas nicole nicoletta nicolo niels nigel
nikhil niklas niko nikola nikolai nikolaj nikolaos nikolas nils nina nisha nishant noah noel noelle noemi nora norbert
norman nuno octavia odette odile olaf ole oleg olga olive oliver olivia olivier olof omar oriana orlando ornella oscar
oskar osman oswald otto ottavia owen pablo paige pamela paola paolo parker pascal pascale pat patrice patricia patricio
patrick patrik patrizia patryk paul paula paulina pauline paulo pavel pawel pedro peggy penelope penny per perrine
petar pete peter petra petri phil philip philipp philippa philippe phillip phoebe phyllis pia pier pierre piero pieter
pietro pilar piotr pooja pradeep prakash prasad pratik praveen preeti priya priyanka przemyslaw quentin quirin rachel
radek radoslaw rafael rafaela rafal raffaele raffaella raghav ragnar ragnhild rahel rahul raimund rainer raisa raj raja
rajesh rajiv rakesh ralf ralph ramesh ramiro ramon ramona ramona randall randy raphael raphaelle raquel rashid raul
ravi raymond rebecca rebekka regina reginald regine reiko reiner reinhard reinhold rejane remi remy renata renate
renato rene renee reto reza ricarda ricardo riccardo richard rick ricky rik rikke rita ritu rob robert roberta roberto
robin rocco rocio roderick rodney rodolfo rodrigo rodrigue roel roger rohan rohit roland rolando rolf roman romain
romane romeo romina romy ron ronald ronja ronnie roos rosa rosalia rosalie rosalind rosamund rosanna rosario roselyne
rosemarie rosemary rosie rosita ross roswitha roxana roxane roy ruben rudi rudolf rudy rupert russell ruth ryan
ryszard sabina sabine sabrina saeed sakura salma salvatore sam samantha sami samir samira samuel samuele sander
sandeep sandra sandrine sandro sandy sanjay sanna santiago sara sarah sascha sasha satoshi saul saverio scarlett scott
sean sebastian sebastiano sebastien selena selina selma sepp serafina serena serge sergei sergej sergey sergio severin
severine shane shannon sharon shaun shauna shawn sheila shelby shelley sherry shirley shreya shweta sibylle sidney
siegfried sigrid sigurd silas silja silke silvana silvia silvio simon simona simone simonetta sina sinead siobhan
slawomir sofia sofie sonia sonja sophia sophie soren stacey stacy stanislav stanislaw stanley stefan stefania stefanie
stefano steffen stella sten stephan stephane stephanie stephen steve steven stewart stig stuart sue suhail sunil sunita
suresh surya susan susana susanna susanne suzanne suzie sven svenja svetlana swati sybille sydney sylvain sylvia sylvie
sylwia szymon tadeusz takashi tamara tamas tamsin tania tanja tanya tara tariq tatiana tatjana tatyana taylor ted
teodor teresa terence terje terri terry tessa thad thais thaddeus thea thelma theo theodor theodora theodore theresa
therese thibault thibaut thierry thijs thilo thomas thorsten tia tiago tibor tiffany till tilman tim timea timo timon
timothy tina tino tiziana tobias tobin toby todd tom tomas tomasz tommaso tommy toni tony tonya torben tore torsten
tove tracey tracy travis trevor trey tricia tristan troy trudy tyler tyrone ugo ulf uli ulla ulrich ulrika ulrike
umberto ursula usha ute uwe vadim valentin valentina valentino valeria valerie valerio valery vanessa vanja vasco
vasily vaughn veit venkat vera verena veronica veronika veronique vicente vicki vicky victor victoria vijay vikas
vikram viktor viktoria vilma vince vincent vincenzo vinod viola violeta violetta virgil virginia virginie vishal
vito vittoria vittorio viviana viviane vivien vivienne vlad vladimir volker waldemar walter waltraud wanda warren
wayne wendy werner wesley wilbur wiebke wieslaw wieslawa wilfried wilhelm willem william willie wilma winfried winston
witold wladyslaw wlodzimierz wojciech wolfgang wouter xavi xavier ximena yan yann yannick yara yasmin yasmine yves
yvette yvonne yolanda yoshiko youssef yuki yuri yuko yulia yusuf zachary zbigniew zdzislaw zeynep zita zoe zofia zoltan
zuzana zuzanna zygmunt aarav aadhya advait akash aisha anita anushka aparna bhavya chandan chirag darshan devansh
dhruv diya esha farhan gaurav geeta girish gopal govind gunjan harish harsh hemant hina ishaan ishita jagdish jatin
jaya jitendra kabir kajal kalpana kamal kanika karan kartik kaushik khushi kriti kunal lalit lata leela madhav madhuri
mahesh mamta manisha meena meera megha minal mitali mohini mridul mukul naina namrata nandini naresh navya neelam
neeraj nikita nilesh nitin ojas pallavi pankaj parth payal pranav prateek puneet radha rajni ramya ranjit rashmi
ratna reena rekha renuka rishi ritika rohini roshni ruchi rupali sachin sahil saloni sameer sandhya sangeeta sanjana
sapna sarita satish savita seema shalini shanti sharad shashi shilpa shivani shruti shubham siddharth simran smita
sneha sonal sonali srinivas subhash sudha sudhir sujata suman sumit sushila swapnil tanvi tarun tejas trisha tushar
uday uma umesh urmila utkarsh vaibhav vandana varsha varun vasudha veena vidya vimal vinay vineet vipul vivaan vivek
yash yogesh zara bente birthe bodil christen egil eirik frode gro guri hege hilde haakon ingvild jorunn kare kari
karianne kristoffer liv marthe oda odd oddvar oyvind randi reidun rune sigbjorn silje sissel siv solveig steinar
sverre synne tonje tor torbjorn tormod trine trond turid unni vegard vidar anneli antti arja eero eeva eija elina
esa hannu harri heikki helka helmi iida ilmari inkeri jaakko jari jarmo johanna jouko juha juhani jukka jussi kaarina
kalevi kalle kari kirsi kyllikki lauri leena liisa maarit marja marjatta markku matti merja mervi mikko minttu olavi
olli outi paivi pasi pekka pentti petteri pirjo pirkko raija raimo reijo riikka riitta risto ritva saara sami sari
satu seija seppo sinikka sirkka sirpa taina tapani tapio tarja teemu teppo terhi tero tiina timo toivo tuija tuomas
tuula tuulikki urho vaino veikko vesa vieno ville aki asami ayumi chihiro daisuke eiji emiko fumiko hana haruki hideki
hiroki hitomi ichiro jiro junko kaori kaito kana kaede katsumi kazuko kei kenta kumiko kyoko mai maki manabu mari
mariko masahiro masako masato megumi michiko midori mika miki minami misaki mitsuko miyuki momoko nanami naoki naoko
natsuki noriko osamu rei ren riko rin ryo ryota sachiko saki satomi shigeru shinji shiori shota sora susumu taichi
takeshi takumi taro tatsuya tomoko toshiko tsubasa yamato yoko yosuke yui yukiko yumi yumiko yuma yuto yutaka bilal
dalia faisal farida fatemeh ghada habib hadi haifa hala hana hani hasan hisham huda ihab iman jamal jamila kareem
karima khadijah layla lubna lina maha mahdi majid malak mansour marwa mona mounir nabil nada nadim naima nasser nawal
noor nour omid osama parisa qasim rabia rachid rami rana rania rasha rashida rim ruqayya sabah safiya saif salah
salim samar samia sana shadi sherif soraya suleiman tamer tarek wael walid yahya yasin yasir zahra zainab zaki ziad
alparslan arda asli aysegul baran berk burak burcu busra can cansu cem ceyda deniz derya dilek ebru ece eda efe elcin
emine enes engin ercan erdem erkan esra eylul fatih ferhat filiz furkan gamze gizem gokhan gul gulay hakan halil
hande hatice huseyin ibrahim ilayda irem kaan kemal kerem kubra levent leyla mehtap melek melike meltem mert merve
metin murat nazli nesrin nihat nur onur orhan ozan ozge ozgur ozlem pelin pinar ramazan selcuk selin sema serdar serkan
sevgi sevil sibel sinan sule tolga tugba tulay tuncay turgut ufuk ugur umut volkan yagmur yasemin yavuz yildiz yilmaz
zehra adela ales alzbeta blanka bohumil bozena bretislav dagmar dalibor dana david denisa dita dusan eliska frantisek
hana hedvika helena honza ivana ivana ivo jarmila jaromir jitka josef jozef karel katerina kveta ladislav lenka libor
libuse lubos lucie ludek lukas marcela marketa martina matej michaela milan miloslav milos monika ondrej pavel pavla
pavlina petr radim renata roman rostislav sarka simona stanislava stepan tereza tomas vaclav vendula veronika viktor
vit vlasta vojtech zdenek zdenka agoston akos andras aniko attila balazs balint bela bence csaba dora edit eniko
erzsebet
eszter ferenc gabor gergely geza gyula ildiko imre istvan janos jozsef judit kalman katalin krisztian krisztina laszlo
lajos levente magdolna mate marton mihaly miklos monika norbert orsolya otto peter piroska reka robert sandor szabolcs
szilvia tamas tibor timea viktoria vilmos zoltan zsofia zsolt zsuzsanna adina alin alina anca bogdan camelia catalin
ciprian claudiu constantin corneliu cosmin cristi dacian dan daniela doina dorin dragos dumitru elena eugen felicia
florentina gabriela george gheorghe horia iulia iulian ileana ion ionel ionut laurentiu liviu loredana luminita marian
marius mihaela mircea monica nicoleta octavian oana ovidiu petru radu raluca razvan roxana rodica sanda serban silviu
simona sorin stefan teodora traian tudor valeriu vasile victor vlad aleksey alena alisa alyona anatoly antonina arkady
artem boris daria denis dmitriy ekaterina evgeny evgenia fyodor galina gennady georgy gleb grigory igor ilya inna irina
kirill konstantin kseniya larisa leonid lyubov lyudmila maksim margarita marina mikhail nadezhda natalya nikita nikolay
oksana oleg olesya pavel polina roman ruslan sergey stanislav stepan svetlana taisiya tamara tatyana timur vadim valery
varvara vasily viktor vitaly vladislav vyacheslav yaroslav yegor yelena yevgeny yuliya yury zinaida dimitrios georgios
konstantinos vasilis panagiotis spyros christos dimitra vasiliki sofia angeliki katerina yiannis eirini aroha hemi
chen jian jing jun lei li ling mei ming na ping qiang wei xiang xiao xin yan yang ying yong yu yun zhen zhi hyun jae
ji jihoon jin jisoo joon min minho minji minjun seo seojun seojin seoyeon soo soojin sung yeon young youngho anh dung
duc hai hanh hoa hong hung huong huy lan linh long minh nam nga ngoc nhung phuong quang quynh thanh thao thu thuy tien
trang trung tuan tung van vy xuan adebayo adaeze aminata amara babajide chidi chinedu chioma ebele efua emeka femi
folake ifeoma ikechukwu kofi kwabena kwame lerato mandla naledi ngozi nkechi nneka nomvula obinna olumide oluwaseun
sibusiso siyabonga sipho tendai thabo thandi themba tunde uche yaw zanele zodwa agostinho adalberto aloisio amador
anabel anacleto araceli benigno caetano calixto celso clotilde cruz dionisio edelmira elpidio eustaquio evaristo
fermin fidel florencio fortunato gaspar genaro gregorio heriberto hernan hilario honorio inmaculada jacinto joaquim
lourdes lucila luciana macario maite marcelino maribel matheus mirta nadir narciso nazare nereida nicanor nuria
olimpia osvaldo otilia paloma pascual paz pia plinio ponciano primitivo raimundo remedios rogelio roque rosalva
rufino ruperto salvador samanta severo sonsoles sosimo tadeo teobaldo tereza toribio trini urbano vasco vicenta
virgilio wilfredo yago yesica zacarias zaira zenaida zulema
"""


def fold(word: str) -> str:
    """Lower case without accents."""
    if word.isascii():
        return word.lower()
    plain = unicodedata.normalize("NFKD", word.lower())
    return "".join(each for each in plain if not unicodedata.combining(each)).translate(_OTHERS)


_OTHERS = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ß": "ss", "æ": "ae", "œ": "oe", "ð": "d", "þ": "th", "ı": "i"})
# Those that read as words of their own where they begin a title or a sentence.
_WORDS_TOO = word_set(
    "an august austin can carter cem chase chen christian cliff cody cruz dale dan dana dash dawn daisy dean"
    " deniz devon"
    " earl else eve faith flora florence frank gene georgia guy hana hazel holly iris jackson jan jasmine jean jerry"
    " joy jun june kay ken kris la lan lance lane lee lei leo levi li line ling lola long lotte luna madison"
    " max may mei"
    " melody mika miles min mina ming mo na nam nova odd olive orlando page paige parker pat paz penny per"
    " ping ray rei"
    " ren rich rim rob roman rose ross roy sage salah sam sandy santiago sibylle sky sofia sora sue summer"
    " sydney taylor"
    " till tim timon tor tore trey troy tung uma urbano van vera victoria vienna viola violet virginia vit"
    " vito wade wei"
    " will winston yan yang ying yong young yu yun zen dora dalia edit gro guri noor rami rune salvador ville ion ros"
)
GIVEN_NAMES = frozenset(_WRITTEN.split())
SURE_GIVEN_NAMES = GIVEN_NAMES - _WORDS_TOO
