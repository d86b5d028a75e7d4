"""The rival gr.ChatInterface: Gradio's own chat, streaming, with the history that its page sends along.

`python chat_interface.py PORT`, with OPENAI_BASE_URL naming the model.
"""

import sys
from collections.abc import AsyncIterator
from typing import Any

import gradio as gr
from openai import AsyncOpenAI

model = AsyncOpenAI(api_key="none")


def plain(message: dict[str, Any]) -> dict[str, str]:
    """A message of the Chatbot as the model is sent it."""
    content = message["content"]
    text = content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
    return {"role": message["role"], "content": text}


async def reply(message: str, history: list[dict[str, Any]]) -> AsyncIterator[str]:
    """The reply so far, after each token. As much of the history is sent as our app sends by default."""
    messages: Any = [*map(plain, history[-10:]), {"role": "user", "content": message}]
    text = ""
    async for chunk in await model.chat.completions.create(model="scripted", messages=messages, stream=True):
        if chunk.choices and chunk.choices[0].delta.content:
            text += chunk.choices[0].delta.content
            yield text


if __name__ == "__main__":
    demo = gr.ChatInterface(reply, concurrency_limit=None)
    demo.queue(max_size=None, default_concurrency_limit=None)
    demo.launch(server_name="127.0.0.1", server_port=int(sys.argv[1]), max_threads=256, ssr_mode=False)
