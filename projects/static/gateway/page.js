"use strict";
// What every page can do: keys for what the theme made for the mouse only, and buttons that copy a text.
{
  const CLICKED = "[x-on\\:click]:not(a[href], button, input, select, textarea, summary)";

  // The theme opens menus by clicks on elements that no key reaches.
  function reach(root) {
    for (const element of root.querySelectorAll(CLICKED)) {
      // A sheet's background closes it for the mouse; Escape does it for keys.
      if (element.hasAttribute("tabindex") || element.id === "changelist-filter-close") continue;
      element.tabIndex = 0;
      if (!element.hasAttribute("role")) element.setAttribute("role", "button");
    }
  }

  function press(event) {
    if (event.key !== "Enter" && event.key !== " ") return;
    if (!event.target.matches?.(CLICKED)) return;
    event.preventDefault();
    event.target.click();
  }

  async function copy(button) {
    const source = document.getElementById(button.dataset.copies);
    try {
      await navigator.clipboard.writeText(source.textContent);
      button.textContent = "Copied";
    } catch {
      // Without HTTPS there is no clipboard: what is selected can be copied by hand.
      getSelection().selectAllChildren(source);
      button.textContent = "Selected: press Ctrl+C";
    }
  }

  document.addEventListener("keydown", press);
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-copies]");
    if (button) copy(button);
  });
  document.addEventListener("DOMContentLoaded", () => {
    reach(document);
    new MutationObserver(() => reach(document)).observe(document.body, { childList: true, subtree: true });
  });
}
