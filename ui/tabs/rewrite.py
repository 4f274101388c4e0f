"""Rewrite: a prompt becomes one that the model understands."""

from ui.tabs.tab import Tab

TAB = Tab(
    command="rewrite",
    title="Rewrite",
    lead="A prompt in any words becomes a caption that the video model understands.",
    button="Rewrite",
    everyday=(("prompt",), ("mode", "backend", "into")),
    examples={
        "In other words": {"prompt": "show me a crimson disc gliding rightwards, grey behind it"},
        "In Chinese": {"prompt": "一个绿色的星星在黑色背景上旋转", "mode": "master"},
        "In German": {"prompt": "Ein blaues Quadrat wächst vor braunem Hintergrund"},
    },
    models={},
    part="prompt_rewrite",
)
