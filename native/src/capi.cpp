// The C calls of the Python package. Nothing is thrown across this edge: failures become a status and a message.
#include <algorithm>
#include <cstring>
#include <memory>
#include <new>

#include "control.h"
#include "failure.h"
#include "frame.h"
#include "model.h"
#include "python_step.h"
#include "records.h"
#include "scratch.h"
#include "thread_pool.h"

struct ew_model {
    std::shared_ptr<ew::Model> model;
};

struct OwnedRecords : ew_records {
    ew::RecordWords kept;
};

struct ew_context {
    std::shared_ptr<const ew::Model> model;
    ew::CallState state;
    std::unique_ptr<ew::Frame> frame;
    ew::Profile profile;
    std::atomic<bool> busy{false};
    std::string error;
    int32_t program = -1, step = -1;
};

namespace {

using ew::Failure;

void copy_text(const std::string &text, char *to, int64_t size) {
    if (to == nullptr || size <= 0) return;
    const size_t length = std::min(text.size(), static_cast<size_t>(size - 1));
    std::memcpy(to, text.data(), length);
    to[length] = '\0';
}

int32_t keep_failure(ew_context &context, Failure &&failure) {
    context.error = std::move(failure.text);
    context.program = failure.program;
    context.step = failure.step;
    return failure.status;
}

// Runs fn while the context is this thread's own; its failure becomes the context's.
template <typename Fn>
int32_t guarded(ew_context *context, Fn fn) {
    if (context->busy.exchange(true, std::memory_order_acquire)) return EW_USAGE;
    int32_t status = EW_OK;
    try {
        context->model->device.select();
        fn(*context);
    } catch (Failure &failure) {
        status = keep_failure(*context, std::move(failure));
    } catch (const std::exception &) {
        status = keep_failure(*context, {EW_OUT_OF_MEMORY, "no memory left"});
    }
    context->busy.store(false, std::memory_order_release);
    return status;
}

void check_place(const ew_context &context, int32_t device) {
    if (device < 0 || device > 1 || (device == 1 && !context.frame->device()))
        ew::fail(EW_USAGE, "memory of a device is bound to a program that uses none");
}

void check_index(int32_t index, int32_t count, const char *what) {
    if (index < 0 || index >= count) ew::fail(EW_USAGE, "there is no %s %d", what, index);
}

template <typename Fn>
auto translated(int32_t *status, char *error, int64_t error_size, Fn fn) -> decltype(fn()) {
    int32_t found = EW_OK;
    try {
        auto result = fn();
        if (status != nullptr) *status = EW_OK;
        return result;
    } catch (const Failure &failure) {
        found = failure.status;
        copy_text(failure.text, error, error_size);
    } catch (const std::exception &) {
        found = EW_OUT_OF_MEMORY;
        copy_text("no memory left", error, error_size);
    }
    if (status != nullptr) *status = found;
    return {};
}

}  // namespace

