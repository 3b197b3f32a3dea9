/* SPDX-License-Identifier: MIT */
/* Each right tried each way, in a child that the kernel may stop. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum way { READ, WRITE, EXECUTE };
static const char *const ways[] = { "read", "write", "execute" };

static void on_fault(int sig, siginfo_t *info, void *context)
{
	(void)context;
	_exit(sig == SIGSEGV && info->si_code == SEGV_ACCERR ? 1 : 2);
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
	return !WIFEXITED(status) ? "killed" : WEXITSTATUS(status) == 0 ? "allowed" : WEXITSTATUS(status) == 1 ? "SEGV_ACCERR" : "other";
}

int main(void)
{
	static const struct {
		const char *name;
		int prot;
	} rights[] = { { "PROT_NONE", PROT_NONE }, { "PROT_READ", PROT_READ }, { "PROT_WRITE", PROT_WRITE },
		           { "PROT_EXEC", PROT_EXEC }, { "PROT_READ|PROT_WRITE", PROT_READ | PROT_WRITE },
		           { "PROT_READ|PROT_EXEC", PROT_READ | PROT_EXEC } };
	for (unsigned i = 0; i < sizeof(rights) / sizeof(rights[0]); i++)
		for (unsigned w = READ; w <= EXECUTE; w++)
			printf("%s, %s = %s\n", rights[i].name, ways[w], attempt(rights[i].prot, w));
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
	return 0;
}
