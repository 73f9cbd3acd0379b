/* Counts what a process allocates while `counting` is set; preloaded, so that it sees every library and thread.
 *
 * With `threads_begin_late` a new thread begins when that is set, or after two seconds. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

int counting = 0, threads_begin_late = 0;
long allocations = 0;

static void count(void) {
    if (__atomic_load_n(&counting, __ATOMIC_RELAXED)) __atomic_fetch_add(&allocations, 1, __ATOMIC_RELAXED);
}

void *malloc(size_t size) {
    count();
    return __libc_malloc(size);
}

void *calloc(size_t n, size_t size) {
    count();
    return __libc_calloc(n, size);
}

void *realloc(void *memory, size_t size) {
    count();
    return __libc_realloc(memory, size);
}

void *memalign(size_t alignment, size_t size) {
    count();
    return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    count();
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size) {
    count();
    *memory = __libc_memalign(alignment, size);
    return *memory == NULL ? ENOMEM : 0;
}

void *mmap(void *address, size_t length, int protection, int flags, int file, off_t offset) {
    count();
    return (void *)syscall(SYS_mmap, address, length, protection, flags, file, offset);
}

struct beginning {
    void *(*run)(void *);
    void *argument;
};

static void *begin_late(void *made) {
    const struct beginning beginning = *(struct beginning *)made;
    for (int i = 0; i < 2000 && !__atomic_load_n(&counting, __ATOMIC_RELAXED); ++i) usleep(1000);
    return beginning.run(beginning.argument);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument) {
    int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) = dlsym(RTLD_NEXT, "pthread_create");
    if (!threads_begin_late) return create(thread, attributes, run, argument);
    struct beginning *made = __libc_malloc(sizeof *made);
    *made = (struct beginning){run, argument};
    return create(thread, attributes, begin_late, made);
}
