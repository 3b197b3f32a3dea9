/* SPDX-License-Identifier: MIT */
/*
 * Sequences on a real kernel, Linux or Quire, as a static program.
 *
 *     sequence [-v] SEED[-LAST]/OPS[/SKIP,SKIP-SKIP...]...
 *
 * For each seed: one line "seed N hash H", or with -v the whole log. SKIP: operations left out, for
 * making a failing sequence smaller. As process 1 the arguments are the words of /specs, and the
 * machine is switched off at the end.
 *
 * A coordinator gives the operations, one at a time, through pipes to the processes of the sequence;
 * each has a second thread that does every other operation. The processes allocate nothing and use no
 * memory but their own static data beside the places of the sequence.
 */
#define _GNU_SOURCE
#include "sequence.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int files[SEQ_FILES];
static uint64_t file_inodes[SEQ_FILES];
static int down[SEQ_PROCS][2], up[SEQ_PROCS][2];
static struct seq_op ops[SEQ_MAX_OPS];
static struct seq_state state;
static struct seq_text text;

/* ---- the machine ---- */

static long ret(long r) { return r == -1 ? -errno : r; }

static long real_mmap(uint64_t a, uint64_t len, uint32_t prot, uint32_t flags, int file, uint64_t pgoff)
{
	return ret(syscall(SYS_mmap, a, len, prot, flags, file < 0 ? -1 : files[file], pgoff * SEQ_PAGE));
}
static long real_munmap(uint64_t a, uint64_t len) { return ret(syscall(SYS_munmap, a, len)); }
static long real_mprotect(uint64_t a, uint64_t len, uint32_t prot) { return ret(syscall(SYS_mprotect, a, len, prot)); }
static long real_mremap(uint64_t a, uint64_t len, uint64_t new_len, uint32_t flags, uint64_t to)
{
	return ret(syscall(SYS_mremap, a, len, new_len, flags, to));
}
static long real_madvise(uint64_t a, uint64_t len, int advice) { return ret(syscall(SYS_madvise, a, len, advice)); }
static long real_brk(uint64_t a) { return syscall(SYS_brk, a); }
static long real_mincore(uint64_t a, uint64_t len, unsigned char *vec) { return ret(syscall(SYS_mincore, a, len, vec)); }
static long real_mlock(uint64_t a, uint64_t len, bool on_fault) { return ret(syscall(SYS_mlock2, a, len, on_fault ? 1 : 0)); }
static long real_munlock(uint64_t a, uint64_t len) { return ret(syscall(SYS_munlock, a, len)); }
static long real_msync(uint64_t a, uint64_t len, int flags) { return ret(syscall(SYS_msync, a, len, flags)); }
static long real_file_read(int f, uint64_t page, uint8_t *v) { return ret(pread(files[f], v, 1, page * SEQ_PAGE + 123)); }
static long real_file_write(int f, uint64_t page, uint8_t v) { return ret(pwrite(files[f], &v, 1, page * SEQ_PAGE + 123)); }
static long real_file_truncate(int f, uint64_t pages) { return ret(ftruncate(files[f], pages * SEQ_PAGE)); }
static long real_file_punch(int f, uint64_t page, uint64_t nr)
{
	return ret(fallocate(files[f], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, page * SEQ_PAGE, nr * SEQ_PAGE));
}

static sigjmp_buf jump;
static volatile int fault;

static void on_fault(int sig, siginfo_t *si, void *uc)
{
	fault = sig * 16 + (si->si_code & 15);
	siglongjmp(jump, 1);
}

static seq_fault_t real_load(uint64_t at, uint8_t *v)
{
	if (sigsetjmp(jump, 0))
		return fault;
	*v = *(volatile uint8_t *)at;
	return 0;
}

static seq_fault_t real_store(uint64_t at, uint8_t v)
{
	if (sigsetjmp(jump, 0))
		return fault;
	*(volatile uint8_t *)at = v;
	return 0;
}

static int region_file(uint64_t inode)
{
	for (unsigned i = 0; i < SEQ_FILES; i++)
		if (inode == file_inodes[i])
			return i;
	return -1;
}

static void one_region(char *line, uint64_t from, uint64_t to, void (*fn)(const struct seq_region *, void *), void *arg)
{
	unsigned long start, end, offset, inode;
	char perm[5];
	if (sscanf(line, "%lx-%lx %4s %lx %*s %lu", &start, &end, perm, &offset, &inode) != 5 || end <= from || start >= to)
		return;
	struct seq_region r = { start, end, (perm[0] == 'r') | (perm[1] == 'w') * 2 | (perm[2] == 'x') * 4 | (perm[3] == 's') * 8,
				region_file(inode), offset / SEQ_PAGE };
	fn(&r, arg);
}

