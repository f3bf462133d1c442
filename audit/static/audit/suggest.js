"use strict";
// Fills a field's list with values that begin as what is typed. Values become attributes of options, never markup.
for (const input of document.querySelectorAll("input[data-suggests]")) {
  const list = document.getElementById(input.getAttribute("list"));
  const form = input.form;
  let waiting = null;
  input.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(async () => {
      const query = new URLSearchParams({
        column: input.dataset.suggests, start: input.value, project: form.elements.project.value,
      });
      const response = await fetch(`${form.dataset.suggest}?${query}`, { credentials: "same-origin" });
      if (!response.ok) return;
      const { values } = await response.json();
      list.replaceChildren(...values.map((value) => {
        const option = document.createElement("option");
        option.value = value;
        return option;
      }));
    }, 200);
  });
}
