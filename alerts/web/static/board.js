// The board: cards by alert, unanswered first, then loudest, then newest; the newest version wins.
export class Board {
  #page; #waiting; #handled;

  constructor(page) {
    this.#page = page;
    this.#waiting = page.getElementById("waiting");
    this.#handled = page.getElementById("handled");
    const filter = page.getElementById("filter");
    const kept = localStorage.getItem("filter");
    for (const choice of filter.querySelectorAll("input")) choice.checked = choice.value === (kept ?? "all");
    const apply = () => {
      page.body.dataset.filter = filter.querySelector("input:checked").value;
    };
    filter.addEventListener("change", () => {
      apply();
      localStorage.setItem("filter", page.body.dataset.filter);
    });
    apply();
    this.#count();
  }

  /** Show a card; an older version than the one shown is dropped, so nothing goes backwards. */
  put({ id, html }, { answered = false } = {}) {
    const holder = this.#page.createElement("template");
    holder.innerHTML = html.trim();
    const card = holder.content.firstElementChild;
    const old = this.#page.getElementById(`alert-${id}`);
    if (old && Number(old.dataset.version) > Number(card.dataset.version)) return { card: null, isNew: false };
    const isNew = !old;
    const focused = old?.contains(this.#page.activeElement);
    const picture = old?.querySelector(".picture img");
    const next = card.querySelector(".picture img");
    if (picture && next && picture.getAttribute("src") === next.getAttribute("src")) next.replaceWith(picture);
    const moved = old && old.dataset.waiting !== card.dataset.waiting;
    old?.remove();
    this.#insert(card);
    if (isNew) card.classList.add("card-new");
    if (focused || answered) this.#focus(card, answered);
    this.#say(card, isNew, moved);
    this.#count();
    return { card, isNew };
  }

  /** A notice above the list, until the next answer succeeds. */
  tell(tone, zh, en, link) {
    const notice = this.#page.getElementById("notice");
    const english = this.#page.createElement("span");
    english.lang = "en";
    english.textContent = en;
    notice.replaceChildren(zh, english);
    if (link) {
      const anchor = this.#page.createElement("a");
      anchor.href = link.href;
      anchor.textContent = `${link.zh} ${link.en}`;
      notice.append(anchor);
    }
    notice.dataset.tone = tone;
    notice.hidden = false;
  }

  quiet() { this.#page.getElementById("notice").hidden = true; }

  #insert(card) {
    const list = card.dataset.waiting === "yes" ? this.#waiting : this.#handled;
    const before = [...list.children].find((other) => order(card, other) < 0);
    list.insertBefore(card, before ?? null);
  }

  #focus(card, answered) {
    const target = answered
      ? this.#waiting.querySelector(".ack") ?? card.querySelector(".title a")
      : card.querySelector(".ack") ?? card.querySelector(".title a");
    target?.focus({ preventScroll: true });
  }

  #say(card, isNew, moved) {
    const what = card.dataset.say;
    const taken = card.querySelector(".taken b")?.textContent;
    const line = isNew ? what : moved && taken ? `${what}：${taken} 已接手` : "";
    if (line) this.#page.getElementById("announce").textContent = line;
  }

  #count() {
    const count = this.#waiting.children.length;
    this.#page.getElementById("count").textContent = String(count);
    this.#page.getElementById("calm").hidden = count > 0;
    this.#page.getElementById("handled-section").hidden = this.#handled.children.length === 0;
    const title = this.#page.title.replace(/^\(\d+\) /, "");
    this.#page.title = count ? `(${count}) ${title}` : title;
  }
}

function order(a, b) {
  return Number(b.dataset.rank) - Number(a.dataset.rank)
    || Date.parse(b.dataset.opened) - Date.parse(a.dataset.opened);
}
