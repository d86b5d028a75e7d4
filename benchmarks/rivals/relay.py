"""The rival that does least: passes a model's tokens on as server-sent events, and stores nothing.

`python relay.py PORT`, with OPENAI_BASE_URL naming the model. POST /chat {"messages"} streams a {"text"} for
each token.
"""

import json
import sys
from collections.abc import AsyncIterator

import uvicorn
from openai import AsyncOpenAI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

model = AsyncOpenAI(api_key="none")


async def chat(request: Request) -> StreamingResponse:
    """The reply to the messages in the body."""
    messages = (await request.json())["messages"]

    async def tokens() -> AsyncIterator[str]:
        stream = await model.chat.completions.create(model="scripted", messages=messages, stream=True)
        async for chunk in stream:
            if chunk.choices and chunk.choices[0].delta.content:
                yield f"data: {json.dumps({'text': chunk.choices[0].delta.content})}\n\n"

    return StreamingResponse(tokens(), media_type="text/event-stream")


if __name__ == "__main__":
    app = Starlette(routes=[Route("/chat", chat, methods=["POST"])])
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=False, log_level="warning")
