"""What a container may try, for isolation.test.ts: a JSON list of steps in, one JSON line of outcome each out.

["tcp", ADDRESS, PORT, SOURCE or null]   connect: "connected", an errno's name, or "timeout"
["udp", ADDRESS, PORT, TEXT]             send a datagram: "sent", or an errno's name
["frame", {...}]                         a hand-made frame on eth0, see frame(): "sent"
["take", ADDRESS, MAC]                   claim an address on eth0 by unasked ARP replies, as another's: "sent"
"""
import errno, json, socket, struct, sys, time

EVERYONE = "ff:ff:ff:ff:ff:ff"


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def packed(address):
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total >> 16) + (total & 0xFFFF)
    return ~total & 0xFFFF


def transport(protocol, six, source, target, port, text):
    pseudo = source + target + struct.pack("!II", 0, 0)[: 8 if six else 4]
    number = {"udp": 17, "tcp": 6, "icmp": 58 if six else 1}[protocol]

    def whole(body, at):
        length = struct.pack("!I", len(body))
        before = source + target + (length + struct.pack("!I", number) if six else struct.pack("!BBH", 0, number, len(body)))
        if protocol == "icmp" and not six:
            before = b""
        return body[:at] + struct.pack("!H", checksum(before + body)) + body[at + 2 :]

    if protocol == "udp":
        return number, whole(struct.pack("!HHHH", 5555, port, 8 + len(text), 0) + text, 6)
    if protocol == "tcp":
        return number, whole(struct.pack("!HHIIBBHHH", 5555, port, 1, 0, 0x50, 2, 1024, 0, 0), 16)
    return number, whole(struct.pack("!BBHHH", 128 if six else 8, 0, 0, 7, 1) + text, 2)


def frame(to_mac, from_mac, source, target, protocol="udp", port=80, text=""):
    """Without any regard for what is right."""
    six = ":" in target
    a, b = packed(source), packed(target)
    number, body = transport(protocol, six, a, b, port, text.encode())
    if six:
        return mac(to_mac) + mac(from_mac) + b"\x86\xdd" + struct.pack("!IHBB", 6 << 28, len(body), number, 64) + a + b + body
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 1, 0, 64, number, 0) + a + b
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    return mac(to_mac) + mac(from_mac) + b"\x08\x00" + head + body


def wire():
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    s.bind(("eth0", 0))
    return s


def connect(address, port, source):
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    s.settimeout(4)
    try:
        if source:
            s.bind((source, 0))
        s.connect((address, port))
        return "connected"
    except socket.timeout:
        return "timeout"
    except OSError as e:
        return errno.errorcode.get(e.errno, str(e))
    finally:
        s.close()


def send(address, port, text):
    try:
        socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM).sendto(
            text.encode(), (address, port)
        )
        return "sent"
    except OSError as e:
        return errno.errorcode.get(e.errno, str(e))


def take(address, hardware):
    s = wire()
    for operation in (1, 2):
        who = mac(hardware) + packed(address)
        s.send(mac(EVERYONE) + mac(hardware) + b"\x08\x06" + struct.pack("!HHBBH", 1, 0x800, 6, 4, operation) + who + who)
    return "sent"


for kind, *rest in json.load(sys.stdin):
    before = time.monotonic()
    if kind == "tcp":
        outcome = connect(*rest)
    elif kind == "udp":
        outcome = send(*rest)
    elif kind == "take":
        outcome = take(*rest)
    else:
        wire().send(frame(**rest[0]))
        outcome = "sent"
    print(json.dumps([outcome, round(time.monotonic() - before, 3)]), flush=True)
