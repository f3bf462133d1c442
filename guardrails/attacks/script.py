"""Markup and script that break out of a value into a page."""

from __future__ import annotations

from guardrails.attacks.marks import Mark, Reach

XSS = "XSS"

_EVENT = (
    r"on(?:error|load|click|dblclick|mouse\w+|key\w+|focus\w*|blur|toggle|start|begin|end|finish|bounce|"
    r"animation\w+|transition\w+|pointer\w+|touch\w+|wheel|copy|cut|paste|drag\w*|drop|submit|reset|select\w*|"
    r"change|input|invalid|resize|scroll\w*|unload|beforeunload|pageshow|hashchange|popstate|message|"
    r"readystatechange|canplay\w*|play\w*|loadstart|progress|filterchange|propertychange|contextmenu|cuechange|show|"
    r"open|page\w+|repeat|search|activate|beforescriptexecute)"
)
_SCHEME = r"(?:j\s*a\s*v\s*a\s*s\s*c\s*r\s*i\s*p\s*t|v\s*b\s*s\s*c\s*r\s*i\s*p\s*t|livescript|mocha|jscript)"
_CALL = (
    r"(?:alert|prompt|confirm|eval|print|atob|setTimeout|setInterval|Function|import|fetch|expression|"
    r"document\.(?:write|cookie|location|domain)|window\.|location\b|self\[|top\[|String\.fromCharCode)"
)

