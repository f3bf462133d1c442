"use strict";
// Shows how far a reading is: told by the page's socket, or by asking where there is none. What the server says is put
// into text nodes only.
{
  for (const panel of document.querySelectorAll("[data-progress]")) {
    const find = (name) => panel.querySelector(`[data-progress-${name}]`);
    let wasOpen = panel.dataset.open === "1";
    let isLive = document.documentElement.dataset.live === "1";
    let timer = null;

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

    async function ask() {
      clearTimeout(timer);
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
      clearTimeout(timer);
      if (isLive) return;
      if (!document.hidden || wasOpen) timer = setTimeout(ask, wait);
      else document.addEventListener("visibilitychange", ask, { once: true });
    }

    // What came before the socket did is asked for once, and what a job that ended has brought.
    document.addEventListener("gw:live", (event) => { isLive = event.detail; ask(); });
    document.addEventListener("gw:jobs", (event) => {
      for (const job of event.detail) {
        if (`${job.kind}:${job.subject}` !== panel.dataset.job) continue;
        wasOpen = job.state === "running" || job.state === "queued";
        // Why it waits, and what it brought, are not told but asked.
        if (job.state === "running") show({ ...job, words: job.text ? `Reading: ${job.text}` : "Reading…" });
        else ask();
      }
    });
    ask();
  }
}
