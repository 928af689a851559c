// Forms: shows the photo that was chosen, makes it smaller before it is sent, and sends once.
const SIDE = 1920;

for (const input of document.querySelectorAll(".photo-input")) {
  input.addEventListener("change", async () => {
    const [file] = input.files;
    if (!file) return;
    const label = input.nextElementSibling;
    const small = await shrink(file);
    if (small) {
      const holder = new DataTransfer();
      holder.items.add(small);
      input.files = holder.files;
    }
    const shown = document.createElement("canvas");
    const picture = await createImageBitmap(input.files[0]).catch(() => null);
    if (!picture) return;
    shown.width = 144; shown.height = 144;
    const side = Math.min(picture.width, picture.height);
    shown.getContext("2d").drawImage(picture, (picture.width - side) / 2, (picture.height - side) / 2, side, side, 0, 0, 144, 144);
    label.querySelector("canvas")?.remove();
    label.prepend(shown);
  });
}

async function shrink(file) {
  const picture = await createImageBitmap(file, { imageOrientation: "from-image" }).catch(() => null);
  if (!picture || Math.max(picture.width, picture.height) <= SIDE) return null;
  const scale = SIDE / Math.max(picture.width, picture.height);
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(picture.width * scale);
  canvas.height = Math.round(picture.height * scale);
  canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
  const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.85));
  return blob && new File([blob], "photo.jpg", { type: "image/jpeg" });
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post") return;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "yes";
  const busy = form.querySelector("[data-busy]");
  if (busy && !event.defaultPrevented) {
    // Some things take a few seconds: say so, and let nobody press twice.
    busy.textContent = busy.dataset.busy;
    busy.setAttribute("aria-busy", "true");
    return;
  }
  setTimeout(() => delete form.dataset.sent, 4000);
});
