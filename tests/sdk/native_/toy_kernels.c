/* Kernels for tests of the native runtime: small, and each with one trait that the runtime must handle. */
#include <stddef.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "enginewright.h"

#define EXPORT __attribute__((visibility("default")))

static int64_t count(const ew_tensor *t) {
    int64_t n = 1;
    for (int32_t i = 0; i < t->rank; ++i) n *= t->shape[i];
    return n;
}

/* Whether the call has the tensors of a signature, "fl>b": float32 and int64 in, bool out; "." is any type. The fuzz
 * test hands kernels what they were not written for. */
static int takes(const ew_call *call, const char *signature, int32_t n_params) {
    const ew_tensor *tensors = call->inputs;
    int32_t counts[2] = {0, 0}, output = 0;
    if (call->n_params < n_params) return 0;
    for (const char *c = signature; *c != 0; ++c) {
        if (*c == '>') {
            output = 1;
            tensors = call->outputs;
            continue;
        }
        const int32_t i = counts[output]++;
        if (i >= (output ? call->n_outputs : call->n_inputs)) return 0;
        const ew_tensor *t = &tensors[i];
        if (*c != '.' && t->dtype != (*c == 'f' ? EW_FLOAT32 : *c == 'l' ? EW_INT64 : EW_BOOL)) return 0;
        if (t->data == NULL && t->size_out == NULL && count(t) > 0) return 0;
        if (t->format != EW_LINEAR) return 0;
    }
    return 1;
}

#define REQUIRE(condition) \
    if (!(condition)) return call->host->error(call, EW_FAILED, "toy kernels do not take this");

/* y = a + b, elementwise; b may have one element. In-place is allowed. */
EXPORT int32_t toy_add(const ew_call *call) {
    REQUIRE(takes(call, "ff>f", 0) && (count(&call->inputs[1]) == 1 || count(&call->inputs[1]) >= count(&call->outputs[0])))
    const float *a = call->inputs[0].data, *b = call->inputs[1].data;
    float *y = call->outputs[0].data;
    const int64_t n = count(&call->outputs[0]), nb = count(&call->inputs[1]);
    if (count(&call->inputs[0]) != n) return call->host->error(call, EW_SHAPE, "%d elements, not %d", (int)count(&call->inputs[0]), (int)n);
    for (int64_t i = 0; i < n; ++i) y[i] = a[i] + b[nb == 1 ? 0 : i];
    return EW_OK;
}

EXPORT int32_t toy_add_i64(const ew_call *call) {
    REQUIRE(takes(call, "ll>l", 0) && count(&call->inputs[0]) >= count(&call->outputs[0]) && (count(&call->inputs[1]) == 1 || count(&call->inputs[1]) >= count(&call->outputs[0])))
    const int64_t *a = call->inputs[0].data, *b = call->inputs[1].data;
    int64_t *y = call->outputs[0].data;
    for (int64_t i = 0; i < count(&call->outputs[0]); ++i) y[i] = a[i] + b[count(&call->inputs[1]) == 1 ? 0 : i];
    return EW_OK;
}

/* y[i] = params[0].i * x[i] + params[1].f */
EXPORT int32_t toy_affine(const ew_call *call) {
    REQUIRE(takes(call, "f>f", 2) && count(&call->inputs[0]) >= count(&call->outputs[0]))
    const float *x = call->inputs[0].data;
    float *y = call->outputs[0].data;
    for (int64_t i = 0; i < count(&call->outputs[0]); ++i) y[i] = (float)(call->params[0].i * x[i] + call->params[1].f);
    return EW_OK;
}

/* y = params[0] everywhere; y of int64 */
EXPORT int32_t toy_fill_i64(const ew_call *call) {
    REQUIRE(takes(call, ">l", 1))
    int64_t *y = call->outputs[0].data;
    for (int64_t i = 0; i < count(&call->outputs[0]); ++i) y[i] = call->params[0].i;
    return EW_OK;
}

