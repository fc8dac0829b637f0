// Tells the thread sanitizer what a contended Synchronization.Mutex orders. The quick way through the lock is compiled
// into its users and seen; the slow one is in libswiftSynchronization, which is not instrumented, and takes or frees the
// lock by the kernel: without this, two threads that wait for each other look like a race. Linked by internal/stack/test.sh
// (ld's --wrap) into what is built with the sanitizer, and into nothing else.
#include <stdint.h>

#define SWIFT __attribute__((swiftcall))
#define SELF __attribute__((swift_context))
#define LOCK_SLOW "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define UNLOCK_SLOW "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"

void __tsan_acquire(void *address);
void __tsan_release(void *address);

SWIFT void lock_slowly(uint32_t thread, SELF void *mutex) __asm__("__real_" LOCK_SLOW);
SWIFT void unlock_slowly(SELF void *mutex) __asm__("__real_" UNLOCK_SLOW);
SWIFT void lock_seen(uint32_t thread, SELF void *mutex) __asm__("__wrap_" LOCK_SLOW);
SWIFT void unlock_seen(SELF void *mutex) __asm__("__wrap_" UNLOCK_SLOW);

SWIFT void lock_seen(uint32_t thread, SELF void *mutex) {
  lock_slowly(thread, mutex);
  __tsan_acquire(mutex);
}

SWIFT void unlock_seen(SELF void *mutex) {
  __tsan_release(mutex);
  unlock_slowly(mutex);
}
