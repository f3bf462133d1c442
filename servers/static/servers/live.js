"use strict";
// Hears that something changed, and how far jobs are, and tells the page; without a socket the page asks by itself now and then.
{
  const POLL = 15000;
  let wait = 1000;
  let isLive = false;

  function tell(name, detail) { document.dispatchEvent(new CustomEvent(`gw:${name}`, { detail })); }

  function setLive(value) {
    isLive = value;
    document.documentElement.dataset.live = value ? "1" : "";
    tell("live", value);
  }

  async function count() {
    for (const place of document.querySelectorAll("[data-waiting-count]")) {
      try {
        const answer = await fetch(place.dataset.waitingCount, { headers: { Accept: "application/json" }, redirect: "error" });
        if (answer.ok) place.textContent = (await answer.json()).waiting;
      } catch { /* the next time may do */ }
    }
  }

  function connect() {
    const address = new URL("/ws/live", location.href);
    address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(address);
    let wasOpen = false;
    socket.addEventListener("open", () => { wasOpen = true; wait = 1000; setLive(true); });
    socket.addEventListener("message", (message) => {
      const { changed = [], jobs = [] } = JSON.parse(message.data);
      if (changed.length) tell("changed", changed);
      if (jobs.length) tell("jobs", jobs);
      if (changed.includes("review")) count();
    });
    socket.addEventListener("close", (close) => {
      setLive(false);
      // Who may follow no log is not let in, and the page goes on asking by itself.
      if (!wasOpen || close.code === 4403 || close.code === 4429) return;
      setTimeout(connect, wait);
      wait = Math.min(2 * wait, 30000);
    });
  }

  setInterval(() => { if (!document.hidden && !isLive) count(); }, POLL);
  // To others it is closed.
  if (document.documentElement.dataset.follows) connect();
}