static void real_regions(uint64_t from, uint64_t to, void (*fn)(const struct seq_region *, void *), void *arg)
{
	static char buf[1 << 17];
	size_t n = 0;
	int fd = open("/proc/self/maps", O_RDONLY);
	for (ssize_t r; fd >= 0 && n < sizeof buf - 1 && (r = read(fd, buf + n, sizeof buf - 1 - n)) > 0;)
		n += r;
	close(fd);
	buf[n] = 0;
	for (char *line = buf, *end; (end = strchr(line, '\n')); line = end + 1) {
		*end = 0;
		one_region(line, from, to, fn, arg);
	}
}

static const struct seq_machine real = {
	real_mmap, real_munmap, real_mprotect, real_mremap, real_madvise, real_brk, real_mincore, real_mlock, real_munlock, real_msync,
	real_load, real_store, real_file_read, real_file_write, real_file_truncate, real_file_punch, real_regions,
};

/* ---- processes and their second threads ---- */

static char thread_stack[65536] __attribute__((aligned(16)));
static int job; /* 0 idle, 1 to be done by the thread */
static const struct seq_op *job_op;

static long futex(int *w, int op, int v) { return syscall(SYS_futex, w, op, v, NULL, NULL, 0); }

static int thread_main(void *arg)
{
	for (;;) {
		while (!__atomic_load_n(&job, __ATOMIC_ACQUIRE))
			futex(&job, FUTEX_WAIT, 0);
		seq_run(job_op, &state, &real, &text);
		__atomic_store_n(&job, 0, __ATOMIC_RELEASE);
		futex(&job, FUTEX_WAKE, 1);
	}
	return 0;
}

static void start_thread(void)
{
	job = 0;
	int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
	if (clone(thread_main, thread_stack + sizeof thread_stack, flags, NULL) < 0)
		seq_print(&text, " (no thread)");
}

static void by_thread(const struct seq_op *op)
{
	job_op = op;
	__atomic_store_n(&job, 1, __ATOMIC_RELEASE);
	futex(&job, FUTEX_WAKE, 1);
	while (__atomic_load_n(&job, __ATOMIC_ACQUIRE))
		futex(&job, FUTEX_WAIT, 1);
}

static void answer(unsigned me)
{
	if (write(up[me][1], &text.len, sizeof text.len) != sizeof text.len || write(up[me][1], text.data, text.len) != (ssize_t)text.len)
		_exit(3);
	text.len = 0;
}

enum { CMD_FINAL = 10000, CMD_END = 10001 };

static void process(unsigned me)
{
	int cmd;
	while (read(down[me][0], &cmd, sizeof cmd) == sizeof cmd) {
		if (cmd == CMD_END || (cmd < CMD_FINAL && ops[cmd].kind == SEQ_EXIT))
			_exit(0);
		if (cmd == CMD_FINAL) {
			seq_final(&state, &real, &text);
		} else if (ops[cmd].kind == SEQ_FORK) {
			pid_t pid = syscall(SYS_fork);
			if (pid == 0) {
				me = ops[cmd].page2;
				start_thread();
				seq_print(&text, " = child");
			} else if (pid < 0) {
				continue; /* nobody answers: the coordinator runs out of time */
			} else {
				continue; /* the child answers */
			}
		} else if (ops[cmd].thread) {
			by_thread(&ops[cmd]);
		} else {
			seq_run(&ops[cmd], &state, &real, &text);
		}
		answer(me);
	}
	_exit(0);
}

static void first_process(void)
{
	static char signal_stack[65536];
	stack_t ss = { .ss_sp = signal_stack, .ss_size = sizeof signal_stack };
	struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER };
	sigaltstack(&ss, NULL);
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	signal(SIGCHLD, SIG_IGN);
	alarm(0);
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	state = (struct seq_state){ .heap = (syscall(SYS_brk, 0) + SEQ_PAGE - 1) & ~(SEQ_PAGE - 1) };
	syscall(SYS_brk, state.heap);
	start_thread();
	process(0);
}

/* ---- the coordinator ---- */

static uint64_t hash;
static bool verbose;

static void record(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		hash = (hash ^ (uint8_t)s[i]) * 1099511628211ull;
	if (verbose && fwrite(s, 1, n, stdout) != n)
		_exit(4);
}

