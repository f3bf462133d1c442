// What can be seen of a page that is open. An arrow function for Playwright, which gives it to the page as it is.
async () => {
  const LARGE = 24, LARGE_BOLD = 18.66, BOLD = 700, ENOUGH = 4.5, ENOUGH_LARGE = 3;
  await document.fonts.ready;

  // Whatever a colour is written in, the canvas says what is shown.
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const known = new Map();
  function rgba(text) {
    if (!known.has(text)) {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = text;
      canvas.fillRect(0, 0, 1, 1);
      const [red, green, blue, alpha] = canvas.getImageData(0, 0, 1, 1).data;
      known.set(text, [red, green, blue, alpha / 255]);
    }
    return known.get(text);
  }
  const over = ([r, g, b, a], [R, G, B]) => [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a), 1];

  function ground(element) {
    const layers = [];
    for (let each = element; each; each = each.parentElement) {
      const style = getComputedStyle(each);
      if (style.backgroundImage !== "none") return null;
      const colour = rgba(style.backgroundColor);
      if (colour[3] > 0) layers.push(colour);
      if (colour[3] === 1) break;
    }
    return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255, 1]);
  }

  function luminance(colour) {
    const [r, g, b] = colour.map((part) => part / 255).map((part) =>
      part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  }

  function contrast(front, back) {
    const [light, dark] = [luminance(over(front, back)), luminance(back)].sort((a, b) => b - a);
    return (light + 0.05) / (dark + 0.05);
  }

  const named = (element) =>
    `${element.tagName.toLowerCase()}${element.id ? `#${element.id}` : ""}.${String(element.className?.baseVal ?? element.className).split(/\s+/).slice(0, 3).join(".")}`;
  const isShown = (element) => {
    const box = element.getBoundingClientRect();
    return box.width > 0 && box.height > 0 && element.checkVisibility({ opacityProperty: true, visibilityProperty: true });
  };

  const faint = new Set();
  function look(element, style, text) {
    const back = ground(element);
    if (back === null) return;
    const size = parseFloat(style.fontSize), isBold = Number(style.fontWeight) >= BOLD;
    const enough = size >= LARGE || (isBold && size >= LARGE_BOLD) ? ENOUGH_LARGE : ENOUGH;
    const found = contrast(rgba(style.color), back);
    if (found < enough) faint.add(`${found.toFixed(2)} ${named(element)} "${text.trim().slice(0, 30)}"`);
  }

  const icons = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode, element = text.parentElement;
    if (!text.data.trim() || ["SCRIPT", "STYLE", "TEMPLATE", "OPTION", "NOSCRIPT"].includes(element.tagName) || !isShown(element)) continue;
    const style = getComputedStyle(element);
    if (element.closest(".material-symbols-outlined")) {
      const range = document.createRange();
      range.selectNodeContents(element);
      if (range.getBoundingClientRect().width > 1.5 * parseFloat(style.fontSize)) icons.add(text.data.trim());
    } else if (!element.closest(":disabled")) look(element, style, text.data);
  }
  for (const field of document.querySelectorAll("input:not([type=hidden]), textarea, select")) {
    if (!isShown(field) || field.disabled || ["checkbox", "radio"].includes(field.type)) continue;
    look(field, getComputedStyle(field), "value");
    if (field.placeholder) look(field, getComputedStyle(field, "::placeholder"), field.placeholder);
  }

  const unnamed = new Set();
  for (const control of document.querySelectorAll("a[href], button, [role=button], input:not([type=hidden]), select, textarea")) {
    if (!isShown(control)) continue;
    const name = control.getAttribute("aria-label") || control.getAttribute("aria-labelledby") || control.title ||
      [...(control.labels ?? [])].map((label) => label.textContent).join("").trim() || control.placeholder ||
      control.querySelector("[title]")?.title || (control.matches("input[type=submit]") ? control.value : control.textContent.trim());
    if (!name) unnamed.add(`${named(control)} ${control.name ?? ""}`);
  }

  // What the theme evaluates, or a browser runs, with a text of others in it.
  const live = [...document.querySelectorAll("*")].flatMap((element) => [...element.attributes]
    .filter(({ name, value }) => /^(x-|@|:|on|hx-)/.test(name) && /canary\(/.test(value))
    .map(({ name }) => `${named(element)} ${name}`));

  const unreachable = [...document.querySelectorAll("[x-on\\:click]")].filter(isShown)
    .filter((element) => element.tabIndex < 0 && element.id !== "changelist-filter-close").map(named);

  // Lines of a cell of which a part cannot be seen.
  const cut = [...document.querySelectorAll("td, tbody th")].filter((cell) => isShown(cell) && cell.textContent.trim() &&
    getComputedStyle(cell).overflowY === "hidden" && cell.scrollHeight > cell.clientHeight + 2).map(named);

  const root = document.documentElement;
  const wide = root.scrollWidth <= root.clientWidth ? [] : [...document.querySelectorAll("body *")]
    .filter((element) => isShown(element) && element.getBoundingClientRect().right > root.clientWidth + 1 &&
      !element.closest(".scroll, [data-simplebar], .simplebar-content-wrapper, .overflow-x-auto"))
    .map(named).slice(0, 5);
  return {
    overflow: root.scrollWidth - root.clientWidth, wide, faint: [...faint], icons: [...icons], unnamed: [...unnamed], live,
    unreachable: [...new Set(unreachable)], cut: [...new Set(cut)],
  };
}
