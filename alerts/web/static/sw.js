// The service worker keeps the shell only: our own static files and the page for no network.
// Alerts, pictures and every page about people always come from the server.
const VERSION = new URL(self.location).searchParams.get("v") ?? "0";
const SHELL = `shell-${VERSION}`;
const FILES = ["style.css", "cards.css", "pages.css", "icon.svg"].map((name) => `/static/${VERSION}/${name}`);

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(SHELL).then((cache) => cache.addAll(["/offline", ...FILES])));
  self.skipWaiting();
});

self.addEventListener("activate", (event) => {
  event.waitUntil((async () => {
    for (const name of await caches.keys()) if (name !== SHELL) await caches.delete(name);
    await self.clients.claim();
  })());
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== location.origin) return;
  if (url.pathname.startsWith(`/static/${VERSION}/`)) event.respondWith(fromShell(request));
  else if (request.mode === "navigate") {
    event.respondWith(fetch(request).catch(() => caches.match("/offline")));
  }
});

async function fromShell(request) {
  const cache = await caches.open(SHELL);
  const kept = await cache.match(request);
  if (kept) return kept;
  const fresh = await fetch(request);
  if (fresh.ok) await cache.put(request, fresh.clone());
  return fresh;
}

// A push message is sealed for this browser: words, a link, and the reference of its receipt.
self.addEventListener("push", (event) => event.waitUntil(told(event.data)));

async function told(data) {
  const note = data.json();
  await self.registration.showNotification(note.title, {
    body: note.body,
    tag: note.tag,
    renotify: true,
    requireInteraction: note.severity === "critical",
    actions: (note.answers ?? []).map(([action, title]) => ({ action, title })),
    data: { link: note.link, reference: note.reference, answer: note.answer },
  });
  await receipt(note.reference, "delivered");
}

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const { link, reference, answer: where } = event.notification.data;
  const isAnswer = event.action && where;
  const done = isAnswer ? answered(where, event.action, event.notification) : show(link);
  event.waitUntil(Promise.all([reference && receipt(reference, "read"), done]));
});

// A button of the message answers at once; when that fails, its page says why.
async function answered(where, what, { tag, data: { link } }) {
  try {
    const body = new URLSearchParams({ what });
    const said = await fetch(new URL(where).pathname, { method: "POST", body });
    if (!said.ok) return show(link);
    return self.registration.showNotification("已应答 Answered", { tag, data: { link } });
  } catch { return show(link); /* No network. */ }
}

async function show(link) {
  for (const page of await self.clients.matchAll({ type: "window" })) {
    if (page.url === link) return page.focus();
  }
  return self.clients.openWindow(link);
}

async function receipt(reference, what) {
  // Without one the centre uses the person's next way: no more is lost than a message too many.
  try {
    await fetch("/api/v1/receipts/webpush", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ reference, what }),
    });
  } catch { /* No network. */ }
}
