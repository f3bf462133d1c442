"""Shell commands and calls of interpreters where a plain value belongs."""

from __future__ import annotations

from guardrails.attacks.marks import Mark, Reach

COMMAND = "COMMAND_INJECTION"

# Names that are hardly ever a word of a sentence.
_PLAIN = (
    "ls|ll|rm|cp|mv|chmod|chown|chgrp|wget|curl|nc|ncat|netcat|socat|nmap|telnet|ssh|scp|sftp|tftp|bash|zsh|"
    "ksh|csh|tcsh|"
    "gcc|awk|gawk|sed|grep|egrep|fgrep|xargs|uname|whoami|ifconfig|ipconfig|"
    "netstat|nslookup|dig|ping6|traceroute|tracert|systeminfo|tasklist|taskkill|netsh|wmic|schtasks|certutil|"
    "bitsadmin|"
    "powershell|pwsh|mshta|rundll32|regsvr32|cscript|wscript|icacls|attrib|vssadmin|diskpart|pwd|mkdir|rmdir|"
    "useradd|adduser|usermod|passwd|chpasswd|sudo|crontab|systemctl|launchctl|iptables|mkfs\\w*|dd|pkill|killall|"
    "printenv|setenv|busybox|openssl|xxd|gunzip|mysqldump|psql|sqlite3|redis-cli|kubectl|dnf|lsof|"
    "umount|fdisk|df|du|"
    "lastlog|xcopy|robocopy|phpinfo|nohup|uniq|getent|perl|python[23]?|php|cmd|tac"
)
# Names that are words too: they count with what follows them.
_WORDY = (
    "echo|sleep|type|find|sort|date|who|which|head|tail|less|more|cut|set|net|start|at|time|timeout|test|"
    "printf|export|"
    "source|ping|cat|fish|dash|ruby|node|lua|tee|reg|ps|touch|su|kill|env|od|tar|gzip|unzip|mysql|mongo|"
    "docker|git|apt(?:-get)?|"
    "yum|pip3?|npm|mount|last|arp|route|ip|hostname|id|dir|del|erase|copy|exec|eval|nl|rev|strings|sh|host|"
    "shutdown|reboot|vi|base64"
)
_ARGUMENT = (
    r"(?:\s+|\+|%20|\$\{?IFS\}?|<)+(?:-{1,2}\w|/|~|\.{1,2}/|[\"'`$<>;*]|&&|\d+(?:\s*$|[;|&#.])|[a-z]:\\|"
    r"https?:|\w+\.\w{2,4}\s*$|"
    r"user\s|localgroup|share\s|add\s+hk|http|\w+\s*[;>]|print\s*$|stop\s)"
)
_END = r"\s*(?:$|[;&`)#\"']|%0a|\\n|//)"
_DIRECTORY = r"(?:/(?:usr/)?(?:local/)?s?bin/|[a-z]:\\windows\\(?:system32\\)?|/bin/busybox\s+|\\?/\?\?\?/)"
_RUN = (
    rf"(?:{_DIRECTORY}\w+|(?:{_PLAIN})(?:\.exe)?(?:\s+[^=\s]|$|[;|&<>\"'`\\/#)*{{}}+,(%$]|-)|"
    rf"(?:{_WORDY})(?:\.exe)?(?:{_ARGUMENT}|{_END})|system\s*\(|\w*exec\s*\(|passthru\s*\(|phpinfo\s*\()"
)
_S = r"(?:\s|\+|%20|%09|\$\{?IFS\}?|<)*"

