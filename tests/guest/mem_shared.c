/* SPDX-License-Identifier: MIT */
/* Memory that processes share: anonymous, memfd with seals, System V, /dev/shm. */
#include "check.h"
#include <sys/ipc.h>
#include <sys/mount.h>
#include <sys/shm.h>
#include <sys/statfs.h>

static void anonymous(void)
{
	char *s = anon(4 * PAGE, RW, MAP_SHARED), *p = anon(PAGE, RW, MAP_PRIVATE);
	put(s, 1), put(p, 1);
	CHILD("shared child writes")
	{
		put(s, 2), put(p, 2);
		put(s + PAGE, 3);
	}
	GET("shared MAP_SHARED seen by parent", s);
	GET("shared MAP_PRIVATE not seen by parent", p);
	GET("shared MAP_SHARED page first touched by child", s + PAGE);
	CHILD("shared child unmaps") munmap(s, 4 * PAGE);
	GET("shared still there for parent", s);
	CHILD("shared child makes read-only") mprotect(s, 4 * PAGE, PROT_READ);
	PUT("shared parent still writes", s, 4);
	char *big = anon(M(4), RW, MAP_SHARED);
	memset(big, 1, M(4));
	YES("shared RssShmem", proc_field("/proc/self/status", "RssShmem") >= 4096 - 300);
	munmap(big, M(4));
}

