/* SPDX-License-Identifier: MIT */
/* execve: what is kept, what is reset, scripts, errors. */
#include "check.h"
#include <sys/auxv.h>
#include <elf.h>

static char self[256];

static void make(const char *name, const char *text, int mode)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, mode);
	write(fd, text, strlen(text));
	close(fd);
}

#define EXEC(name, path, ...)                                    \
	CHILD(name)                                                  \
	{                                                            \
		char *argv[] = { __VA_ARGS__, NULL }, *envp[] = { "A=1", NULL }; \
		execve(path, argv, envp);                                \
		out("%s: %s\n", name, errno_name(errno));                \
		_exit(126);                                              \
	}

static void errors(void)
{
	static char deep[5000];
	EXEC("execve ENOENT", "nothing", "x");
	EXEC("execve ENOENT empty path", "", "x");
	EXEC("execve EACCES directory", "/", "x");
	make("plain", "hello\n", 0644);
	EXEC("execve EACCES not executable", "plain", "x");
	make("empty", "", 0755);
	EXEC("execve ENOEXEC empty file", "empty", "x");
	make("text", "hello world\n", 0755);
	EXEC("execve ENOEXEC text", "text", "x");
	EXEC("execve ENOTDIR", "text/x", "x");
	EXEC("execve EFAULT path", (char *)8, "x");
	make("noint", "#!/no/such/interpreter\n", 0755);
	EXEC("execve ENOENT script without interpreter", "noint", "x");
	make("dirint", "#!/\n", 0755);
	EXEC("execve EACCES script with a directory", "dirint", "x");
	make("emptyint", "#!\n", 0755);
	EXEC("execve ENOEXEC script with empty line", "emptyint", "x");
	make("blankint", "#!   \n", 0755);
	EXEC("execve ENOEXEC script with blanks", "blankint", "x");
	symlink("loop", "loop");
	EXEC("execve ELOOP", "loop", "x");
	memset(deep, 'x', 300);
	EXEC("execve ENAMETOOLONG", deep, "x");
	memset(deep, 'x', sizeof deep - 1);
	EXEC("execve ENAMETOOLONG path", deep, "x");
	make("loopint", "#!./loopint\n", 0755);
	EXEC("execve ELOOP script calls itself", "loopint", "x");
	CHILD("execve EFAULT argv")
	{
		execve(self, (char **)8, NULL);
		out("execve EFAULT argv: %s\n", errno_name(errno));
		char *argv[] = { (char *)8, NULL };
		execve(self, argv, NULL);
		out("execve EFAULT argument: %s\n", errno_name(errno));
	}
	CHILD("execve E2BIG one string")
	{
		char *big = malloc(200000);
		memset(big, 'a', 199999);
		big[199999] = 0;
		char *argv[] = { "x", big, NULL };
		execve(self, argv, NULL);
		out("execve E2BIG one string over 128 KiB: %s\n", errno_name(errno));
	}
	CHILD("execve E2BIG sum")
	{
		char *part = malloc(100000), *argv[40];
		memset(part, 'a', 99999);
		part[99999] = 0;
		for (int i = 0; i < 39; i++)
			argv[i] = part;
		argv[39] = NULL;
		execve(self, argv, NULL);
		out("execve E2BIG more than a quarter of the stack limit: %s\n", errno_name(errno));
	}
	int fd = open("busy", O_RDWR | O_CREAT, 0755);
	CHILD("execve ETXTBSY")
	{
		execl("busy", "x", NULL);
		out("execve ETXTBSY open for writing: %s\n", errno_name(errno));
	}
	close(fd);
	R("open ETXTBSY of a running program", open(self, O_WRONLY));
	CHILD("execve EACCES as user")
	{
		mkdir("closed", 0700);
		make("closed/x", "#!/bin/true\n", 0755);
		setresuid(1000, 1000, 1000);
		execl("closed/x", "x", NULL);
		out("execve EACCES directory not searchable: %s\n", errno_name(errno));
	}
	R("execveat EINVAL flags", SC(SYS_execveat, AT_FDCWD, self, 0, 0, 0x8000));
	R("execveat ENOENT", SC(SYS_execveat, AT_FDCWD, "nothing", 0, 0, 0));
	R("execveat EBADF", SC(SYS_execveat, 999, "nothing", 0, 0, 0));
}

