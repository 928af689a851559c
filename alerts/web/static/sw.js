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
