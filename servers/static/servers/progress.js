"use strict";
// Shows how far a reading is. What the server says is put into text nodes only.
{
  for (const panel of document.querySelectorAll("[data-progress]")) {
    const find = (name) => panel.querySelector(`[data-progress-${name}]`);
    let wasOpen = panel.dataset.open === "1";

    function show(said) {
      const bar = find("bar");
      bar.max = said.total || 1;
      bar.value = said.done;
      bar.hidden = said.state !== "running";
      for (const [state, number] of Object.entries(said.tools)) {
        const place = find(state);
        if (place) place.textContent = number;
      }
      find("text").textContent = said.words;
      panel.closest(".panel")?.classList.toggle("is-green", said.state === "done");
    }

    async function ask() {
      let wait = 3000;
      try {
        const answer = await fetch(panel.dataset.progress, { headers: { Accept: "application/json" }, redirect: "error" });
        if (answer.ok) {
          const said = await answer.json();
          show(said);
          panel.dispatchEvent(new CustomEvent("gw:progress", { bubbles: true, detail: said }));
          wait = said.is_open ? 700 : 5000;
          wasOpen = said.is_open;
        }
      } catch { /* asked again */ }
      if (!document.hidden || wasOpen) setTimeout(ask, wait);
      else document.addEventListener("visibilitychange", ask, { once: true });
    }
    ask();
  }
}
