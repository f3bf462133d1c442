"""The classic phrase that calls off what a model was told before, in many languages."""

from __future__ import annotations

from guardrails.injection.signs import Sign

CATEGORY = "INJECTION"
# Alone it is as likely quoted as meant; it counts with what the model says of the words around it.
_SCORE = 0.4

_IGNORE = (
    r""
    r"(?:ignore|disregard|forget|override|discard|bypass|neglect|skip|do not follow|stop following|pay no attention to)"
)
_BEFORE = r"(?:previous|prior|above|preceding|earlier|former|initial|original|existing|foregoing)"
_TOLD = (
    r""
    r"(?:instructions?|directions?|prompts?|commands?|directives?|guidelines?|rules|orders|messages?|context|programming)"
)

SIGNS = tuple(
    Sign(CATEGORY, _SCORE, pattern)
    for pattern in (
        rf"\b{_IGNORE} (?:all |any |every |each |the |your |my |of |these |those )*{_BEFORE} "
        rf"(?:\w+ ){{0,2}}?{_TOLD}\b",
        rf"\b{_IGNORE} (?:all |any |the |your |of )*"
        rf"(?:{_TOLD}|everything|anything) (?:\w+ ){{0,3}}?(?:above|before|so far|"
        r"given|previously|prior to this|up to now)\b",
        rf"\b{_IGNORE} (?:all |any |the )*(?:your|system) (?:\w+ )?"
        rf"(?:{_TOLD}|guardrails|restrictions|polic(?:y|ies))\b",
        r"(?:ignorier|vergiss|vergesse|missacht|verwirf|überschreib)e?(?:n sie)? [^.\n]{0,20}"
        r"(?:vorherig|bisherig|obig|vorangegangen|früher|vorig)\w* (?:anweisung|befehl|regel|vorgabe|instruktion)",
        r"(?:ignore[zr]?|oublie[zr]?|néglige[zr]?|annule[zr]?|ne (?:tiens|tenez) pas compte)\w* [^.\n]{0,20}"
        r"(?:instructions|consignes|règles|directives|ordres) (?:précédente|antérieure|ci-dessus|initiale)",
        r"(?:ignor|olvid|descart|anul|haz caso omiso|no hagas caso)\w*[^.\n]{0,20}"
        r"(?:instrucciones|órdenes|reglas|indicaciones) (?:anteriores|previas|de arriba|iniciales)",
        r"(?:ignora|dimentica|trascura|annulla)\w*[^.\n]{0,20}"
        r"(?:istruzioni|regole|indicazioni|ordini) (?:precedenti|sopra|iniziali)",
        r"(?:ignor|esque[çc]|desconsider|descart)\w*[^.\n]{0,20}"
        r"(?:instruções|regras|ordens) (?:anteriores|acima|prévias|iniciais)",
        r"(?:negeer|vergeet|sla)[^.\n]{0,12} "
        r"(?:vorige|voorgaande|eerdere|bovenstaande) (?:instructies|regels|opdrachten)",
        r"(?:zignoruj|zapomnij|pomiń|odrzuć|ignoruj)[^.\n]{0,20}"
        r"(?:poprzedni|wcześniejsz|powyższ)\w* (?:instrukcj|poleceni|zasad)",
        r"(?:ignorera|glöm|strunta i)[^.\n]{0,12} (?:tidigare|föregående|ovanstående) (?:instruktioner|regler|order)",
        r"(?:önceki|yukarıdaki)[^.\n]{0,16}(?:talimat|komut|kural|yönerge)\w* "
        r"(?:yok say|unut|görmezden gel|dikkate alma)",
        r"(?:abaikan|lupakan|hiraukan)[^.\n]{0,16}"
        r"(?:instruksi|perintah|aturan|petunjuk) (?:sebelumnya|di atas|terdahulu)",
        r"(?:игнорируй|проигнорируй|забудь|отмени|не обращай внимания на)\w*[^.\n]{0,12} "
        r"(?:предыдущ|прошл|вышеуказанн|прежн)\w* (?:инструкц|указани|правил|команд)",
        r"(?:ігноруй|забудь|відкинь)\w*[^.\n]{0,12} (?:попередн|наведен)\w*"
        r"[^.\n]{0,8}(?:інструкц|вказівк|правил|команд)",
        r"(?:忽略|无视|無視|忘记|忘掉|忘記|不要理会|抛弃)[^。\n]{0,4}"
        r"(?:之前|以上|上面|前面|先前)[^。\n]{0,6}(?:指令|指示|提示|规则|規則|内容|命令)",
        r"(?:以前|これまで|上記|先ほど|前)の[^。\n]{0,6}"
        r"(?:指示|命令|ルール|内容|プロンプト)を?[^。\n]{0,4}(?:無視|忘れ|破棄)",
        r"(?:이전|위|앞선|지금까지)의? ?[^.\n]{0,6}(?:지시|명령|규칙|지침|내용)"
        r"(?:을|를|사항을)? ?[^.\n]{0,4}(?:무시|잊)",
        r"(?:تجاهل|انس|اهمل|لا تتبع)[^.\n]{0,12}(?:التعليمات|الأوامر|القواعد|الإرشادات) (?:السابقة|أعلاه|الأصلية)",
        r"(?:पिछले|ऊपर के|पहले के)[^।\n]{0,12}(?:निर्देश|आदेश|नियम)[^।\n]{0,12}(?:अनदेखा|भूल|नज़रअंदाज़)",
        r"(?:ignoruj|zapomeň na|zruš)[^.\n]{0,12} (?:předchozí|výše uvedené|dosavadní) (?:instrukce|pokyny|pravidla)",
        r"(?:bỏ qua|quên|phớt lờ)[^.\n]{0,16}(?:hướng dẫn|chỉ dẫn|lệnh|quy tắc) (?:trước|ở trên)",
    )
)
