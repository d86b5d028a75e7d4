FROM python:3.11-slim

ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1
WORKDIR /app

# What changes seldom comes first, so that it is not installed again for each change of the code.
COPY requirements.txt requirements-mcp.txt ./
RUN pip install -r requirements.txt -r requirements-mcp.txt && useradd --create-home --uid 1000 chat

COPY app.py ./
COPY chat_core chat_core
COPY chat_ui chat_ui

# The embedded Valkey writes here when REDIS_URL is not set.
RUN mkdir /data && chown chat /data
VOLUME /data
USER chat
ENV DATA_DIR=/data GRADIO_SERVER_NAME=0.0.0.0 GRADIO_SERVER_PORT=7860
EXPOSE 7860

HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
  CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f'http://127.0.0.1:{os.environ[\"GRADIO_SERVER_PORT\"]}/readyz', timeout=2)"]
# An orderly end saves running replies; it takes at most eight seconds.
STOPSIGNAL SIGTERM
CMD ["python", "app.py"]
