"use strict";
// Brings what a page shows (data-shows has the address of it): over the page's socket, or by asking now and then where
// there is none. How far jobs are comes over the socket only.
{
  const POLL = 10000;
  const POLL_OPEN = 1000;
  // A socket that has not opened by then may never do so.
  const PATIENCE = 5000;
  const MOST_TRIES = 10;
  const places = [...document.querySelectorAll("[data-shows]")];
  const timers = new Map();
  let wait = 1000;
  let tries = 0;
  let wasLive = false;

  function tell(name, detail) { document.dispatchEvent(new CustomEvent(`gw:${name}`, { detail })); }

  function show(place, said) {
    if (place.dataset.member) place.textContent = said[place.dataset.member];
    if (place.dataset.label) place.ariaLabel = place.textContent && `${place.textContent} ${place.dataset.label}`;
    place.dispatchEvent(new CustomEvent("gw:shown", { detail: said }));
  }

  function askIn(milliseconds, place) {
    clearTimeout(timers.get(place));
    timers.set(place, setTimeout(ask, milliseconds, place));
  }

  async function ask(place) {
    if (document.hidden) { askIn(POLL_OPEN, place); return; }
    let next = POLL;
    try {
      const answer = await fetch(place.dataset.shows, { headers: { Accept: "application/json" }, redirect: "error" });
      // Closed to this person by now.
      if (answer.status === 404) return;
      if (!answer.ok) throw new Error(answer.statusText);
      const said = await answer.json();
      show(place, said);
      if (said.is_open) next = POLL_OPEN;
    } catch { place.dispatchEvent(new CustomEvent("gw:stale")); }
    if (!document.documentElement.dataset.live) askIn(next, place);
  }

  function setLive(value) {
    document.documentElement.dataset.live = value ? "1" : "";
    for (const place of places) clearTimeout(timers.get(place));
    tell("live", value);
  }

  // Somebody who may no longer would ask in vain.
  function end() { for (const place of places) place.dispatchEvent(new CustomEvent("gw:stale")); }

  function connect() {
    const address = new URL("/ws/live", location.href);
    address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    for (const place of places) address.searchParams.append("shows", place.dataset.shows);
    const socket = new WebSocket(address);
    socket.addEventListener("open", () => { wasLive = true; tries = 0; wait = 1000; setLive(true); });
    socket.addEventListener("message", (message) => {
      const { shown = {}, jobs = [] } = JSON.parse(message.data);
      if (jobs.length) tell("jobs", jobs);
      for (const place of places) {
        if (Object.hasOwn(shown, place.dataset.shows)) show(place, shown[place.dataset.shows]);
      }
    });
    socket.addEventListener("close", (close) => {
      setLive(false);
      if (close.code === 4403) { end(); return; }
      for (const place of places) askIn(0, place);
      tries += 1;
      // A browser complains of each socket that is refused, so that a page tries again only what it has had.
      if (!wasLive || tries > MOST_TRIES || close.code === 4429) return;
      setTimeout(connect, wait);
      wait = Math.min(2 * wait, 30000);
    });
  }

  for (const place of places) askIn(PATIENCE, place);
  // To others it is closed.
  if (document.documentElement.dataset.follows && (places.length || document.querySelector("[data-job]"))) connect();
}
