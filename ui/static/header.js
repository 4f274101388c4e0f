// Light or dark, as the browser was told last; else as the system has it.
const kept = localStorage.getItem("kinora-dark");
if (kept !== null) document.body.classList.toggle("dark", kept === "true");
element.querySelector(".shade").addEventListener("click", () =>
  localStorage.setItem("kinora-dark", document.body.classList.toggle("dark")),
);
