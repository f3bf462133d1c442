"use strict";
// Shows how far a reading is: told by the page's socket, or by asking where there is none. What the server says is put
// into text nodes only.
{
  const WORDS = { none: "It has not been read yet.", queued: "Waiting for a worker…" };

  for (const panel of document.querySelectorAll("[data-progress]")) {
    const find = (name) => panel.querySelector(`[data-progress-${name}]`);
    let wasOpen = panel.dataset.open === "1";
    let isLive = document.documentElement.dataset.live === "1";
    let timer = null;

    function show(said) {
      const bar = find("bar");
      bar.max = said.total || 1;
      bar.value = said.state === "done" ? bar.max : said.done;
      for (const [state, number] of Object.entries(said.tools || {})) {
        const place = find(state);
        if (place) place.textContent = number;
      }
      const text = {
        running: `Reading: ${said.text}`, failed: `It could not be read: ${said.error}`, done: `Read ${said.read}.`,
      }[said.state] || WORDS[said.state] || said.state;
      find("text").textContent = text;
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
        if (wasOpen) show(job); else ask();
      }
    });
    ask();
  }
}
