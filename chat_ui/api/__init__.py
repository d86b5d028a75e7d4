"""The named endpoints, for Gradio's API clients."""

from .endpoints import Endpoints, register

__all__ = ["Endpoints", "register"]
