"""The page in a real Chromium: alerts come, are answered, survive restarts, and read well."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from config.event import Severity

pytestmark = pytest.mark.browser
WALL = {"width": 1440, "height": 900}


def card(page: Page, alert_id: str):
    return page.locator(f"#alert-{alert_id}")


def settled(page: Page, position: int) -> None:
    """Wait until the page has received the change at ``position``."""
    page.wait_for_function("p => window.positions.includes(p)", arg=position)


def test_an_alert_appears_is_answered_and_the_police_desk_sees_who_has_it(somebody, running):
    head = somebody().watch("wang-fang")
    desk = somebody(WALL).watch("police-desk")
    expect(head.locator("#calm")).to_be_visible()
    alert = running.county.car("冀T8K2L6")
    for page in (head, desk):
        expect(card(page, alert.id).get_by_role("img", name="车牌 冀T8K2L6")).to_be_visible()
        expect(card(page, alert.id)).to_contain_text("东门小区入口")
        expect(page.locator("#count")).to_have_text("1")
    expect(head.locator("#calm")).to_be_hidden()
    card(head, alert.id).get_by_role("button", name="收到，我来处理").click()
    for page in (head, desk):
        mine = page.locator("#handled").locator(f"#alert-{alert.id}")
        expect(mine).to_contain_text("王芳 已接手")
        expect(page.locator("#count")).to_have_text("0")
        expect(page.locator("#waiting .card")).to_have_count(0)
    assert running.county.service.get(running.county.police(), alert.id).acked_by == "wang-fang"


def test_the_page_survives_a_restart_and_misses_and_repeats_nothing(somebody, running):
    county = running.county
    page = somebody(WALL).watch("police-desk")
    before = county.car("冀T10001")
    settled(page, before.position)
    running.stop()
    expect(page.locator("#link")).to_have_attribute("data-link", "lost")
    expect(page.locator("#link")).to_contain_text("重连中")
    missed = [county.car(f"冀T2000{i}") for i in range(3)]
    taken = county.service.acknowledge(county.police(), before.id, version=None)
    running.start()
    expect(page.locator("#link")).to_have_attribute("data-link", "live")
    settled(page, taken.position)
    after = county.car("冀T30003")
    settled(page, after.position)
    expect(page.locator("#waiting .card")).to_have_count(4)
    for alert in (*missed, after):
        expect(page.locator(f"#waiting #alert-{alert.id}")).to_have_count(1)
    expect(page.locator(f"#handled #alert-{before.id}")).to_have_count(1)
    received = page.evaluate("window.positions")
    expected = [before, *missed, taken, after]
    assert received == [alert.position for alert in expected]


def test_what_happens_between_the_page_and_its_stream_is_not_missed(somebody, running):
    one = somebody()
    held = []
    one.page.route("**/live?*", lambda route: held.append(route))
    page = one.log_in("wang-fang")
    page.wait_for_selector("#stream", state="attached")
    alert = running.county.car("冀T8K2L6")
    page.wait_for_function("() => document.querySelector('#link').dataset.link === 'connecting'")
    while not held:
        page.wait_for_timeout(20)
    held[0].continue_()
    expect(card(page, alert.id)).to_have_count(1)
    assert page.evaluate("window.positions") == [alert.position]


def test_the_loudest_is_on_top_then_the_newest(somebody, running):
    page = somebody(WALL).watch("police-desk")
    county = running.county
    first, second = county.car("冀T10001"), county.car("冀T10002")
    loud = county.broken("lixiang-road")
    settled(page, loud.position)
    ids = page.locator("#waiting .card").evaluate_all("cards => cards.map(c => c.dataset.id)")
    assert ids == [loud.id, second.id, first.id]
    page.reload()
    again = page.locator("#waiting .card").evaluate_all("cards => cards.map(c => c.dataset.id)")
    assert again == ids, "the server orders as the script does"


def test_a_late_answer_is_told_who_was_first(somebody, running):
    alert = running.county.car("冀T8K2L6")
    late = somebody(WALL)
    late.page.route("**/live?*", lambda route: route.abort())
    page = late.log_in("police-desk")
    page.wait_for_selector('#link[data-link="lost"]')  # set by the script, which is there then
    head = running.county.viewer("wang-fang")
    running.county.service.acknowledge(head, alert.id, version=None)
    card(page, alert.id).get_by_role("button").click()
    expect(page.locator("#notice")).to_contain_text("王芳 已先接手")
    expect(page.locator(f"#handled #alert-{alert.id}")).to_have_count(1)


def test_an_answer_that_could_not_be_sent_says_so_and_can_be_sent_again(somebody, running):
    alert = running.county.car("冀T8K2L6")
    page = somebody().watch("wang-fang")
    running.stop()
    button = card(page, alert.id).get_by_role("button")
    button.click()
    expect(page.locator("#notice")).to_contain_text("没有发出去，请再按一次")
    running.start()
    expect(page.locator("#link")).to_have_attribute("data-link", "live")
    button.click()
    expect(card(page, alert.id)).to_contain_text("王芳 已接手")
    expect(page.locator("#notice")).to_be_hidden()


def test_the_page_of_one_alert_follows_it(somebody, running):
    county = running.county
    alert = county.car("冀T8K2L6")
    page = somebody().watch("wang-fang")
    page.goto(f"{running.url}/alerts/{alert.id}")
    expect(page.locator(".detail .countdown-time")).to_contain_text("4:")
    county.service.acknowledge(county.police(), alert.id, version=None)
    expect(page.locator(".facts")).to_contain_text("县公安局值班台")
    expect(page.get_by_role("button", name="收到")).to_have_count(0)


def test_a_session_that_ends_is_told_in_words(somebody, running):
    page = somebody().watch("wang-fang")
    web = running.server._app.state.web
    (session,) = web.sessions.of_person("wang-fang")
    web.sessions.revoke(session.id, person_id="wang-fang")
    running.county.car("冀T8K2L6")
    expect(page.locator("#notice")).to_contain_text("登录已失效")
    expect(page.locator("#notice").get_by_role("link", name="重新登录")).to_be_visible()
    expect(page.locator(".card")).to_have_count(0)


def test_a_wrong_password_is_told_in_words_and_the_lock_too(somebody):
    one = somebody()
    for _ in range(5):
        page = one.log_in("wang-fang", "guess")
        expect(page.get_by_role("alert")).to_contain_text("姓名或密码不对，请再试一次")
        expect(page.locator("#account")).to_have_value("wang-fang")
        expect(page.locator("#password")).to_have_value("")
    page = one.log_in("wang-fang")
    expect(page.get_by_role("alert")).to_contain_text("暂时锁定")
    expect(page.get_by_role("alert")).to_contain_text("15 分钟后再试")


def test_everything_can_be_done_by_keyboard(somebody, running):
    alert = running.county.car("冀T8K2L6")
    page = somebody().watch("wang-fang")
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_contain_text("跳到内容")
    page.keyboard.press("Enter")
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.locator(":focus").get_attribute("class") == "ack":
            break
    page.keyboard.press("Enter")
    expect(card(page, alert.id)).to_contain_text("王芳 已接手")
    expect(page.locator("#announce")).to_contain_text("王芳 已接手")


def test_the_filter_and_the_sound_are_remembered(somebody, running):
    county = running.county
    alert = county.car("冀T8K2L6")
    county.service.acknowledge(county.police(), alert.id, version=None)
    page = somebody().watch("wang-fang")
    sound = page.get_by_role("button", name="声音")
    expect(sound).to_have_attribute("aria-pressed", "false")
    sound.click()
    page.locator("#filter label").first.click()
    expect(card(page, alert.id)).to_be_hidden()
    page.reload()
    expect(sound).to_have_attribute("aria-pressed", "true")
    expect(card(page, alert.id)).to_be_hidden()
    page.locator("#filter label").last.click()
    expect(card(page, alert.id)).to_be_visible()


def test_without_script_the_alert_can_still_be_answered(somebody, running):
    alert = running.county.car("冀T8K2L6")
    page = somebody(java_script_enabled=False).log_in("wang-fang")
    card(page, alert.id).get_by_role("button").click()
    expect(page.locator(f"#handled #alert-{alert.id}")).to_contain_text("王芳 已接手")


def test_the_countdown_follows_the_servers_clock(somebody, running):
    alert = running.county.car("冀T8K2L6")
    one = somebody()
    one.page.clock.install(time="2001-01-01T00:00:00Z")
    page = one.watch("wang-fang")
    expect(card(page, alert.id).locator(".countdown-time")).to_contain_text("4:")


def test_the_phone_keeps_the_shell_and_nothing_about_anybody(somebody, running):
    alert = running.county.car("冀T8K2L6")
    page = somebody().watch("wang-fang")
    page.evaluate("() => navigator.serviceWorker.ready.then(() => true)")
    page.reload()
    page.wait_for_selector('#link[data-link="live"]')
    page.goto(f"{running.url}/alerts/{alert.id}")
    kept = page.evaluate(
        """async () => {
          const paths = [];
          for (const name of await caches.keys())
            for (const request of await (await caches.open(name)).keys())
              paths.push(new URL(request.url).pathname);
          return paths;
        }"""
    )
    assert kept
    assert all(path == "/offline" or path.startswith("/static/") for path in kept)
    running.stop()
    page.goto(f"{running.url}/")
    expect(page.get_by_role("heading")).to_contain_text("现在没有网络")
    running.start()


@pytest.mark.parametrize(
    "size", [{"width": 360, "height": 740}, WALL, {"width": 3840, "height": 2160}]
)
def test_it_fits_every_screen(somebody, running, size):
    county = running.county
    alert = county.car("冀T8K2L6")
    county.car("冀T5566挂", colour="yellow", kind="yellow_double")
    page = somebody(size).watch("police-desk")
    for path in ("/", f"/alerts/{alert.id}", "/account"):
        page.goto(running.url + path)
        wide = page.evaluate("() => document.documentElement.scrollWidth > innerWidth")
        assert not wide, path
    page.goto(running.url)
    box = page.locator(".ack").first.bounding_box()
    assert box is not None
    assert box["height"] >= 56, "a thumb in the rain must find it"
    assert box["y"] + box["height"] <= size["height"], "without scrolling"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_barrier(somebody, running, scheme):
    county = running.county
    alert = county.car("冀T8K2L6", unsure=3, severity=Severity.CRITICAL)
    county.car("冀TD12345", colour="green", kind="green_small", camera="east-gate-out")
    county.broken("lixiang-road")
    taken = county.car("京A1234警", colour="white", kind="police")
    county.service.acknowledge(county.police(), taken.id, version=None)
    one = somebody(color_scheme=scheme, reduced_motion="reduce")
    one.page.goto(f"{running.url}/login")
    found = {"/login": serious(one.page)}
    one.watch("police-desk")
    for path in ("/", f"/alerts/{alert.id}", "/account", "/nowhere"):
        one.page.goto(running.url + path)
        found[path] = serious(one.page)
    assert {path: problems for path, problems in found.items() if problems} == {}


def serious(page: Page) -> list[str]:
    """Violations that axe-core calls serious or critical, with the elements."""
    result = Axe().run(page)
    return [
        f"{v['id']}: {[node['target'] for node in v['nodes']][:4]}"
        for v in result.response["violations"]
        if v["impact"] in ("serious", "critical")
    ]
