"""TCP peers that do what no ready program does.

tcp_peer.py server HOST PORT       prints the port; the first line of a connection says what the server does with it
tcp_peer.py client HOST PORT CASE  prints a JSON value: what the case came to
tcp_peer.py hold HOST PORT N       opens N connections, prints how many of them echo, closes them after a line on stdin
tcp_peer.py flood FROM TO PORT SECONDS   first segments from every port, never answered
"""
import fcntl, hashlib, json, random, resource, select, socket, struct, sys, threading, time

SIOCATMARK = 0x8905
ends = {}  # name -> how a connection of case "watch" ended


def say(value):
    print(json.dumps(value), flush=True)


def family(host):
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def reset(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def rest(s):
    out = b""
    while b := s.recv(1 << 18):
        out += b
    return out


def digest(s):
    h, n = hashlib.sha256(), 0
    while b := s.recv(1 << 18):
        h.update(b)
        n += len(b)
    return f"{h.hexdigest()} {n}"


def line(s):
    out = b""
    while not out.endswith(b"\n") and (b := s.recv(1)):
        out += b
    return out.decode().strip()


def block(seed):
    return random.Random(seed).randbytes(1 << 20)


def how_it_ends(s):
    try:
        while s.recv(1000):
            pass
        return "end of file"
    except ConnectionResetError:
        return "reset"
    except OSError as e:
        return e.__class__.__name__


def with_marks(s):
    """What came, the urgent byte in its place as <byte>."""
    out = b""
    while True:
        if struct.unpack("i", fcntl.ioctl(s, SIOCATMARK, struct.pack("i", 0)))[0]:
            try:
                out += b"<" + s.recv(1, socket.MSG_OOB) + b">"
            except OSError:
                pass
        b = s.recv(1000)
        if not b:
            return out
        out += b


def serve(s):
    what = line(s).split() or ["nothing"]
    if what[0] == "echo":
        while b := s.recv(1 << 16):
            s.sendall(b)
    elif what[0] == "digest":
        s.sendall(digest(s).encode())
    elif what[0] == "slow":
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        time.sleep(1)
        s.sendall(digest(s).encode())
    elif what[0] == "both":
        data = block(7)
        sender = threading.Thread(target=lambda: ([s.sendall(data) for _ in range(32)], s.shutdown(socket.SHUT_WR)))
        sender.start()
        ends[what[1]] = digest(s)
        sender.join()
    elif what[0] == "reset":
        s.sendall(b"last words")
        time.sleep(float(what[1]))
        reset(s)
    elif what[0] == "watch":
        s.sendall(b"ok\n")
        ends[what[1]] = how_it_ends(s)
    elif what[0] == "end-of":
        for _ in range(500):
            if what[1] in ends:
                break
            time.sleep(0.01)
        s.sendall(ends.get(what[1], "none").encode())
    elif what[0] == "marks":
        time.sleep(0.2)  # so that data stands before and behind the mark
        s.sendall(with_marks(s))
    elif what[0] == "who":
        host, port = s.getpeername()[:2]
        s.sendall(json.dumps([host.removeprefix("::ffff:"), port]).encode())
    elif what[0] == "hold":
        s.sendall(b"held\n")
        by_number[s.fileno()] = s
        poll.register(s, select.EPOLLIN)
        return
    s.close()


def server(host, port):
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    s = socket.socket(family(host))
    if host == "::":
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((host, port))
    s.listen(4096)
    say(s.getsockname()[1])
    threading.Thread(target=echo_loop, daemon=True).start()
    while True:
        c, _ = s.accept()
        threading.Thread(target=quietly, args=(c,), daemon=True).start()


by_number, poll = {}, select.epoll()


def echo_loop():
    """All connections of case "hold", without a thread for each."""
    while True:
        for number, _ in poll.poll(1):
            s = by_number[number]
            try:
                b = s.recv(4096)
                if b:
                    s.sendall(b)
                    continue
            except OSError:
                pass
            poll.unregister(s)
            s.close()


def quietly(s):
    try:
        serve(s)
    except OSError:
        s.close()


def hold(host, port, n):
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    held = []
    for _ in range(n):
        s = socket.create_connection((host, port), 30)
        s.sendall(b"hold\n")
        held.append(s)
    echoed = 0
    for s in held:
        try:
            echoed += s.recv(100) == b"held\n"
        except OSError:
            pass
    say(echoed)
    sys.stdin.readline()


def flood(source, to, port, seconds):
    s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
    a, b, until, n = socket.inet_aton(source), socket.inet_aton(to), time.time() + seconds, 0
    while time.time() < until:
        head = struct.pack("!HHIIBBHHH", random.randrange(1024, 65535), port, random.getrandbits(32), 0, 5 << 4, 2, 64240, 0, 0)
        total = sum(struct.unpack("!16H", a + b + struct.pack("!BBH", 0, 6, 20) + head))
        total = (total >> 16) + (total & 0xFFFF)
        total += total >> 16
        s.sendto(head[:16] + struct.pack("!H", ~total & 0xFFFF) + head[18:], (to, 0))
        n += 1
        if n == 1:
            say("began")
    say(n)


def client(host, port, case):
    def dial(what):
        s = socket.create_connection((host, port), 15)
        s.sendall((what + "\n").encode())
        return s

    data = block(3)
    if case == "half-close":
        s = dial("digest")
        s.sendall(b"hello")
        s.shutdown(socket.SHUT_WR)
        say(rest(s).decode() == hashlib.sha256(b"hello").hexdigest() + " 5")
    elif case == "sizes":
        s, h, n = dial("digest"), hashlib.sha256(), 0
        for _ in range(60):
            size = random.choice([1, 100, 5000, 65535, 65536, 65537, 1 << 20])
            s.sendall(data[:size])
            h.update(data[:size])
            n += size
        s.shutdown(socket.SHUT_WR)
        say(rest(s).decode() == f"{h.hexdigest()} {n}")
    elif case == "both":
        name = str(random.random())
        s = dial("both " + name)
        sender = threading.Thread(target=lambda: ([s.sendall(data) for _ in range(32)], s.shutdown(socket.SHUT_WR)))
        sender.start()
        got = digest(s)
        sender.join()
        whole = lambda b: f"{hashlib.sha256(b * 32).hexdigest()} {32 << 20}"
        say([got == whole(block(7)), rest(dial("end-of " + name)).decode() == whole(data)])
    elif case == "slow":
        s, h = dial("slow"), hashlib.sha256()
        for _ in range(16):
            s.sendall(data)
            h.update(data)
        s.shutdown(socket.SHUT_WR)
        say(rest(s).decode() == f"{h.hexdigest()} {16 << 20}")
    elif case == "reset-by-server":
        s = dial("reset 0.2")
        say([s.recv(100).decode(), how_it_ends(s)])
    elif case == "reset-by-client":
        s = dial("watch a")
        line(s)
        reset(s)
        t = dial("watch b")
        line(t)
        t.close()
        say([rest(dial("end-of a")).decode(), rest(dial("end-of b")).decode()])
    elif case == "urgent":
        seen = set()
        for _ in range(20):
            s = dial("marks")
            s.sendall(b"abc")
            s.send(b"deU", socket.MSG_OOB)
            s.sendall(b"fgh")
            s.shutdown(socket.SHUT_WR)
            seen.add(rest(s).decode())
        say(sorted(seen))
    elif case == "who":
        s = dial("who")
        say([*json.loads(rest(s)), *s.getsockname()[:2]])
    elif case == "connect":
        began = time.monotonic()
        try:
            socket.create_connection((host, port), 4).close()
            error = 0
        except TimeoutError:
            error = "no answer"
        except OSError as e:
            error = e.errno
        say([error, time.monotonic() - began])
    elif case.startswith("watch "):
        s = dial(case)
        say(line(s))
        say(how_it_ends(s))
    elif case.startswith("end-of "):
        say(rest(dial(case)).decode())
    elif case.startswith("many "):
        ok = 0
        for i in range(int(case[5:])):
            s = dial("echo")
            s.sendall(b"%d" % i)
            s.shutdown(socket.SHUT_WR)
            ok += rest(s) == b"%d" % i
            s.close()
        say(ok)


what, args = sys.argv[1], sys.argv[2:]
if what == "server":
    server(args[0], int(args[1]))
elif what == "client":
    client(args[0], int(args[1]), args[2])
elif what == "hold":
    hold(args[0], int(args[1]), int(args[2]))
else:
    flood(args[0], args[1], int(args[2]), float(args[3]))
