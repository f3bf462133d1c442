"""The reference system's guardrails as policies of ours: its provider where it can be asked, else local detectors."""

from __future__ import annotations

from typing import Any

from gateway_site.lib.references import literal
from guardrails.providers.enkrypt import SUMMARY
from servers.importing.report import Node, Report

# What of `additional_config` asks which check of the provider.
_CHECKS = ("relevancy", "adherence", "hallucination")


class Guards:
    """Of one file. `provider` is its `enkrypt_config`."""

    def __init__(self, provider: Node, report: Report) -> None:
        self._api_key = provider["api_key"].text()
        self._base_url = provider["base_url"].text()
        self._report = report

    def policies_of(self, node: Node, common: Node, policies: dict[str, dict[str, Any]]) -> dict[str, str]:
        """Which of `policies`, the project's by name, a server has for each direction; makes those that there are not.

        `common` is what the file says of all servers.
        """
        registration = common["server_tools_guardrails_config"]
        found = {}
        for direction, place in (("input", "input_guardrails_config"), ("output", "output_guardrails_config")):
            guards = self._of_direction(node[place], direction)
            if direction == "output":
                # A server's output policy is asked about what it says of itself too.
                guards += self._of_definitions(registration)
            if not guards:
                continue
            # Where the provider is not asked, what every project has looks too.
            is_asked = any(guard["detector"] == "enkrypt" for guard in guards)
            content = {"mode": "enforce", **({} if is_asked else {"preset": "balanced"}), "guardrails": guards}
            alike = (name for name, each in policies.items() if each == {"slug": name, **content})
            name = next(alike, f"imported-{direction}-{len(policies) + 1}")
            policies[name] = {"slug": name, **content}
            found[f"{direction}_policy"] = name
        return found

    def _of_direction(self, node: Node, direction: str) -> list[dict[str, Any]]:
        if not node:
            return []
        if not node["enabled"].is_on():
            self._report.left_out(node, "it is off; the project's default policy applies")
            return []
        more = node["additional_config"]
        guards = [self._provider(node, [direction])] if self._is_asked(node) else []
        if more["pii_redaction"].is_on():
            self._report.mapped(more["pii_redaction"], "personal data is replaced by tokens, by the local detector")
            guards.append({"detector": "pii", "directions": ["input"], "action": "tokenise"})
        checks = [name for name in _CHECKS if more[name].is_on()]
        for name in checks:
            self._report.mapped(more[name], "flagged, as there" if self._api_key else "flagged, by the local detector")
        if checks and self._api_key:
            thresholds = {f"{name}_threshold": more[f"{name}_threshold"].value for name in checks
                          if isinstance(more[f"{name}_threshold"].value, int | float)}  # fmt: skip
            guards.append(self._enkrypt(["output"], {"checks": checks, **thresholds}, action="flag"))
        elif checks:
            guards += [{"detector": name, "directions": ["output"], "action": "flag", "on_error": "flag"}
                       for name in checks]  # fmt: skip
        self._report.mapped(node["enabled"], "a policy of the project")
        for name in ("guardrail_name", "policy_name", "provider", *(f"{each}_threshold" for each in _CHECKS)):
            for where in (node, more):
                if where[name]:
                    self._report.mapped(where[name], "setting of the guardrail")
        return guards

    def _is_asked(self, node: Node) -> bool:
        """Whether the provider can be asked by name, as there."""
        name = node["guardrail_name"].text() or node["policy_name"].text()
        unknown = [each for each in node["block"].items() if each.text() not in SUMMARY]
        for each in unknown:
            self._report.left_out(each, "no detector of that name")
        if self._api_key and name:
            self._report.mapped(node["block"], "what the provider is asked for", True)
            return True
        text = "without a key and a guardrail's name the provider cannot be asked: local detectors instead"
        self._report.changed(node["block"], text, True)
        return False

    def _provider(self, node: Node, directions: list[str]) -> dict[str, Any]:
        block = [each.text() for each in node["block"].items() if each.text() in SUMMARY]
        name = node["guardrail_name"].text() or node["policy_name"].text()
        return self._enkrypt(directions, {"checks": ["detect"], "guardrail": name, "block": block})

    def _enkrypt(self, directions: list[str], config: dict[str, Any], action: str = "block") -> dict[str, Any]:
        where = {"base_url": self._base_url} if self._base_url else {}
        return {"detector": "enkrypt", "directions": directions, "action": action,
                "config": {"api_key": literal(self._api_key), **where, **config}}  # fmt: skip

    def _of_definitions(self, node: Node) -> list[dict[str, Any]]:
        if not node:
            return []
        if not node.is_on():
            self._report.left_out(node, "it is off; the project's default policy looks at definitions")
            return []
        if not self._is_asked(node):
            return [{"detector": "prompt_injection", "directions": ["definition"]}]
        self._report.mapped(node, "looks at whole definitions, not at descriptions alone", True)
        return [self._provider(node, ["definition"])]
