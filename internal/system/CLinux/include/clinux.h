// What Swift's Glibc module does not import: epoll, eventfd, the allocator's own functions, thread names and prctl.
#pragma once
#include <malloc.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

// Names the calling thread for `top -H`; longer names are cut to 15 bytes. pthread_setname_np needs _GNU_SOURCE.
void linux_set_thread_name(const char *name);

// Whether other processes of this user may read this one's memory, by ptrace or a core file (PR_SET_DUMPABLE).
int linux_set_dumpable(int allowed);
