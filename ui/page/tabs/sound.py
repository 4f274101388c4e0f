"""The Sound tab."""

from ui.page.tabs.tab import Tab

TAB = Tab(
    command="v2a",
    title="Sound",
    lead="A clip is given a sound that fits what happens in it. Drop several, and each is given its own.",
    button="Make the sound",
    everyday=(
        ("video",),
        ("prompt",),
        ("music", "voice"),
        ("model", "mix"),
        ("seconds", "loudness"),
        ("count", "steps", "seed"),
        ("negative_prompt",),
    ),
    needs=("video", "prompt"),
    examples={
        "A ball bounces": {"video": "example:bounce.mp4", "prompt": "a wooden ball bounces", "seed": 7},
        "Words alone": {"prompt": "a metal ball hits the ground", "seconds": 2, "seed": 7},
    },
    each="video",
    takes={"clip": "video"},
    part="v2a",
)
