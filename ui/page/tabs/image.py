"""The Image tab."""

from ui.page.tabs.tab import Tab

TAB = Tab(
    command="i2v",
    title="Image",
    lead="A picture begins to move. Drop several, and each becomes a clip of its own.",
    button="Make the clip",
    everyday=(
        ("image", "last_image", "keyframe", "extend"),
        ("prompt",),
        ("model", "fit"),
        ("size", "seconds", "frames"),
        ("count", "steps", "seed", "loop"),
        ("negative_prompt",),
    ),
    needs=("prompt", "prompts"),
    examples={
        "A circle on gray": {
            "image": "example:circle.png", "prompt": "a red circle moves right on a gray background", "seed": 7,
        },
        "A star that turns": {
            "image": "example:star.png", "prompt": "a yellow star spins on a navy background", "seed": 3,
        },
        "A loop": {
            "image": "example:circle.png", "prompt": "a red circle bounces on a gray background", "loop": True,
            "seed": 5,
        },
    },
    each="image",
    takes={"picture": "image", "clip": "extend"},
    models={"model": ("starter", "hunyuanvideo-i2v")},
    part="i2v",
)  # fmt: skip
