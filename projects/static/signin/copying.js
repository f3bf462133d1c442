"use strict";
// Copies, or saves as a file, the text of the element that a button names.
for (const button of document.querySelectorAll("button[data-copies], button[data-saves]")) {
  const textOf = (id) => document.getElementById(id).innerText.trim();
  button.hidden = false;
  button.addEventListener("click", async () => {
    const state = document.getElementById(button.getAttribute("aria-describedby"));
    try {
      if (button.dataset.copies) {
        await navigator.clipboard.writeText(textOf(button.dataset.copies));
        state.textContent = "Copied.";
        return;
      }
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([`${textOf(button.dataset.saves)}\n`], { type: "text/plain" }));
      link.download = button.dataset.name;
      link.click();
      URL.revokeObjectURL(link.href);
      state.textContent = "Saved.";
    } catch {
      state.textContent = "The browser does not let this page copy: select the text instead.";
    }
  });
}
