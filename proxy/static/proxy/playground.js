"use strict";
// Offers the tools that may be called, calls one, and shows what each stage said. Nothing of a server becomes markup.
{
  const page = document.getElementById("playground");
  const WORDS = {
    answered: "Answered.", tool_error: "The tool reports an error.", blocked: "Blocked by policy.",
    refused: "Not let through.", failed: "The server could not answer.",
  };
  const COLOURS = { passed: "good", rewritten: "warn", stopped: "bad", failed: "bad" };
  // Of who types; then it is looked for.
  const PAUSE = 250;
  const ARGUMENTS = "/params/arguments";
  if (page) start();

  function start() {
    const { element } = gatewayForm;
    const find = (name) => page.querySelector(`[data-${name}]`);
    const form = find("form");
    // The newest question of each kind is the one that counts, whichever is answered first.
    let asked = 0;
    let chosen = 0;
    let timer = null;
    let current = null;
    let fields = null;

    function say(text) { find("status").textContent = text; }

    async function get(address, name, value) {
      const place = new URL(address, location.href);
      place.searchParams.set(name, value);
      const answer = await fetch(place, { headers: { Accept: "application/json" }, redirect: "error" });
      if (!answer.ok) throw new Error(answer.statusText);
      return answer.json();
    }

    async function load(words, wanted) {
      const mine = ++asked;
      try {
        const said = await get(page.dataset.tools, "q", words);
        if (mine === asked) offer(said, words, wanted);
      } catch {
        if (mine === asked) say("Which tools you may call could not be found out. Load the page again.");
      }
    }

    function offer({ tools, more, trouble }, words, wanted) {
      find("more").hidden = !more;
      find("more").textContent = `These are the first ${tools.length}; type more of the name to find others.`;
      find("choice").hidden = !tools.length && !words;
      say(trouble || (tools.length ? "" : words ? "No tool that you may call is named so." : "There is no tool that you may call: none is approved, or no rule allows it."));
      const groups = grouped(tools);
      find("names").replaceChildren(...[...groups].map(([server, those]) => element("optgroup", { label: server },
        ...those.map((tool) => element("option", { value: tool.name, selected: wanted(tool) }, tool.title || tool.tool)))));
      choose();
    }

    function grouped(tools) {
      const groups = new Map();
      for (const tool of tools) groups.set(tool.server, [...(groups.get(tool.server) || []), tool]);
      return groups;
    }

    async function choose() {
      const mine = ++chosen;
      const name = find("names").value;
      form.hidden = !name || current?.name !== name;
      if (!name || current?.name === name) return;
      try {
        const said = await get(page.dataset.described, "name", name);
        if (mine !== chosen) return;
        current = said;
      } catch {
        if (mine === chosen) say("This tool could not be looked up. You may not call it any more, or the gateway did not answer.");
        return;
      }
      find("description").textContent = current.description;
      fields = gatewayForm.of(current.schema);
      find("fields").replaceChildren(fields.element);
      find("raw").open = false;
      form.hidden = false;
    }

    function typed() {
      if (!find("raw").open) return fields.read();
      let value;
      try { value = JSON.parse(find("json").value || "{}"); } catch { throw new Error("What stands there is not JSON."); }
      if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error("Give one JSON object.");
      return value;
    }

    async function call(event) {
      event.preventDefault();
      let given;
      try { given = typed(); } catch (error) { say(error.message); return; }
      const button = find("call");
      button.disabled = true;
      say("Calling…");
      try {
        const answer = await fetch(page.dataset.run, {
          method: "POST", redirect: "error",
          headers: { "Content-Type": "application/json", "X-CSRFToken": form.elements.csrfmiddlewaretoken.value },
          body: JSON.stringify({ project: page.dataset.project, name: current.name, arguments: given }),
        });
        const said = await answer.json();
        say(answer.ok ? "" : said.trouble || "That could not be asked.");
        if (answer.ok) show(said, given);
      } catch { say("The gateway did not answer."); }
      button.disabled = false;
    }

    function show(said, given) {
      find("result").hidden = false;
      find("outcome").textContent = WORDS[said.outcome] || said.outcome;
      find("outcome").className = `verdict ${said.outcome === "answered" ? "good" : "bad"}`;
      find("words").textContent = `${said.text} ${said.milliseconds} ms in all.`.trim();
      for (const name of ["log", "why"]) {
        const link = find(name);
        link.hidden = !said[name];
        if (String(said[name]).startsWith("/")) link.href = said[name];
      }
      find("stages").replaceChildren(...said.stages.map((stage) => element("tr", { "data-stage": stage.stage },
        element("td", {}, stage.words), element("td", { class: COLOURS[stage.verdict] }, stage.verdict),
        element("td", { class: "hostile" }, stage.why), element("td", { class: "number" }, stage.milliseconds.toFixed(2)))));
      find("findings").replaceChildren(...said.guardrails.flatMap(report));
      const changed = said.has_left ? differences(given, said.sent ?? {}, "") : [];
      find("sent").replaceChildren(...(said.has_left
        ? json(said.sent ?? {}, "", new Set([...changed, ...said.redacted.input.map((each) => each.replace(ARGUMENTS, ""))]))
        : ["Nothing: it was stopped before."]));
      find("answer").replaceChildren(...json(said.answer, "", new Set(said.redacted.output)));
      find("result").scrollIntoView({ block: "nearest" });
    }

    function report(said) {
      const rows = said.findings.map((each) => element("tr", {}, element("td", {}, each.detector), element("td", {}, each.category),
        element("td", { class: "number" }, String(each.score)), element("td", {}, each.action), element("td", { class: "hostile" }, each.pointer)));
      const failed = said.failures.map((each) => element("p", { class: "bad" }, `${each.detector} could not answer (${each.cause}); so it counts as ${each.action}.`));
      const spent = said.rules.map((each) => `${each.rule}: ${each.milliseconds} ms`).join(", ");
      if (!rows.length && !failed.length) return [];
      const table = element("div", { class: "scroll" }, element("table", { class: "rows" }, element("thead", {}, element("tr", {},
        ...["Detector", "Found", "Score", "Action", "Where"].map((word) => element("th", {}, word)))), element("tbody", {}, ...rows)));
      return [element("section", { class: "panel" },
        element("h2", {}, `Found in what ${said.direction === "input" ? "goes in" : "comes back"} by ${said.policy}`), ...failed,
        element("p", { class: "help" }, spent), table)];
    }

    // Where two values differ, as JSON pointers.
    function differences(one, other, pointer) {
      if (JSON.stringify(one) === JSON.stringify(other)) return [];
      if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) return [pointer];
      const names = new Set([...Object.keys(one), ...Object.keys(other)]);
      return [...names].flatMap((name) => differences(one[name], other[name], `${pointer}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`));
    }

    // Indented JSON as nodes, with marks where something was replaced.
    function json(value, pointer, marks, indent = "") {
      const deeper = `${indent}  `;
      if (Array.isArray(value) || (typeof value === "object" && value !== null)) {
        const isList = Array.isArray(value);
        const names = Object.keys(value);
        if (!names.length) return [isList ? "[]" : "{}"];
        const nodes = [isList ? "[\n" : "{\n"];
        names.forEach((name, place) => {
          const inner = `${pointer}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;
          nodes.push(deeper, ...(isList ? [] : [`${JSON.stringify(name)}: `]), ...json(value[name], inner, marks, deeper));
          nodes.push(place + 1 < names.length ? ",\n" : "\n");
        });
        return [...nodes, `${indent}${isList ? "]" : "}"}`];
      }
      const text = JSON.stringify(value) ?? "null";
      return [marks.has(pointer) ? element("mark", { title: "replaced by the guardrails" }, text) : text];
    }

    find("names").addEventListener("change", choose);
    find("typed").addEventListener("input", (event) => {
      clearTimeout(timer);
      timer = setTimeout(() => load(event.target.value.trim(), (tool) => tool.name === current?.name), PAUSE);
    });
    // With the click, not with "toggle", which comes later: after what has been typed meanwhile.
    find("raw").querySelector("summary").addEventListener("click", () => {
      if (find("raw").open) return;
      try { find("json").value = JSON.stringify(fields.read(), null, 2); } catch { find("json").value = "{}"; }
    });
    form.addEventListener("submit", call);
    // As the address of the page names it.
    const { server, tool } = page.dataset;
    find("typed").value = server && `${server}/${tool}`;
    load(find("typed").value, (each) => each.server === server && each.tool === tool);
  }
}