static void memfd(void)
{
	R("memfd_create EINVAL unknown flag", SC(SYS_memfd_create, "x", 0x1000));
	R("memfd_create EFAULT name", SC(SYS_memfd_create, 8, 0));
	char longname[300];
	memset(longname, 'n', sizeof longname);
	longname[250] = 0;
	R("memfd_create EINVAL name too long", SC(SYS_memfd_create, longname, 0));
	longname[249] = 0;
	OK("memfd_create longest name", SC(SYS_memfd_create, longname, 0));
	int fd = memfd_create("thing", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	VAL("memfd_create MFD_CLOEXEC", fcntl(fd, F_GETFD));
	VAL("memfd_create access mode", fcntl(fd, F_GETFL) & O_ACCMODE);
	struct stat st;
	fstat(fd, &st);
	out("memfd_create mode %o, size %ld, links %ld\n", st.st_mode, (long)st.st_size, (long)st.st_nlink);
	char link[64] = { 0 }, path[64];
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	readlink(path, link, sizeof link - 1);
	out("memfd_create link: %s\n", link);
	R("memfd_create ftruncate", ftruncate(fd, 2 * PAGE));
	char *s = mmap(0, 2 * PAGE, RW, MAP_SHARED, fd, 0);
	put(s, 'm');
	maps("memfd_create in maps", s, 2);
	char c = 0;
	pread(fd, &c, 1, 0);
	VAL("memfd_create read", c);
	R("memfd_create seals", fcntl(fd, F_GET_SEALS));
	R("memfd_create EBUSY F_SEAL_WRITE while mapped", fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	R("memfd_create F_SEAL_SHRINK", fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK));
	R("memfd_create shrink refused", ftruncate(fd, PAGE));
	R("memfd_create grow allowed", ftruncate(fd, 3 * PAGE));
	R("memfd_create F_SEAL_GROW", fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
	R("memfd_create grow refused", ftruncate(fd, 4 * PAGE));
	R("memfd_create write beyond the end refused", pwrite(fd, "x", 1, 4 * PAGE));
	munmap(s, 2 * PAGE);
	R("memfd_create F_SEAL_WRITE", fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	R("memfd_create write refused", pwrite(fd, "x", 1, 0));
	R("memfd_create shared writable map refused", (long)mmap(0, PAGE, RW, MAP_SHARED, fd, 0));
	OK("memfd_create private map of sealed", (long)mmap(0, PAGE, RW, MAP_PRIVATE, fd, 0));
	R("memfd_create F_SEAL_SEAL", fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL));
	R("memfd_create EPERM seal after F_SEAL_SEAL", fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
	R("memfd_create all seals", fcntl(fd, F_GET_SEALS));
	int plain = memfd_create("plain", 0);
	R("memfd_create without MFD_ALLOW_SEALING", fcntl(plain, F_GET_SEALS));
	R("memfd_create EPERM seal", fcntl(plain, F_ADD_SEALS, F_SEAL_WRITE));
	int future = memfd_create("future", MFD_ALLOW_SEALING);
	ftruncate(future, PAGE);
	s = mmap(0, PAGE, RW, MAP_SHARED, future, 0);
	R("memfd_create F_SEAL_FUTURE_WRITE", fcntl(future, F_ADD_SEALS, 0x10));
	PUT("memfd_create old mapping still writes", s, 1);
	R("memfd_create new writable mapping refused", (long)mmap(0, PAGE, RW, MAP_SHARED, future, 0));
	R("memfd_create write refused by F_SEAL_FUTURE_WRITE", pwrite(future, "x", 1, 0));
	R("memfd_create F_GET_SEALS of another file", fcntl(open("/", O_RDONLY), F_GET_SEALS));
	R("memfd_create fallocate punch", fallocate(plain, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE));
	R("memfd_create fallocate", fallocate(plain, 0, 0, 3 * PAGE));
	VAL("memfd_create size after fallocate", lseek(plain, 0, SEEK_END));
	pwrite(plain, "y", 1, 5 * PAGE);
	VAL("memfd_create SEEK_DATA", lseek(plain, 3 * PAGE, SEEK_DATA));
	VAL("memfd_create SEEK_HOLE", lseek(plain, 0, SEEK_HOLE));
}

static void sysv_errors(void)
{
	R("shmget EINVAL size 0", shmget(IPC_PRIVATE, 0, 0600));
	R("shmget ENOENT", shmget(0x5157, PAGE, 0600));
	OK("shmget IPC_CREAT", shmget(0x5157, PAGE, IPC_CREAT | 0600));
	R("shmget EEXIST IPC_CREAT|IPC_EXCL", shmget(0x5157, PAGE, IPC_CREAT | IPC_EXCL | 0600));
	R("shmget EINVAL size larger than the segment", shmget(0x5157, M(1), 0600));
	OK("shmget smaller size", shmget(0x5157, 100, 0600));
	int id = shmget(0x5157, 0, 0);
	R("shmget ENOSPC", shmget(IPC_PRIVATE, -1UL, IPC_CREAT | 0600));
	R("shmget SHM_HUGETLB without pool", shmget(IPC_PRIVATE, M(2), IPC_CREAT | SHM_HUGETLB | 0600));
	R("shmat EINVAL id", (long)shmat(123456, 0, 0));
	R("shmat EINVAL address not aligned", (long)shmat(id, (void *)0x10000001, 0));
	R("shmat EINVAL SHM_REMAP without address", (long)shmat(id, 0, SHM_REMAP));
	R("shmdt EINVAL not attached", shmdt((void *)0x10000000));
	R("shmctl EINVAL command", shmctl(id, 999, 0));
	R("shmctl EINVAL id", shmctl(123456, IPC_RMID, 0));
	R("shmctl EFAULT", SC(SYS_shmctl, id, IPC_STAT, 8));
	CHILD("shm other user")
	{
		setresuid(1000, 1000, 1000);
		R("shmget EACCES", shmget(0x5157, PAGE, 0600));
		R("shmat EACCES", (long)shmat(id, 0, 0));
		R("shmctl EPERM IPC_RMID", shmctl(id, IPC_RMID, 0));
		struct shmid_ds ds;
		R("shmctl EACCES IPC_STAT", shmctl(id, IPC_STAT, &ds));
	}
	R("shmctl IPC_RMID", shmctl(id, IPC_RMID, 0));
	R("shmctl EINVAL after removal", shmctl(id, IPC_RMID, 0));
}

static void sysv(void)
{
	struct shmid_ds ds;
	int id = shmget(IPC_PRIVATE, 3 * PAGE, IPC_CREAT | 0640);
	char *a = shmat(id, 0, 0), *b = shmat(id, 0, SHM_RDONLY);
	put(a + PAGE, 6);
	GET("shmat second attachment sees it", b + PAGE);
	PUT("shmat SHM_RDONLY write", b, 1);
	GET("shmat beyond the segment", a + 3 * PAGE);
	shmctl(id, IPC_STAT, &ds);
	out("shmctl IPC_STAT: attached %ld, size %ld, mode %o\n", (long)ds.shm_nattch, (long)ds.shm_segsz, ds.shm_perm.mode);
	CHILD("shmat child")
	{
		put(a, 9);
		shmctl(id, IPC_STAT, &ds);
		VAL("shmat fork attaches", ds.shm_nattch);
		R("shmdt child", shmdt(b));
	}
	GET("shmat written by child", a);
	shmctl(id, IPC_STAT, &ds);
	VAL("shmat exit detaches", ds.shm_nattch);
	R("shmdt", shmdt(b));
	GET("shmdt gone", b);
	ds.shm_perm.mode = 0600;
	R("shmctl IPC_SET", shmctl(id, IPC_SET, &ds));
	char *at = window(4);
	YES("shmat at an address", shmat(id, at, 0) == at);
	R("shmat EINVAL address taken", (long)shmat(id, at, 0));
	YES("shmat SHM_REMAP", shmat(id, at, SHM_REMAP) == at);
	YES("shmat SHM_RND", shmat(id, at + 100, SHM_RND | SHM_REMAP) == at);
	maps("shmat in maps", at, 4);
	R("shmctl IPC_RMID while attached", shmctl(id, IPC_RMID, 0));
	GET("shmctl IPC_RMID content stays", a + PAGE);
	shmctl(id, IPC_STAT, &ds);
	out("shmctl IPC_RMID mode %o\n", ds.shm_perm.mode);
	YES("shmat after IPC_RMID still attaches", shmat(id, 0, 0) != (void *)-1);
	char *e = shmat(id, 0, SHM_EXEC);
	YES("shmat SHM_EXEC", e != (void *)-1);
	munmap(a, PAGE);
	R("shmdt of partly unmapped at its start", shmdt(a));
	R("shmdt of the rest", shmdt(a + PAGE));
	struct shminfo info;
	YES("shmctl IPC_INFO", shmctl(0, IPC_INFO, (struct shmid_ds *)&info) >= 0 && info.shmmin == 1);
}

static void dev_shm(void)
{
	int fd = shm_open("/quire-test", O_RDWR | O_CREAT | O_EXCL, 0600);
	OK("shm_open", fd);
	ftruncate(fd, PAGE);
	char *s = mmap(0, PAGE, RW, MAP_SHARED, fd, 0);
	put(s, 5);
	CHILD("shm_open child")
	{
		char *t = mmap(0, PAGE, RW, MAP_SHARED, shm_open("/quire-test", O_RDWR, 0), 0);
		GET("shm_open seen by child", t);
		put(t, 6);
	}
	GET("shm_open seen by parent", s);
	R("shm_unlink", shm_unlink("/quire-test"));
	GET("shm_unlink content stays", s);
	R("shm_open ENOENT", shm_open("/quire-test", O_RDWR, 0));
}

static long blocks_free(const char *path)
{
	struct statfs st;
	return statfs(path, &st) ? -1 : (long)st.f_bfree;
}

/* A tmpfs of four pages: what is beyond its size= ends in SIGBUS or ENOSPC, whoever makes the page. */
static void limited(void)
{
	static char page[PAGE];
	mkdir("/tmp/small", 0755);
	R("mount tmpfs size=16k", mount("none", "/tmp/small", "tmpfs", 0, "size=16k"));
	VAL("tmpfs size= free", blocks_free("/tmp/small"));
	int fd = open("/tmp/small/f", O_RDWR | O_CREAT, 0600);
	R("tmpfs size= ftruncate beyond", ftruncate(fd, 8 * PAGE));
	char *s = mmap(0, 8 * PAGE, RW, MAP_SHARED, fd, 0), *p = mmap(0, 8 * PAGE, RW, MAP_PRIVATE, fd, 0);
	PUT("tmpfs size= shared write", s, 1);
	GET("tmpfs size= shared read of a hole", s + PAGE);
	PUT("tmpfs size= private write of a hole", p + 2 * PAGE, 1);
	VAL("tmpfs size= free after three", blocks_free("/tmp/small"));
	PUT("tmpfs size= last page", s + 3 * PAGE, 4);
	PUT("tmpfs size= write beyond", s + 4 * PAGE, 5);
	GET("tmpfs size= read beyond", s + 5 * PAGE);
	PUT("tmpfs size= private write beyond", p + 6 * PAGE, 7);
	R("tmpfs size= write(2) ENOSPC", pwrite(fd, page, PAGE, 7 * PAGE));
	R("tmpfs size= write(2) over what is there", pwrite(fd, page, PAGE, 0));
	R("tmpfs size= write(2) short", pwrite(fd, page, PAGE, 3 * PAGE + 2048));
	R("tmpfs size= fallocate ENOSPC", fallocate(fd, 0, 4 * PAGE, PAGE));
	R("tmpfs size= mlock ENOMEM", mlock(s + 4 * PAGE, PAGE));
	R("tmpfs size= read(2) of a hole", pread(fd, page, PAGE, 5 * PAGE));
	VAL("tmpfs size= free when full", blocks_free("/tmp/small"));
	R("tmpfs size= punch", fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE, PAGE));
	PUT("tmpfs size= write after punch", s + 4 * PAGE, 5);
	PUT("tmpfs size= full again", s + PAGE, 5);
	CHILD("tmpfs size= child killed") signal(SIGBUS, SIG_DFL), *(volatile char *)(s + 6 * PAGE) = 1;
	R("tmpfs size= truncate", ftruncate(fd, 0));
	VAL("tmpfs size= free after truncate", blocks_free("/tmp/small"));
	munmap(s, 8 * PAGE), munmap(p, 8 * PAGE), close(fd);
	unlink("/tmp/small/f");
	R("umount tmpfs", umount("/tmp/small"));
	rmdir("/tmp/small");
}

/* What /proc/mounts says of a tmpfs: what is not as it is by itself. */
static void options(void)
{
	static const char *const given[] = { "", "size=5m,nr_inodes=77,mode=700,uid=3", "mode=1777,gid=4", "nr_blocks=8" };
	char line[512];
	mkdir("/tmp/small", 0755);
	for (unsigned i = 0; i < sizeof given / sizeof given[0]; i++) {
		mount("none", "/tmp/small", "tmpfs", MS_NOSUID, given[i]);
		FILE *f = fopen("/proc/self/mounts", "r");
		while (fgets(line, sizeof line, f))
			if (strstr(line, "/tmp/small"))
				out("tmpfs options %s: %s", given[i], line);
		fclose(f);
		umount("/tmp/small");
	}
	rmdir("/tmp/small");
}

int main(void)
{
	anonymous();
	memfd();
	sysv_errors();
	sysv();
	dev_shm();
	limited();
	options();
	return 0;
}
