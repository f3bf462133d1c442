"use strict";
// Shows how far a reading is, as live.js brings it. What the server says is put into text nodes only.
{
  for (const panel of document.querySelectorAll("[data-progress]")) {
    const find = (name) => panel.querySelector(`[data-progress-${name}]`);

    function show(said) {
      const bar = find("bar");
      bar.max = said.total || 1;
      bar.value = said.done;
      bar.hidden = said.state !== "running";
      for (const [state, number] of Object.entries(said.tools || {})) {
        const place = find(state);
        if (place) place.textContent = number;
      }
      find("text").textContent = said.words;
      panel.closest(".panel")?.classList.toggle("is-green", said.state === "done");
    }

    panel.addEventListener("gw:shown", (event) => show(event.detail));
    document.addEventListener("gw:jobs", (event) => {
      for (const job of event.detail) {
        // Why one waits, and what one has brought, comes with all that is shown.
        if (`${job.kind}:${job.subject}` !== panel.dataset.job || job.state !== "running") continue;
        show({ ...job, words: job.text ? `Reading: ${job.text}` : "Reading…" });
      }
    });
  }
}
