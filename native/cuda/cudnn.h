// cuDNN's graph interface, as far as it is used here; the library is opened at run time.
#pragma once

#include <cstddef>
#include <cstdint>

#include "library.h"

namespace ew::cuda {

// clang-format off
enum { DNN_FLOAT = 0, DNN_HALF = 2, DNN_BFLOAT16 = 9 };
enum { DNN_CROSS_CORRELATION = 1 };
enum { DNN_MODE_FALLBACK = 2, DNN_MODE_A = 3 };
enum { DNN_ADD = 0, DNN_RELU = 100 };
enum DnnType {  // of the values of an attribute
    DNN_AS_HANDLE = 0, DNN_AS_DATA_TYPE = 1, DNN_AS_BOOL = 2, DNN_AS_INT64 = 3, DNN_AS_FLOAT = 4, DNN_AS_POINTER = 6,
    DNN_AS_CONV_MODE = 7, DNN_AS_HEURISTICS_MODE = 8, DNN_AS_NOTE = 11, DNN_AS_POINTWISE_MODE = 14, DNN_AS_DESCRIPTOR = 15 };
enum DnnKind {  // of a descriptor
    DNN_POINTWISE = 0, DNN_CONVOLUTION = 1, DNN_ENGINE = 2, DNN_CONFIG = 3, DNN_HEURISTICS = 4, DNN_PLAN = 5,
    DNN_CONVOLVE = 10, DNN_APPLY = 13, DNN_GRAPH = 15, DNN_VARIANT = 16, DNN_TENSOR = 17 };
enum { DNN_POINTWISE_MODE = 0, DNN_POINTWISE_PRECISION = 1 };
enum { DNN_CONV_PRECISION = 100, DNN_CONV_MODE = 101, DNN_CONV_DILATIONS = 102, DNN_CONV_STRIDES = 103,
       DNN_CONV_AFTER = 104, DNN_CONV_BEFORE = 105, DNN_CONV_AXES = 106 };
enum { DNN_HEURISTICS_MODE = 200, DNN_HEURISTICS_GRAPH = 201, DNN_HEURISTICS_RESULTS = 202 };
enum { DNN_CONFIG_ENGINE = 300, DNN_ENGINE_NOTES = 1303 };
enum { DNN_PLAN_HANDLE = 400, DNN_PLAN_CONFIG = 401, DNN_PLAN_WORKSPACE = 402 };
enum { DNN_CONVOLVE_ALPHA = 700, DNN_CONVOLVE_BETA = 701, DNN_CONVOLVE_HOW = 702, DNN_CONVOLVE_W = 703,
       DNN_CONVOLVE_X = 704, DNN_CONVOLVE_Y = 705 };
enum { DNN_APPLY_HOW = 750, DNN_APPLY_X = 751, DNN_APPLY_B = 752, DNN_APPLY_Y = 753 };
enum { DNN_GRAPH_HANDLE = 800, DNN_GRAPH_STEPS = 801 };
enum { DNN_TENSOR_ALIGNMENT = 900, DNN_TENSOR_TYPE = 901, DNN_TENSOR_SIZES = 902, DNN_TENSOR_STRIDES = 903,
       DNN_TENSOR_ID = 906, DNN_TENSOR_VIRTUAL = 907 };
enum { DNN_VARIANT_IDS = 1000, DNN_VARIANT_POINTERS = 1001, DNN_VARIANT_WORKSPACE = 1003 };
enum DnnNote {  // what an engine says of its arithmetic
    DNN_TENSOR_CORE = 0, DNN_DOWN_CONVERTS = 1, DNN_REDUCED_SUMS = 2, DNN_FFT = 3, DNN_NONDETERMINISTIC = 4,
    DNN_WINOGRAD = 5, DNN_WINOGRAD_4 = 6, DNN_WINOGRAD_6 = 7, DNN_WINOGRAD_13 = 8 };
// clang-format on

struct Cudnn {
    Library library{"libcudnn.so.9", "libcudnn_graph.so.9"};
    int (*create)(void **) = nullptr;
    int (*set_stream)(void *, void *) = nullptr;
    int (*create_descriptor)(int, void **) = nullptr;
    int (*destroy_descriptor)(void *) = nullptr;
    int (*set_attribute)(void *, int, int, int64_t, const void *) = nullptr;
    int (*get_attribute)(void *, int, int, int64_t, int64_t *, void *) = nullptr;
    int (*finalize)(void *) = nullptr;
    int (*execute)(void *, void *, void *) = nullptr;
    bool ready;

    Cudnn()
        : ready(library.get(create, "cudnnCreate") && library.get(set_stream, "cudnnSetStream") &&
                library.get(create_descriptor, "cudnnBackendCreateDescriptor") &&
                library.get(destroy_descriptor, "cudnnBackendDestroyDescriptor") &&
                library.get(set_attribute, "cudnnBackendSetAttribute") &&
                library.get(get_attribute, "cudnnBackendGetAttribute") &&
                library.get(finalize, "cudnnBackendFinalize") && library.get(execute, "cudnnBackendExecute")) {}
};

Cudnn &cudnn();

// One descriptor; the first status that is not 0 stays, and later calls do nothing.
class Descriptor {
  public:
    explicit Descriptor(DnnKind kind) { status_ = cudnn().create_descriptor(kind, &raw_); }
    ~Descriptor() {
        if (raw_ != nullptr) cudnn().destroy_descriptor(raw_);
    }
    Descriptor(const Descriptor &) = delete;
    Descriptor &operator=(const Descriptor &) = delete;

    void *raw() const { return raw_; }
    int status() const { return status_; }
    Descriptor &set(int name, DnnType type, int64_t count, const void *values) {
        if (status_ == 0) status_ = cudnn().set_attribute(raw_, name, type, count, values);
        return *this;
    }
    Descriptor &set(int name, const Descriptor &value) { return set(name, DNN_AS_DESCRIPTOR, 1, &value.raw_); }
    Descriptor &set(int name, DnnType type, int value) { return set(name, type, 1, &value); }
    Descriptor &finalize() {
        if (status_ == 0) status_ = cudnn().finalize(raw_);
        return *this;
    }
    // How many values there are, up to `most` of them written; 0 where it fails.
    int64_t get(int name, DnnType type, int64_t most, void *values) const {
        int64_t count = 0;
        return cudnn().get_attribute(raw_, name, type, most, &count, values) == 0 ? count : 0;
    }

  private:
    void *raw_ = nullptr;
    int status_ = 0;
};

}  // namespace ew::cuda
