/* SPDX-License-Identifier: MIT */
/* Ways to touch what is not there: signal, cause and address of each, and the exit status. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static int report[2];

static void on_fault(int sig, siginfo_t *info, void *context)
{
	uintptr_t words[3] = { (uintptr_t)sig, (uintptr_t)info->si_code, (uintptr_t)info->si_addr };
	(void)context;
	if (write(report[1], words, sizeof(words)) != sizeof(words))
		_exit(2);
	signal(sig, SIG_DFL); /* the instruction repeats and ends the process */
}

static const char *cause(int sig, int code)
{
	if (sig == SIGSEGV)
		return code == SEGV_MAPERR ? "SIGSEGV SEGV_MAPERR" : code == SEGV_ACCERR ? "SIGSEGV SEGV_ACCERR" : "SIGSEGV other";
	return sig == SIGBUS && code == BUS_ADRERR ? "SIGBUS BUS_ADRERR" : "other";
}

static void attempt(const char *name, volatile char *p, int write_it)
{
	uintptr_t words[3] = { 0, 0, 0 };
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };
		sigaction(SIGSEGV, &sa, NULL);
		sigaction(SIGBUS, &sa, NULL);
		if (write_it)
			*p = 1;
		else
			(void)*p;
		_exit(0);
	}
	if (read(report[0], words, sizeof(words)) != sizeof(words))
		return;
	waitpid(pid, &status, 0);
	printf("%s = %s at the %s address, killed by %d\n", name, cause((int)words[0], (int)words[1]),
	       words[2] == (uintptr_t)p ? "same" : "other", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
	fflush(stdout);
}

int main(void)
{
	if (pipe(report))
		return 1;
	char *freed = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *readonly = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	*freed = 1;
	int fd = memfd_create("file", 0);
	if (ftruncate(fd, 100))
		return 1;
	char *file = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	munmap(freed, 4096); /* last: the next mapping might take its place */
	attempt("null pointer", NULL, 0);
	attempt("use after munmap", freed, 0);
	attempt("write to read-only memory", readonly, 1);
	attempt("past the end of a file", file + 4096, 0);
	printf("behind the end, on the file's last page = %d\n", file[4095]);
	return 0;
}
