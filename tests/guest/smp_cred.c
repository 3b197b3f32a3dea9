/* SPDX-License-Identifier: MIT */
/*
 * Credentials under load, on several CPUs: threads change who they are all the time, while others look at
 * them by every call that reads another task's credentials. Each look must see one state, never a mixture,
 * and nothing of what a thread only acts as for the time of an access(2).
 */
#include "check.h"
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <pthread.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/uio.h>

#define WORKERS 3
#define ROUNDS  800
#define FIRST   1000u

static volatile pid_t tid_of[WORKERS + 2];
static volatile int running;
static volatile long torn_uid, torn_gid, torn_groups, torn_acting, looks;
static char word[16];

static void *change(void *arg)
{
	long n = (long)arg;
	unsigned seed = (unsigned)n + 1;
	gid_t groups[16];
	prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP); /* capabilities stay */
	tid_of[n] = (pid_t)SC(SYS_gettid);
	for (int i = 0; i < ROUNDS || looks <= 100; i++) { /* until the watchers have seen enough */
		unsigned k = FIRST + (unsigned)rand_r(&seed) % 16;
		for (unsigned j = 0; j < k % 16; j++)
			groups[j] = k;
		SC(SYS_setresuid, k, k, k);
		SC(SYS_setresgid, k, k, k);
		SC(SYS_setgroups, (long)(k % 16), groups);
		if (i % 16 == 0 && fork() == 0)
			_exit(0);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
	__atomic_sub_fetch(&running, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

/* Always 1000 2000 0 2000 to others, whatever it acts as. */
static void *ask(void *arg)
{
	SC(SYS_setresuid, 1000, 2000, 0);
	tid_of[WORKERS] = (pid_t)SC(SYS_gettid);
	while (running)
		access("/proc/self/status", R_OK);
	return NULL;
}

static void *end(void *arg) { return tid_of[WORKERS + 1] = (pid_t)SC(SYS_gettid), arg; }

/* Threads that end while they are looked at. */
static void *come_and_go(void *arg)
{
	while (running) {
		pthread_t t;
		if (!pthread_create(&t, NULL, end, NULL))
			pthread_join(t, NULL);
	}
	return NULL;
}

static void look_status(pid_t pid, int n)
{
	char path[64], text[4096], *p;
	unsigned a[4], g;
	snprintf(path, sizeof path, "/proc/%d/task/%d/status", (int)pid, (int)tid_of[n]);
	int fd = open(path, O_RDONLY);
	if (fd < 0)
		return;
	ssize_t len = read(fd, text, sizeof text - 1);
	close(fd);
	if (len <= 0)
		return;
	text[len] = 0;
	looks++;
	bool changes = n < WORKERS;
	if ((p = strstr(text, "\nUid:")) && sscanf(p + 5, "%u %u %u %u", &a[0], &a[1], &a[2], &a[3]) == 4) {
		if (changes)
			torn_uid += a[0] != a[1] || a[0] != a[2] || a[0] != a[3];
		else if (n == WORKERS && a[0])
			torn_acting += a[0] != 1000 || a[1] != 2000 || a[2] != 0 || a[3] != 2000;
	}
	if (changes && (p = strstr(text, "\nGid:")) && sscanf(p + 5, "%u %u %u %u", &a[0], &a[1], &a[2], &a[3]) == 4)
		torn_gid += a[0] != a[1] || a[0] != a[2] || a[0] != a[3];
	if (changes && (p = strstr(text, "\nGroups:"))) {
		unsigned nr = 0, first = 0;
		for (p += 8, p += strspn(p, "\t "); *p && *p != '\n'; nr++) {
			g = (unsigned)strtoul(p, &p, 10);
			torn_groups += nr && g != first;
			first = g;
			p += strspn(p, " ");
		}
		torn_groups += nr && first >= FIRST && nr != first % 16;
	}
}

static void look_calls(pid_t pid, int n)
{
	pid_t tid = tid_of[n];
	void *head;
	size_t len;
	char got[16];
	struct iovec here = { got, sizeof got }, there = { word, sizeof word };
	struct rlimit limit;
	struct sched_param sp = { 0 };
	kill(pid, 0);
	SC(SYS_tgkill, pid, tid, 0);
	getpriority(PRIO_USER, FIRST + (unsigned)n);
	setpriority(PRIO_PROCESS, (id_t)tid, 0);
	SC(SYS_get_robust_list, tid, &head, &len);
	SC(SYS_process_vm_readv, tid, &here, 1, &there, 1, 0);
	SC(SYS_migrate_pages, tid, 0, NULL, NULL);
	SC(SYS_prlimit64, tid, RLIMIT_NOFILE, NULL, &limit);
	SC(SYS_sched_setscheduler, tid, SCHED_OTHER, &sp);
	SC(SYS_ioprio_set, 1, tid, 0);
}

static void *watch(void *arg)
{
	pid_t pid = getpid();
	if (arg)
		SC(SYS_setresuid, 1000, 1000, 1000); /* a stranger to most of them: every check is made */
	while (running)
		for (int n = 0; n < WORKERS + 2; n++)
			if (tid_of[n]) {
				look_status(pid, n);
				look_calls(pid, n);
			}
	return NULL;
}

static void under_load(void)
{
	pthread_t t[WORKERS + 4];
	running = WORKERS;
	for (long n = 0; n < WORKERS; n++)
		pthread_create(&t[n], NULL, change, (void *)n);
	pthread_create(&t[WORKERS], NULL, ask, NULL);
	pthread_create(&t[WORKERS + 1], NULL, come_and_go, NULL);
	pthread_create(&t[WORKERS + 2], NULL, watch, NULL);
	pthread_create(&t[WORKERS + 3], NULL, watch, (void *)1);
	for (int n = 0; n < WORKERS + 4; n++)
		pthread_join(t[n], NULL);
	YES("status seen", looks > 100);
	VAL("setresuid seen half done", torn_uid);
	VAL("setresgid seen half done", torn_gid);
	VAL("setgroups seen half done", torn_groups);
	VAL("access seen by others", torn_acting);
}

/* Capabilities count for access(2) only where the real user is root. */
static void acting(void)
{
	close(open("/tmp/roots", O_CREAT | O_RDWR, 0600));
	R("access as root", access("/tmp/roots", R_OK));
	CHILD("access with capabilities of a user") {
		prctl(PR_SET_KEEPCAPS, 1);
		R("setresuid", setresuid(1000, 1000, 1000));
		struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
		struct __user_cap_data_struct d[2] = { { .effective = 2, .permitted = 2 } }; /* CAP_DAC_OVERRIDE */
		R("capset", SC(SYS_capset, &h, d));
		int fd = open("/tmp/roots", O_RDONLY);
		YES("open with CAP_DAC_OVERRIDE", fd >= 0);
		R("access EACCES", access("/tmp/roots", R_OK));
		R("faccessat2 AT_EACCESS", SC(SYS_faccessat2, AT_FDCWD, "/tmp/roots", R_OK, AT_EACCESS));
	}
	CHILD("access of a set-user-ID program") {
		R("setresuid 0 1000", setresuid(0, 1000, 0));
		int fd = open("/tmp/roots", O_RDONLY);
		YES("open refused", fd < 0);
		R("access as the real root", access("/tmp/roots", R_OK));
		fd = open("/tmp/roots", O_RDONLY);
		YES("open still refused", fd < 0);
	}
	CHILD("no_new_privs") {
		VAL("NoNewPrivs before", proc_field("/proc/self/status", "NoNewPrivs"));
		R("prctl PR_SET_NO_NEW_PRIVS", prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
		VAL("NoNewPrivs after", proc_field("/proc/self/status", "NoNewPrivs"));
	}
	unlink("/tmp/roots");
}

int main(void)
{
	acting();
	CHILD("credentials under load") {
		under_load();
	}
	return 0;
}
