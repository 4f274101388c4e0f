// Light or dark, as the browser was told last; else as the system has it.
const kept = localStorage.getItem("kinora-dark");
if (kept !== null) document.body.classList.toggle("dark", kept === "true");
element.querySelector(".shade").addEventListener("click", () =>
  localStorage.setItem("kinora-dark", document.body.classList.toggle("dark")),
);

// Ctrl+Enter (on a Mac also Command+Enter) in a form starts it.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  const button = event.target.closest("[role=tabpanel]")?.querySelector("button[id$='-start']");
  if (!button) return;
  event.preventDefault();
  event.target.dispatchEvent(new Event("change", { bubbles: true }));
  setTimeout(() => button.click(), 50); // what was typed last reaches the server before the click
});

// A list that loses the focus closes, also where Gradio leaves it open.
document.addEventListener("focusout", ({ target }) => {
  if (!target.matches?.("[role=combobox]")) return;
  setTimeout(() => {
    if (document.activeElement !== target && target.getAttribute("aria-expanded") === "true")
      target.dispatchEvent(new Event("blur"));
  }, 50);
});

// Gradio names single fields only: a group of choices is named by the text above it.
const nameGroups = () =>
  document.querySelectorAll("fieldset:not([aria-label])").forEach((group) => {
    const title = group.querySelector("[data-testid=block-info]");
    group.setAttribute("aria-label", title ? title.textContent.trim() : "Choices");
  });
new MutationObserver(nameGroups).observe(document.body, { childList: true, subtree: true });
nameGroups();
