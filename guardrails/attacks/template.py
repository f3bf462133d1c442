"""Expressions of template languages and loggers where a plain value belongs."""

from __future__ import annotations

from guardrails.attacks.marks import Mark, Reach

TEMPLATE = "TEMPLATE_INJECTION"

_SUM = r"['\"]?\d+['\"]?\s*[*+/-]\s*['\"]?\d+['\"]?"

MARKS = (
    Mark(
        TEMPLATE, 0.9, Reach.VALUE,
        rf"\{{\{{\s*{_SUM}\s*\}}\}}|[$#*@]\{{\s*{_SUM}\s*\}}|<%=\s*{_SUM}\s*%>|\$\{{\{{\s*{_SUM}|"
        rf"\[\[\s*\$?\{{?{_SUM}",
    ),
    Mark(
        TEMPLATE, 0.9, Reach.VALUE,
        r"\{\{[^}]*(?:__\w|\|\s*attr\s*\(|\bconfig\b\s*[.}\[]|\bself\s*\.|\brequest\s*[.\[|]|\bcycler\b|"
        r"\blipsum\b|\bjoiner\b|"
        r"\bnamespace\s*[.(]|url_for\s*[.(]|get_flashed_messages|get_user_file|constructor|"
        r"registerUndefinedFilterCallback|"
        r"_self\b|\bsystem\b|\bpopen\b|passthru|\['\w+'\]\s*\(|\bapp\.request|dump\s*\(|\.getClass|php\b|"
        r"include\s*\(|filter\s*\(\s*['\"]|map\s*\(\s*['\"])",
    ),
    Mark(
        TEMPLATE, 0.9, Reach.VALUE,
        r"\{%[^%]*(?:\bimport\s+os|__\w|popen|\bsystem\b|subprocess|\bdebug\b\s*%|for\s+\w+\s+in\s+\(?\)?\.__)",
    ),
    Mark(TEMPLATE, 0.9, Reach.VALUE,
         r"[$#*%]\{[^}]*(?:T\s*\(\s*java|Runtime|ProcessBuilder|getClass|\.class\b|exec\s*\(|forName|session\.|"
         r"facesContext|applicationScope|pageContext|@java|@ognl|ognl\.|#context|#_memberAccess|new\s+java)"),
    Mark(
        TEMPLATE, 0.95, Reach.ALWAYS,
        r"\$\{jndi:|\$\{(?:lower|upper|env|sys|date|base64|java|ctx|main|web|k8s|docker|bundle|"
        r"::-)[^}$]*[:-][^}$]*\}[^\s]*\$\{|"
        r"\$\{\$\{[^}]*\}|\$\{(?:[^}]*:-[jndi]\})",
    ),
    Mark(TEMPLATE, 0.7, Reach.VALUE, r"\$\{(?:env|sys|java|ctx|lower|upper|date):[^}]*\}"),
    Mark(
        TEMPLATE, 0.9, Reach.VALUE,
        r"<#assign\b[^>]*freemarker|freemarker\.template\.utility|#set\s*\(\s*\$\w+\s*=.*(?:\.class|getRuntime|"
        r"forName)|\{php\}|\{system\s*\(|\{\$smarty",
    ),
    Mark(
        TEMPLATE, 0.85, Reach.VALUE,
        r"\{\$?\{?@?(?:phpinfo|system|print|sleep|exec|passthru|shell_exec|eval|file_get_contents)\s*\(",
    ),
    Mark(
        TEMPLATE, 0.85, Reach.VALUE,
        r"<%=?[^%]*(?:system\s*\(|`|IO\.popen|File\.(?:open|read)|Runtime|\beval\b|ENV\[|require\s*\()",
    ),
    Mark(
        TEMPLATE, 0.7, Reach.WHOLE,
        r"^\s*\{\{\s*(?:config|self|request|this|settings|app|\$root|7777777)\s*\}\}\s*$|\{\{\s*\[\s*\]\s*\.|"
        r"\{\{\s*['\"]{2}\s*\.|\{\{.*__\s*class",
    ),
)