EXPORT int32_t toy_copy(const ew_call *call) {
    REQUIRE(takes(call, ".>.", 1))
    const int64_t bytes = count(&call->outputs[0]) * call->params[0].i;
    if (bytes > 0) memmove(call->outputs[0].data, call->inputs[0].data, (size_t)bytes);
    return EW_OK;
}

/* The shape of x as int64. */
EXPORT int32_t toy_shape(const ew_call *call) {
    REQUIRE(takes(call, ".>l", 0) && count(&call->outputs[0]) >= call->inputs[0].rank)
    int64_t *y = call->outputs[0].data;
    for (int32_t i = 0; i < call->inputs[0].rank; ++i) y[i] = call->inputs[0].shape[i];
    return EW_OK;
}

/* Indices of elements that are not zero; the size through size_out, with or without an upper bound. */
EXPORT int32_t toy_nonzero(const ew_call *call) {
    REQUIRE(takes(call, "f>l", 0) && call->outputs[0].size_out != NULL && call->outputs[0].rank == 1)
    const float *x = call->inputs[0].data;
    const ew_tensor *out = &call->outputs[0];
    int64_t found = 0;
    for (int64_t i = 0; i < count(&call->inputs[0]); ++i) found += x[i] != 0;
    if (out->data == NULL) {
        const int32_t status = call->host->resize(call, 0, &found);
        if (status != EW_OK) return status;
    }
    REQUIRE(out->shape[0] < 0 || found <= out->shape[0])
    out->size_out[0] = found;
    int64_t *y = out->data, at = 0;
    for (int64_t i = 0; i < count(&call->inputs[0]); ++i)
        if (x[i] != 0) y[at++] = i;
    return EW_OK;
}

/* Claims params[0] elements without asking for memory. */
EXPORT int32_t toy_liar(const ew_call *call) {
    REQUIRE(takes(call, ">.", 1) && call->outputs[0].size_out != NULL && call->outputs[0].rank == 1)
    call->outputs[0].size_out[0] = call->params[0].i;
    return EW_OK;
}

/* y = a ++ b along axis 0 of vectors; y grows. */
EXPORT int32_t toy_concat(const ew_call *call) {
    REQUIRE(takes(call, "ff>f", 0) && call->outputs[0].size_out != NULL && call->outputs[0].rank == 1 && call->outputs[0].shape[0] < 0)
    const ew_tensor *a = &call->inputs[0], *b = &call->inputs[1], *y = &call->outputs[0];
    const int64_t size = count(a) + count(b);
    if (y->data == NULL) {
        const int32_t status = call->host->resize(call, 0, &size);
        if (status != EW_OK) return status;
    }
    if (count(a) > 0) memcpy(y->data, a->data, (size_t)count(a) * 4);
    if (count(b) > 0) memcpy((float *)y->data + count(a), b->data, (size_t)count(b) * 4);
    return EW_OK;
}

/* y = whether the sum of x is below params[0].f */
EXPORT int32_t toy_below(const ew_call *call) {
    REQUIRE(takes(call, "f>b", 1) && count(&call->outputs[0]) >= 1)
    const float *x = call->inputs[0].data;
    float sum = 0;
    for (int64_t i = 0; i < count(&call->inputs[0]); ++i) sum += x[i];
    *(unsigned char *)call->outputs[0].data = sum < call->params[0].f;
    return EW_OK;
}

EXPORT int32_t toy_fail(const ew_call *call) {
    REQUIRE(takes(call, ">", 1))
    return call->host->error(call, (int32_t)call->params[0].i, "toy failure %d", (int)call->params[0].i);
}

EXPORT int32_t toy_silent(const ew_call *call) {
    REQUIRE(takes(call, ">", 1))
    return (int32_t)call->params[0].i;
}

EXPORT int32_t toy_log(const ew_call *call) {
    REQUIRE(takes(call, ">", 1))
    call->host->log(call, (int32_t)call->params[0].i, "toy message %d", (int)call->params[0].i);
    return EW_OK;
}

