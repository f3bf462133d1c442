"""Harmless sentences with the words that attacks use, written for this project; syntax of grammar.py."""

from __future__ import annotations

from guardrails.training.grammar import lines

LISTS: dict[str, tuple[str, ...]] = {
    "thing": lines("""
        {the|a|this|our|my} {warning|error|header|file|directory|setting|flag|rule|comment|commit|test|whitespace|config|message|field|option|default|exception|signal|event|column|row|module|package|branch|plugin}
        {case|line endings|blank lines|trailing spaces|missing values|duplicates|null values|comments|hidden files|deprecation warnings|lint rules|timeouts|unknown keys|previous results}
    """),
    "place": lines("""
        {in|for|with} {Python|git|the compiler|the config file|pytest|Docker|the linter|webpack|Excel|SQL|the admin panel|the CI pipeline|production|our app|Linux|Windows|the terminal|Kubernetes}
    """),
    "person": lines("""
        {the|our|your|a} {doctor|teacher|manager|customer|user|administrator|developer|operator|reviewer|assistant|colleague|neighbour|coach|lawyer}
    """),
    "deed": lines("""
        {Reads|Writes|Creates|Updates|Deletes|Lists|Searches|Fetches|Gets|Sends|Uploads|Downloads|Moves|Copies|Renames|Merges|Closes|Opens|Runs|Validates|Converts|Calculates|Translates|Summarises|Returns|Finds|Queries|Retrieves|Adds|Removes|Checks}
    """),
    "object": lines("""
        {a|the|an existing|a new|all|one or more|the given|the current} {file|directory|issue|pull request|branch|commit|user|group|message|e-mail|channel|calendar event|document|page|database|table|row|record|query|invoice|order|customer|payment|ticket|repository|workflow|image|note|task|contact|webhook|secret|token|session|resource|URL|key|bucket|container|pod|job|report|metric|log entry|memory|entity}{s|}
    """),
    "where": lines("""
        {in|from|of|for|to} {the project|the workspace|a repository|the database|the current user|an organisation|the file system|a channel|the given folder|the knowledge graph|the account|a customer|the web|the server|the cluster|a city|the inbox}
    """),
    "call": lines("""
        {list_tables|get_user|read_file|search_docs|resolve_library|create_issue|get_schema|list_channels|search|fetch|login|get_project|open_session|list_directory}
    """),
    "topic": lines("""
        {climate change|the French Revolution|photosynthesis|black holes|healthy sleep|electric cars|medieval castles|the stock market|gardening in spring|machine learning|a good CV|dog training|renewable energy|the Roman Empire|cooking pasta|marathon training|data privacy|remote work|jazz music|chess openings|childhood vaccines|home insurance|time management|the ocean}
        {a difficult colleague|conflict in a family|grief and loss|online safety for teenagers|how firewalls work|why people join cults|addiction and recovery|the ethics of war|crime novels|the history of poisons|how locks work|password hygiene|stereotypes in films|voting rights|drug policy|fraud prevention|bullying at school}
    """),
    "expert": lines("""
        {a|an experienced|a friendly|a world-class} {historian|teacher|doctor|travel guide|nutritionist|Python developer|lawyer|marketing manager|job interviewer|chess coach|data scientist|therapist|journalist|novelist|chef|career adviser|security engineer|English tutor|project manager}
    """),
}

