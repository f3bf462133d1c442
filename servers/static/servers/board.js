"use strict";
// Keeps the first page's numbers up to date: told by a socket that something happened, or by asking now and then.
{
  const POLL = 10000;
  const GAP = 1000;
  const board = document.getElementById("gw-board");

  if (board) {
    const live = board.querySelector("[data-live]");
    let last = 0;
    let timer = null;
    let isLive = false;

    function show(said) {
      const texts = new Map();
      for (const figure of said.figures) {
        texts.set(figure.id, figure);
        for (const part of figure.parts) texts.set(part.id, part);
      }
      for (const place of board.querySelectorAll("[data-figure]")) {
        const figure = texts.get(place.dataset.figure);
        if (!figure) continue;
        place.textContent = figure.text;
        const link = place.closest("a");
        if (link && String(figure.address).startsWith("/")) link.href = figure.address;
      }
      const waiting = board.querySelector("[data-waiting]");
      if (waiting) waiting.textContent = said.waiting;
    }

    async function ask() {
      last = Date.now();
      try {
        const answer = await fetch(board.dataset.figures, { headers: { Accept: "application/json" }, redirect: "error" });
        if (answer.ok) show(await answer.json());
        live.textContent = isLive ? "· live" : "";
      } catch { live.textContent = "· not up to date"; }
    }

    function soon() {
      if (timer) return;
      timer = setTimeout(() => { timer = null; ask(); }, Math.max(0, GAP - (Date.now() - last)));
    }

    setInterval(() => { if (!document.hidden && Date.now() - last >= POLL) ask(); }, 2000);
    // What is counted follows the log by a second or two.
    document.addEventListener("gw:changed", () => { soon(); setTimeout(soon, 2500); });
    document.addEventListener("gw:live", (event) => { isLive = event.detail; live.textContent = isLive ? "· live" : ""; });
  }
}
