"use strict";
// A form made from a JSON Schema: each part is an element and a way to read it. Texts of servers are text nodes only.
const gatewayForm = (() => {
  const MAX_DEPTH = 6;
  const MAX_HOPS = 10;
  // A schema is a server's: a short one with references to itself would ask for millions of fields.
  const MAX_PARTS = 300;
  const NOTHING = Symbol("not given");
  let number = 0;
  let left = 0;

  function element(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value === false || value === undefined || value === null) continue;
      if (name === "class") made.className = value; else made.setAttribute(name, value === true ? "" : value);
    }
    made.append(...children);
    return made;
  }

  function isObject(value) { return typeof value === "object" && value !== null && !Array.isArray(value); }

  function decoded(part) {
    try { return decodeURIComponent(part); } catch { return part; }
  }

  // Follows references inside of the schema; what leads nowhere or in a circle is any value.
  function resolve(schema, root, hopsBefore = 0) {
    let found = schema;
    let hops = hopsBefore;
    for (; isObject(found) && typeof found.$ref === "string" && hops < MAX_HOPS; hops += 1) {
      if (!found.$ref.startsWith("#/")) return {};
      let place = root;
      for (const part of found.$ref.slice(2).split("/")) {
        const name = decoded(part).replaceAll("~1", "/").replaceAll("~0", "~");
        place = isObject(place) && Object.hasOwn(place, name) ? place[name] : undefined;
      }
      found = place;
    }
    if (!isObject(found) || typeof found.$ref === "string") return {};
    for (const word of ["anyOf", "oneOf", "allOf"]) {
      const others = Array.isArray(found[word]) ? found[word].filter((each) => isObject(each) && each.type !== "null") : [];
      if (others.length === 1) {
        if (hops >= MAX_HOPS) return {};
        const { [word]: _, ...rest } = found;
        return resolve({ ...others[0], ...rest }, root, hops + 1);
      }
    }
    return found;
  }

  function typeOf(schema) {
    const said = Array.isArray(schema.type) ? schema.type.filter((each) => each !== "null") : [schema.type];
    if (said.length === 1 && typeof said[0] === "string") return said[0];
    if (isObject(schema.properties)) return "object";
    return "";
  }

  // What the schema says of it stands in `box`, and is the description of `control`.
  function described(box, control, schema) {
    if (typeof schema.description !== "string" || !schema.description) return box;
    const help = element("p", { class: "help hostile", id: `gw-help-${number += 1}` }, schema.description);
    control.setAttribute("aria-describedby", help.id);
    box.append(help);
    return box;
  }

  function labelled(name, schema, isRequired, control) {
    const id = control.id || (control.id = `gw-field-${number += 1}`);
    const label = element("label", { for: id });
    label.append(name + (isRequired ? " *" : ""));
    return described(element("div", { class: "form-part" }, label, control), control, schema);
  }

  function text(name, schema, isRequired) {
    const isLong = (schema.maxLength || 0) > 200 || /text|body|content|query|statement|message/i.test(name);
    const control = isLong ? element("textarea", { class: "input", rows: 3 }) : element("input", { class: "input", type: "text" });
    control.value = typeof schema.default === "string" ? schema.default : "";
    return {
      element: labelled(name, schema, isRequired, control),
      read: () => (control.value === "" && !isRequired ? NOTHING : control.value),
      write: (value) => { control.value = typeof value === "string" ? value : JSON.stringify(value); },
    };
  }

  function numeric(name, schema, isRequired, isWhole) {
    const control = element("input", {
      class: "input", type: "number", step: isWhole ? 1 : "any", min: schema.minimum, max: schema.maximum, required: isRequired,
    });
    if (typeof schema.default === "number") control.value = schema.default;
    return {
      element: labelled(name, schema, isRequired, control),
      read: () => (control.value === "" ? NOTHING : Number(control.value)),
      write: (value) => { control.value = value; },
    };
  }

  function choice(name, schema, isRequired, values) {
    const control = element("select", { class: "input" });
    if (!isRequired) control.append(element("option", { value: "" }, "not given"));
    values.forEach((value, place) => {
      control.append(element("option", { value: String(place) }, typeof value === "string" ? value : JSON.stringify(value)));
    });
    const choose = (value) => {
      const place = values.findIndex((each) => JSON.stringify(each) === JSON.stringify(value));
      if (place >= 0) control.value = String(place);
    };
    if (schema.default !== undefined) choose(schema.default);
    return {
      element: labelled(name, schema, isRequired, control),
      read: () => (control.value === "" ? NOTHING : values[Number(control.value)]),
      write: choose,
    };
  }

  function raw(name, schema, isRequired) {
    const control = element("textarea", { class: "input code-field", rows: 3, spellcheck: "false", placeholder: "JSON" });
    if (schema.default !== undefined) control.value = JSON.stringify(schema.default);
    return {
      element: labelled(`${name} (JSON)`, schema, isRequired, control),
      read: () => {
        if (control.value.trim() === "") return NOTHING;
        try { return JSON.parse(control.value); } catch { throw new Error(`${name} is not JSON`); }
      },
      write: (value) => { control.value = JSON.stringify(value, null, 2); },
    };
  }

  // A box with a name and what is said of it, around parts of its own.
  function grouped(name, schema, isRequired, ...inside) {
    const box = element("fieldset", { class: "part-group" }, element("legend", {}, name + (isRequired ? " *" : "")), ...inside);
    return described(box, box, schema);
  }

  // Each of the values, once or not.
  function choices(name, schema, isRequired) {
    const boxes = schema.items.enum.map((value) => {
      const box = element("input", { type: "checkbox" });
      return { value, box, shown: element("label", { class: "choice" }, box, typeof value === "string" ? value : JSON.stringify(value)) };
    });
    let wasEmpty = false;
    return {
      element: grouped(name, schema, isRequired, element("div", { class: "choices" }, ...boxes.map(({ shown }) => shown))),
      read: () => {
        const values = boxes.filter(({ box }) => box.checked).map(({ value }) => value);
        return values.length || isRequired || wasEmpty ? values : NOTHING;
      },
      write: (values) => {
        wasEmpty = Array.isArray(values) && !values.length;
        const known = new Set((Array.isArray(values) ? values : []).map((each) => JSON.stringify(each)));
        for (const { value, box } of boxes) box.checked = known.has(JSON.stringify(value));
      },
    };
  }

  // Parts that are added and taken away: `make(number)` gives one as `{element, read, write}`.
  function growing(name, schema, isRequired, make) {
    const rows = element("div");
    const parts = [];
    // An empty one that was given is not the same as none.
    let wasEmpty = false;
    const add = element("button", { class: "button button-small", type: "button" }, "Add one");
    function append(value) {
      left = MAX_PARTS;
      const number = parts.length + 1;
      const part = make(number);
      const drop = element("button", { class: "button button-small", type: "button", "aria-label": `Take ${name} ${number} away` }, "Take it away");
      const row = element("div", {}, part.element, drop);
      drop.addEventListener("click", () => { row.remove(); parts.splice(parts.indexOf(part), 1); });
      if (value !== undefined) part.write(value);
      parts.push(part);
      rows.append(row);
    }
    add.addEventListener("click", () => append());
    return {
      element: grouped(name, schema, isRequired, rows, add),
      read: () => {
        const values = parts.map((part) => part.read()).filter((value) => value !== NOTHING);
        return values.length || isRequired || wasEmpty ? values : NOTHING;
      },
      write: (values) => {
        wasEmpty = !values.length;
        rows.replaceChildren();
        parts.length = 0;
        values.forEach((value) => append(value));
      },
    };
  }

  function list(name, schema, isRequired, root, depth) {
    const made = growing(name, schema, isRequired, (number) => build(`${name} ${number}`, schema.items, true, root, depth + 1));
    return { ...made, write: (values) => made.write(Array.isArray(values) ? values : []) };
  }

  // An object of whatever names: each entry is a name and a value.
  function entries(name, schema, isRequired, root, depth) {
    const made = growing(name, schema, isRequired, (number) => {
      const key = text(`${name} ${number}: name`, {}, true);
      const part = build(`${name} ${number}: value`, schema.additionalProperties, true, root, depth + 1);
      return {
        element: element("div", {}, key.element, part.element),
        read: () => {
          const value = part.read();
          if (key.read() === "" && value !== NOTHING && value.length !== 0) throw new Error(`${name} ${number} has no name`);
          return key.read() === "" || value === NOTHING ? NOTHING : [key.read(), value];
        },
        write: ([known, value]) => { key.write(known); part.write(value); },
      };
    });
    return {
      element: made.element,
      read: () => {
        const values = made.read();
        if (values === NOTHING) return NOTHING;
        const names = values.map(([known]) => known);
        if (new Set(names).size < names.length) throw new Error(`${name} names something twice`);
        return Object.fromEntries(values);
      },
      write: (value) => made.write(isObject(value) ? Object.entries(value) : []),
    };
  }

  function group(name, schema, isRequired, root, depth) {
    const members = new Map();
    const required = new Set(Array.isArray(schema.required) ? schema.required : []);
    const box = depth ? grouped(name, {}, isRequired) : element("div");
    for (const [member, inner] of Object.entries(isObject(schema.properties) ? schema.properties : {})) {
      const part = build(member, inner, required.has(member), root, depth + 1);
      members.set(member, part);
      box.append(part.element);
    }
    let rest = null;
    if (!members.size && depth) {
      rest = raw(name, {}, isRequired);
      box.append(rest.element);
    }
    return {
      element: box,
      part: (member) => members.get(member),
      read: () => {
        if (rest) return rest.read();
        const values = [];
        for (const [member, part] of members) {
          const value = part.read();
          if (value !== NOTHING) values.push([member, value]);
        }
        // Own members whatever they are called.
        return values.length || isRequired || !depth ? Object.fromEntries(values) : NOTHING;
      },
      write: (value) => {
        if (rest) { rest.write(value); return; }
        for (const [member, part] of members) if (isObject(value) && Object.hasOwn(value, member)) part.write(value[member]);
      },
    };
  }

  function build(name, schemaGiven, isRequired, root, depth) {
    const schema = resolve(schemaGiven, root);
    left -= 1;
    if (depth > MAX_DEPTH || left < 0) return raw(name, schema, isRequired);
    if (schema.const !== undefined) return choice(name, schema, isRequired, [schema.const]);
    if (Array.isArray(schema.enum) && schema.enum.length) return choice(name, schema, isRequired, schema.enum);
    switch (typeOf(schema)) {
      case "string": return text(name, schema, isRequired);
      case "integer": return numeric(name, schema, isRequired, true);
      case "number": return numeric(name, schema, isRequired, false);
      case "boolean": return choice(name, schema, isRequired, [true, false]);
      case "array":
        if (isObject(schema.items) && schema.uniqueItems === true && Array.isArray(schema.items.enum)) return choices(name, schema, isRequired);
        return isObject(schema.items) ? list(name, schema, isRequired, root, depth) : raw(name, schema, isRequired);
      case "object":
        if (depth && isObject(schema.additionalProperties) && !Object.keys(schema.properties || {}).length) return entries(name, schema, isRequired, root, depth);
        return group(name, schema, isRequired, root, depth);
      default: return raw(name, schema, isRequired);
    }
  }

  // The form of a tool's arguments: `{element, read, write, part}`; `read` throws Error with words for people. Where the
  // schema has members, `part(name)` is that of one.
  function of(schema) {
    left = MAX_PARTS;
    return build("arguments", isObject(schema) ? schema : { type: "object" }, true, schema, 0);
  }

  return { of, element };
})();
