/* SPDX-License-Identifier: MIT */
/* The memory devices: null, zero, full, random, urandom, kmsg. */
#include "dev.h"
#include <asm/poll.h>
#include <hal/time.h>
#include <kernel/klog.h>
#include <linux/mman.h>
#include <linux/random.h>
#include <mm/mman.h>

static long null_read(struct file *f, struct iov *iov, u64 *pos) { return 0; }

static long null_write(struct file *f, struct iov *iov, u64 *pos)
{
	long n = (long)iov->left;
	iov_advance(iov, iov->left);
	return n;
}

static long zero_read(struct file *f, struct iov *iov, u64 *pos)
{
	long done = 0;
	while (iov->left) {
		size_t want = min((size_t)iov->left, 16 * PAGE_SIZE), n = iov_zero(iov, want);
		done += (long)n;
		if (n < want)
			return done ? done : -EFAULT;
		if (signal_is_pending())
			break;
		cond_resched();
	}
	return done;
}

static long full_write(struct file *f, struct iov *iov, u64 *pos) { return -ENOSPC; }

/* A private mapping is anonymous memory, a shared one an object of its own. */
static int zero_mmap(struct file *f, struct mmap_request *req)
{
	if ((req->flags & MAP_TYPE) == MAP_PRIVATE) {
		req->mapping = NULL;
		req->file = NULL;
		req->flags |= MAP_ANONYMOUS;
		return 0;
	}
	struct file *shm = shmem_file_new("dev/zero", req->len, 0);
	if (IS_ERR(shm))
		return (int)PTR_ERR(shm);
	req->file = shm;
	req->mapping = &shm->inode->mapping;
	req->offset = 0;
	return 0;
}

static long random_read(struct file *f, struct iov *iov, u64 *pos)
{
	long done = 0;
	while (iov->left) {
		u64 words[32];
		size_t want = min((size_t)iov->left, sizeof(words));
		for (size_t i = 0; i * 8 < want; i++)
			words[i] = hal_random();
		size_t n = iov_copy_to(iov, words, want);
		done += (long)n;
		if (n < want)
			return done ? done : -EFAULT;
		if (signal_is_pending())
			break;
		cond_resched();
	}
	return done;
}

static long random_write(struct file *f, struct iov *iov, u64 *pos)
{
	long done = 0;
	while (iov->left) {
		u8 bytes[256];
		size_t n = iov_copy_from(iov, bytes, min((size_t)iov->left, sizeof(bytes)));
		if (!n)
			return done ? done : -EFAULT;
		hal_random_mix(bytes, n);
		done += (long)n;
	}
	return done;
}

static long random_ioctl(struct file *f, u32 cmd, u64 arg)
{
	s32 bits = 256;
	switch (cmd) {
	case RNDGETENTCNT:
		return put_user(bits, arg);
	case RNDADDTOENTCNT:
	case RNDADDENTROPY:
	case RNDZAPENTCNT:
	case RNDCLEARPOOL:
	case RNDRESEEDCRNG:
		return capable(CAP_SYS_ADMIN) ? 0 : -EPERM;
	}
	return -ENOTTY;
}

static const struct file_ops null_ops = { .read = null_read, .write = null_write, .seek = file_seek_none, .name = "null" };
static const struct file_ops zero_ops = { .read = zero_read, .write = null_write, .seek = file_seek_none, .mmap = zero_mmap, .name = "zero" };
static const struct file_ops full_ops = { .read = zero_read, .write = full_write, .seek = file_seek_none, .mmap = zero_mmap, .name = "full" };
static const struct file_ops random_ops = {
	.read = random_read, .write = random_write, .seek = file_seek_none, .ioctl = random_ioctl, .name = "random",
};

static struct chrdev devices[] = {
	{ .major = 1, .minor = 3, .nr_minors = 1, .name = "null", .fops = &null_ops, .mode = 0666 },
	{ .major = 1, .minor = 5, .nr_minors = 1, .name = "zero", .fops = &zero_ops, .mode = 0666 },
	{ .major = 1, .minor = 7, .nr_minors = 1, .name = "full", .fops = &full_ops, .mode = 0666 },
	{ .major = 1, .minor = 8, .nr_minors = 1, .name = "random", .fops = &random_ops, .mode = 0666 },
	{ .major = 1, .minor = 9, .nr_minors = 1, .name = "urandom", .fops = &random_ops, .mode = 0666 },
	{ .major = 1, .minor = 11, .nr_minors = 1, .name = "kmsg", .fops = &null_ops, .open = kmsg_open, .mode = 0644 },
};

void dev_mem_init(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(devices); i++)
		chrdev_register(&devices[i]);
}
