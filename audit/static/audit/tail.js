"use strict";
// Shows events as they come. All that they say is put into text nodes, so that nothing of it can become markup.
{
  const MAX_ROWS = 500;
  const COLUMNS = ["at", "kind", "decision", "project", "actor", "server", "subject", "method", "reason", "took"];
  const table = document.getElementById("log-tail");
  const state = document.getElementById("log-state");
  const pause = document.getElementById("log-pause");
  const skippedShown = document.getElementById("log-skipped");
  let skipped = 0;
  let held = [];
  let isPaused = false;
  let wait = 1000;

  function say(text) { state.textContent = text; }

  function countSkipped(number) {
    skipped += number;
    skippedShown.textContent = skipped ? `${skipped} skipped` : "";
  }

  function rowOf(event) {
    const row = document.createElement("tr");
    for (const [number, name] of COLUMNS.entries()) {
      const cell = document.createElement(number ? "td" : "th");
      const text = document.createTextNode(String(event[name] ?? ""));
      if (number) {
        cell.append(text);
      } else {
        const link = document.createElement("a");
        // Only addresses of this site's own pages.
        if (String(event.address).startsWith("/")) link.href = new URL(event.address, location.origin).pathname;
        link.append(text);
        cell.append(link);
      }
      row.append(cell);
    }
    return row;
  }

  function show(events) {
    const body = table.tBodies[0];
    for (const event of events) body.prepend(rowOf(event));
    while (body.rows.length > MAX_ROWS) body.deleteRow(-1);
  }

  pause.addEventListener("click", () => {
    isPaused = !isPaused;
    pause.textContent = isPaused ? "Go on" : "Pause";
    if (!isPaused) { show(held); held = []; }
  });

  function connect() {
    const address = new URL(table.dataset.address, location.href);
    address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(address);
    socket.addEventListener("open", () => { wait = 1000; say("Live"); });
    socket.addEventListener("message", (message) => {
      const { events = [], skipped: missed = 0 } = JSON.parse(message.data);
      if (missed) countSkipped(missed);
      if (!isPaused) { show(events); return; }
      held.push(...events);
      if (held.length > MAX_ROWS) countSkipped(held.splice(0, held.length - MAX_ROWS).length);
    });
    socket.addEventListener("close", (close) => {
      if (close.code === 4403 || close.code === 4429) {
        say(close.code === 4429 ? "Too many tails are open." : "You may no longer follow this log.");
        return;
      }
      say("Connecting again…");
      setTimeout(connect, wait);
      wait = Math.min(2 * wait, 30000);
    });
  }

  connect();
}
