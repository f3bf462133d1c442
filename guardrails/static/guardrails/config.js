"use strict";
// Gives each guardrail the form of its detector: its parameters, its secrets, what it looks at and for. The text fields
// stay what is sent; while one is open as text, that alone can be written to.
{
  const schemas = JSON.parse(document.getElementById("config-schemas").textContent);
  const { element } = gatewayForm;
  const LABEL = "Only these";
  // The text fields that have their form, and what writes the forms of a row back into them.
  const known = new WeakSet();
  const rows = new Map();

  function parse(text) {
    try {
      const value = JSON.parse(text || "{}");
      return typeof value === "object" && value !== null && !Array.isArray(value) ? value : null;
    } catch { return null; }
  }

  function linesOf(area) { return area.value.split(/\r?\n/).map((line) => line.trim()).filter(Boolean); }

  function say(place, text) {
    place.querySelectorAll("input, select, textarea").forEach((control) => control.setAttribute("aria-invalid", "true"));
    place.append(element("p", { class: "wrong", role: "alert" }, text));
  }

  // A form beside `area`, whose text is folded away. `draw` makes the form of the text, `store` the text of the form;
  // it throws Error for what cannot be read.
  function beside(area, summary, { draw, store }) {
    const place = element("div", { class: "config-form" });
    const raw = element("details", { class: "fold config-raw" }, element("summary", {}, summary));
    area.before(place, raw);
    raw.append(area);
    known.add(area);
    let isDrawn = false;

    const part = {
      area,
      draw() {
        place.replaceChildren();
        isDrawn = draw(place);
        raw.open = !isDrawn;
        place.hidden = raw.open;
      },
      store() {
        if (!isDrawn || place.hidden) return;
        place.querySelectorAll(":scope > .wrong").forEach((each) => each.remove());
        try { store(); } catch (error) {
          say(place, error.message);
          place.scrollIntoView({ block: "center" });
          throw error;
        }
      },
    };
    raw.addEventListener("toggle", () => {
      if (raw.open === place.hidden) return;
      if (!raw.open) { part.draw(); return; }
      try { part.store(); place.hidden = true; } catch { raw.open = false; }
    });
    return part;
  }

  function config(area, schemaNow) {
    let fields = null;
    return beside(area, "As JSON", {
      draw(place) {
        const schema = schemaNow();
        const value = parse(area.value);
        if (!schema || value === null) return false;
        fields = gatewayForm.of(schema);
        fields.write(value);
        place.append(fields.element);
        if (!Object.keys(schema.properties).length) place.append(element("p", { class: "help" }, "It takes nothing."));
        for (const [name, texts] of Object.entries(parse(area.dataset.errors) || {})) {
          const part = fields.part(name);
          if (part) texts.forEach((text) => say(part.element, text));
        }
        return true;
      },
      store() {
        const own = schemaNow().properties;
        const others = Object.entries(parse(area.value) || {}).filter(([name]) => !Object.hasOwn(own, name));
        area.value = JSON.stringify({ ...Object.fromEntries(others), ...fields.read() });
      },
    });
  }

  // What is left empty is not sent, so that what is stored stays.
  function secrets(area, schemaNow) {
    const stored = (area.dataset.stored || "").split(" ");
    let controls = new Map();
    return beside(area, "As text", {
      draw(place) {
        const typed = new Map(linesOf(area).map((line) => [line.split("=", 1)[0].trim(), line.replace(/^[^=]*=/, "").trim()]));
        controls = new Map();
        for (const [name, help] of Object.entries((schemaNow() || {})["x-secrets"] || {})) {
          const control = element("input", {
            class: "input", type: "password", autocomplete: "new-password", id: `${area.id}-${name}`,
            placeholder: stored.includes(name) && "stored; leave it empty to keep it",
          });
          control.value = typed.get(name) || "";
          controls.set(name, control);
          place.append(element("div", { class: "form-part" }, element("label", { for: control.id }, name), control,
            element("p", { class: "help" }, help)));
        }
        if (!controls.size) place.append(element("p", { class: "help" }, "It takes none."));
        return true;
      },
      store() {
        const others = linesOf(area).filter((line) => !controls.has(line.split("=", 1)[0].trim()) || line.trim().endsWith("="));
        const given = [...controls].filter(([, control]) => control.value).map(([name, control]) => `${name}=${control.value}`);
        area.value = [...others, ...given].join("\n");
      },
    });
  }

  // What a detector declares none of comes from its configuration, and stays text.
  function categories(area, schemaNow) {
    let fields = null;
    return beside(area, "As text", {
      draw(place) {
        const names = (schemaNow() || {})["x-categories"] || [];
        if (!names.length || linesOf(area).some((each) => !names.includes(each))) return false;
        const all = { type: "array", uniqueItems: true, items: { type: "string", enum: names } };
        fields = gatewayForm.of({ type: "object", properties: { [LABEL]: all } });
        fields.write({ [LABEL]: linesOf(area) });
        place.append(fields.element);
        return true;
      },
      store() { area.value = (fields.read()[LABEL] || []).join("\n"); },
    });
  }

  function enhance(area) {
    if (known.has(area) || area.name.includes("__prefix__")) return;
    const field = (name) => area.form.elements[area.name.replace(/config$/, name)];
    const detector = field("detector");
    if (!detector) return;
    const schemaNow = () => schemas[detector.value];
    const parts = [config(area, schemaNow), secrets(field("secrets"), schemaNow), categories(field("categories"), schemaNow)];

    function draw() {
      const able = (schemaNow() || {})["x-directions"];
      const boxes = area.form.querySelectorAll(`input[name="${area.name.replace(/config$/, "directions")}"]`);
      for (const box of boxes) {
        box.disabled = Boolean(able) && !able.includes(box.value);
        if (box.disabled) box.checked = false;
      }
      for (const part of parts) part.draw();
    }

    detector.addEventListener("change", () => {
      area.value = "{}";
      delete area.dataset.errors;
      for (const other of parts.slice(1)) { other.area.value = ""; delete other.area.dataset.stored; }
      draw();
    });
    rows.set(area, () => parts.forEach((part) => part.store()));
    draw();
  }

  function all() { document.querySelectorAll("textarea[name$=config]").forEach(enhance); }

  function storeAll() {
    for (const [area, store] of rows) {
      if (area.isConnected) store(); else rows.delete(area);
    }
  }

  // The theme makes rows of the markup of others: of the empty one, and anew of those below one that is taken away. In
  // markup is not what was typed, and is what scripts set as styles, which the content policy takes from no markup.
  function writeDown(row) {
    row.querySelectorAll("[style]").forEach((each) => each.removeAttribute("style"));
    for (const control of row.querySelectorAll("input, textarea, option")) {
      if (control.tagName === "TEXTAREA") control.textContent = control.value;
      else if (control.tagName === "OPTION") control.toggleAttribute("selected", control.selected);
      else if (control.type === "checkbox") control.toggleAttribute("checked", control.checked);
      else control.setAttribute("value", control.value);
    }
  }

  function unfold() {
    for (const raw of document.querySelectorAll(".config-raw")) {
      const area = raw.querySelector("textarea");
      if (known.has(area)) continue;
      raw.previousElementSibling.remove();
      raw.replaceWith(area);
    }
  }

  document.querySelector("textarea[name$=config]")?.form.addEventListener("submit", (event) => {
    try { storeAll(); } catch { event.preventDefault(); }
  });
  document.addEventListener("click", (event) => {
    if (!event.target.closest?.(".add-row, .delete-template")) return;
    try { storeAll(); } catch { /* what cannot be read is said beside it, and lost when its row is made anew */ }
    document.querySelectorAll(".formset .form-row").forEach(writeDown);
  }, true);
  document.addEventListener("formset:removed", () => { unfold(); all(); });
  // Rows that are added to the page are there to be filled in.
  document.addEventListener("formset:added", (event) => {
    all();
    requestAnimationFrame(() => event.target.querySelector?.("h3 strong")?.click());
  });
  all();
}