static void answer_from(unsigned proc)
{
	size_t len = 0, got = 0;
	if (read(up[proc][0], &len, sizeof len) != sizeof len || len >= sizeof text.data)
		return record(" (process died)\n", 16);
	while (got < len) {
		ssize_t r = read(up[proc][0], text.data + got, len - got);
		if (r <= 0)
			break;
		got += r;
	}
	record(text.data, got);
	record("\n", 1);
}

static void tell(unsigned proc, int cmd)
{
	if (write(down[proc][1], &cmd, sizeof cmd) != sizeof cmd)
		record(" (gone)", 7);
}

static void open_all(void)
{
	for (unsigned i = 0; i < SEQ_FILES; i++) {
		char name[] = { 'f', '0' + i, 0 };
		struct stat st;
		files[i] = memfd_create(name, 0);
		if (ftruncate(files[i], SEQ_FILE_PAGES / 2 * SEQ_PAGE) || fstat(files[i], &st))
			_exit(5);
		file_inodes[i] = st.st_ino;
	}
	for (unsigned p = 0; p < SEQ_PROCS; p++)
		if (pipe(down[p]) || pipe(up[p]))
			_exit(6);
}

/* Runs in a child of its own; the parent kills its group when it takes too long. */
static void coordinate(uint64_t seed, unsigned nr, const char *skips)
{
	bool alive[SEQ_PROCS] = { true };
	hash = 14695981039346656037ull;
	nr = seq_generate(seed, nr, ops);
	open_all();
	if (fork() == 0)
		first_process();
	for (unsigned i = 0; i < nr; i++) {
		struct seq_op *op = &ops[i];
		if (seq_is_skipped(skips, i) || !alive[op->proc] || (op->kind == SEQ_FORK && alive[op->page2]))
			continue;
		char head[32];
		record(head, snprintf(head, sizeof head, "%3u ", i));
		text.len = 0;
		seq_describe(op, &text);
		record(text.data, text.len);
		tell(op->proc, i);
		if (op->kind == SEQ_FORK)
			alive[op->page2] = true;
		if (op->kind == SEQ_EXIT) {
			alive[op->proc] = false;
			record("\n", 1);
		} else {
			answer_from(op->kind == SEQ_FORK ? op->page2 : op->proc);
		}
	}
	for (unsigned p = 0; p < SEQ_PROCS; p++)
		if (alive[p]) {
			record("final", 5);
			tell(p, CMD_FINAL);
			answer_from(p);
			tell(p, CMD_END);
		}
	printf("seed %lu hash %016lx\n", (unsigned long)seed, (unsigned long)hash);
	fflush(stdout);
	_exit(0);
}

static void run_seed(uint64_t seed, unsigned nr, const char *skips)
{
	int st;
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		setpgid(0, 0);
		alarm(20);
		coordinate(seed, nr, skips);
	}
	setpgid(pid, pid);
	waitpid(pid, &st, 0);
	kill(-pid, SIGKILL);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	if (st)
		printf("seed %lu %s\n", (unsigned long)seed, WIFSIGNALED(st) && WTERMSIG(st) == SIGALRM ? "timeout" : "failed");
	fflush(stdout);
}

static void run_spec(char *spec)
{
	char *at;
	uint64_t first = strtoull(spec, &at, 10), last = first;
	unsigned nr = 120;
	if (*at == '-')
		last = strtoull(at + 1, &at, 10);
	if (*at == '/')
		nr = strtoul(at + 1, &at, 10);
	for (uint64_t seed = first; seed <= last; seed++)
		run_seed(seed, nr, *at == '/' ? at + 1 : NULL);
}

static void as_init(void)
{
	static char words[1 << 21];
	mount("proc", "/proc", "proc", 0, NULL);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	printf("\n"); /* the firmware leaves the cursor in a line of its own */
	int fd = open("/specs", O_RDONLY), n = read(fd, words, sizeof words - 1);
	for (char *w = n > 0 ? strtok(words, " \n") : NULL; w; w = strtok(NULL, " \n")) {
		verbose |= !strcmp(w, "-v");
		if (w[0] != '-')
			run_spec(w);
	}
	printf("@@ done\n");
	fflush(stdout);
	sync();
	reboot(RB_POWER_OFF);
}

int main(int argc, char **argv)
{
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	if (getpid() == 1)
		as_init();
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "-v"))
			verbose = true;
		else
			run_spec(argv[i]);
	}
	return 0;
}
