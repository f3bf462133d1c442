"use strict";
// Keeps a list with open jobs up to date: told by the page's socket, or by asking for the page anew where there is none.
{
  const POLL = 2000;
  let timer = null;

  function anewIn(milliseconds) {
    clearTimeout(timer);
    timer = setTimeout(() => location.reload(), milliseconds);
  }

  const places = () => document.querySelectorAll("[data-job]");
  // What ended before the socket was there is said nowhere else.
  async function compare() {
    try {
      const answer = await fetch(location.href, { redirect: "error" });
      const now = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const { dataset: { job, state } } of places()) {
        if (now.querySelector(`[data-job="${CSS.escape(job)}"]`)?.dataset.state !== state) anewIn(0);
      }
    } catch { anewIn(POLL); }
  }

  if (places().length) {
    anewIn(POLL);
    document.addEventListener("gw:live", (event) => {
      clearTimeout(timer);
      if (event.detail) compare(); else anewIn(POLL);
    });
    document.addEventListener("gw:jobs", (event) => {
      const jobs = new Map(event.detail.map((job) => [String(job.id), job]));
      for (const place of places()) {
        const job = jobs.get(place.dataset.job);
        if (!job) continue;
        // Its other columns are not what they were.
        if (job.state !== place.dataset.state) { anewIn(0); return; }
        place.textContent = [job.total ? `${job.done} of ${job.total}` : "", job.text].filter(Boolean).join(" ");
      }
    });
  }
}
