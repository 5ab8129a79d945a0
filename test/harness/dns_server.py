# dns_server.py ADDRESS MARK [resolv...]: a name server for tests, UDP and TCP. What it answers is told by the first label of the question:
#   silent…    nothing
#   servfail…  SERVFAIL; refused… REFUSED without the question; nx… NXDOMAIN
#   tc…        by UDP: truncated; by TCP: 100 addresses
#   spoof…     first answers with a wrong id, a wrong question and no question, each with the address 192.0.2.66, then the right one
#   flood…     by UDP: two hundred wrong answers, then the right one
#   cutoff…    by TCP: the beginning of a long answer, then the end; zero…: an answer of no bytes; drip…: one byte every 200 ms
#   else       the address 192.0.2.MARK (A) or 2001:db8::MARK (AAAA), with the question in lower case, however it came
# The server with MARK 2 does so only where that label has "-b" in it; without it that one answers all.
import socket, struct, sys, threading, time

where, mark = sys.argv[1], int(sys.argv[2])
family = socket.AF_INET6 if ":" in where else socket.AF_INET


def question(message):
    at, labels = 12, []
    while message[at]:
        labels.append(message[at + 1:at + 1 + message[at]])
        at += message[at] + 1
    return labels, message[12:at + 5], struct.unpack("!H", message[at + 1:at + 3])[0]


def reply(ident, flags, body, records=()):
    return ident + struct.pack("!HHHHH", flags, 1 if body else 0, len(records), 0, 0) + body + b"".join(records)


def address(kind, last, second=2):
    data = bytes(15) + bytes([last]) if kind == 28 else bytes([192, 0, second, last])
    if kind == 28:
        data = b"\x20\x01\x0d\xb8" + data[4:]
    return b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 60, len(data)) + data


def answers(message, tcp):
    ident = message[:2]
    labels, body, kind = question(message)
    first, body = labels[0].lower() if labels else b"", body[:-4].lower() + body[-4:]
    if mark == 2 and b"-b" not in first:
        first = b""
    right = reply(ident, 0x8180, body, [address(kind, mark)] if kind in (1, 28) else [])
    if first.startswith(b"silent"):
        return []
    if first.startswith(b"servfail"):
        return [reply(ident, 0x8182, body)]
    if first.startswith(b"refused"):
        return [reply(ident, 0x8185, b"")]
    if first.startswith(b"nx"):
        return [reply(ident, 0x8183, body)]
    if first.startswith(b"tc"):
        if not tcp:
            return [reply(ident, 0x8380, body)]
        return [reply(ident, 0x8180, body, [address(1, n, 3) for n in range(100)])]
    if first.startswith(b"flood"):
        return [bytes([n & 255, n >> 8 & 255]) + right[2:12] + b"\x05wrong" + right[18:] for n in range(200)] + [right]
    if first.startswith(b"spoof"):
        bad = [address(1, 66)]
        other = bytes([ident[0] ^ 1]) + ident[1:]
        return [reply(other, 0x8180, body, bad), reply(ident, 0x8180, b"\x05other" + body[body[0] + 1:], bad), reply(ident, 0x8180, b""), right]
    return [right]


def udp():
    while True:
        message, peer = datagrams.recvfrom(65535)
        for answer in answers(message, False):
            datagrams.sendto(answer, peer)


def serve(stream):
    with stream, stream.makefile("rb") as incoming:
        while True:
            head = incoming.read(2)
            if len(head) < 2:
                return
            message = incoming.read(struct.unpack("!H", head)[0])
            first = question(message)[0][0].lower() if mark == 1 or b"-b" in message else b""
            if first.startswith((b"cutoff", b"drip")):
                stream.sendall(b"\xff\xff" + message[:9])
            if first.startswith(b"zero"):
                stream.sendall(b"\0\0")
            while first.startswith(b"drip"):
                time.sleep(0.2)
                stream.sendall(b"x")
            if first.startswith((b"cutoff", b"zero")):
                return
            for answer in answers(message, True)[-1:]:
                stream.sendall(struct.pack("!H", len(answer)) + answer)


datagrams = socket.socket(family, socket.SOCK_DGRAM)
datagrams.bind((where, 53))
listener = socket.create_server((where, 53), family=family, backlog=64)
threading.Thread(target=udp, daemon=True).start()
print("ready", flush=True)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