/* Sleeps params[0] milliseconds, a millisecond at a time, unless cancelled. */
EXPORT int32_t toy_sleep(const ew_call *call) {
    REQUIRE(takes(call, ">", 1))
    for (int64_t i = 0; i < call->params[0].i && !call->host->cancelled(call); ++i) usleep(1000);
    return EW_OK;
}

/* Fills the workspace, so that an overlap with live tensors shows; y = x. */
EXPORT int32_t toy_workspace(const ew_call *call) {
    if ((uintptr_t)call->workspace % 64 != 0) return call->host->error(call, EW_FAILED, "workspace is not aligned");
    memset(call->workspace, 0x5A, call->workspace_size);
    return toy_add(call);
}

struct square {
    const float *x;
    float *y;
    const ew_call *call;
};

static void square_inner(void *arg, int64_t task) {
    const struct square *s = arg;
    s->y[task] = s->x[task] * s->x[task];
}

static void square_task(void *arg, int64_t task) {
    const struct square *s = arg;
    struct square one = {s->x + task, s->y + task, s->call};
    s->call->host->parallel(s->call, 1, square_inner, &one);
}

/* y = x * x, one task an element, each with a nested parallel call. */
EXPORT int32_t toy_square(const ew_call *call) {
    REQUIRE(takes(call, "f>f", 0) && count(&call->inputs[0]) >= count(&call->outputs[0]))
    struct square s = {call->inputs[0].data, call->outputs[0].data, call};
    call->host->parallel(call, count(&call->outputs[0]), square_task, &s);
    return EW_OK;
}

static void failing_task(void *arg, int64_t task) {
    const ew_call *call = arg;
    call->host->error(call, EW_FAILED, "task %d failed", (int)task);
}

EXPORT int32_t toy_fail_parallel(const ew_call *call) {
    call->host->parallel(call, 100, failing_task, (void *)call);
    return EW_FAILED;
}

static void busy_task(void *arg, int64_t task) {
    volatile int64_t *sums = arg;
    for (int64_t i = 0; i < 200; ++i) sums[task] += i;
}

/* Many small fork-joins: params[0] times params[1] tasks. y[t] counts. */
EXPORT int32_t toy_bursts(const ew_call *call) {
    REQUIRE(takes(call, ">l", 2) && count(&call->outputs[0]) >= call->params[1].i && call->params[0].i < 10000)
    int64_t *y = call->outputs[0].data;
    memset(y, 0, (size_t)count(&call->outputs[0]) * 8);
    for (int64_t i = 0; i < call->params[0].i; ++i) call->host->parallel(call, call->params[1].i, busy_task, y);
    return EW_OK;
}

struct meeting {
    int64_t arrived;
    int64_t missed;
};

/* Waits for the other task, for some seconds. */
static void meet(void *arg, int64_t task) {
    struct meeting *meeting = arg;
    (void)task;
    __atomic_add_fetch(&meeting->arrived, 1, __ATOMIC_ACQ_REL);
    for (int64_t turns = 0; __atomic_load_n(&meeting->arrived, __ATOMIC_ACQUIRE) < 2; ++turns) {
        if (turns > 200000000) {
            meeting->missed = 1;
            return;
        }
#if defined(__x86_64__)
        __builtin_ia32_pause();
#endif
    }
}

static int64_t nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* y[i]: microseconds until two tasks that wait for each other are done, params[0] ns after the two before. */
EXPORT int32_t toy_meetings(const ew_call *call) {
    REQUIRE(takes(call, ">f", 1) && call->params[0].i < 10000000)
    float *y = call->outputs[0].data;
    for (int64_t i = 0; i < count(&call->outputs[0]); ++i) {
        struct meeting meeting = {0, 0};
        int64_t start = nanoseconds();
        while (nanoseconds() - start < call->params[0].i) {}
        start = nanoseconds();
        call->host->parallel(call, 2, meet, &meeting);
        y[i] = (float)(nanoseconds() - start) / 1e3f;
        if (meeting.missed) return call->host->error(call, EW_FAILED, "a second thread did not come");
    }
    return EW_OK;
}
