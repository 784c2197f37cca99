"""Plays the session on standard input, and prints the frames that came."""

import asyncio
import base64
import json
import sys

import websockets


async def play(session):
    token = base64.urlsafe_b64encode(session["token"].encode()).decode().rstrip("=")
    frames = []
    async with websockets.connect(session["url"], subprotocols=["jsonrpc", "bearer." + token]) as ws:
        for step in session["steps"]:
            await ws.send(step["send"])
            while not any(frame.startswith(step["until"]) for frame in frames):
                frames.append(await ws.recv())
    return frames


json.dump({"frames": asyncio.run(play(json.load(sys.stdin))), "error": ""}, sys.stdout)
