"""The Rewrite tab."""

from ui.page.tabs.tab import Tab

TAB = Tab(
    command="rewrite",
    title="Rewrite",
    lead="A prompt in any words becomes a caption that the video model understands.",
    button="Rewrite",
    everyday=(("prompt",), ("mode", "backend", "into")),
    needs=("prompt", "batch"),
    examples={
        "In other words": {"prompt": "we see a scarlet disc gliding rightwards against a grey backdrop"},
        "In Chinese": {"prompt": "一个绿色的星星在黑色背景上旋转", "mode": "master"},
        "In German": {"prompt": "Ein blaues Quadrat wächst vor einem braunen Hintergrund"},
    },
    models={},
    part="prompt_rewrite",
)
