"use strict";
// Gives each guardrail's configuration the form of its detector. The text field stays what is sent.
{
  const schemas = JSON.parse(document.getElementById("config-schemas").textContent);
  const { element } = gatewayForm;
  const known = new WeakSet();

  function parse(text) {
    try {
      const value = JSON.parse(text || "{}");
      return typeof value === "object" && value !== null && !Array.isArray(value) ? value : null;
    } catch { return null; }
  }

  function enhance(area) {
    if (known.has(area) || area.name.includes("__prefix__")) return;
    const detector = area.form.elements[area.name.replace(/config$/, "detector")];
    if (!detector) return;
    known.add(area);
    const place = element("div");
    area.before(place);
    const raw = element("details", { class: "fold" }, element("summary", {}, "As JSON"));
    place.after(raw);
    raw.append(area);
    let fields = null;

    function draw() {
      const schema = schemas[detector.value];
      const value = parse(area.value);
      fields = null;
      if (!schema || value === null) {
        place.replaceChildren();
        raw.open = true;
        return;
      }
      fields = gatewayForm.of(schema);
      fields.write(value);
      const secrets = schema["x-secrets"] || [];
      place.replaceChildren(fields.element, ...(Object.keys(schema.properties).length ? [] : [element("p", { class: "help" }, "It takes nothing.")]),
        ...(secrets.length ? [element("p", { class: "help" }, `Secrets go into their own field: ${secrets.join(", ")}.`)] : []));
    }

    function store() {
      if (!fields || raw.open) return;
      try {
        const schema = schemas[detector.value];
        const others = Object.entries(parse(area.value) || {}).filter(([name]) => !Object.hasOwn(schema.properties, name));
        area.value = JSON.stringify({ ...Object.fromEntries(others), ...fields.read() });
      } catch { raw.open = true; }
    }

    detector.addEventListener("change", () => { area.value = "{}"; draw(); });
    // While it is open the text is what counts.
    raw.addEventListener("toggle", () => { if (!raw.open) draw(); });
    place.addEventListener("input", store);
    place.addEventListener("click", () => setTimeout(store));
    area.form.addEventListener("submit", store);
    draw();
  }

  function all() { document.querySelectorAll("textarea[name$=config]").forEach(enhance); }
  all();
  // Rows that are added to the page.
  document.addEventListener("formset:added", all);
}
