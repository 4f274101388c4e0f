// A drop zone: its value is a list of names in the output folder, or of FRAME=NAME.
const zone = element.querySelector(".zone"), list = element.querySelector(".held");
const input = element.querySelector("input[type=file]"), line = element.querySelector(".refused");
const [several, numbered] = [zone.dataset.several, zone.dataset.numbered].map((word) => word === "true");

const split = (entry) => (numbered ? [entry.slice(0, entry.indexOf("=")), entry.slice(entry.indexOf("=") + 1)] : ["", entry]);
const held = () => (Array.isArray(props.value) ? props.value : []);

function hold(entries) {
  props.value = entries;
  draw();
}

function thumbnail(name) {
  const url = "api/files/" + name.split("/").map(encodeURIComponent).join("/");
  const kind = /\.(png|jpe?g|webp|gif|bmp)$/i.test(name) ? "img" : /\.(mp4|webm|mov|m4v|mkv)$/i.test(name) ? "video" : "";
  const shown = document.createElement(kind || "span");
  if (kind) shown.src = url;
  else shown.textContent = name.split(".").pop().toUpperCase();
  if (kind === "video") Object.assign(shown, { muted: true, loop: true, autoplay: true, playsInline: true });
  return shown;
}

function draw() {
  list.replaceChildren(
    ...held().map((entry, place) => {
      const [frame, name] = split(entry);
      const card = document.createElement("figure");
      card.title = name;
      card.append(thumbnail(name));
      if (numbered) {
        const number = Object.assign(document.createElement("input"), { type: "number", min: 0, value: frame, title: "frame" });
        number.addEventListener("change", () => hold(held().map((other, at) => (at === place ? `${number.value}=${name}` : other))));
        card.append(number);
      }
      const remove = Object.assign(document.createElement("button"), { type: "button", textContent: "×", title: "Leave out" });
      remove.addEventListener("click", () => hold(held().filter((_, at) => at !== place)));
      card.append(remove);
      return card;
    }),
  );
  element.classList.toggle("holds", held().length > 0);
}

// Whether the zone takes a file: `accept` lists kinds such as image/* and endings such as .txt.
const isTaken = (file) =>
  input.accept.split(",").some((kind) =>
    kind.startsWith(".") ? file.name.toLowerCase().endsWith(kind) : file.type.startsWith(kind.replace("*", "")),
  );

async function take(offered) {
  const files = offered.filter(isTaken);
  const left = offered.filter((file) => !isTaken(file)).map((file) => file.name);
  line.textContent = left.length ? `${left.join(", ")}: not taken here, only ${input.accept.split(",").join(", ")}` : "";
  zone.classList.add("busy");
  for (const file of several ? files : files.slice(0, 1)) {
    const body = new FormData();
    body.append("file", file, file.name);
    try {
      const answer = await fetch("api/uploads", { method: "POST", body });
      const said = await answer.json();
      if (!answer.ok) throw new Error(said.error);
      const entry = numbered ? `${held().length * 4}=${said.name}` : said.name;
      hold(several ? [...held(), entry] : [entry]);
    } catch (error) {
      line.textContent = error.message || "the server does not answer";
    }
  }
  zone.classList.remove("busy");
}

zone.addEventListener("click", () => input.click());
zone.addEventListener("keydown", (event) => (event.key === "Enter" || event.key === " ") && input.click());
input.addEventListener("change", async () => {
  await take([...input.files]);
  input.value = "";
});
for (const kind of ["dragover", "dragleave", "drop"])
  element.addEventListener(kind, (event) => {
    event.preventDefault();
    zone.classList.toggle("over", kind === "dragover");
    if (kind === "drop") take([...event.dataTransfer.files]);
  });
watch("value", draw);
draw();
