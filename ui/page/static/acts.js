// One listener for all buttons of a view: whoever is pressed says what to do ("act") and with what. A view may change
// while the pointer is down: what the button said then counts.
const told = ({ target }) => ({ ...target.closest("[data-act]")?.dataset });
let pressed = {};
element.addEventListener("pointerdown", (event) => (pressed = told(event)));
element.addEventListener("click", (event) => {
  const press = event.detail && pressed.act ? pressed : told(event); // a keyboard's click has no pointer
  if (!told(event).act || (press.sure && !window.confirm(press.sure))) return;
  trigger("act", press);
  if (press.act === "choose") document.querySelector("#stage").scrollIntoView({ behavior: "smooth", block: "nearest" });
});
element.addEventListener("mouseover", (event) => event.target.closest(".card")?.querySelector("video")?.play().catch(() => {}));
element.addEventListener("mouseout", (event) => event.target.closest(".card")?.querySelector("video")?.pause());
