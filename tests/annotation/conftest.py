"""A real browser for the annotation page; its tests are skipped where there is none."""

import shutil

import pytest


@pytest.fixture(scope="session")
def browsers():
    """Starts browsers, ``annotation_page.Page``s, that are closed after the last test."""
    programs = [shutil.which(name) for name in ("chromium", "chromedriver")]
    if not all(programs):
        pytest.skip("needs chromium and chromedriver (apt-get install chromium chromium-driver)")
    import annotation_page

    opened = []

    def start(number=0):
        while len(opened) <= number:
            opened.append(annotation_page.Page(*programs))
        return opened[number]

    yield start
    for page in opened:
        page.driver.quit()


@pytest.fixture
def page(browsers):
    """The first of the browsers, on nothing."""
    return browsers()


@pytest.fixture
def no_faults(page):
    """The browser itself has nothing to report: no exception, nothing that the security policy refused."""
    page.faults()
    yield
    assert page.faults() == []
