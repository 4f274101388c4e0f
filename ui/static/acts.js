// One listener for all buttons of a view: whoever is pressed says what to do ("act") and with what.
element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-act]");
  if (!button || (button.dataset.sure && !window.confirm(button.dataset.sure))) return;
  trigger("act", { ...button.dataset });
  if (button.dataset.act === "choose") document.querySelector("#stage").scrollIntoView({ behavior: "smooth", block: "nearest" });
});
element.addEventListener("mouseover", (event) => event.target.closest(".card")?.querySelector("video")?.play().catch(() => {}));
element.addEventListener("mouseout", (event) => event.target.closest(".card")?.querySelector("video")?.pause());