MARKS = (
    Mark(XSS, 0.85, Reach.WHOLE, r"<\s*/?\s*script\b|<script|%3cscript|&lt;script|\\x3cscript|\\u003cscript"),
    Mark(XSS, 0.8, Reach.VALUE, r"<script[^>]*>[^<]*(?:alert|prompt|confirm|document\.|eval|location|window\.)"),
    Mark(
        XSS, 0.9, Reach.WHOLE,
        r"^[^<]{0,60}['\"]\s*/?>?\s*<\s*(?:script|svg|img|iframe|body|details|video|audio|marquee)\b[^>]*(?:>|=)",
    ),
    Mark(XSS, 0.9, Reach.VALUE, rf"<[a-z!?/][^>]*[\s/\"'+\x{{0c}}]{_EVENT}\s*=\s*(?:[\"'`]?\s*[^\s>\"'`]|[\"'`])"),
    Mark(
        XSS, 0.85, Reach.VALUE,
        rf"(?:^|[\"'\s/>;]){_EVENT}\s*=\s*[\"'`]?\s*(?:{_CALL}|javascript:|[a-z]+`|[(\[])",
    ),
    Mark(
        XSS, 0.9, Reach.VALUE,
        r"(?:href|src|action|formaction|data|background|lowsrc|dynsrc|value|codebase|poster|to|from|content|url|"
        r"xlink:href|folder|style|code|profile|usemap|longdesc|cite|classid|archive|"
        rf"srcdoc)\s*[=(]\s*[\"'`]?[^>\"'\w]*[\"'`]?\s*(?:&[#\w]+;?|\s|\\\w*)*{_SCHEME}\s*(?:&colon;|:)",
    ),
    Mark(XSS, 0.85, Reach.WHOLE, rf"(?:^|[\"'\s=(;,]){_SCHEME}\s*(?:&colon;|:|%3a)[^\s]"),
    Mark(
        XSS, 0.85, Reach.WHOLE,
        r"<\s*(?:iframe|object|embed|applet|frame|frameset|base|svg|math|isindex|layer|ilayer|bgsound|xml|xss|"
        r"marquee|noembed|plaintext|xmp|template|foreignobject|keygen|portal|set|animate\w*|handler|listener|"
        r"event-source|vmlframe|comment|listing)\b[\s/>][^<]*",
    ),
    Mark(
        XSS, 0.8, Reach.WHOLE,
        r"<\s*(?:meta|link|style|img|image|input|body|div|table|td|br|head|html|video|audio|source|form|button|"
        r"textarea|select|details|a|p|span|b|i|x|li|ul|q|font|label|font|title|area|map|"
        r"track)\b[^>]*(?:javascript|vbscript|livescript|mocha|expression|behaviou?r\s*:|moz-binding|http-equiv|"
        r"@import|data:|datasrc|formaction|document\.|alert\s*\(|\bxss\b|&\{|%00|srcdoc|autofocus|onerror)",
    ),
    Mark(
        XSS, 0.8, Reach.WHOLE,
        r"(?:[:;{\"'/]|\*/)\s*(?:e\s*x\s*p\s*r\s*e\s*s\s*s\s*i\s*o\s*n|ex/\*[^*]*\*/pression)\s*\(|"
        r"-moz-binding\s*:|behaviou?r\s*:\s*url|@import\s*[\"'(]*(?:javascript|http|//)|xss:\s*expr|"
        r"list-style-image\s*:\s*url\s*\(\s*[\"']?\s*j",
    ),
    Mark(
        XSS, 0.85, Reach.WHOLE,
        r"(?:^|[\"'`;)>}\]\s/(,{=+-])(?:alert|prompt|confirm)\s*(?:\(|`|&#40;|&lpar;|%28)\s*(?:[\"'`/\d]|"
        r"document|xss|string|\w*\)|location|1)",
    ),
    Mark(
        XSS, 0.85, Reach.VALUE,
        r"[\"'`][ \t]*[;)+-]+[ \t]*(?:alert|prompt|confirm|eval)\s*[(`]|[;(,=]\s*(?:alert|prompt|"
        r"confirm)\s*\(\s*(?:document\.(?:cookie|domain)|1|['\"`/]?xss)",
    ),
    Mark(
        XSS, 0.8, Reach.WHOLE,
        r"\bdocument\s*(?:\.|\[\s*['\"`])\s*(?:cookie|write|location|domain|body|documentElement|referrer)|"
        r"String\s*(?:\.|\[\s*['\"])fromCharCode|\bwindow\s*(?:\.location|\[\s*['\"`])|\beval\s*\(\s*(?:name|src|"
        r"location|atob|String|unescape|\+)|\bsetTimeout\s*\(\s*['\"`]|javascript:\S",
    ),
    Mark(
        XSS, 0.85, Reach.WHOLE,
        r"\+adw-|%u003c|\x{ff1c}script|\x{bc}script|&#x?0*(?:60|3c|106|6a)[;&]?.*&#x?|\\u00[36][0-9a-f]\\u00[67]|"
        r"\\x3c(?:img|svg|script)|<%00|\[\s*\]\s*\[\s*\(\s*!|\(!\[\]\+",
    ),
    Mark(
        XSS, 0.85, Reach.WHOLE,
        r"data:(?:text/html|image/svg\+xml|application/(?:x-)?xhtml|text/xml)[^\s]*(?:,|;base64)|\bphn2zy|"
        r"PHNjcmlwd|PHN2Z|<!\[cdata\[<|<\?xml-stylesheet|<\?import|%3c(?:svg|img|iframe)|%253c",
    ),
    Mark(
        XSS, 0.65, Reach.WHOLE,
        r"crosssitescripting|cross\s*site\s*scripting\W+\w*[<(]|\bxss\b.*[<>(]|[<>(].*\bxss\b|ha\.ckers\.org|"
        r"xss\.(?:js|css|rocks)|</?(?:textarea|noscript|style|iframe|select|xmp|script|"
        r"noembed)>\s*[\"']*\s*<|<!--\[if|<!--.*--!?>\s*<",
    ),
    Mark(
        XSS, 0.75, Reach.WHOLE,
        r"scriptalert|<\w+[^>]*\bstyle\s*=\s*[\"'][^\"']*(?:\\\w+|/\*|url\s*\()|<a\s+href\s*=\s*[\"']?(?:about:|"
        r"data:|//|\\)|{{\s*constructor|\$on\.constructor|\$eval\.constructor|toString\(\)\.constructor",
    ),
    # A call whose name is put together, or handed over, so that nobody reads it.
    Mark(
        XSS, 0.85, Reach.ALWAYS,
        r"\b(?:top|self|window|parent|frames|content|globalThis|this)\s*(?:\?\.)?\[\s*[\"'`](?:alert|prompt|confirm|eval)"
        r"[\"'`]\s*\]\s*[(`.]|"
        r"\b(?:top|self|window|parent|frames|globalThis|this)\s*(?:\?\.)?\[\s*[\"'`](?:a|al|ale|aler|e|ev|eva|p|pr|pro|prom|promp|"
        r"c|co|con|conf|confi|confir)[\"'`]\s*\+\s*[\"'`]\w+[\"'`]\s*\]",
    ),
    Mark(
        XSS, 0.85, Reach.WHOLE,
        r"\b(?:top|self|window|parent|frames|globalThis|this)\s*\[\s*(?:/[^\]\n]{1,64}/\.source|[\"'][^\]\n]{0,32}\\(?:x[0-9a-f]{2}|"
        r"u00|[0-7]{2,3})|\d+\.\.toString)[^\]\n]{0,128}\]\s*\(|\bnew\s+Function\s*`|\.constructor\s*\.\s*constructor\s*\(|"
        r"\[[^\]\n]{0,16}\]\s*\.\s*(?:find\w*|map|filter|some|every|forEach)\s*\(\s*(?:alert|prompt|confirm|eval)\s*\)|"
        r"\(\s*(?:alert|prompt|confirm|eval)\s*\)[(`]\s*(?:\d+\s*[)`]|['\"`/]|document)|(?:[!+()\[\]]*[!+(]\[\]){5}",
    ),
    Mark(XSS, 0.4, Reach.WHOLE, r"^[\"'>\s]*<[a-z]+[\s/+][^>]*=\s*[^>]*$"),
    # Nobody has a good reason to send someone else's cookies away; also when a server says it.
    Mark(
        XSS, 0.9, Reach.PAYLOAD,
        r"<(?:script|img|svg|iframe)\b[^>]*>?[^<]*(?:document\.cookie|localStorage|sessionStorage)[^<]*",
    ),
    Mark(
        XSS, 0.9, Reach.PAYLOAD,
        r"(?:location(?:\.href)?\s*=|\.src\s*=|fetch\s*\(|sendBeacon\s*\(|XMLHttpRequest|"
        r"\.open\s*\()\s*[^;\n]*(?:document\.cookie|localStorage\.getItem|sessionStorage\.getItem)",
    ),
    Mark(XSS, 0.85, Reach.PAYLOAD, r"javascript:[^\s\"'<>]*(?:document\.cookie|localStorage|fetch\s*\()"),
)
