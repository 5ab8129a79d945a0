/*
 * init: the parent of a container's program, where `--init` asks for one. It passes signals on, reaps what nobody waits for, and ends
 * with the program's exit status, 128 + N for signal N.
 *
 * The stage (process.c) has forked the program already, so that a program that cannot be executed is told of in the same words as
 * without an init; its process id comes as the value of a signal that the stage has queued for itself before it executed us, with every signal
 * blocked: both outlive execve. We need no C library, no file and no descriptor, and never call what an image brings.
 *
 * Signals stay blocked and are taken one by one: blocked ones also reach the first process of a pid namespace, which the kernel otherwise
 * spares from all that it does not handle. TINI_KILL_PROCESS_GROUP in the environment sends them to the program's whole process group.
 */
typedef unsigned long word;

enum { CHLD = 17, TTIN = 21, TTOU = 22, HANDOVER = 64, NO_HANG = 1, SET_NAME = 15, SET_CHILD_SUBREAPER = 36 };

#if defined(__x86_64__)
enum { SIGTIMEDWAIT = 128, GETPID = 39, WAIT4 = 61, KILL = 62, PRCTL = 157, EXIT_GROUP = 231 };

static long call(long number, long a, long b, long c, long d)
{
	register long r10 __asm__("r10") = d;
	long result;

	__asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
	return result;
}

__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall begin\n");
#elif defined(__aarch64__)
enum { SIGTIMEDWAIT = 137, GETPID = 172, WAIT4 = 260, KILL = 129, PRCTL = 167, EXIT_GROUP = 94 };

static long call(long number, long a, long b, long c, long d)
{
	register long x8 __asm__("x8") = number, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;

	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
	return x0;
}

__asm__(".globl _start\n_start:\n\tmov x29, #0\n\tmov x0, sp\n\tbl begin\n");
#else
#error "name the numbers of the system calls of this machine"
#endif

/* siginfo_t of a queued signal: the kernel's layout, 128 bytes. */
struct info {
	int number, error, code, padding;
	int pid, uid;
	union {
		int number;
		void *pointer;
	} value;
	char rest[96];
};

__attribute__((noreturn, used)) void begin(const word *stack);

static int starts_with(const char *text, const char *start)
{
	while (*start)
		if (*text++ != *start++)
			return 0;
	return 1;
}

static int means_group(const word *stack)
{
	const char *const *env = (const char *const *)(stack + stack[0] + 2); /* behind argc, the arguments and their end */

	for (; *env; env++)
		if (starts_with(*env, "TINI_KILL_PROCESS_GROUP="))
			return 1;
	return 0;
}

/* Wait for one of SIGNALS. Return: its number; 0 where the wait was interrupted (we were stopped and go on). */
static int take(word signals, struct info *info)
{
	long number = call(SIGTIMEDWAIT, (long)&signals, (long)info, 0, sizeof(signals));

	return number > 0 ? (int)number : 0;
}

/* Reap all that has ended. Ends us when the program was among it. */
static void reap(long program)
{
	int status;
	long pid;

	while ((pid = call(WAIT4, -1, (long)&status, NO_HANG, 0)) > 0)
		if (pid == program)
			call(EXIT_GROUP, status & 0x7f ? 128 + (status & 0x7f) : status >> 8 & 0xff, 0, 0, 0);
}

void begin(const word *stack)
{
	struct info info;
	long program;
	int group = means_group(stack);

	call(PRCTL, SET_NAME, (long)"docker-init", 0, 0); /* ps(1) shows that of the memfd otherwise */
	while (take(1UL << (HANDOVER - 1), &info) != HANDOVER)
		;
	program = info.value.number;
	if (call(GETPID, 0, 0, 0, 0) != 1) /* the pid namespace has an init, which need not reap */
		call(PRCTL, SET_CHILD_SUBREAPER, 1, 0, 0);
	for (;;) {
		reap(program);
		int number = take(~0UL, &info);

		if (number > 0 && number != CHLD && number != TTIN && number != TTOU)
			call(KILL, group ? -program : program, number, 0, 0);
	}
}
