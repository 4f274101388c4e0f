"""The page's own look: warm greys and a flame, light and dark, in the fonts that the machine has."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

STYLE = Path(__file__).parent / "static" / "style.css"

SANS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "Liberation Sans", "sans-serif")
MONO = ("ui-monospace", "SF Mono", "Cascadia Mono", "DejaVu Sans Mono", "monospace")

FLAME = gr.themes.Color(
    name="flame",
    c50="#fff6ed", c100="#ffead5", c200="#fdd2ab", c300="#fbb277", c400="#f88a41", c500="#f26a1b", c600="#d9500f",
    c700="#b43b10", c800="#8f3015", c900="#742a14", c950="#3f1208",
)  # fmt: skip
ASH = gr.themes.Color(
    name="ash",
    c50="#faf9f7", c100="#f3f1ed", c200="#e6e2dc", c300="#d2ccc3", c400="#a39b90", c500="#7b736a", c600="#5b544d",
    c700="#433e39", c800="#2a2724", c900="#1d1b19", c950="#131211",
)  # fmt: skip


def theme() -> gr.themes.Base:
    """Gradio's variables; what they do not reach is in `static/style.css`."""
    made = gr.themes.Base(
        primary_hue=FLAME, secondary_hue=FLAME, neutral_hue=ASH, radius_size=gr.themes.sizes.radius_lg,
        font=SANS, font_mono=MONO,
    )  # fmt: skip
    made.name = "kinora"
    return made.set(
        body_background_fill="*neutral_100",
        body_background_fill_dark="*neutral_950",
        background_fill_primary="white",
        background_fill_primary_dark="*neutral_900",
        background_fill_secondary="*neutral_50",
        background_fill_secondary_dark="*neutral_800",
        border_color_primary="*neutral_200",
        border_color_primary_dark="*neutral_800",
        body_text_color="*neutral_900",
        body_text_color_dark="*neutral_100",
        body_text_color_subdued="*neutral_500",
        body_text_color_subdued_dark="*neutral_400",
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        block_border_width="0px",
        block_shadow="none",
        block_padding="0px",
        block_title_text_weight="600",
        block_title_text_color="*neutral_800",
        block_title_text_color_dark="*neutral_200",
        block_info_text_color="*neutral_500",
        block_info_text_color_dark="*neutral_400",
        block_info_text_size="12px",
        input_background_fill="white",
        input_background_fill_dark="*neutral_950",
        input_border_width="1px",
        input_border_color="*neutral_300",
        input_border_color_dark="*neutral_700",
        input_border_color_focus="*primary_500",
        input_border_color_focus_dark="*primary_500",
        input_placeholder_color="*neutral_400",
        input_placeholder_color_dark="*neutral_600",
        checkbox_label_background_fill="transparent",
        checkbox_label_background_fill_dark="transparent",
        checkbox_label_background_fill_selected="*primary_50",
        checkbox_label_background_fill_selected_dark="*neutral_800",
        checkbox_label_border_color="*neutral_300",
        checkbox_label_border_color_dark="*neutral_700",
        checkbox_label_border_color_selected="*primary_500",
        checkbox_label_border_color_selected_dark="*primary_600",
        checkbox_label_text_color_selected="*neutral_900",
        checkbox_label_text_color_selected_dark="*neutral_100",
        checkbox_label_shadow="none",
        checkbox_background_color_selected="*primary_600",
        checkbox_background_color_selected_dark="*primary_600",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_600",
        button_primary_background_fill_hover_dark="*primary_500",
        button_primary_text_color="white",
        button_primary_text_color_dark="white",
        button_large_text_weight="600",
        button_secondary_background_fill="*neutral_200",
        button_secondary_background_fill_dark="*neutral_800",
        layout_gap="16px",
        form_gap_width="0px",
        shadow_drop="none",
    )
