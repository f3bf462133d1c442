"use strict";
// Saves, as a file, the text of the element that a button names.
for (const button of document.querySelectorAll("button[data-saves]")) {
  button.addEventListener("click", () => {
    const text = document.getElementById(button.dataset.saves).textContent.trim();
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([`${text}\n`], { type: "text/plain" }));
    link.download = button.dataset.name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
}
