/* The whole C interface of Enginewright: what a kernel receives, how a plugin library signs in, and the
 * calls with which the Python package runs a plan.
 *
 * Plain C99. Little-endian hosts. No function throws, exits or prints. Everything between the two cffi
 * marks is also read by cffi (ABI mode), so it holds declarations only.
 */
#ifndef ENGINEWRIGHT_H
#define ENGINEWRIGHT_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define EW_ABI_MAJOR 0
#define EW_ABI_MINOR 1
#define EW_MAX_RANK 8

#if defined(_WIN32)
#define EW_EXPORT __declspec(dllexport)
#else
#define EW_EXPORT __attribute__((visibility("default")))
#endif

/* cffi:begin */

/* clang-format off */
/* Element types: the numbers of ONNX's TensorProto.DataType. */
enum {
    EW_FLOAT32 = 1, EW_UINT8 = 2, EW_INT8 = 3, EW_UINT16 = 4, EW_INT16 = 5, EW_INT32 = 6, EW_INT64 = 7,
    EW_STRING = 8, EW_BOOL = 9, EW_FLOAT16 = 10, EW_FLOAT64 = 11, EW_UINT32 = 12, EW_UINT64 = 13,
    EW_COMPLEX64 = 14, EW_COMPLEX128 = 15, EW_BFLOAT16 = 16, EW_FLOAT8E4M3FN = 17, EW_FLOAT8E4M3FNUZ = 18,
    EW_FLOAT8E5M2 = 19, EW_FLOAT8E5M2FNUZ = 20, EW_UINT4 = 21, EW_INT4 = 22, EW_FLOAT4E2M1 = 23,
    EW_FLOAT8E8M0 = 24, EW_UINT2 = 25, EW_INT2 = 26
};

/* Memory formats. A packed tensor keeps its logical shape; its bytes are what the pack kernel wrote. */
enum { EW_LINEAR = 0, EW_NHWC = 1, EW_NCHW8C = 2, EW_NCHW16C = 3, EW_PACKED = 4 };

/* Status of a kernel or a call; 0 is success. */
enum {
    EW_OK = 0,
    EW_FAILED = 1,        /* a kernel refused: the message says why */
    EW_INVALID_PLAN = 2,  /* the program breaks a graph rule */
    EW_SHAPE = 3,         /* sizes disagree, or a size is negative or too large */
    EW_INPUT = 4,         /* a value in an input is out of its range (an index, an axis) */
    EW_OUT_OF_MEMORY = 5,
    EW_PYTHON = 6,        /* the Python step raised; the exception is kept by the caller */
    EW_CANCELLED = 7,
    EW_UNKNOWN_KERNEL = 8,
    EW_USAGE = 9,         /* context busy, or an input is not bound */
    EW_DEVICE = 10        /* a device failed, or is not there */
};
/* clang-format on */

typedef struct ew_call ew_call;
typedef struct ew_host ew_host;

/* A tensor as a kernel sees it. strides (in elements) NULL: dense, row-major.
 * size_out is not NULL only for an output with data-dependent sizes: `rank` numbers that the kernel fills
 * with the real shape; `shape` then holds upper bounds, or -1 where none is known: such an output has no
 * memory until the kernel calls host->resize. */
typedef struct ew_tensor {
    void *data;
    const int64_t *shape;
    const int64_t *strides;
    int64_t *size_out;
    int32_t rank;
    int32_t dtype;
    int32_t format;
    int32_t device;
} ew_tensor;

typedef union ew_param {
    int64_t i;
    double f;
} ew_param;

/* One call of a kernel. A missing optional input has dtype 0 and data NULL. */
struct ew_call {
    uint32_t struct_size;
    int32_t n_inputs;
    int32_t n_outputs;
    int32_t n_params;
    const ew_tensor *inputs;
    const ew_tensor *outputs;
    const ew_param *params;
    void *workspace; /* 64-byte aligned, content undefined */
    uint64_t workspace_size;
    void *stream;
    const ew_host *host;
};

