// What Swift's Glibc module does not import: epoll, eventfd and thread names.
#pragma once
#include <sys/epoll.h>
#include <sys/eventfd.h>

// Names the calling thread for `top -H`; longer names are cut to 15 bytes. pthread_setname_np needs _GNU_SOURCE.
void linux_set_thread_name(const char *name);
