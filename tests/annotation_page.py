"""The annotation page in a real browser, as its tests use it: what a hand and two eyes would."""

import time

from selenium import webdriver
from selenium.common.exceptions import NoAlertPresentException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.common.keys import Keys

_OPTIONS = ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--window-size=1280,860")
_PATIENCE = 20.0  # seconds
_CENTRE = """
const {x, y, width, height} = document.querySelector(arguments[0]).getBoundingClientRect();
return [x + width / 2, y + height / 2];
"""
# From a picture's pixel, whose centre is at integers, to the window.
_TO_WINDOW = """
const picture = document.querySelector("#stage image"), box = picture.getBoundingClientRect();
const scale = box.width / picture.getAttribute("width");
return arguments[0].map(([x, y]) => [box.x + (x + 0.5) * scale, box.y + (y + 0.5) * scale]);
"""


class Page:
    """One browser."""

    def __init__(self, chromium, chromedriver):
        options = webdriver.ChromeOptions()
        options.binary_location = chromium
        for option in _OPTIONS:
            options.add_argument(option)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(chromedriver))

    def open(self, address, picture=None):
        """Opens the page, on a picture by its name; what it kept of others is forgotten."""
        self.driver.get("about:blank")
        self.driver.get(address)
        if picture:
            self.driver.get(f"{address}#picture={picture}")
            self.driver.refresh()
        self.wait_for_picture(picture)

    def reload(self):
        """Loads it again, as F5 does."""
        name = self.text("#picture-name")
        self.driver.refresh()
        self.wait_for_picture(name)

    def wait_for_picture(self, name=None):
        """Waits until a picture is shown."""
        shown = "const image = document.querySelector('#stage image'); return image && image.getAttribute('href') && "
        shown += "document.querySelector('#saving').textContent && document.querySelector('#hint').textContent"
        self.wait(lambda: self.run(shown) and (not name or self.text("#picture-name") == name), f"picture {name}")

    def run(self, script, *arguments):
        """What JavaScript returns."""
        return self.driver.execute_script(script, *arguments)

    def next_frame(self):
        """Waits until what changed is drawn."""
        self.driver.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")

    def text(self, selector):
        """What an element says; "" where it is hidden."""
        element = self.run("return document.querySelector(arguments[0])?.checkVisibility() ?? false", selector)
        return self.run("return document.querySelector(arguments[0]).textContent", selector) if element else ""

    def wait(self, condition, what):
        """Waits until something holds."""
        until = time.monotonic() + _PATIENCE
        while not condition():
            assert time.monotonic() < until, f"waited for {what}; the page says {self.text('#banner')!r}"
            time.sleep(0.03)

    def wait_until_saved(self):
        """Waits until every change is saved."""
        self.wait(lambda: self.text("#saving") == "Saved", "Saved")

    def drag(self, start, end, button=0):
        """Drags from one place of the window to another, in pixels."""
        actions = ActionBuilder(self.driver, duration=5)
        mouse = actions.pointer_action
        mouse.move_to_location(*_whole(start)).pointer_down(button)
        mouse.move_to_location(*_whole((start[0] + 4, start[1] + 4))).move_to_location(*_whole(end)).pointer_up(button)
        actions.perform()

    def click(self, selector, button=0):
        """Clicks the middle of an element, once it is there."""
        self.wait(lambda: self.run("return document.querySelector(arguments[0]) !== null", selector), selector)
        actions = ActionBuilder(self.driver, duration=5)
        actions.pointer_action.move_to_location(*_whole(self.run(_CENTRE, selector)))
        actions.pointer_action.pointer_down(button).pointer_up(button)
        actions.perform()

    def point(self, place):
        """Moves the pointer to a pixel of the picture."""
        actions = ActionBuilder(self.driver, duration=5)
        actions.pointer_action.move_to_location(*_whole(self.in_window([place])[0]))
        actions.perform()

    def in_window(self, places):
        """Places of the picture in pixels of the window."""
        return self.run(_TO_WINDOW, [list(map(float, place)) for place in places])

    def draw_box(self, box):
        """Drags the pair's box, (x, y, w, h) of the picture."""
        x, y, w, h = box
        self.drag(*self.in_window([(x - 0.5, y - 0.5), (x + w - 0.5, y + h - 0.5)]))

    def drag_joint(self, joint, place):
        """Drags a joint of the active person to a pixel of the picture."""
        self.drag(self.run(_CENTRE, f".active [data-joint='{joint}'] .area"), self.in_window([place])[0])

    def drag_joints(self, places):
        """Drags all joints of the active person, one after the other."""
        for joint, place in enumerate(self.in_window(places)):
            self.drag(self.run(_CENTRE, f".active [data-joint='{joint}'] .area"), place)

    def press(self, *keys):
        """Presses keys, one after the other; "Shift+x" with Shift held."""
        actions = ActionChains(self.driver, duration=0)
        for key in keys:
            *held, name = key.split("+") if len(key) > 1 else [key]
            for modifier in held:
                actions.key_down(_KEYS[modifier])
            actions.send_keys(_KEYS.get(name, name))
            for modifier in reversed(held):
                actions.key_up(_KEYS[modifier])
        actions.perform()

    def faults(self):
        """What the browser reported as errors since it was last asked, but for requests that failed."""
        log = self.driver.get_log("browser")
        return [entry["message"] for entry in log if entry["source"] != "network"]


_KEYS = {
    **{name: getattr(Keys, f"ARROW_{name.upper()}") for name in ("Left", "Right", "Up", "Down")},
    "Shift": Keys.SHIFT,
    "Ctrl": Keys.CONTROL,
    "Alt": Keys.ALT,
    "Enter": Keys.ENTER,
    "Esc": Keys.ESCAPE,
    "Tab": Keys.TAB,
    "Space": Keys.SPACE,
    "Delete": Keys.DELETE,
}


def arrows(dx, dy):
    """The keys that move by whole pixels."""
    keys = []
    for length, (less, more) in ((dx, ("Left", "Right")), (dy, ("Up", "Down"))):
        name = more if length > 0 else less
        keys += [f"Shift+{name}"] * (abs(length) // 10) + [name] * (abs(length) % 10)
    return keys


def alert(driver):
    """The browser's question, where it asks one; else None."""
    try:
        return driver.switch_to.alert
    except NoAlertPresentException:
        return None


def _whole(place):
    return [round(value) for value in place]
