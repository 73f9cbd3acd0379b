// What the kernels of the bundled plugins share: the list of them, work spread over threads, code for each instruction
// set. Only the public C interface is used.
#pragma once

#include <algorithm>
#include <cstdint>

#include "enginewright.h"

// A function that is compiled for several instruction sets, of which the machine's best runs; where the compiler cannot
// do that, once.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define EW_EACH_ISA __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define EW_EACH_ISA
#endif

extern "C" {
int32_t efficient_nms_f32(const ew_call *call);
int32_t roi_align_rotated_f32(const ew_call *call);
int32_t multiscale_deformable_attention_f32(const ew_call *call);
int32_t group_norm_f32(const ew_call *call);
int32_t ctc_greedy_f32(const ew_call *call);
int32_t ctc_beam_f32(const ew_call *call);
int32_t top_p_sample_f32(const ew_call *call);
int32_t rotary_attention_f32(const ew_call *call);
int32_t modulated_deform_conv_f32(const ew_call *call);
int32_t grid_sampler_f32(const ew_call *call);
}

namespace ew_plugins {

constexpr int64_t TASK_COST = 1 << 17;  // element operations of a task: about 20 us

template <class T>
T *data(const ew_tensor &tensor) {
    return static_cast<T *>(tensor.data);
}

// Whether an optional input was given.
inline bool has_input(const ew_call *call, int index) {
    return index < call->n_inputs && call->inputs[index].dtype != 0;
}

inline int64_t count(const ew_tensor &tensor) {
    int64_t n = 1;
    for (int a = 0; a < tensor.rank; ++a) n *= tensor.shape[a];
    return n;
}

// Calls f(begin, end) for ranges that cover [0, n), from any thread; `cost` in element operations for each item.
template <class F>
void for_ranges(const ew_call *call, int64_t n, int64_t cost, const F &f) {
    struct Ranges {
        const F *f;
        int64_t n, chunk;
    } ranges{&f, n, std::max<int64_t>({TASK_COST / std::max<int64_t>(cost, 1), (n + 255) / 256, 1})};
    if (n <= ranges.chunk) {
        if (n > 0) f(int64_t{0}, n);
        return;
    }
    const auto run = [](void *argument, int64_t task) {
        const Ranges &r = *static_cast<const Ranges *>(argument);
        (*r.f)(task *r.chunk, std::min(r.n, (task + 1) * r.chunk));
    };
    call->host->parallel(call, (n + ranges.chunk - 1) / ranges.chunk, run, &ranges);
}

}  // namespace ew_plugins
