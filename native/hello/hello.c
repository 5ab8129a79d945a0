/*
 * hello: the only program of the embedded image. It needs no C library and no file, so it runs in an empty rootfs.
 */
static const char words[] =
	"Hello from proa!\n"
	"\n"
	"This message came out of a container. What just happened:\n"
	" 1. proa took the image \"hello\" from its own executable and unpacked it for you.\n"
	" 2. A small helper made user, mount, pid, network, ipc, uts and cgroup namespaces, as an ordinary user.\n"
	" 3. In there it mounted the image's files, dropped what is not needed, and executed /hello.\n"
	" 4. Its output came back through a pipe. No daemon was involved, and none is left behind.\n"
	"\n"
	"A larger one:  proa run -it --rm docker.io/library/debian bash\n";

#if defined(__x86_64__)
enum { WRITE = 1, EXIT = 60 };

static long call(long number, long a, long b, long c)
{
	long result;

	__asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
	return result;
}
#elif defined(__aarch64__)
enum { WRITE = 64, EXIT = 93 };

static long call(long number, long a, long b, long c)
{
	register long x8 __asm__("x8") = number, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c;

	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
	return x0;
}
#else
#error "name the numbers of write and exit of this machine"
#endif

__attribute__((noreturn)) void _start(void);

void _start(void)
{
	const char *rest = words;
	long left = sizeof(words) - 1;

	while (left > 0) {
		long n = call(WRITE, 1, (long)rest, left);

		if (n <= 0)
			break;
		rest += n;
		left -= n;
	}
	call(EXIT, left > 0, 0, 0);
	__builtin_unreachable();
}
