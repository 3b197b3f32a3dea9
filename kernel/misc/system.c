/* SPDX-License-Identifier: MIT */
/* The machine as a whole: sysinfo, reboot, getrandom; personality. */
#include <hal/irq.h>
#include <hal/log.h>
#include <hal/time.h>
#include <hal/uaccess.h>
#include <kernel/sched.h>
#include <kernel/syscall.h>
#include <kernel/time.h>
#include <lib/string.h>
#include <linux/capability.h>
#include <linux/random.h>
#include <linux/reboot.h>
#include <linux/sysinfo.h>
#include <mm/frame.h>
#include <mm/stat.h>
#include <mm/swap.h>

SYSCALL1(sysinfo, uinfo)
{
	struct sysinfo i;
	u64 load[3], now = hal_clock_ns();
	memset(&i, 0, sizeof(i));
	i.uptime = (long)((now + NSEC_PER_SEC - 1) / NSEC_PER_SEC);
	sched_load_average(load);
	for (unsigned n = 0; n < 3; n++)
		i.loads[n] = load[n] << (SI_LOAD_SHIFT - 11);
	i.totalram = frame_total() << PAGE_SHIFT;
	i.freeram = frame_nr_free() << PAGE_SHIFT;
	i.sharedram = stat_read(STAT_NR_SHMEM) << PAGE_SHIFT;
	i.bufferram = stat_read(STAT_NR_BUFFERS) << PAGE_SHIFT;
	i.totalswap = swap_nr_total() << PAGE_SHIFT;
	i.freeswap = swap_nr_free() << PAGE_SHIFT;
	i.procs = (u16)min(task_count(), 65535u);
	i.mem_unit = 1;
	return copy_to_user(uinfo, &i, sizeof(i)) ? -EFAULT : 0;
}

SYSCALL4(reboot, magic1, magic2, cmd, uarg)
{
	u32 m2 = (u32)magic2;
	char arg[256];
	if (!capable(CAP_SYS_BOOT))
		return -EPERM;
	if ((u32)magic1 != LINUX_REBOOT_MAGIC1 || (m2 != LINUX_REBOOT_MAGIC2 && m2 != LINUX_REBOOT_MAGIC2A && m2 != LINUX_REBOOT_MAGIC2B &&
	                                           m2 != LINUX_REBOOT_MAGIC2C))
		return -EINVAL;
	switch ((u32)cmd) {
	case LINUX_REBOOT_CMD_CAD_ON:
	case LINUX_REBOOT_CMD_CAD_OFF:
		return 0;
	case LINUX_REBOOT_CMD_RESTART2:
		if (strncpy_from_user(arg, uarg, sizeof(arg)) == -EFAULT)
			return -EFAULT;
		/* fall through */
	case LINUX_REBOOT_CMD_RESTART:
		hal_log(LOG_EMERG, "reboot: Restarting system");
		hal_reboot();
	case LINUX_REBOOT_CMD_HALT: /* a machine that only stands still would never give its host back */
		hal_log(LOG_EMERG, "reboot: System halted");
		hal_power_off();
	case LINUX_REBOOT_CMD_POWER_OFF:
		hal_log(LOG_EMERG, "reboot: Power down");
		hal_power_off();
	default:
		return -EINVAL;
	}
}

SYSCALL3(getrandom, ubuf, len, flags)
{
	if (flags & ~(u64)(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE))
		return -EINVAL;
	if ((flags & (GRND_INSECURE | GRND_RANDOM)) == (GRND_INSECURE | GRND_RANDOM))
		return -EINVAL;
	len = min(len, 0x7ffff000ull);
	for (u64 done = 0; done < len;) {
		u64 words[32], n = min(len - done, (u64)sizeof(words));
		for (unsigned i = 0; i < (n + 7) / 8; i++)
			words[i] = hal_random();
		size_t missing = copy_to_user(ubuf + done, words, n);
		if (missing)
			return done + n - missing ? (long)(done + n - missing) : -EFAULT;
		done += n;
		if (done < len && done % PAGE_SIZE == 0) {
			cond_resched();
			if (signal_is_pending())
				return (long)done;
		}
	}
	return (long)len;
}

SYSCALL1(personality, persona)
{
	u64 old = current->personality;
	if ((u32)persona != 0xffffffffu)
		current->personality = (u32)persona;
	return (long)old;
}

SYSCALL1(iopl, level) { return level > 3 ? -EINVAL : -EPERM; }
SYSCALL3(ioperm, from, num, on) { return from + num > 65536 || from + num < from ? -EINVAL : -EPERM; }
