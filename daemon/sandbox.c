/*
 * See sandbox.h. The filter is a list of what is allowed; all else fails with EPERM, so that libraries which only try
 * something go on without it. Of another architecture's calls nothing is understood: they end the process.
 *
 * Not on the list: everything with a path or an address, signals to others (tgkill too: abort() ends in a fault instead),
 * and memory that can be executed.
 */
#include "daemon/sandbox.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define NICE 10

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#define OTHER_ABI 0x40000000u /* x32: the same architecture with numbers from here on */
#elif defined(__aarch64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define ARCH AUDIT_ARCH_AARCH64
#define OTHER_ABI UINT32_MAX
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCH AUDIT_ARCH_RISCV64
#define OTHER_ABI UINT32_MAX
#endif

/* It neither outlives the daemon nor takes the processor from it. */
static int set_bounds(const struct sandbox_bounds *b, struct lead_error *err)
{
	const struct {
		int what;
		rlim_t most;
	} bounds[] = {
#ifndef __SANITIZE_ADDRESS__ /* its own bookkeeping takes terabytes */
	    {RLIMIT_AS, b->memory_bytes},
#endif
	    {RLIMIT_CPU, b->cpu_s}, {RLIMIT_FSIZE, b->file_bytes}, {RLIMIT_NOFILE, 0}, {RLIMIT_NPROC, 0}, {RLIMIT_CORE, 0}};

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)setpriority(PRIO_PROCESS, 0, NICE);
	for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
		const struct rlimit limit = {bounds[i].most, bounds[i].most};

		if (setrlimit((__rlimit_resource_t)bounds[i].what, &limit) != 0) {
			return lead_fail(err, LEAD_EBUG, "the process cannot be bounded: %s", strerror(errno));
		}
	}
	return 0;
}

#ifdef ARCH
static const uint32_t allowed[] = {SYS_read, SYS_pread64, SYS_write, SYS_lseek, SYS_fstat, SYS_close, SYS_munmap, SYS_mremap, SYS_brk,
    SYS_madvise, SYS_futex, SYS_rt_sigreturn, SYS_rt_sigprocmask, SYS_getrandom, SYS_clock_gettime, SYS_fdatasync, SYS_exit,
#ifdef __SANITIZE_ADDRESS__ /* looks at its own stack before every end */
    SYS_sigaltstack,
#endif
    SYS_exit_group};
static const uint32_t allowed_unless_exec[] = {SYS_mmap, SYS_mprotect}; /* the third argument tells */

#define N_ALLOWED (sizeof(allowed) / sizeof(allowed[0]))
#define N_UNLESS_EXEC (sizeof(allowed_unless_exec) / sizeof(allowed_unless_exec[0]))
#define OFFSET(member) ((uint32_t)offsetof(struct seccomp_data, member))
#define STOP(what) ((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, what))
#define JUMP(test, value, yes, no) ((struct sock_filter)BPF_JUMP(BPF_JMP | (test) | BPF_K, value, yes, no))
#define LOAD(member) ((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, OFFSET(member)))

static int set_filter(struct lead_error *err)
{
	struct sock_filter code[9 + 2 * (N_ALLOWED + N_UNLESS_EXEC) + 4];
	struct sock_fprog program = {.filter = code};
	unsigned short n = 0;

	code[n++] = LOAD(arch);
	code[n++] = JUMP(BPF_JEQ, ARCH, 1, 0);
	code[n++] = STOP(SECCOMP_RET_KILL_PROCESS);
	code[n++] = LOAD(nr);
	code[n++] = JUMP(BPF_JGE, OTHER_ABI, 0, 1);
	code[n++] = STOP(SECCOMP_RET_KILL_PROCESS);
	for (size_t i = 0; i < N_ALLOWED; i++) {
		code[n++] = JUMP(BPF_JEQ, allowed[i], 0, 1);
		code[n++] = STOP(SECCOMP_RET_ALLOW);
	}
	for (size_t i = 0; i < N_UNLESS_EXEC; i++) { /* to the look at the argument: over the rest of the list and one more */
		code[n++] = JUMP(BPF_JEQ, allowed_unless_exec[i], (unsigned char)(N_UNLESS_EXEC - i), 0);
	}
	code[n++] = STOP(SECCOMP_RET_ERRNO | EPERM);
	code[n++] = LOAD(args[2]); /* the low half */
	code[n++] = JUMP(BPF_JSET, PROT_EXEC, 0, 1);
	code[n++] = STOP(SECCOMP_RET_ERRNO | EPERM);
	code[n++] = STOP(SECCOMP_RET_ALLOW);
	program.len = n;
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
		return lead_fail(err, LEAD_EBUG, "the kernel takes no filter of system calls: %s", strerror(errno));
	}
	return 0;
}
#else
static int set_filter(struct lead_error *err)
{
	return lead_fail(err, LEAD_EBUG, "there is no filter of system calls for this kind of machine");
}
#endif

int sandbox_enter(const struct sandbox_bounds *b, struct lead_error *err)
{
	int rc = set_bounds(b, err);

	if (rc == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
		rc = lead_fail(err, LEAD_EBUG, "privileges cannot be given up: %s", strerror(errno));
	}
	return rc == 0 ? set_filter(err) : rc;
}
