"""A python-socketio client: subscribes to rooms and tells on stdout, one JSON object a line, what happens.

    socketio_client.py URL ROOM...

{"connected": true}, {"ack": ...}, {"event": name, "payload": ...}, {"disconnected": true}.
Ends on SIGTERM.
"""

import asyncio
import json
import signal
import sys

import socketio


def tell(**what):
    print(json.dumps(what), flush=True)


async def main(url, rooms):
    client = socketio.AsyncClient()

    @client.event
    async def connect():
        tell(connected=True)

    @client.event
    async def disconnect():
        tell(disconnected=True)

    @client.on("*")
    async def anything(event, payload=None):
        tell(event=event, payload=payload)

    await client.connect(url, transports=["websocket"])
    tell(ack=await client.call("subscribe", {"rooms": rooms}, timeout=10))
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await client.disconnect()


asyncio.run(main(sys.argv[1], sys.argv[2:]))
