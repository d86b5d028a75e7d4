"""The page with its named endpoints, as one gr.Blocks."""

import gradio as gr

from chat_core import ChatService

from . import api, gradio_fixes, page


def build(service: ChatService) -> gr.Blocks:
    """The page over `service`. Opens nothing."""
    gradio_fixes.open_no_loops()
    with gradio_fixes.without_apps():
        demo = _blocks(service)
    gradio_fixes.apply(demo)
    return demo


def _blocks(service: ChatService) -> gr.Blocks:
    demo: gr.Blocks
    with gr.Blocks(
        title=page.TITLE,
        fill_height=True,
        analytics_enabled=False,
        delete_cache=(300, 1800),  # uploads; what is kept of pictures is kept with the conversation
    ) as demo:
        pacer = page.FramePacer()
        api.register(api.Endpoints(service, pacer))  # first: a listener of the same name gets another one
        page.build_page(demo, service, pacer)
    demo.max_threads = 256  # also the number of generators that may run at once
    demo.state_session_capacity = 1000
    demo.queue(max_size=512, default_concurrency_limit=None, api_open=False)
    return demo
