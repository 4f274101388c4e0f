"""The Text tab."""

from ui.page.tabs.tab import Tab

TAB = Tab(
    command="t2v",
    title="Text",
    lead="A sentence becomes a clip, or a picture.",
    button="Make the clip",
    everyday=(
        ("prompt",),
        ("rewrite", "model"),
        ("size", "seconds", "frames"),
        ("count", "steps", "seed"),
        ("negative_prompt",),
    ),
    needs=("prompt", "prompts"),
    examples={
        "A red circle moves right": {"prompt": "a red circle moves right on a gray background", "seed": 7},
        "A ball slides over a wall": {
            "prompt": "A red ball slides to the right over a dark blue wall",
            "seed": 7,
        },
        "A spinning star, one frame": {
            "prompt": "a yellow star spins on a navy background",
            "frames": 1,
            "seed": 3,
        },
        "In Chinese, rewritten": {"prompt": "一个绿色的星星在黑色背景上旋转", "rewrite": "normal", "seed": 5},
    },
    takes={"text": "prompt"},
    models={"model": ("starter", "hunyuanvideo")},
)
