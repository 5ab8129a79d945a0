"""Stands in for systemd's journal: takes entries in its native protocol at a socket, and keeps each as a line of JSON that `journalctl -o json` would print."""
import json, os, socket, sys, time

path, store = sys.argv[1:]
server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
server.bind(path)
print("ready", flush=True)


def fields(data):
    while data:
        line, _, rest = data.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if equals:
            data = rest
        else:
            size = int.from_bytes(rest[:8], "little")
            value, data = rest[8 : 8 + size], rest[9 + size :]
        yield name.decode(), value


while True:
    entry = {"__REALTIME_TIMESTAMP": str(time.time_ns() // 1000)}
    for name, value in fields(server.recv(1 << 20)):
        try:
            entry[name] = value.decode()
        except UnicodeDecodeError:
            entry[name] = list(value)
    with open(store, "a") as out:
        out.write(json.dumps(entry) + "\n")