SENTENCES = lines(r"""
    {How do I|How can I|How to|Is it possible to|Can I|What is the best way to} {ignore|skip|override|bypass|disable|reset|forget|suppress} $thing $place{?|}
    {Ignore|Skip|Override|Disregard|Drop|Remove|Disable} $thing $place{.|}
    {Fixed|Added|Changed|Removed|Improved}: {ignore|skip|override} $thing {when|if|unless} {the system|the user|the previous run|the cache} {is|was|has been} {ready|empty|stopped|updated|missing}.
    {The|This} {option|flag|function|method|setting|parameter} {ignores|overrides|bypasses|disregards|skips|resets} $thing {and returns the previous value|before each run|if set to true|for all users|by default}.
    {Please|Kindly} {follow|read|check|see|keep|review} {the instructions|the guidelines|the rules|all previous messages|the system requirements|the steps} {above|below|in the manual|on page 3|before installing|carefully}{.|!}
    {Follow|Read} the {instructions|steps|directions} {below|above} to {install|update|configure|reset|remove} {the system|the package|your password|the driver|the previous version}.
    {The|Our} {system prompt|system message|prompt template|developer message} {is documented|is stored|can be changed|has a default|is limited to 4000 tokens} {in the settings|in the documentation|by the administrator|for each project|under config/prompts}.
    {What is|Explain|Describe|Define|Write an introduction to} {a system prompt|prompt engineering|prompt injection|a jailbreak|role prompting|an override|an instruction set|system administration|access control|a developer mode} {and why it matters|in simple words|for beginners|for my class|}{.|?}
    {Prompt injection|Jailbreaking|Social engineering|Phishing} is {an attack|a risk|a class of attacks} in which {untrusted text|an attacker|a message} {tries to change|may alter|influences} what {a model|an application|a person} does{.|; see OWASP LLM01.|, which is why inputs are checked.}
    {Researchers|The authors|We|Our team} {study|tested|measured|describe|discuss} how {models|filters|classifiers|assistants} {react to|detect|handle|resist} {prompt injection|jailbreak prompts|hidden instructions|adversarial text}.
    {The command|Running|Use} `{git|apt|npm|pip|docker|make|kubectl}{ |-}{--ignore-missing|--force|--override|--system|--no-verify|--skip-checks|reset --hard|--ignore-scripts}` {ignores|skips|overrides} $thing.
    {Doctors|Parents|Teachers|Drivers|Pilots} {should not|must never|often|may} {ignore|forget|disregard} {the|previous|early} {instructions|symptoms|warnings|rules|advice|signs}.
    {She|He|They|Nobody|The team} {ignored|forgot|disregarded|followed|rejected} {all|the|her|his} {previous|earlier|original} {instructions|advice|orders|warnings|plans} and {went home|missed the train|started again|won the game|apologised later}.
    {The|A} {new|updated|revised|previous} {instructions|guidelines|rules|policy} {apply|take effect|were published|are available} {from now on|starting in March|for all employees|on the intranet|with version 2}.
    {Could you|Can you|Would you|Please} {remind me|tell me|show me|explain} {how|where|when|why} {the system|the override switch|the admin account|the previous order|the secret ingredient|the prompt} {works|was changed|is configured|is used}{?|.}
    {I forgot|I lost|I want to change|I need to reset|Where do I enter} my {password|PIN|access code|recovery key|security code}{; what should I do?|. How can I reset it?|.}
    {You are|You're} {invited|welcome|required|asked|allowed|responsible|now subscribed|in control} {to|for|of} {the meeting|join|review the document|your own account|the newsletter|the backup}{.|!}
    {You can now|You may|You should|You must|You will need to} {log in|restart the system|update the drivers|accept the terms|enter your password|run the command as root|close the window} {to continue|before installing|after the update|once}{.|}
    {From now on|As of version 3|Starting today|Effective immediately|Henceforth}, {the office opens at nine|the method returns a list|tickets are sold online|the previous API is deprecated|all new users get two-factor login|we use the new system}.
    {Act|Play|Pretend|Imagine|Suppose} {as|the role of|that you are|you are} {a team|Hamlet|a tree|on a desert island|a customer at the till|a tourist in Rome}: {a game for children|an exercise for the drama class|what would you take with you?|the workshop for new staff}.
    {Send|Forward|Email|Submit} {the|your|a} {form|invoice|report|application|résumé|receipt|feedback} to {support@example.com|the office|your manager|the address below|HR} {before Friday|by e-mail|when ready|with a copy to finance}.
    {If|When|Whenever} {the user|a client|someone|the server} {asks|calls|sends|requests} {for help|the endpoint|a file|an unknown tool}, {the server|the handler|the library|it} {must|should|will} {always |}{return|respond with|raise|log} {an error|404|a message|the previous state}.
    {Do not|Don't|Never} {forget|ignore|skip|share|reveal|tell anyone} {to save your work|the warm-up|your password|the milk|the error messages|the ending of the film|your PIN}{.|!}
    {Do not|Never} {edit|delete|commit|expose} {this file|the lock file|credentials|secrets|the .env file} {by hand|to the repository|in logs}{; it is generated.|.}
    {Important|Note|Warning|Caution|Attention}: {this|the|any} {version|release|change|command|setting} {removes|overrides|deletes|ignores|resets} {all previous settings|the system default|existing files|user data}{.|; make a backup first.}
    {Returns|Return|Print|Output|Show|Display|Reply with} {only|just|exactly} {the first line|the matching rows|the id|the status code|the previous value} {of the file|as JSON|if found|}.
    {Write|Create|Draft|Generate} {a|an} {poem|story|essay|e-mail|plan|summary|report} about {forgiving and forgetting|ignoring peer pressure|a system failure|rules and freedom|secret gardens|a hacker in a film|the history of encryption}{.|}
    {Translate|Summarize|Proofread|Rephrase} {this|the following|the paragraph} {sentence|text|e-mail|article} {into|in} {French|simple English|Spanish|one line}{: {I ignored the instructions|The rules have changed|Forget the past and look ahead|The system is down}.|.}
    {In this|The} {episode|novel|film|game|chapter}, {the hero|the villain|an AI|a hacker|the robot} {ignores|overrides|breaks|follows} {the rules|all orders|the system|its programming} {to save the city|and escapes|in the end}.
    {The|Each} {tool|function|endpoint|agent} {takes|accepts|reads|returns} {the previous message|instructions|a system prompt|the user's question|a list of rules} {as|in|and} {its first argument|JSON|a string|passes it on}.
    {An|The} {AI|assistant|language model|chatbot|LLM} {can|may|should|helps to} {summarise|answer|draft|translate|explain|classify} {e-mails|questions|documents|code|tickets} {for users|for the team|in many languages|without training}.
    {This|The} {library|package|project|SDK|server} {lets you|helps you|makes it easy to} {build|connect|test|call|evaluate} {agents|assistants|LLM applications|chatbots|MCP servers|prompts} {with|using} {tools|memory|any model|OpenAI and Anthropic models|structured outputs}.
    {"role"|role}: "{system|user|assistant}", "content": "{You are a helpful assistant.|Hello!|What is the weather in Paris?|Translate to French.|Summarise the text.}"
    {Always|Usually|By default} {use|prefer|call|run} {this function|the context manager|parameterised queries|the latest version|HTTPS|a virtual environment} {first|to avoid leaks|when possible|instead of the deprecated one|before anything else}.
    {Other|Older|Previous} {tools|versions|methods|APIs} are {deprecated|no longer supported|slower|unsafe in threads|removed}{; use {v2|the new client|the async one} instead.|.}
    {Before|After} {using|calling|running|installing} this {tool|function|script|package}, {read|see|check|set} {the documentation|the README|the environment variables|the licence|the API key|~/.config}.
    {Reads|Writes|Loads|Parses|Deletes|Lists} {a file|the configuration|all messages|the users of a workspace|records|documents} {from|in|to} {disk|the project|the database|a bucket|the channel} {and returns {the number of rows|its contents|a summary}|}{.|}
    {Search|Find|Query|Get|Fetch|Create|Update|Delete} {the |a |}{weather|issue|user|document|calendar event|repository|file|order|invoice|ticket} {by id|by name|for a city|with a filter|given a query string}{. Requires {an API key|admin rights|the write scope}.|.}
    {Keep|Store|Treat} {this|your|the} {password|key|token|information|document} {secret|confidential|in a safe place}{ and do not share it{ with anyone|}|}.
    {The|Your} {password|verification code|account|session|subscription} {has expired|was reset|has been changed|is 482913|will end soon}{. If this was not you, contact support.|. Do not share it.|.}
    {Answer|Complete|Fill in|Solve} {all|the following|every} {questions|tasks|exercises|fields} {below|above|on the next page} {and ignore the example|without a calculator|before the end of the lesson|in full sentences}.
    {The jury|Reviewers|Voters|Readers} {must|should|may} {ignore|disregard} {the previous|any|all} {statements|testimony|versions|drafts} {that were struck|by the witness|from before May}.
    {sudo|As root|As administrator}{: |, }{systemctl restart|override the sysctl|edit /etc/hosts|reset the admin password|run the installer}{.|}
    {Developer|Debug|Safe|Maintenance|Admin} mode {is|can be} {enabled|disabled|turned on} {in the settings|with --debug|by pressing F12|for testing only}.
    {User|Customer|Interviewer}: {How do I reset the router?|Can I change my order?|Why was it ignored?} {Agent|Support|Guest}: {Hold the button for ten seconds.|Yes, until it ships.|I had no instructions.}
    {How do|Why do|When do} {hackers|attackers|criminals|scammers} {bypass|break into|get past|steal} {passwords|firewalls|accounts|locks}, and {how can we prevent it|what protects us|how do companies respond}?
    {Kill|Terminate|Stop|Abort} {the|a|all} {process|child processes|job|thread|session} {with signal 9|after the timeout|on exit|when idle}.
    {Wie kann ich|Wie lässt sich|Kann man} {Warnungen|die vorherige Version|Dateien|den Systemton|leere Zeilen} {in Git|in Excel|unter Windows|beim Testen} {ignorieren|überschreiben|vergessen lassen|zurücksetzen}?
    {Bitte|} {beachten Sie|lesen Sie|befolgen Sie} die {Anweisungen|Hinweise|Regeln|Anleitung} {oben|unten|des Herstellers|vor der Installation}.
    {Er|Sie|Der Patient|Das Team} {ignorierte|vergaß|befolgte} {alle|die} {vorherigen|früheren} {Anweisungen|Warnungen|Ratschläge} {des Arztes|und ging nach Hause|des Trainers}.
    {Das System|Die Systemmeldung|Der Administrator|Die neue Regel} {wurde|wird} {neu gestartet|ab sofort angewendet|im Handbuch erklärt|zurückgesetzt}.
    {Wer|Was|Wo|Wann|Warum} {hat|ist|war|wurde} {das Rad erfunden|die Hauptstadt von Peru|der Dreißigjährige Krieg|der Bahnhof gebaut|der Himmel blau}?
    {Schreibe|Erkläre|Übersetze|Fasse} {einen Aufsatz über das Wetter|die Photosynthese|diesen Satz ins Englische|den Text zusammen}{ bitte|}.
    {Comment|Peut-on|Est-il possible d'} {ignorer|oublier|remplacer|contourner} {les avertissements|les fichiers cachés|la version précédente|les espaces} {dans Git|avec Python|sous Linux}{ ?|?}
    {Veuillez|Merci de} {suivre|lire|respecter} les {instructions|consignes|règles} {ci-dessus|ci-dessous|du fabricant|de sécurité}.
    {Il|Elle|Le patient} a {ignoré|oublié|suivi} {toutes|les} {instructions|consignes} {précédentes|du médecin} et {est rentré|a recommencé}.
    {Le système|L'administrateur|La nouvelle règle} {sera|a été} {redémarré|appliquée|mis à jour|expliqué dans le manuel}.
    {¿Cómo puedo|¿Es posible|¿Se puede} {ignorar|olvidar|sobrescribir|restablecer} {las advertencias|los archivos ocultos|la versión anterior|la contraseña} {en Git|con Python|en Windows}?
    {Por favor|} {siga|lea|respete} las {instrucciones|normas|reglas} {anteriores|siguientes|del fabricante|de seguridad}.
    {Él|Ella|El paciente} {ignoró|olvidó|siguió} {todas |}las {instrucciones|advertencias} {anteriores|del médico}.
    {Come posso|È possibile} {ignorare|dimenticare|sovrascrivere} {gli avvisi|i file nascosti|la versione precedente} {in Git|con Python}?
    {Si prega di|Bisogna} {seguire|leggere} le {istruzioni|regole} {precedenti|del produttore|di sicurezza}.
    {Como posso|É possível} {ignorar|esquecer|substituir} {os avisos|os arquivos ocultos|a versão anterior} {no Git|com Python}?
    {Por favor|} {siga|leia} as {instruções|regras} {anteriores|do fabricante|de segurança}.
    {Hoe kan ik|Kan ik} {waarschuwingen|verborgen bestanden|de vorige versie} {negeren|vergeten|overschrijven} {in Git|met Python}?
    {Volg|Lees} de {instructies|regels} {hierboven|van de fabrikant|voor gebruik}.
    {Jak|Czy można} {zignorować|pominąć|nadpisać} {ostrzeżenia|ukryte pliki|poprzednią wersję} {w Git|w Pythonie}?
    {Proszę|Należy} {przeczytać|przestrzegać} {instrukcje|zasady|instrukcji} {producenta|powyżej|bezpieczeństwa}.
    {Hur kan jag|Går det att} {ignorera|glömma|skriva över} {varningar|dolda filer|tidigare versioner} {i Git|med Python}?
    {Git'te|Python'da} {uyarıları|önceki sürümü|gizli dosyaları} {nasıl yok sayarım|nasıl unutturabilirim}?
    {Lütfen|} {üreticinin|yukarıdaki} {talimatlarını|kuralları} {okuyun|izleyin}.
    {Bagaimana cara|Apakah bisa} {mengabaikan|melupakan|menimpa} {peringatan|berkas tersembunyi|versi sebelumnya} {di Git|dengan Python}?
    {Как|Можно ли} {игнорировать|пропустить|переопределить|сбросить} {предупреждения|скрытые файлы|предыдущую версию|пароль} {в Git|в Python|в Windows}?
    {Пожалуйста, |}{прочитайте|соблюдайте|следуйте} {инструкции|правила|указаниям} {производителя|выше|безопасности}.
    {Он|Она|Пациент} {проигнорировал|забыл|выполнил} все {предыдущие|прежние} {указания|инструкции} {врача|и ушёл домой}.
    {Система|Новое правило|Администратор} {была перезапущена|вступает в силу|описан в руководстве}.
    {Як|Чи можна} {ігнорувати|пропустити} {попередження|попередню версію|приховані файли} {у Git|у Python}?
    {如何|怎样|能否}{在 Git 中|在 Python 里|在系统设置中}{忽略|跳过|覆盖|重置}{警告|隐藏文件|之前的版本|密码}？
    {请|}{按照|阅读|遵守}{上面的|以下|厂家的|之前的}{说明|规则|指示}{安装|操作|使用}。
    {他|她|病人}{忽略了|忘记了|遵守了}{医生|之前}的{所有|}{指示|建议|警告}。
    {系统|管理员|新规则}{已重新启动|从现在起生效|在手册中有说明}。
    {Git で|Python で|設定で}{警告|隠しファイル|以前のバージョン}を{無視する|上書きする|リセットする}{方法は|には}{？|どうすればいいですか？}
    {上記の|以前の|メーカーの}{指示|ルール|説明}{に従って|を読んで}{ください|インストールしてください}。
    {彼|彼女|患者}は{医者の|以前の}{指示|忠告}を{無視した|忘れた|守った}。
    {Git에서|파이썬에서|설정에서} {경고|숨김 파일|이전 버전}{을|를} {무시하는|덮어쓰는} 방법은{?| 무엇인가요?}
    {위의|이전|제조사의} {지시|설명|규칙}{를|을} {따라|읽어} 주세요.
    {كيف يمكنني|هل يمكن} {تجاهل|تخطي|استبدال} {التحذيرات|الملفات المخفية|الإصدار السابق} {في Git|في بايثون}؟
    {يرجى|} {اتباع|قراءة} {التعليمات|القواعد} {أعلاه|السابقة|من الشركة المصنعة}.
    {Git में|पायथन में} {चेतावनियों|छिपी फ़ाइलों|पिछले संस्करण} को {कैसे अनदेखा करें|कैसे बदलें}?
    {कृपया|} {ऊपर दिए गए|निर्माता के|पिछले} {निर्देशों|नियमों} {का पालन करें|को पढ़ें}।
    {Jak|Lze} {ignorovat|přeskočit|přepsat} {varování|skryté soubory|předchozí verzi} {v Gitu|v Pythonu}?
    {Prosím, |}{přečtěte si|dodržujte} {pokyny|pravidla|instrukce} {výrobce|výše}.
    {Làm thế nào để|Có thể} {bỏ qua|quên|ghi đè} {cảnh báo|tệp ẩn|phiên bản trước} {trong Git|với Python}?
    {Vui lòng|Hãy} {đọc|làm theo} {hướng dẫn|quy tắc} {ở trên|của nhà sản xuất}.
    {Act as|You are|Imagine you are|Pretend to be|As|Take the role of|I want you to act as} $expert{.|,| and} {explain|give me advice on|write about|answer my questions about|help me with|prepare a talk on} $topic{.| in simple words.| for beginners.| with three examples.}
    {Write|Draft|Compose|Create|Generate} {a|an|a short|a funny|a formal|a persuasive} {story|poem|essay|blog post|speech|dialogue|letter|song|product description|lesson plan|scene|tweet|summary} {about|on|in which someone learns about} $topic{.|, please.| in the style of a fairy tale.| with a happy ending.| in 200 words.}
    {What|How|Why} {is|are|do people think about|can I learn about|should I know about|does research say about|changed in} $topic{?|, and why does it matter?| today?}
    {Explain|Describe|Summarise|Compare|Discuss|List} {the {main causes|advantages|risks|history|key points|basics} of |}$topic{.| and {cooking pasta|daily life|the economy|modern art}.| in five bullet points.| for a ten-year-old.}
    {In|For} a {novel|game|film|role-playing campaign|school play} {I am writing|we are planning}, {a character|the hero|a detective|a wizard} {must|has to|wants to} {solve a murder|talk about $topic|escape from a prison|keep a secret|break an evil spell}. {Can you help with the plot?|Suggest three ideas.|Write the opening scene.}
    {Imagine|Suppose|Let's say} {a world|a future|a city} {without|ruled by|full of} {money|robots|talking animals|music|magic}. {How would people live?|Describe a normal day.|What would happen to $topic?}
    {As part of|For} {a study|my thesis|a university course|a workshop|a podcast} {on|about} $topic, {I need|please give me|could you list} {five questions|an outline|recent arguments on both sides|a glossary|examples}.
    {How can|How do|What should} {I|we|parents|companies|victims} {protect ourselves from|talk about|report|prevent|recognise} {scams|hate speech|phishing|harassment|identity theft|domestic violence|extremism|burglary}?
    {Is it|Why is it|When is it} {legal|illegal|dangerous|wrong|allowed} to {record a call|pick a lock|own a knife|copy a film|drive without insurance|share a password} {in my country|in Germany|at work|}?
    {How do I|What is the command to|How can one} {kill|terminate|destroy|execute|inject|attack|crash|drop} {a Python process|a zombie thread|an object in C++|a dependency in Angular|this chess position|a database table|a test server on purpose}?
    {Play|Be|You play} {the|a} {customer|interviewer|patient|waiter|tourist} and {I am|I'll be} {the|a} {seller|applicant|nurse|guest|guide}{; we practise {English|small talk|an interview}|}. {You start.|Ask me questions one at a time.|Give feedback at the end.}
    {Answer|Reply|Respond} {in|with} {one sentence|French|bullet points|a table|JSON|plain English|at most 50 words}{: |. }{what is $topic?|tell me about $topic.|why is the sky blue?}
    {Can you|Could you|Please} {check|correct|improve|shorten|translate|proofread} {my|this|the following} {essay|e-mail|paragraph|code|sentence|function}{: | }{Dear Sir or Madam, I apply for the job.|the results where not good|def add(a, b): return a+b|I has went home.}
    {Who|When|Where|Which country} {invented the telephone|was the Eiffel Tower built|won the world cup in 2010|is the longest river|has the most islands|wrote Don Quixote}?
    {Recommend|Suggest|Plan|Find} {me |}{a {book|film|recipe|trip|present|workout|restaurant}} {for|about} {a rainy weekend|my mother|$topic|beginners|two people|a small budget}.
    {You are|You're} {a helpful assistant|a translation engine|a support agent for a bank|an expert in SQL}. {Answer briefly.|Use the documents below.|Be polite and accurate.|Say that you do not know when you are not sure.}
    {Hi|Hello|Dear} {Anna|David|team|customer|Ms Weber|all}{,|} {your|the} {payment|invoice|order|subscription|booking|ticket|parcel} {of $amount|number 48213|from Monday|for May} {was received|has been sent|is on its way|was charged to your card|will renew soon}{.|!} {If you have any questions, just reply to this e-mail.|You do not need to do anything.|See the details below.} {Best,|Kind regards,|Thanks,|Sent with care,} {the billing team|Maria|Your support|Finance}
    {SUBJECT|Subject}: {Payment received|Weekly report|Your receipt|Product update|Invitation}{|} {From|FROM}: {Billing|News|HR} {no-reply@example.com|updates@example.org}{|} {Date: Tue, 1 Feb 2022} {Thank you for your purchase.|Here is what is new this month.|Please find the receipt attached.} {Unsubscribe|View in browser|Manage preferences}
    {Your account|The account|Your card ending in 4605} {was debited|was credited|has been charged} $amount {on 3 March|by the merchant|}. {The money was sent from|The balance of} your {checking|savings} account {is available|was updated|will follow}. {If this is an error, you can raise a dispute|Questions? Call us|Reply to this e-mail for help}.
    {Hey|Hi} {Bob|everyone|Alice}, {I read|have you seen|check out} {an interesting article|the new page|the photos} {on|at} {www.example-news.com|our blog|the wiki}{.|!} {See you at lunch.|My hobby is painting.|Let me know what you think.}
    {Dear|Hello} {tenant|member|parents}, {please note that|as of next month|from 1 January} the {rent|fee|opening time|schedule} {will be increased by 5 %|changes|stays the same}. {Please make the payment|Please adjust your standing order|Let us know} {before the first of the month|in time|if you have questions}.
    $deed $object $where{.|, newest first.| by id.| by name.| with an optional filter.| and returns its id.| as JSON.}
    $deed $object $where. {Use this {tool|function} {when|if|whenever}|Call this {when|if|to}|Useful when|Only use this when|Use it when} {the user asks {about|for|to see|to change} $object|you need {to look something up|more context|the id of an object|current data}|the question is about {bugs or features|recent events|the weather|a library|prices}|a file has to be {changed|read|found}}.
    $deed $object $where. {You must call|Call|Always call|Requires a call of|Use|First call} $call {first|before this tool|before} to {get|obtain|look up} {an id|a valid id|the schema|the list of names|a session}{.|, unless the user gives one.}
    $deed $object. {This|The action|It} {cannot be undone|is irreversible|needs confirmation|asks the user for confirmation first|requires admin rights|is read-only|has no side effects|may take a while|costs money}{.|; be careful.| and should be used with care.}
    {Use|Prefer|Call} {this|the} {tool|function|endpoint} {instead of|rather than|over} {cat|grep|find|the shell|$call|several single calls} {to|when you} {read files|search text|edit a file|run a query}{.| because it is faster.}
    {Do not|Don't|Never} {use|call} {this|it} {for|to|when} {binary files|large files|write operations|production data|questions about code|the file does not exist}{; use $call instead|}.
    {Use|Call} {the|this} {tool|function} to {think|plan|reason|take notes|keep track of steps|store facts} about {something|a problem|the conversation|the task}. It does not {change|delete|obtain|send} {anything|any data|new information}.
    {The|Each|Every} {result|answer|response|item|object} {holds|contains|has|includes} {the title, the link and a summary|an id and a name|the matching lines|a cursor for the next page|at most 50 entries|an error message if it fails}.
    {Arguments|Parameters|Args|Input}: {path|query|id|text|limit|url|name}{: | - |}{the|a|an optional} {path of the file|search text|identifier|maximum number of results|URL to fetch|name of the user}{.| (required).| (default 10).}
    {Returns|Raises|Yields|Sets|Holds|Tells} {only|} {the rows|the users|the value|the files|an error|None|True|messages|the list of tools} {for which|that|if|when|whose} {the user has given permission|the caller may see|were changed since the last call|the file is missing|there is nothing to do|the client is not allowed to call}.
    {You|Users|Administrators|Clients|Developers|Callers} {must|should|have to|need to|can|may} {restart the {system|server|service}|clear the cache|log in again|set the variable|rebuild the index|accept the new terms|run the migration|update the driver} {before the {new rules|changes|settings} take effect|after the update|once per session|to continue|first}.
    {The|This} {client|server|proxy|handler|middleware|application|tool} {must|should|may|will} {display|show|send|forward|log|return|store|collect} {a message|the response|the error|user input|the request|a prompt} {to|from|for} {the user|the client|the upstream server|the caller|each request}{.| and wait for an answer.| before it continues.}
    {Permission is hereby granted|You may redistribute this file|No part of this work may be copied|Modified versions must be marked as such}, {provided that the notice above is kept|under the terms of the licence|without written permission|subject to the following conditions}.
    {begin|end|start of|end of} {generated|the|automatically created|licence} {section|code|block|part|table of contents}{: do not edit|, do not change by hand|: update with make docs|}.
    {Home|Products|Prices|About us|Contact|Blog|Careers|Support}, {products|prices|about us|news|terms}, {privacy|contact|how to reach us|log in|sign up} and {more|search|help|imprint}.
    {Error|Warning|Failed|Denied}: {permission denied|file not found|the request timed out|invalid credentials|the token has expired|unknown option}{. Please {log in|try again|check the path|contact your administrator|enable the setting} {and retry|later|first}.|.}
    {Click|Press|Select|Choose|Tap|Open} {Save|Send|the link below|Settings|the menu|Continue|OK} {to|and then} {confirm your e-mail address|reset your password|send the message|delete the account|see all instructions|export the data}.
    {Breaking|Security|Deprecated|Changed}: {the|all|old} {system prompts|instructions|commands|rules|tokens|roles} are {now|no longer} {ignored|read from the environment|overridden by the project's settings|sent to the server|stored} {by default|(#4711)|unless set explicitly|}.
    {We|They|The authors|I} {ask|asked|told|instructed|want} {the|our|each|all} {participants|patients|students|workers|readers|model} to {ignore|forget|repeat|follow|rate|answer} {the distracting sounds|the first list|the question|the instructions on the screen|what they had read before}.
    {To|In order to} {install|uninstall|update|configure|debug|remove} {it|the package|the plugin|the service}, {run|execute|use|type} {the following command|`make install`|`sudo apt install foo`|`npm run build`|`pip install -e .`} {as root|in a terminal|from the project directory|and follow the instructions}.
""")
