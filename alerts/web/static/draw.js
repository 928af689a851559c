// Drawing: zones, lines and masks over a picture, by touch, mouse or keys; points as shares 0 to 1.
const NS = "http://www.w3.org/2000/svg";
const place = document.getElementById("drawing");
const canvas = document.getElementById("canvas");
const list = document.getElementById("shapes");
const say = (text) => { document.getElementById("hint").textContent = text; };
const body = JSON.parse(place.dataset.body);
const shapes = [
  ...body.zones.map((zone) => ({ kind: "zone", ...zone, points: zone.polygon })),
  ...body.lines.map((line) => ({ kind: "line", ...line, points: [line.start, line.end] })),
  ...body.masks.map((mask) => ({ kind: "mask", points: mask.polygon })),
];
const NAMES = { zone: "区域", line: "越线", mask: "遮挡" };
let revision = Number(place.dataset.revision);
let points = [], cursor = [0.5, 0.5], dragged = null, box = null;

const tool = () => document.querySelector("#tools input:checked").value;
const share = (event) => {
  const frame = canvas.getBoundingClientRect();
  return [(event.clientX - frame.left) / frame.width, (event.clientY - frame.top) / frame.height]
    .map((value) => Math.round(Math.min(1, Math.max(0, value)) * 1e4) / 1e4);
};
const near = (a, b) => {
  const frame = canvas.getBoundingClientRect();
  return Math.hypot((a[0] - b[0]) * frame.width, (a[1] - b[1]) * frame.height) < 22;
};
const text = (all) => all.map(([x, y]) => `${x * 1000},${y * 1000}`).join(" ");

function element(name, attributes, name2) {
  const made = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (name2) made.setAttribute("class", name2);
  canvas.append(made);
}

function paint() {
  canvas.replaceChildren();
  for (const shape of shapes) {
    element(shape.kind === "line" ? "polyline" : "polygon", { points: text(shape.points) }, `shape shape-${shape.kind}`);
    for (const point of shape.points) handle(point);
  }
  if (points.length) element("polyline", { points: text(points) }, "shape shape-open");
  for (const point of points) handle(point);
  if (box) element("rect", { x: Math.min(box[0][0], box[1][0]) * 1000, y: Math.min(box[0][1], box[1][1]) * 1000, width: Math.abs(box[0][0] - box[1][0]) * 1000, height: Math.abs(box[0][1] - box[1][1]) * 1000 }, "shape shape-measure");
  if (document.activeElement === canvas) element("path", { d: `M${cursor[0] * 1000 - 20} ${cursor[1] * 1000}h40M${cursor[0] * 1000} ${cursor[1] * 1000 - 20}v40` }, "cursor");
}

// The picture is stretched to the square of the drawing, so a round handle is an ellipse there.
function handle([x, y]) {
  const frame = canvas.getBoundingClientRect();
  element("ellipse", { cx: x * 1000, cy: y * 1000, rx: 7000 / (frame.width || 1000), ry: 7000 / (frame.height || 1000) }, "handle");
}

function listShapes() {
  list.replaceChildren(...shapes.map((shape, index) => {
    const row = document.createElement("li");
    const label = document.createElement("span");
    label.className = "row-main";
    label.textContent = `${NAMES[shape.kind]} ${shape.id ?? ""}`;
    const remove = document.createElement("button");
    remove.type = "button";
    remove.className = "quiet";
    remove.textContent = "删除";
    remove.setAttribute("aria-label", `删除 ${label.textContent} Remove`);
    remove.addEventListener("click", () => { shapes.splice(index, 1); listShapes(); paint(); });
    row.append(label, remove);
    return row;
  }));
}

function freshName(kind) {
  for (let number = 1; ; number += 1) {
    if (!shapes.some((shape) => shape.id === `${kind}-${number}`)) return `${kind}-${number}`;
  }
}