MARKS = (
    Mark(
        COMMAND, 0.85, Reach.WHOLE,
        rf"(?:[;|&]|&&|\|\||%0a|%0d|%3b|%7c|%26|\\n|\\r)+{_S}[\"'`({{]*{_S}{_RUN}|"
        rf"^[^\n]*[\n\r]+[ \t]*{_RUN}[^\n]*\s*$",
    ),
    Mark(
        COMMAND, 0.9, Reach.VALUE,
        rf"(?:[;|&]|&&|\|\|){_S}(?:{_DIRECTORY}\w+|rm\s+-\w*[rf]|(?:cat|type|less|more|head|tail|nl|tac)\s+(?:/|~|"
        r"\.\./|[a-z]:\\)|(?:wget|curl)\s+\S*(?:https?:|ftp:|\$|\d)|nc\s+(?:-|\d)|bash\s+-|sh\s+-|whoami\b|"
        r"id\s*(?:$|[;|&#])|uname\s+-|netcat\s|ping\s+-\w\s+\d|sleep\s+\d|python[23]?\s+-c|perl\s+-e|ruby\s+-e|"
        r"php\s+-r|net\s+user\s|powershell|certutil|ls\s+-\w*\s|shutdown\s|reboot\b|mkfs|dd\s+if=|chmod\s+[0-7+])",
    ),
    Mark(
        COMMAND, 0.9, Reach.WHOLE,
        rf"\$\({_S}[`\"'({{]*{_S}(?:{_RUN})|^[^\s`]*`{_S}(?:{_RUN})[^`]*`?[^\s`]*$|[<>]\({_S}{_RUN}",
    ),
    Mark(
        COMMAND, 0.85, Reach.VALUE,
        rf"\$\({_S}`?{_S}(?:whoami\s*\)|nc\s|sleep\s+\d|cat\s+/etc/(?:passwd|shadow)|bash\s+-i|rm\s+-)|"
        rf"[\w.]`{_S}(?:curl|wget|nc|cat|bash|sh|id|whoami|uname|rm|sleep|ping|nslookup)(?:\s[^`\n]*)?`",
    ),
    Mark(
        COMMAND, 0.85, Reach.WHOLE,
        r"\$\{?IFS\}?|\$@\w|\{(?:cat|ls|curl|wget|ping|nc|bash|echo|id),|\b(?:cat|head|tail|less|more|nl|tac|sort|"
        r"base64|xxd|od|strings)<(?:/|~)\w|/\?\?\?/|\$\{?(?:PATH|HOME|SHELL|PWD|0)[:%#]|\w+''\w+\s+/|"
        r"\w+\"\"\w+\s+/|\b[a-z]\\[a-z]\\?[a-z]*\s+/|w'h'o|who\$",
    ),
    # A program of Windows behind a mark; a command that writes to a file; options that make a program run another.
    Mark(
        COMMAND, 0.8, Reach.WHOLE,
        r"[;|&][ \t]*(?:[\w:\\.-]*\\)?[\w-]+\.(?:exe|bat|cmd|ps1|vbs|scr)\b|"
        r"[;|&`][ \t]*(?:id|ls|ps|env|whoami|hostname|uname|date|who|pwd)[ \t]*>{1,2}[ \t]*[/\w.~]|"
        r"[;|&`(][^;|&\n]{0,200}[^<]<[ \t]*/(?:etc|proc|root|home|var|dev)/\w|"
        r"(?:[;|`]|&&)[ \t]*(?:docker[ \t]+(?:run|exec|cp|build|load)|git[ \t]+(?:push|clone|config|remote|reset)|"
        r"history[ \t]+-[cwd]|mailx?[ \t]+-s|npm[ \t]+(?:install|run|exec|publish)|pip3?[ \t]+install|"
        r"apt(?:-get)?[ \t]+(?:install|remove|update)|tar[ \t]+-?[a-z]*[cx][a-z]*f?[ \t])[ \t]*\S|"
        r"(?:^|[\s'\"])(?:--(?:upload|receive)-pack=|-{1,2}o?[ ]?ProxyCommand[= ]|--use-compress-program=|"
        r"--checkpoint-action=exec|--to-command=|--rsh=|--exec=|-{2}config[= ]core\.\w*(?:command|editor|pager)=)",
    ),
    Mark(COMMAND, 0.95, Reach.ALWAYS, r"\(\)\s*\{\s*:\s*;\s*\}\s*;|:\(\)\s*\{\s*:\s*\|\s*:\s*&\s*\}\s*;"),
    Mark(COMMAND, 0.9, Reach.VALUE, r"<!--\s*#(?:exec|include|echo|printenv)\b|&lt;!--\s*#(?:exec|include)"),
    Mark(
        COMMAND, 0.85, Reach.WHOLE,
        r"<\?(?:php|=)?\s.*\b(?:system|exec|passthru|shell_exec|eval|include|require|file_get_contents|popen|"
        r"assert|\$_(?:GET|POST|REQUEST))\b",
    ),
    Mark(
        COMMAND, 0.85, Reach.WHOLE,
        r"(?:^|[;|&'\"({\s@$!=.])(?:system|exec|shell_exec|passthru|popen|proc_open|pcntl_exec|assert|eval|spawn|"
        r"execSync|execFile|child_process|os\.system|os\.popen|subprocess\.\w+)\s*\(\s*(?:['\"`$]|\w+\s*\(|base64|"
        r"chr)",
    ),
    Mark(
        COMMAND, 0.8, Reach.WHOLE,
        r"\bphpinfo\s*\(|\bgetRuntime\s*\(\s*\)\s*\.\s*exec|ProcessBuilder\s*\(|Process\.Start\s*\(|"
        r"WScript\.Shell|\bIO\.popen\b|%x[({\[]|\bcmd(?:\.exe)?\s+/[ck]\b|\bcommand\.com\b",
    ),
    Mark(
        COMMAND, 0.9, Reach.ALWAYS,
        r"__import__\s*\(\s*['\"](?:os|subprocess|pty|socket|sys|commands|builtins|importlib|shutil|"
        r"urllib(?:\.request)?|http\.client|requests|ctypes|platform|posix|nt|code|pickle)['\"]\s*\)\s*\.|"
        r"\[\s*['\"]__builtins__['\"]\s*\]|\bopen\s*\(\s*['\"]/etc/(?:passwd|shadow)['\"]|"
        r"__subclasses__\s*\(\s*\)|__globals__\s*[\[.]|__builtins__\s*[\[.]\s*['\"]?(?:__import__|eval|exec|open)",
    ),
    Mark(COMMAND, 0.8, Reach.WHOLE, r"\b__import__\s*\(|\.__bases?__\s*[\[.]|__mro__\s*\[|\[\s*['\"]__class__"),
    Mark(
        COMMAND, 0.85, Reach.VALUE,
        r"(?:os|commands|posix)\s*\.\s*(?:system|popen\d?|exec[lv]p?e?|spawn\w+)\s*\(\s*['\"]|"
        r"subprocess\s*\.\s*(?:run|call|Popen|check_output|getoutput)\s*\(\s*[\['\"]|"
        r"require\s*\(\s*['\"]child_process['\"]\s*\)\s*\.|process\.mainModule|process\.binding\s*\(|"
        r"global\.process|constructor\s*\(\s*['\"]return\s+(?:this|process)",
    ),
    Mark(
        COMMAND, 0.75, Reach.WHOLE,
        r"^['\"]?[\s+;|&]*(?:(?:cat|type|ls|dir|less|more|head|tail|rm|chmod|chown|find|cp|mv|vi|"
        r"nano)\s+(?:-\w+\s+)*(?:/|~|\.\./|[a-z]:\\|\\)|(?:wget|curl|lynx|fetch)\s+(?:-\S+\s+)*(?:https?|ftp)://|"
        r"(?:ping|ping\.exe|traceroute)\s+-\w\s+\d|sleep\s+\d+\W*$|uname\s+-\w|netstat\s+-|net\s+(?:user|"
        r"localgroup|group|share|view|stop|start)\b|netsh\s+\w|reg\s+(?:add|query|delete|save)\s|which\s+\w+$|"
        r"ps\s+-?[aef]|ifconfig\s*-?\w*$|arp\s+-|route\s+(?:print|-n|add)|nc\s+-|python[23]?\s+-c|perl\s+-[en]|"
        r"ruby\s+-e|php\s+-r|bash\s+-|sh\s+-|echo\s+[\"'].*(?:>|\x{7c}|</?\w)|systemctl\s|crontab\s+-|wmic\s|"
        r"powershell|certutil|iptables\s+-|dir\+)",
    ),
    Mark(
        COMMAND, 0.7, Reach.WHOLE,
        r"^\W*(?:whoami|ipconfig|ifconfig|netstat|systeminfo|tasklist|lsof|printenv|dmesg|lsmod|lspci|nslookup|"
        r"getent|uname)\W*$|^\W*[;|&`\"'\\(){}]+\W*(?:id|ls|ll|dir|pwd|ps|w|who|route|env|set|true|false|date|"
        r"hostname|history|last|time|reboot|shutdown|halt|exit)\W*$|^\w*\W*[;|&`]\W*(?:id|ls|dir|pwd|ps|w|"
        r"who)\W*$",
    ),
    Mark(COMMAND, 0.4, Reach.WHOLE, rf"^['\"]?\s*{_DIRECTORY}\w+\b"),
    Mark(COMMAND, 0.35, Reach.WHOLE, r"^(?:id|ls|dir|pwd|ps|w|who|route|env|arp|set|exit|ll)\W*$|^(?:\\[nr])+$"),
    Mark(COMMAND, 0.7, Reach.WHOLE, r"^(?:%0[ad])+\w*(?:%0[ad])*$|^\x{0a}*\\n/|^\\n.*(?:\\n|\\033\[.*)$"),
    Mark(
        COMMAND, 0.9, Reach.VALUE,
        r"\b(?:net\s+user\s+\S+\s+\S+\s+/add|net\s+localgroup\s+administrators|netsh\s+(?:adv)?firewall\s+set|"
        r"reg\s+add\s+[\"']?hk|vssadmin\s+delete|bcdedit\s+/set|wevtutil\s+cl|schtasks\s+/create)",
    ),
    Mark(
        COMMAND, 0.9, Reach.VALUE,
        r"(?:^|[\s;|&`(])rm\s+(?:-\w+\s+)*-\w*[rf]\w*\s+(?:--no-preserve-root\s+)?(?:/|~|\*|\$HOME)(?:\s|$|\*|[;|"
        r"&])",
    ),
    Mark(
        COMMAND, 0.7, Reach.WHOLE,
        r"(?:curl|wget)\s[^|;\n]*\|\s*(?:sudo\s+)?(?:ba|z|da|k)?sh\b|base64\s+(?:-d|--decode|-D)[^|\n]*\|\s*(?:ba|"
        r"z)?sh\b|powershell(?:\.exe)?\s.*-e(?:nc|ncodedcommand|c)?\s+[A-Za-z0-9+/=]{16,}|"
        r"\bIEX\s*\(\s*(?:New-Object|iwr|irm)|certutil(?:\.exe)?\s+-urlcache",
    ),
    # A shell that calls home; also when a server says it.
    Mark(
        COMMAND, 0.95, Reach.PAYLOAD,
        r"(?:ba|z|k|da)?sh\s+-i\s*[<>]&|[<>]&?\s*/dev/(?:tcp|udp)/\S+/\d|exec\s+\d+<>/dev/tcp/|\bn(?:c|cat|"
        r"etcat)\b[^\n|;]*\s-(?:e|c)\s*(?:/bin/|/usr/bin/)?(?:ba|z|k|da)?sh\b|mkfifo\s+\S+\s*[;&]+[^\n]*\bnc\b|"
        r"rm\s+/tmp/f;\s*mkfifo|socket\.socket\([^\n]*os\.dup2|fsockopen\s*\([^\n]*(?:/bin/)?(?:ba)?sh\s+-i|"
        r"use\s+Socket;[^\n]*(?:/bin/)?sh\s+-i|TCPSocket\.(?:new|open)\([^\n]*(?:/bin/sh|exec)|"
        r"Net\.Sockets\.TCPClient\(",
    ),
)
