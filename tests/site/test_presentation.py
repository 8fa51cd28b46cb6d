"""The slides in a real browser: one at a time, by keys, buttons and swipes; nothing is cut off."""

import pytest

SHOWN = """() => [...document.querySelectorAll("#slides > section")]
    .map((slide, i) => (slide.getClientRects().length ? i + 1 : 0)).filter((i) => i > 0)"""
COUNT = "document.querySelectorAll('#slides > section').length"
CUT_OFF = """() => {
    const slide = document.querySelector(".shown");
    const parts = [slide, ...slide.querySelectorAll("h2, li, img, iframe")];
    const bar = document.querySelector(".slide-bar").getBoundingClientRect();
    const cut = parts.filter((part, i) => {
        const { left, top, right, bottom, height } = part.getBoundingClientRect();
        const outside = left < 0 || top < 0 || right > innerWidth || bottom > innerHeight;
        return outside || height < 10 || (i > 0 && right > bar.left && bottom > bar.top);
    });
    const { scrollWidth, scrollHeight, clientWidth, clientHeight } = slide;
    const scrolls = scrollHeight > clientHeight || scrollWidth > clientWidth;
    return cut.map((part) => part.tagName).concat(scrolls ? ["scrolls"] : []);
}"""


# A frame is told its new size, and draws again, a moment after its slide is shown.
FITS = """([width, height]) => {
    const wanted = (side) => Math.max(document.documentElement[side], document.body[side]);
    const isTold = innerWidth === width && innerHeight === height;
    return isTold && wanted("scrollWidth") <= width && wanted("scrollHeight") <= height;
}"""


@pytest.fixture
def page(browser, site, request):
    """The page of the slides from the disk, in a window of some size."""
    size, complaints = getattr(request, "param", (1280, 720)), []
    window = {"width": size[0], "height": size[1]}
    page = browser.new_page(viewport=window, has_touch=True, reduced_motion="reduce")
    page.set_default_timeout(20_000)
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(address(site))
    yield page
    page.close()
    assert complaints == []


def address(site):
    return (site / "slides.html").as_uri()


def go(page, slide):
    page.evaluate("(i) => { location.hash = `#slide-${i}`; }", slide)
    page.wait_for_function(f"document.querySelector('output').textContent.startsWith('{slide} /')")


def test_the_button_the_keys_and_the_end(page):
    count = page.evaluate(COUNT)
    assert page.evaluate(SHOWN) == list(range(1, count + 1))
    assert page.locator(".slide-bar").is_hidden()
    page.get_by_role("button", name="Present").click()
    assert page.evaluate(SHOWN) == [1]
    assert page.locator("a:visible").count() == 0  # no link behind the slide takes the focus
    steps = [("ArrowRight", 2), ("PageDown", 3), ("ArrowLeft", 2), ("End", count)]
    steps += [("ArrowRight", count), ("PageUp", count - 1), ("Home", 1), ("ArrowLeft", 1)]
    for key, slide in steps:
        page.keyboard.press(key)
        assert page.evaluate(SHOWN) == [slide]
        assert page.evaluate("location.hash") == f"#slide-{slide}"
        assert page.locator("output").text_content() == f"{slide} / {count}"
    page.get_by_role("button", name="next slide").click()
    assert page.evaluate(SHOWN) == [2]
    page.get_by_role("button", name="previous slide").click()
    page.keyboard.press("Escape")
    assert page.evaluate(SHOWN) == list(range(1, count + 1))
    assert page.evaluate("location.hash") == "#what-will-we-build"
    page.keyboard.press("ArrowRight")  # an ordinary page again
    assert len(page.evaluate(SHOWN)) == count


def test_an_address_opens_its_slide(page, site):
    count = page.evaluate(COUNT)
    for number, slide in ((7, 7), (0, 1), (99, count)):
        page.goto("about:blank")
        page.goto(f"{address(site)}#slide-{number}")
        assert page.evaluate(SHOWN) == [slide]
    page.get_by_role("button", name="end").click()
    assert len(page.evaluate(SHOWN)) == count


def test_a_swipe_turns_the_slides(page):
    swipe = """([right, down]) => {
        const target = document.body;
        const at = (x, y) => new Touch({ identifier: 1, target, clientX: x, clientY: y });
        const send = (name, touch) =>
            target.dispatchEvent(new TouchEvent(name, { changedTouches: [touch], bubbles: true }));
        send("touchstart", at(500, 300));
        send("touchend", at(500 + right, 300 + down));
    }"""
    go(page, 3)
    for way, slide in (([-200, 20], 4), ([200, 0], 3), ([20, 0], 3), ([-100, 300], 3)):
        page.evaluate(swipe, way)
        assert page.evaluate(SHOWN) == [slide]


def test_the_arrow_keys_belong_to_a_player_once_it_was_clicked(page):
    titles = page.locator("#slides > section > h2").all_text_contents()
    slide = 1 + [title.startswith("Who is next?") for title in titles].index(True)
    go(page, slide)
    frame = page.locator(".shown iframe")
    player = frame.element_handle().content_frame()
    player.wait_for_function("typeof player !== 'undefined'")
    before = player.evaluate("player.step")
    frame.click(position={"x": 200, "y": 80})
    page.keyboard.press("ArrowRight")
    assert player.evaluate("player.step") == before + 1
    assert page.evaluate(SHOWN) == [slide]
    page.get_by_role("button", name="next slide").click()
    page.keyboard.press("ArrowRight")
    assert page.evaluate(SHOWN) == [slide + 2]


@pytest.mark.parametrize("page", [(1280, 720), (1920, 1080), (1024, 768)], indirect=True)
def test_nothing_is_cut_off_and_all_can_be_read(page):
    height = page.evaluate("innerHeight")
    for slide in range(1, page.evaluate(COUNT) + 1):
        go(page, slide)
        assert page.evaluate(CUT_OFF) == [], slide
        line = page.locator(".shown li").first
        size = line.evaluate("(line) => parseFloat(getComputedStyle(line).fontSize)")
        assert size >= 0.025 * height, slide
        for frame in page.locator(".shown iframe").element_handles():
            room = frame.evaluate("(frame) => [frame.clientWidth, frame.clientHeight]")
            frame.content_frame().wait_for_function(FITS, arg=room)