static void scripts(void)
{
	char text[600];
	snprintf(text, sizeof text, "#!%s args\n", self);
	make("script", text, 0755);
	EXEC("execve script", "./script", "name", "one", "two");
	snprintf(text, sizeof text, "#! %s   args with blanks  \n", self);
	make("script2", text, 0755);
	EXEC("execve script argument with blanks", "./script2", "name", "one");
	make("script3", "#!./script\n", 0755);
	EXEC("execve script of a script", "./script3", "name", "one");
	snprintf(text, sizeof text, "#!%s", self);
	make("script4", text, 0755);
	EXEC("execve script without newline", "./script4", "name", "args");
	EXEC("execve argument list", self, "zero", "args", "", "with space", "end");
	CHILD("execve argv empty")
	{
		char *argv[] = { NULL }, *envp[] = { NULL };
		execve(self, argv, envp);
	}
	CHILD("execveat AT_EMPTY_PATH")
	{
		int fd = open(self, O_RDONLY | O_CLOEXEC);
		char *argv[] = { "byfd", "args", NULL }, *envp[] = { NULL };
		SC(SYS_execveat, fd, "", argv, envp, AT_EMPTY_PATH);
		out("execveat: %s\n", errno_name(errno));
	}
	CHILD("execve large argument list")
	{
		char *part = malloc(1000), *argv[1003] = { "x", "count" };
		memset(part, 'a', 999);
		part[999] = 0;
		for (int i = 2; i < 1002; i++)
			argv[i] = part;
		execve(self, argv, NULL);
	}
}

static void keeps(void)
{
	CHILD("execve keeps")
	{
		sigset_t set;
		sigemptyset(&set), sigaddset(&set, SIGUSR1);
		sigprocmask(SIG_BLOCK, &set, NULL);
		raise(SIGUSR1);
		signal(SIGUSR2, SIG_IGN);
		signal(SIGHUP, exit);
		open("/dev/null", O_RDONLY);
		fcntl(10, F_GETFD);
		dup2(0, 20);
		fcntl(dup2(0, 21), F_SETFD, FD_CLOEXEC);
		alarm(100);
		umask(027);
		struct rlimit r = { 100, 200 };
		setrlimit(RLIMIT_NOFILE, &r);
		mlockall(MCL_FUTURE);
		execl(self, "x", "state", NULL);
	}
	EXEC("execve auxv", self, "x", "auxv");
	EXEC("execve maps", self, "x", "maps");
}

static void state(void)
{
	sigset_t set;
	struct sigaction a;
	struct rlimit r;
	sigprocmask(0, NULL, &set);
	YES("execve keeps the signal mask", sigismember(&set, SIGUSR1));
	sigpending(&set);
	YES("execve keeps pending signals", sigismember(&set, SIGUSR1));
	sigaction(SIGUSR2, NULL, &a);
	YES("execve keeps ignored", a.sa_handler == SIG_IGN);
	sigaction(SIGHUP, NULL, &a);
	YES("execve resets handlers", a.sa_handler == SIG_DFL);
	YES("execve keeps descriptors", fcntl(20, F_GETFD) == 0);
	YES("execve closes FD_CLOEXEC", fcntl(21, F_GETFD) == -1);
	YES("execve keeps the alarm", alarm(0) > 90);
	VAL("execve keeps the umask", umask(0));
	getrlimit(RLIMIT_NOFILE, &r);
	VAL("execve keeps limits", r.rlim_cur);
	VAL("execve ends MCL_FUTURE", proc_field("/proc/self/status", "VmLck"));
	char comm[32] = { 0 };
	int fd = open("/proc/self/comm", O_RDONLY);
	read(fd, comm, sizeof comm);
	out("execve sets the name: %s", comm);
}

