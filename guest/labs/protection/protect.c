/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
/* Each right tried each way, in a child that the kernel may stop; and the memory of another process. */
#include "../step.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

enum way { READ, WRITE, EXECUTE };
static const char *const ways[] = { "read", "write", "execute" };

static void on_fault(int sig, siginfo_t *info, void *context)
{
	(void)context;
	_exit(sig != SIGSEGV ? 2 : info->si_code == SEGV_ACCERR ? 1 : info->si_code == SEGV_PKUERR ? 3 : 2);
}

static const char *attempt(int prot, enum way way)
{
	pid_t pid = fork();
	int status;
	if (pid == 0) {
		struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };
		sigaction(SIGSEGV, &sa, NULL);
		unsigned char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		p[0] = 0xc3; /* ret */
		mprotect(p, 4096, prot);
		if (way == READ)
			(void)*(volatile unsigned char *)p;
		else if (way == WRITE)
			*(volatile unsigned char *)p = 0xc3;
		else
			((void (*)(void))p)();
		_exit(0);
	}
	waitpid(pid, &status, 0);
	static const char *const results[] = { "allowed", "SEGV_ACCERR", "other", "SEGV_PKUERR" };
	return WIFEXITED(status) && WEXITSTATUS(status) < 4 ? results[WEXITSTATUS(status)] : "killed";
}

/* Opens the memory file of a process and reads from it, then asks to trace it. */
static void look_into(pid_t other, const char *who, const void *at)
{
	char name[32], word[8];
	snprintf(name, sizeof(name), "/proc/%d/mem", (int)other);
	int fd = open(name, O_RDONLY);
	if (fd < 0)
		printf("%s opens its memory file = %s\n", who, strerror(errno));
	else
		printf("%s reads its memory file = %.8s\n", who, pread(fd, word, 8, (off_t)(unsigned long)at) == 8 ? word : strerror(errno));
	if (ptrace(PTRACE_ATTACH, other, 0, 0))
		printf("%s traces it = %s\n", who, strerror(errno));
	else {
		waitpid(other, NULL, 0);
		ptrace(PTRACE_DETACH, other, 0, 0);
		printf("%s traces it = allowed\n", who);
	}
	fflush(stdout);
}

/* A process with a secret, and two that want it: one of the same user, one of nobody's. */
static void others(void)
{
	static const char secret[8] = "a secret";
	pid_t owner = fork();
	if (owner == 0)
		for (;;)
			pause();
	look_into(owner, "a process of the same user", secret);
	pid_t stranger = fork();
	if (stranger == 0) {
		if (setgid(65534) || setuid(65534))
			_exit(1);
		look_into(owner, "a process of another user", secret);
		_exit(0);
	}
	waitpid(stranger, NULL, 0);
	kill(owner, SIGKILL);
	waitpid(owner, NULL, 0);
}

int main(void)
{
	static const struct {
		const char *name;
		int prot;
	} rights[] = { { "PROT_NONE", PROT_NONE }, { "PROT_READ", PROT_READ }, { "PROT_WRITE", PROT_WRITE },
		           { "PROT_EXEC", PROT_EXEC }, { "PROT_READ|PROT_WRITE", PROT_READ | PROT_WRITE },
		           { "PROT_READ|PROT_EXEC", PROT_READ | PROT_EXEC } };
	step("each right, tried each way");
	for (unsigned i = 0; i < sizeof(rights) / sizeof(rights[0]); i++)
		for (unsigned w = READ; w <= EXECUTE; w++)
			printf("%s, %s = %s\n", rights[i].name, ways[w], attempt(rights[i].prot, w));
	fflush(stdout);
	printf("protection keys = %s\n", system("grep -qw ospke /proc/cpuinfo") ? "not in use" : "in use");
	step("another process's memory");
	/* Another process's memory is simply not there: the same address is a hole here. */
	char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int ready[2];
	if (pipe(ready))
		return 1;
	pid_t pid = fork();
	if (pid == 0) {
		munmap(p, 4096);
		signal(SIGSEGV, SIG_DFL);
		(void)*(volatile char *)p;
		_exit(0);
	}
	int status;
	waitpid(pid, &status, 0);
	printf("an address that only the parent has = %s\n", WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV ? "SIGSEGV" : "readable");
	fflush(stdout);
	if (getuid() == 0)
		others();
	else
		printf("not root: cannot become another user\n");
	return 0;
}