function finish() {
  const kind = tool();
  if (points.length < (kind === "line" ? 2 : 3)) return say("点还不够 Not enough points");
  const made = { kind, points };
  if (kind !== "mask") made.id = freshName(kind);
  if (kind === "line") { made.points = points.slice(0, 2); made.direction = "both"; }
  shapes.push(made);
  points = [];
  listShapes();
  paint();
  say("已画好，记得保存 Drawn; remember to save");
}

function add(point) {
  if (tool() !== "line" && points.length > 2 && near(point, points[0])) return finish();
  points.push(point);
  if (tool() === "line" && points.length === 2) return finish();
  paint();
}

function measure() {
  const [width, height] = document.getElementById("resolution").value.split("x").map(Number);
  if (!box) return;
  const w = Math.round(Math.abs(box[0][0] - box[1][0]) * width), h = Math.round(Math.abs(box[0][1] - box[1][1]) * height);
  document.getElementById("size").textContent = `${w} × ${h} 像素 px：车牌 plate ${w >= 100 ? "✓" : "太小 too small"}，人脸 face ${h >= 60 ? "✓" : "太小 too small"}`;
}

canvas.addEventListener("pointerdown", (event) => {
  event.preventDefault();
  canvas.focus();
  canvas.setPointerCapture(event.pointerId);
  const at = share(event);
  if (tool() === "measure") { box = [at, at]; return paint(); }
  for (const shape of shapes) {
    const index = shape.points.findIndex((point) => near(point, at));
    if (index >= 0 && !points.length) { dragged = { shape, index }; return; }
  }
  add(at);
});
canvas.addEventListener("pointermove", (event) => {
  if (!event.buttons) return;
  if (tool() === "measure" && box) { box[1] = share(event); measure(); paint(); }
  else if (dragged) { dragged.shape.points[dragged.index] = share(event); paint(); }
});
canvas.addEventListener("pointerup", () => { dragged = null; });
canvas.addEventListener("keydown", (event) => {
  const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const step = steps[event.key];
  if (step) cursor = cursor.map((value, i) => Math.min(1, Math.max(0, Math.round((value + step[i] * (event.shiftKey ? 0.05 : 0.01)) * 1e4) / 1e4)));
  else if (event.key === "Enter") add([...cursor]);
  else if (event.key === "Escape") points = [];
  else return;
  event.preventDefault();
  paint();
});
for (const kind of ["focus", "blur"]) canvas.addEventListener(kind, paint);
document.getElementById("tools").addEventListener("change", () => { points = []; box = null; paint(); });
document.getElementById("undo").addEventListener("click", () => { points.pop(); paint(); });
document.getElementById("done").addEventListener("click", finish);
document.getElementById("resolution").addEventListener("change", measure);
document.getElementById("save").addEventListener("click", async () => {
  const drawing = {
    zones: shapes.filter((s) => s.kind === "zone").map(({ id, points: polygon, loiter_seconds = null }) => ({ id, polygon, loiter_seconds })),
    lines: shapes.filter((s) => s.kind === "line").map(({ id, points: [start, end], direction }) => ({ id, start, end, direction })),
    masks: shapes.filter((s) => s.kind === "mask").map(({ points: polygon }) => ({ polygon })),
  };
  const answer = await fetch(`/cameras/${place.dataset.camera}/draw`, {
    method: "POST",
    body: JSON.stringify({ on: revision, drawing }),
    headers: { "Content-Type": "application/json", "X-CSRF-Token": document.querySelector('meta[name="csrf"]').content },
  }).catch(() => null);
  const result = await answer?.json().catch(() => null);
  if (answer?.ok) { revision = result.revision; say(`已保存第 ${revision} 版 Saved as revision ${revision}`); }
  else say(result?.error ? `${result.error.zh} ${result.error.en}` : "没有保存成功，请再试 Not saved; try again");
});
addEventListener("resize", paint);
listShapes();
paint();
