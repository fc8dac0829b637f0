#define _GNU_SOURCE
#include "clinux.h"

#include <pthread.h>
#include <string.h>
#include <sys/prctl.h>

void linux_set_thread_name(const char *name) {
  char cut[16];
  strncpy(cut, name, sizeof cut - 1);
  cut[sizeof cut - 1] = 0;
  pthread_setname_np(pthread_self(), cut);
}

int linux_set_dumpable(int allowed) { return prctl(PR_SET_DUMPABLE, allowed, 0, 0, 0); }