extern "C" {

EW_EXPORT uint32_t ew_abi(void) { return EW_ABI_MAJOR << 16 | EW_ABI_MINOR; }

EW_EXPORT const char *ew_isas(void) { return ew::available_isas(); }

EW_EXPORT int64_t ew_kernel_count(void) { return ew::kernel_count(); }

EW_EXPORT const ew_kernel *ew_kernel_at(int64_t index) { return ew::kernel_at(index); }

EW_EXPORT const ew_kernel *ew_kernel_find(const char *name) { return ew::find_kernel(name); }

EW_EXPORT int32_t ew_kernel_add(const char *name, int32_t (*run)(const ew_call *)) {
    if (name == nullptr || run == nullptr) return EW_FAILED;
    try {
        return ew::add_kernel(name, run) ? EW_OK : EW_FAILED;
    } catch (const std::exception &) {
        return EW_OUT_OF_MEMORY;
    }
}

EW_EXPORT void ew_set_python_step(int32_t (*run)(const ew_call *)) { ew::set_python_step(run); }

EW_EXPORT ew_records *ew_records_read(const ew_plan_text *text) {
    return translated(nullptr, nullptr, 0, [&]() -> ew_records * {
        auto read = std::make_unique<OwnedRecords>();
        if (!ew::read_records(*text, read->kept)) return nullptr;
        read->words = read->kept.words.data();
        read->n_words = static_cast<int64_t>(read->kept.words.size());
        read->strings = read->kept.strings.data();
        read->n_strings = static_cast<int64_t>(read->kept.strings.size());
        read->uses_device = read->kept.uses_device ? 1 : 0;
        return read.release();
    });
}

EW_EXPORT void ew_records_free(ew_records *records) { delete static_cast<OwnedRecords *>(records); }

EW_EXPORT ew_model *ew_model_create(const int64_t *words, int64_t n_words, const char *strings, int64_t n_strings,
                                    const void *weights, int64_t n_weights, int32_t *status, char *error,
                                    int64_t error_size) {
    return translated(status, error, error_size, [&]() -> ew_model * {
        auto model = std::make_shared<ew::Model>();
        model->weights = static_cast<const char *>(weights);
        model->n_weights = weights == nullptr ? 0 : n_weights;
        ew::read_strings(*model, strings, n_strings);
        ew::read_programs(*model, words, n_words);
        ew::validate(*model);
        return new ew_model{std::move(model)};
    });
}

EW_EXPORT int32_t ew_device_add(const ew_device *device) {
    try {
        return ew::add_device(device) ? EW_OK : EW_FAILED;
    } catch (const std::exception &) {
        return EW_OUT_OF_MEMORY;
    }
}

EW_EXPORT int32_t ew_model_use_device(ew_model *model, const char *name, int32_t ordinal, char *error,
                                      int64_t error_size) {
    int32_t status = EW_OK;
    translated(&status, error, error_size, [&]() -> int {
        const ew_device *api = ew::find_device(name);
        if (api == nullptr) ew::fail(EW_DEVICE, "no kind of device is named %s", name);
        ew::use_device(*model->model, {api, ordinal});
        return 0;
    });
    return status;
}

EW_EXPORT void ew_model_destroy(ew_model *model) { delete model; }

EW_EXPORT ew_context *ew_context_create(ew_model *model, int32_t program, int32_t threads) {
    return translated(nullptr, nullptr, 0, [&]() -> ew_context * {
        if (program < 0 || program >= static_cast<int64_t>(model->model->programs.size())) return nullptr;
        auto context = std::make_unique<ew_context>();
        context->model = model->model;
        context->state.threads = threads > 0 ? threads : ew::usable_cpus();
        const ew::Program &main = context->model->programs[static_cast<size_t>(program)];
        context->frame = std::make_unique<ew::Frame>(*context->model, main, context->state);
        return context.release();
    });
}

EW_EXPORT void ew_context_destroy(ew_context *context) { delete context; }

EW_EXPORT int32_t ew_context_bind_input(ew_context *context, int32_t index, void *data, const int64_t *shape,
                                        int32_t rank, int32_t device) {
    return guarded(context, [&](ew_context &c) {
        check_index(index, c.frame->program().n_inputs, "input");
        check_place(c, device);
        c.frame->bind_input(index, data, shape, rank, device);
    });
}

EW_EXPORT int32_t ew_context_bind_output(ew_context *context, int32_t index, void *data, int64_t capacity,
                                         int32_t device) {
    return guarded(context, [&](ew_context &c) {
        check_index(index, c.frame->program().n_outputs, "output");
        check_place(c, device);
        c.frame->bind_output(index, data, data == nullptr ? 0 : capacity, false, device);
    });
}

EW_EXPORT int32_t ew_context_resolve(ew_context *context) {
    return guarded(context, [](ew_context &c) { c.frame->resolve(); });
}

EW_EXPORT int32_t ew_context_run_async(ew_context *context, void *stream) {
    return guarded(context, [&](ew_context &c) {
        c.state.cancelled.store(false, std::memory_order_relaxed);
        c.state.error.clear();
        c.frame->run_async(stream);
    });
}

EW_EXPORT int32_t ew_context_time(ew_context *context, int32_t repeats, double *nanoseconds) {
    return guarded(context, [&](ew_context &c) { *nanoseconds = c.frame->time(std::max(repeats, 1)); });
}

EW_EXPORT int32_t ew_context_fetch(ew_context *context, int32_t index, void *to, int64_t bytes) {
    return guarded(context, [&](ew_context &c) {
        check_index(index, c.frame->program().n_outputs, "output");
        c.frame->fetch(index, to, bytes);
    });
}

EW_EXPORT int32_t ew_context_run(ew_context *context) {
    return guarded(context, [](ew_context &c) {
        c.state.cancelled.store(false, std::memory_order_relaxed);
        c.state.error.clear();
        const ew::Burst burst(c.state.threads);
        c.frame->run(c.profile.totals != nullptr ? &c.profile : nullptr);
    });
}

EW_EXPORT int32_t ew_context_reserve(ew_context *context) {
    return guarded(context, [](ew_context &c) {
        c.frame->rehearse();
        if (!ew::run_on_every_thread(ew::reserve_scratch, c.state.threads))
            ew::fail(EW_FAILED, "the threads of the pool did not come to reserve their memory");
    });
}

EW_EXPORT int32_t ew_context_output(ew_context *context, int32_t index, ew_tensor *tensor) {
    return guarded(context, [&](ew_context &c) {
        check_index(index, c.frame->program().n_outputs, "output");
        *tensor = c.frame->output(index);
    });
}

EW_EXPORT const char *ew_context_error(ew_context *context, int32_t *program, int32_t *step) {
    if (context->busy.load(std::memory_order_acquire)) return "the context is in use on another thread";
    if (program != nullptr) *program = context->program;
    if (step != nullptr) *step = context->step;
    return context->error.c_str();
}

EW_EXPORT int32_t ew_context_profile(ew_context *context, int32_t enable, int64_t *totals, int64_t n_totals) {
    return guarded(context, [&](ew_context &c) {
        c.profile = enable != 0 && totals != nullptr ? ew::Profile{totals, n_totals} : ew::Profile{};
    });
}

EW_EXPORT int64_t ew_context_memory(ew_context *context) {
    int64_t bytes = 0;
    guarded(context, [&](ew_context &c) { bytes = c.frame->memory(); });
    return bytes;
}

EW_EXPORT int32_t ew_context_cancel(ew_context *context) {
    context->state.cancelled.store(true, std::memory_order_relaxed);
    return EW_OK;
}

EW_EXPORT int32_t ew_kernel_call(const char *name, ew_call *call, int32_t threads, char *error, int64_t error_size) {
    int32_t status = EW_OK;
    translated(&status, error, error_size, [&]() -> int {
        const ew_kernel *kernel = ew::find_kernel(name);
        if (kernel == nullptr) ew::fail(EW_UNKNOWN_KERNEL, "there is no kernel %s on this machine", name);
        if (ew::needs_program(name)) ew::fail(EW_USAGE, "kernel %s runs inside a program only", name);
        ew::CallState state;
        state.threads = threads > 0 ? threads : ew::usable_cpus();
        const ew::Host host(state, nullptr);
        ew_call own = *call;
        own.struct_size = sizeof(ew_call);
        own.host = &host.api;
        const int32_t found = kernel->run(&own);
        if (found == EW_OK) return 0;
        const std::string text = state.take_error();
        ew::fail(found, "%s", text.empty() ? (std::string("kernel ") + name + " failed").c_str() : text.c_str());
    });
    return status;
}

EW_EXPORT int64_t ew_log_take(int32_t *level, char *text, int64_t size) {
    try {
        std::string found;
        if (!ew::take_log(*level, found)) return -1;
        copy_text(found, text, size);
        return static_cast<int64_t>(found.size());
    } catch (const std::exception &) {
        return -1;
    }
}

}  // extern "C"