/* What the host offers to a running kernel. */
struct ew_host {
    uint32_t struct_size;
    uint32_t reserved;
    /* Keeps a printf-style message for the caller and returns `status`, so that a kernel can
     * `return call->host->error(call, EW_INPUT, "index %lld is outside ...", ...)`. */
    int32_t (*error)(const ew_call *call, int32_t status, const char *format, ...);
    void (*log)(const ew_call *call, int32_t level, const char *format, ...);
    int32_t (*cancelled)(const ew_call *call);
    /* Runs fn(arg, 0) ... fn(arg, n_tasks - 1), each exactly once, on the process's thread pool and the
     * calling thread; returns when all are done. Which thread runs a task never matters to the result. */
    void (*parallel)(const ew_call *call, int64_t n_tasks, void (*fn)(void *arg, int64_t task), void *arg);
    /* Gives an output without an upper bound its memory: sets outputs[index].data and size_out. */
    int32_t (*resize)(const ew_call *call, int32_t index, const int64_t *shape);
};

typedef struct ew_kernel {
    const char *name;
    int32_t (*run)(const ew_call *call);
} ew_kernel;

/* Exported by a plugin library as `ew_plugin_v1`: data only, read before any call. */
typedef struct ew_plugin {
    uint32_t struct_size;
    uint32_t abi_major;
    uint32_t abi_minor;
    uint32_t n_kernels;
    const char *ns;
    const char *build_id;
    const ew_kernel *kernels;
} ew_plugin;

/* ---- the calls below are for the Python package; they may change with any release ---- */

/* A kind of device, exported by its library through `ew_device_v1`: memory, streams, graphs and kernels. Each function
 * returns 0, or another number after keeping a message that error() then tells (per thread). A stream is the library's
 * own pointer; memory on the device is never read by the host. */
typedef struct ew_device {
    uint32_t struct_size;
    uint32_t abi_major;
    uint32_t abi_minor;
    uint32_t n_kernels;
    const char *name; /* "cuda" */
    const ew_kernel *kernels;
    const char *(*error)(void);
    int32_t (*select)(int32_t ordinal); /* makes a device this thread's own; the others act on it */
    int32_t (*allocate)(void **memory, uint64_t bytes);
    void (*release)(void *memory);
    int32_t (*allocate_host)(void **memory, uint64_t bytes); /* that copies reach without a detour */
    void (*release_host)(void *memory);
    int32_t (*copy)(void *to, const void *from, uint64_t bytes, void *stream); /* either way, or on the device */
    int32_t (*create_stream)(void **stream);
    void (*destroy_stream)(void *stream);
    int32_t (*synchronize)(void *stream);
    int32_t (*begin_capture)(void *stream);
    int32_t (*end_capture)(void *stream, void **graph); /* a graph that is given is changed, or replaced */
    void (*abandon_capture)(void *stream);
    int32_t (*launch)(void *graph, void *stream);
    int32_t (*time)(void *graph, void *stream, int32_t repeats, double *nanoseconds); /* of one launch among many */
    void (*destroy_graph)(void *graph);
} ew_device;

/* Exported by the library of a device. */
const ew_device *ew_device_v1(void);
/* Of the CUDA library: folders to search for vendor libraries before the system's (colons between them), and one for
 * compiled programs (empty: none are kept). */
void ew_cuda_folders(const char *libraries, const char *cache);
/* Compiles a pointwise program for an architecture ("sm_90"), as a step would: `access` has a letter for each input
 * (native/cuda/pointwise_source.h). 0, or EW_FAILED with a message. No GPU is needed. */
int32_t ew_cuda_compile(const ew_param *words, int64_t n_words, int32_t vector, int32_t rank, const char *access,
                        const char *architecture, char *error, int64_t error_size);
/* Makes a kind of device and its kernels known; it must stay loaded. 0, or EW_FAILED where a name is taken. */
int32_t ew_device_add(const ew_device *device);

typedef struct ew_model ew_model;
typedef struct ew_context ew_context;

uint32_t ew_abi(void); /* EW_ABI_MAJOR << 16 | EW_ABI_MINOR */
/* Instruction sets of this machine that this library was built for: "avx512 avx2 portable", best first. */
const char *ew_isas(void);
int64_t ew_kernel_count(void);
const ew_kernel *ew_kernel_at(int64_t index);
const ew_kernel *ew_kernel_find(const char *name); /* exact name, NULL if unknown */
/* Adds kernels of a plugin library, or a C function made elsewhere; later look-ups find it. 0, or EW_FAILED
 * where the name is taken by another function. */
int32_t ew_kernel_add(const char *name, int32_t (*run)(const ew_call *));
/* The one callback for Python steps: every step whose kernel is "python" calls it. */
void ew_set_python_step(int32_t (*run)(const ew_call *));

/* A model: the programs of a plan (see native/src/program.h for the words), names, and its weights, which must
 * stay mapped until ew_model_destroy. NULL on failure, with a message in error[0..error_size). */
