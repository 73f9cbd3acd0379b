/* A plugin library in C: y = x / (1 + exp(-beta x)) on float32, with the host's threads.
 *
 * HEADER=$(python -c 'import enginewright as ew; print(ew.header_folder())')
 * cc -std=c99 -O3 -shared -fPIC -I"$HEADER" swish.c -o swish.so -lm
 */
#include <math.h>

#include "enginewright.h"

enum { CHUNK = 16384 };

typedef struct swish_job {
    const float *x;
    float *y;
    int64_t n;
    float beta;
} swish_job;

static void swish_task(void *arg, int64_t task) {
    const swish_job *job = arg;
    const int64_t begin = task * CHUNK, end = begin + CHUNK < job->n ? begin + CHUNK : job->n;
    for (int64_t i = begin; i < end; ++i) job->y[i] = job->x[i] / (1.0f + expf(-job->beta * job->x[i]));
}

/* params: number of elements, beta, number of tasks. The number of tasks follows from the size, never from the number
 * of threads, so that results are the same on every machine. */
static int32_t acme_swish_f32(const ew_call *call) {
    if (call->n_inputs != 1 || call->n_outputs != 1 || call->n_params != 3)
        return call->host->error(call, EW_FAILED, "swish takes 1 input, 1 output and 3 params");
    if (call->inputs[0].dtype != EW_FLOAT32 || call->outputs[0].dtype != EW_FLOAT32)
        return call->host->error(call, EW_FAILED, "swish works on float32, not on type %d", call->inputs[0].dtype);
    swish_job job = {call->inputs[0].data, call->outputs[0].data, call->params[0].i, (float)call->params[1].f};
    call->host->parallel(call, call->params[2].i, swish_task, &job);
    return EW_OK;
}

EW_PLUGIN("acme", "swish 1.0", EW_ENTRY(acme_swish_f32))
