"""The tabs of the page, in their order: one module and one line each."""

from ui.page.tabs import film, image, rewrite, sound, text
from ui.page.tabs.tab import Tab

TABS: tuple[Tab, ...] = (
    text.TAB,
    image.TAB,
    sound.TAB,
    rewrite.TAB,
    film.TAB,
)
