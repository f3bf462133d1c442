"use strict";
// Keeps the first page up to date with what live.js brings. All that others wrote is put into text nodes.
{
  const board = document.getElementById("gw-board");
  const SVG = "http://www.w3.org/2000/svg";
  if (board) start();

  function start() {
    const live = board.querySelector("[data-live]");
    let isLive = false;

    // Only addresses of this site's own pages.
    function lead(link, address) { if (String(address).startsWith("/")) link.href = address; }

    function fill(cell, { text, address, state, isNumber, isHostile }) {
      cell.classList.toggle("number", Boolean(isNumber));
      cell.classList.toggle("hostile", Boolean(isHostile));
      if (state) {
        const said = cell.querySelector("span") || cell.appendChild(document.createElement("span"));
        said.className = `state-${state}`;
        said.textContent = text;
      } else if (address) {
        if (!cell.querySelector("a")) cell.replaceChildren(document.createElement("a"));
        const link = cell.querySelector("a");
        link.className = "link";
        link.textContent = text;
        lead(link, address);
      } else {
        cell.textContent = text;
      }
    }

    function fillRows(name, rows) {
      const body = board.querySelector(`[data-rows="${name}"]`);
      if (!body) return;
      rows.forEach((cells, place) => {
        const row = body.rows[place] || body.insertRow();
        cells.forEach((cell, column) => fill(row.cells[column] || row.insertCell(), cell));
      });
      while (body.rows.length > rows.length) body.deleteRow(-1);
      body.closest("section").hidden = !rows.length;
    }

    const numbers = (figures) => figures.map(({ text, address }) => ({ text, address, isNumber: true }));

    function serverCells(server) {
      return [
        { text: server.slug, address: server.address }, { text: server.words, state: server.state }, { text: server.read },
        { text: server.waiting, address: server.waiting ? server.waiting_address : "", isNumber: true },
        ...numbers(server.figures),
      ];
    }

    function bar({ at, calls, height, bad, address }) {
      const link = document.createElement("a");
      lead(link, address);
      link.title = `${at}: ${calls} call${calls === 1 ? "" : "s"}`;
      link.ariaLabel = link.title;
      const drawn = document.createElementNS(SVG, "svg");
      const marks = { viewBox: "0 0 10 100", preserveAspectRatio: "none", "aria-hidden": "true" };
      for (const [name, value] of Object.entries(marks)) drawn.setAttribute(name, value);
      for (const [tall, kind] of [[height, ""], [bad, "calls-bad"]]) {
        const part = drawn.appendChild(document.createElementNS(SVG, "rect"));
        if (kind) part.classList.add(kind);
        for (const [name, value] of Object.entries({ x: 0, y: 100 - tall, width: 10, height: tall })) part.setAttribute(name, value);
      }
      link.append(drawn);
      return link;
    }

    function show(said) {
      for (const figure of said.figures.flatMap((each) => [each, ...each.parts])) {
        const place = board.querySelector(`[data-figure="${figure.id}"]`);
        if (!place) continue;
        place.textContent = figure.text;
        const link = place.closest("a");
        if (link) lead(link, figure.address);
      }
      const waiting = board.querySelector("[data-waiting]");
      waiting.textContent = said.waiting;
      waiting.closest("a").hidden = !said.waiting;
      lead(waiting.closest("a"), said.waiting_address);
      board.querySelector("[data-since]").textContent = said.since;
      fillRows("servers", said.servers.map(serverCells));
      fillRows("tools", said.tools.map((row) => [{ text: row.name, isHostile: true }, ...numbers(row.figures)]));
      fillRows("projects", said.of_projects.map((row) => [{ text: row.name, address: row.address }, ...numbers(row.figures)]));
      board.querySelector(".calls-chart")?.replaceChildren(...said.bars.map(bar));
      // What was missing is there by now; what else is, the page says when it is loaded anew.
      if (!said.steps.length) for (const step of board.querySelectorAll("[data-step]")) step.remove();
      live.textContent = isLive ? "· live" : "";
    }

    board.addEventListener("gw:shown", (event) => show(event.detail));
    board.addEventListener("gw:stale", () => { live.textContent = "· not up to date"; });
    document.addEventListener("gw:live", (event) => { isLive = event.detail; live.textContent = isLive ? "· live" : ""; });
  }
}
