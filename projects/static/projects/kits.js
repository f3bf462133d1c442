"use strict";
// Copies and downloads what is shown, and says when the key was used. The secret goes into no address and no request.
{
  const POLL = 2000;
  const PATIENCE = 30 * 60 * 1000;

  function sourceOf(button) { return button.closest("[data-copying]").querySelector("[data-copied]"); }

  function textOf(button) {
    return sourceOf(button).textContent;
  }

  async function copy(button) {
    const label = button.textContent;
    try {
      await navigator.clipboard.writeText(textOf(button));
      button.textContent = "Copied";
    } catch {
      // Without HTTPS there is no clipboard: what is selected is copied by hand.
      getSelection().selectAllChildren(sourceOf(button));
      button.textContent = "Selected: press Ctrl+C";
    }
    setTimeout(() => { button.textContent = label; }, 2500);
  }

  function download(button) {
    const address = URL.createObjectURL(new Blob([textOf(button)], { type: "text/plain" }));
    const link = document.createElement("a");
    link.href = address;
    link.download = button.dataset.download;
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
  }

  function watch(kit) {
    const state = kit.querySelector("[data-state]");
    const until = Date.now() + PATIENCE;
    let isUsed = false;
    async function ask() {
      try {
        const answer = await fetch(kit.dataset.used, { headers: { Accept: "application/json" }, redirect: "error" });
        if (answer.ok) {
          const said = await answer.json();
          isUsed = said.used;
          if (isUsed) {
            kit.classList.add("is-green");
            state.textContent = `It works: the first call came through${said.text ? ` (${said.text})` : ""}.`;
            // The log has what was called a moment after the key is known to be used.
            if (said.text) return;
          }
        }
      } catch { /* the next time may find it */ }
      if (Date.now() < until) setTimeout(ask, POLL);
      else if (!isUsed) state.textContent = "No call came within half an hour. Load nothing anew: the key would be gone from this page.";
    }
    ask();
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy], [data-download]");
    if (!button) return;
    if (button.dataset.download) download(button); else copy(button);
  });
  for (const kit of document.querySelectorAll("[data-kit]")) watch(kit);
}
