"""The rival Chainlit: its usual way to stream, with the history that it keeps for each session.

`chainlit run chainlit_app.py --headless --host 127.0.0.1 --port PORT`, with OPENAI_BASE_URL naming the model.
"""

import chainlit as cl
from openai import AsyncOpenAI

model = AsyncOpenAI(api_key="none")


@cl.on_message
async def reply(_: cl.Message) -> None:
    """Streams the reply to all that was said, as much of it as our app sends by default."""
    answer = cl.Message(content="")
    messages = cl.chat_context.to_openai()[-11:]
    async for chunk in await model.chat.completions.create(model="scripted", messages=messages, stream=True):
        if chunk.choices and chunk.choices[0].delta.content:
            await answer.stream_token(chunk.choices[0].delta.content)
    await answer.update()
