"""The Film tab."""

from ui.page.tabs.tab import Tab

TAB = Tab(
    command="film",
    title="Film",
    lead="Words become a clip with its sound; a scene file becomes a film of several shots.",
    button="Make the film",
    everyday=(
        ("prompt",),
        ("image", "scenes"),
        ("rewrite", "sound"),
        ("sound_prompt",),
        ("size", "seconds", "frames"),
        ("steps", "seed"),
        ("negative_prompt",),
    ),
    needs=("prompt", "scenes"),
    examples={
        "One shot": {"prompt": "a red circle bounces on a gray background", "sound": "auto", "seed": 7},
        "Three shots": {"scenes": "example:scenes.yaml", "seed": 7},
    },
    takes={"picture": "image"},
    models={"model": ("starter", "hunyuanvideo"), "image_model": ("starter", "hunyuanvideo-i2v")},
)
