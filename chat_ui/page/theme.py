"""How the page looks: Gradio's theme; the few rules it has no word for are in the style sheets of static/."""

import gradio as gr

_SYSTEM = ("system-ui", "-apple-system", "Segoe UI", "PingFang SC", "Microsoft YaHei", "sans-serif")
_MONO = ("ui-monospace", "SF Mono", "Cascadia Code", "Consolas", "monospace")


def build_theme() -> gr.themes.Base:
    """A quiet theme with the system's own fonts, so that no font is fetched from elsewhere."""
    return gr.themes.Soft(
        primary_hue="indigo",
        secondary_hue="indigo",
        neutral_hue="slate",
        radius_size="lg",
        font=_SYSTEM,
        font_mono=_MONO,
    ).set(
        body_background_fill="*background_fill_primary",
        button_secondary_background_fill_hover_dark="*neutral_500",  # Soft's is too bright for its words
        block_border_width="0px",
        block_shadow="none",
        block_title_background_fill="none",
        block_title_text_color="*body_text_color",
        block_title_text_weight="500",
        block_title_padding="0",
    )