static void auxv(char **envp)
{
	VAL("auxv AT_PAGESZ", getauxval(AT_PAGESZ));
	VAL("auxv AT_CLKTCK", getauxval(AT_CLKTCK));
	VAL("auxv AT_PHENT", getauxval(AT_PHENT));
	YES("auxv AT_PHDR", getauxval(AT_PHDR));
	YES("auxv AT_PHNUM", getauxval(AT_PHNUM) > 2);
	VAL("auxv AT_BASE", getauxval(AT_BASE));
	YES("auxv AT_ENTRY", getauxval(AT_ENTRY));
	out("auxv uid %ld %ld gid %ld %ld secure %ld\n", getauxval(AT_UID), getauxval(AT_EUID), getauxval(AT_GID), getauxval(AT_EGID), getauxval(AT_SECURE));
	YES("auxv AT_RANDOM", getauxval(AT_RANDOM));
	out("auxv AT_PLATFORM: %s\n", (char *)getauxval(AT_PLATFORM));
	YES("auxv AT_EXECFN", strstr((char *)getauxval(AT_EXECFN), "proc_exec"));
	YES("auxv AT_SYSINFO_EHDR", getauxval(AT_SYSINFO_EHDR));
	Elf64_Ehdr *v = (void *)getauxval(AT_SYSINFO_EHDR);
	YES("auxv vDSO is an ELF file", v && !memcmp(v->e_ident, ELFMAG, 4) && v->e_type == ET_DYN);
	out("auxv environment: %s\n", envp[0]);
	YES("auxv stack aligned", getauxval(AT_RANDOM) < (unsigned long)envp[0]);
	VAL("auxv AT_FLAGS", getauxval(AT_FLAGS));
}

static void layout(void)
{
	char line[400];
	FILE *f = fopen("/proc/self/maps", "r");
	while (fgets(line, sizeof line, f)) {
		char perm[8], path[200] = "";
		unsigned long off;
		sscanf(line, "%*s %7s %lx %*s %*s %199s", perm, &off, path);
		char *base = strrchr(path, '/');
		if (strstr(path, "[v"))
			continue; /* their place differs from run to run */
		out("execve maps: %s %s\n", perm, base ? base + 1 : path);
	}
}

int main(int argc, char **argv, char **envp)
{
	readlink("/proc/self/exe", self, sizeof self - 1);
	if (argc >= 2 && !strncmp(argv[1], "args", 4)) {
		for (int i = 0; i < argc; i++) {
			char *base = strrchr(argv[i], '/');
			out("argument %d: '%s'\n", i, base ? base + 1 : argv[i]);
		}
		return 3;
	}
	if (argc == 0 || !argv[0][0] || argc == 1) {
		char *via = (char *)getauxval(AT_EXECFN);
		if (argc == 0 || !argv[0][0]) {
			out("argc %d\n", argc);
			return 4;
		}
		(void)via;
	}
	if (argc >= 2 && !strcmp(argv[1], "state"))
		return state(), 0;
	if (argc >= 2 && !strcmp(argv[1], "auxv"))
		return auxv(envp), 0;
	if (argc >= 2 && !strcmp(argv[1], "maps"))
		return layout(), 0;
	if (argc >= 2 && !strcmp(argv[1], "count")) {
		size_t n = 0;
		for (int i = 0; i < argc; i++)
			n += strlen(argv[i]);
		out("execve %d arguments of %zu bytes\n", argc, n);
		return 0;
	}
	if (argc >= 2) {
		out("argument 1: '%s' of %d\n", strrchr(argv[1], '/') ? strrchr(argv[1], '/') + 1 : argv[1], argc);
		return 3;
	}
	errors();
	scripts();
	keeps();
	return 0;
}