ew_model *ew_model_create(const int64_t *words, int64_t n_words, const char *strings, int64_t n_strings,
                          const void *weights, int64_t n_weights, int32_t *status, char *error, int64_t error_size);
void ew_model_destroy(ew_model *model);
/* Gives a model the device that its programs run on, once, before any context: the weights are copied there. */
int32_t ew_model_use_device(ew_model *model, const char *name, int32_t ordinal, char *error, int64_t error_size);

/* A context runs the programs of one model, one call at a time. threads <= 0: the CPUs of the affinity mask. */
ew_context *ew_context_create(ew_model *model, int32_t program, int32_t threads);
void ew_context_destroy(ew_context *context);
/* Binds memory: the shape is copied, the data is read (or written) at each run. device: 1 for memory of the model's
 * device, 0 for the host's; what lies elsewhere than the program needs it is copied at each run. */
int32_t ew_context_bind_input(ew_context *context, int32_t index, void *data, const int64_t *shape, int32_t rank,
                              int32_t device);
/* data NULL: the context provides the memory. Otherwise run fails if the output needs more than capacity bytes. */
int32_t ew_context_bind_output(ew_context *context, int32_t index, void *data, int64_t capacity, int32_t device);
/* Evaluates sizes for the bound input shapes without running; ew_context_output then tells output shapes. */
int32_t ew_context_resolve(ew_context *context);
int32_t ew_context_run(ew_context *context);
/* Queues a run on the caller's stream of the device and returns; all memory bound is on the device, and no step runs on
 * the host. The first run of a set of shapes waits until it is done. */
int32_t ew_context_run_async(ew_context *context, void *stream);
/* Nanoseconds of one run on the device among `repeats` that follow each other, after a run; without host steps. */
int32_t ew_context_time(ew_context *context, int32_t repeats, double *nanoseconds);
/* Takes all memory that runs with these bindings will need, on every thread: the steps run once, and what they
 * compute or refuse does not count. For programs of one segment with fixed sizes. */
int32_t ew_context_reserve(ew_context *context);
/* Data pointer (NULL before a run where the context provides it) and shape of an output; a size that is
 * not known yet is -1. The shape stays valid until the next run or resolve. */
int32_t ew_context_output(ew_context *context, int32_t index, ew_tensor *tensor);
/* Copies an output of the last run from the device to the host's memory. */
int32_t ew_context_fetch(ew_context *context, int32_t index, void *to, int64_t bytes);
/* Message of the last failure of this context, and the step (or -1) and program it happened in. */
const char *ew_context_error(ew_context *context, int32_t *program, int32_t *step);
/* After enable, runs add nanoseconds to totals[step] of the main program; behind the last, those between steps. */
int32_t ew_context_profile(ew_context *context, int32_t enable, int64_t *totals, int64_t n_totals);
int64_t ew_context_memory(ew_context *context); /* bytes of arenas and owned outputs */
int32_t ew_context_cancel(ew_context *context); /* from any thread: the running call ends with EW_CANCELLED */

/* Runs one kernel of the host once, outside any plan: packing weights at build, constant folding, tests. */
int32_t ew_kernel_call(const char *name, ew_call *call, int32_t threads, char *error, int64_t error_size);

/* Takes the oldest message that kernels logged: its length (text holds at most size - 1 bytes of it), -1 if none. */
int64_t ew_log_take(int32_t *level, char *text, int64_t size);

/* cffi:end */

/* What EW_PLUGIN defines; declared here, because a const of C++ would else be private to its file. */
extern EW_EXPORT const ew_plugin ew_plugin_v1;

#ifdef __cplusplus
} /* extern "C" */
#endif

/* Signs in a plugin's kernels:  EW_PLUGIN("acme", "build-1", EW_ENTRY(acme_swish_f32), EW_ENTRY(...)) */
#define EW_ENTRY(fn) {#fn, fn}
#define EW_PLUGIN(ns_, build_id_, ...)                                                          \
    static const ew_kernel ew_plugin_kernels_[] = {__VA_ARGS__};                                \
    const ew_plugin ew_plugin_v1 = {sizeof(ew_plugin),                                          \
                                    EW_ABI_MAJOR,                                               \
                                    EW_ABI_MINOR,                                               \
                                    sizeof(ew_plugin_kernels_) / sizeof(ew_plugin_kernels_[0]), \
                                    ns_,                                                        \
                                    build_id_,                                                  \
                                    ew_plugin_kernels_};

#endif
