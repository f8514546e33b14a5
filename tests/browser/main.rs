//! The pages in a real browser, of three real nodes that play the story: what each company reads,
//! and what it must not find. Skipped where there is no Chromium, unless `ENTENTE_REQUIRE_BROWSER=1`.
//! With `ENTENTE_SHOTS=DIR` pictures and documents of the pages are left in that directory.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "the test owns clock, files and processes"
)]

mod chromium;
mod world;

use chromium::{Browser, Look, Page};
use world::{BUDGET, Company, EVENT_TITLE, NOTES, World};

const NARROW: Look = Look { width: 390, height: 1400, ..Look::ENGLISH };
const WIDE_ZH: Look = Look { language: "zh-CN", ..Look::ENGLISH };
const DARK: Look = Look { dark: true, ..Look::ENGLISH };

fn see(browser: &Browser, company: &Company, path: &str, look: Look, name: &str) -> Page {
    let page = browser.open(&company.link(path), look);
    assert_eq!(page.complaints, Vec::<String>::new(), "{name}");
    if let Some(shots) = std::env::var_os("ENTENTE_SHOTS") {
        let file = std::path::Path::new(&shots).join(name);
        std::fs::write(file.with_extension("html"), &page.dom).expect("a document");
        browser.shoot(&company.link(path), look, &file);
    }
    page
}

#[test]
fn three_companies_read_their_own_view_of_one_event_in_a_browser() {
    let Some(browser) = Browser::find() else { return };
    let world = World::play();
    let (aurora, bright, cedar) = (&world.aurora, &world.bright, &world.cedar);

    let home = see(&browser, aurora, "/", Look::ENGLISH, "home-en.png");
    home.says(&["Aurora Motors", EVENT_TITLE, "48 participants", "Bright Agency", "connected"]);
    let home = see(&browser, bright, "/", WIDE_ZH, "home-bright-zh.png");
    home.says(&["合作伙伴", EVENT_TITLE, "来自", "Aurora Motors"]);

    let own = see(&browser, aurora, &world.event_of(aurora), Look::ENGLISH, "event-en.png");
    own.says(&["40", "via", "Cedar Consulting", "Bright Agency", NOTES, BUDGET, "Attended"]);
    own.says(&[world.customer_name.as_str(), world.customer_phone.as_str()]);

    let path = world.event_of(bright);
    let tall = |look: Look, height| Look { height, ..look };
    for (look, name) in [
        (tall(Look::ENGLISH, 2000), "event-bright-en.png"),
        (WIDE_ZH, "event-bright-zh.png"),
        (tall(NARROW, 5200), "event-bright-narrow.png"),
        (DARK, "event-bright-dark.png"),
    ] {
        let page = see(&browser, bright, &path, look, name);
        page.says(&[EVENT_TITLE, "Cedar Consulting", "href=\"#lock\"", &world.customer_company]);
        page.hides(&[NOTES, BUDGET, &world.customer_name, &world.customer_phone]);
    }
    let page = see(&browser, cedar, &world.event_of(cedar), Look::ENGLISH, "event-cedar-en.png");
    page.says(&["not shared with you", &world.customer_name]);
    page.hides(&[NOTES, BUDGET, "Riverside Hall"]);

    for (look, name) in [(NARROW, "home-narrow.png"), (DARK, "home-dark.png")] {
        see(&browser, aurora, "/", look, name);
    }
    for (look, name) in [(NARROW, "event-narrow.png"), (DARK, "event-dark.png")] {
        see(&browser, aurora, &world.event_of(aurora), look, name);
    }
    world.forget();
    world.ask();
    let home = see(&browser, cedar, "/", Look::ENGLISH, "home-cedar-en.png");
    home.says(&["Deletions asked", "confirmed", "entente customer erase CUSTOMER"]);
    home.hides(&["Waits for you", "not confirmed yet"]);
    let gone = see(&browser, aurora, &world.event_of(aurora), Look::ENGLISH, "event-gone-en.png");
    gone.hides(&[&world.customer_name, &world.customer_phone]);
    for (look, says, name) in [
        (Look::ENGLISH, ["Waits for you", "passed on to Cedar Consulting"], "home-asked-en.png"),
        (WIDE_ZH, ["待您处理", "转授给Cedar Consulting"], "home-asked-zh.png"),
        (NARROW, ["Waits for you", "entente share approve"], "home-asked-narrow.png"),
    ] {
        let home = see(&browser, aurora, "/", look, name);
        home.says(&says);
        home.says(&["entente share approve shr_", "entente share revoke shr_"]);
    }
    let home = see(&browser, cedar, "/", WIDE_ZH, "home-cedar-zh.png");
    home.says(&["要求删除的内容", "项已确认删除"]);

    let locked = browser.open(&aurora.address("/"), Look::ENGLISH);
    locked.says(&["entente open"]);
    locked.hides(&["Aurora", EVENT_TITLE]);
}
