// Push on this browser: switches it on and off, and tells the centre.
const panel = document.querySelector("#push-panel");
const csrf = document.querySelector('meta[name="csrf"]').content;
const version = document.querySelector('meta[name="version"]').content;

if (panel) {
  const state = panel.querySelector("#push-state");
  const on = panel.querySelector("#push-on");
  const off = panel.querySelector("#push-off");
  const say = (zh, en) => {
    const english = document.createElement("span");
    english.lang = "en";
    english.textContent = en;
    state.replaceChildren(`${zh} `, english);
  };
  const show = (subscription) => {
    on.hidden = Boolean(subscription);
    off.hidden = !subscription;
    if (subscription) say("本机已开启", "On for this browser");
    else say("本机未开启", "Off for this browser");
  };
  const can = isSecureContext && "serviceWorker" in navigator && "PushManager" in window;
  if (!can) say("这个浏览器不支持推送，或页面没有用 https 打开", "This browser has no push, or the page is not on https");
  else {
    const worker = navigator.serviceWorker.register(`/sw.js?v=${version}`).then(() => navigator.serviceWorker.ready);
    worker.then(async (ready) => {
      const subscription = await ready.pushManager.getSubscription();
      // Told again each time: the centre may have forgotten it, or somebody else logged in here.
      if (subscription && await tell("/api/v1/push/subscriptions", subscription.toJSON())) show(subscription);
      else show(null);
    }).catch(() => say("推送不可用", "Push is not available"));
    on.addEventListener("click", async () => {
      on.disabled = true;
      try {
        if (await Notification.requestPermission() !== "granted") {
          say("请在浏览器设置里允许通知", "Allow notifications in the browser's settings");
          return;
        }
        const { key } = await (await fetch("/api/v1/push/key")).json();
        const ready = await worker;
        const subscription = await ready.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
        if (await tell("/api/v1/push/subscriptions", subscription.toJSON())) show(subscription);
        else say("中心不接受这个浏览器的推送服务", "The centre does not allow this browser's push service");
      } catch {
        say("没有开启成功，请再试一次", "It could not be switched on; try again");
      } finally {
        on.disabled = false;
      }
    });
    off.addEventListener("click", async () => {
      const subscription = await (await worker).pushManager.getSubscription();
      if (subscription) {
        await tell("/api/v1/push/subscriptions/end", { endpoint: subscription.endpoint });
        await subscription.unsubscribe();
      }
      show(null);
    });
  }
}

async function tell(path, body) {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRF-Token": csrf },
    body: JSON.stringify(body),
  });
  return answer.ok;
}
